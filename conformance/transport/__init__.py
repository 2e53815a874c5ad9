"""The transport of octets: dialing, TLS, segmentation, credentials."""
