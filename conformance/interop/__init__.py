"""The interoperability matrix: every client with every server, a recording proxy between them, and who is at fault."""
