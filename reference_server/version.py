"""The versions of the package and of the protocol."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ipc-conformance")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"

PROTOCOL = "1.0"
"""The version of the protocol that this server speaks, MAJOR.MINOR, as the acknowledgement states it (HSK-007)."""
