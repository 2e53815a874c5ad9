"""How cases are run: one, and many under pytest."""
