"""The kit as one side of a connection: as a client of the server under test, or as the server of a client."""
