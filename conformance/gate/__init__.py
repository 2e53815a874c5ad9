"""The change gate: what differs between two versions of the protocol, whom each difference breaks, and what it costs."""
