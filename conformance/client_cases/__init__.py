"""The client cases: a driven client on one side, a server behind the kit's relay on the other."""
