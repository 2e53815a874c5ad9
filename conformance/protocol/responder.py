"""The responder: an application for tests that a server under test may offer (spec, chapter 13)."""

RESPONDER_APP = "conformance"
RESPONDER_PREFIX = "conformance."
"""How the names of the responder's channels begin; their handlers are optional."""
RESPONDER = ("echo", "delay", "fail", "silent", "emit", "seen", "close", "services")
"""The request channels of the responder, without their prefix (spec, chapter 13)."""
