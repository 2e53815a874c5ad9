"""Old name of :mod:`conformance.protocol.codec`; goes with the next release."""

from conformance.protocol.codec import decode, encode, frame, same, shorten

__all__ = ["decode", "encode", "frame", "same", "shorten"]
