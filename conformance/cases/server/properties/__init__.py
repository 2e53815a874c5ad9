"""Cases that make up messages, splits of the stream, and whole programs."""
