"""The commands of ``ipc-conformance``: parse, call, print, exit."""
