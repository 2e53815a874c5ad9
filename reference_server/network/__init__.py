"""Sockets, TLS, timers and the tasks of handlers: everything between the protocol core and the operating system."""
