"""The published protocol as data and pure functions: codec, schemas, vectors, requirements, models. No sockets."""
