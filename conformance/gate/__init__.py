"""The change gate: what differs between two versions of the protocol, whom it breaks, and which version it needs."""
