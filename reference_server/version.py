"""The version of the package."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ipc-conformance")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"
