"""The implementations to test: a folder for each, with target files and, if needed, adapters and expected failures.

Run one with ``ipc-conformance run --target conformance/implementations/reference_server/default.toml``.
"""
