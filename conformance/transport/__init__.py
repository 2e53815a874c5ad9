"""How octets travel: dialing, TLS, segmentation, credentials."""
