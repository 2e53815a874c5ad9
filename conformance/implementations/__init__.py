"""Implementations to test: a folder each, with target files, and adapters and expected failures where they are needed.

Run one with ``ipc-conformance run --target conformance/implementations/reference_server/default.toml``.
"""
