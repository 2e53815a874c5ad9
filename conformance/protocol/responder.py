"""The responder: an application for tests that a server under test may offer (spec, chapter 13)."""

RESPONDER_APP = "conformance"
RESPONDER = ("echo", "delay", "fail", "silent", "emit", "seen", "close", "services")
"""The request channels of the responder, without the prefix ``conformance.`` (spec, chapter 13)."""
