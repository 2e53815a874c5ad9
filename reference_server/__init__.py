"""A reference server for the IPC Framework Wire Protocol 1.1."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - so that an old Python hears of itself, not of what it lacks
    _WHY = f"the reference server needs Python 3.11 or newer, and this is Python {sys.version.split()[0]}"
    if sys.argv[:1] != ["-m"]:
        raise ImportError(_WHY)
    sys.stderr.write(f"{_WHY}\n")
    sys.exit(2)

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reference_server.handlers import Request
    from reference_server.protocol.limits import Limits
    from reference_server.server import ReferenceServer
    from reference_server.version import __version__

__all__ = ["Limits", "ReferenceServer", "Request", "__version__"]

_HOMES = {"Limits": "protocol.limits", "ReferenceServer": "server", "Request": "handlers", "__version__": "version"}


def __getattr__(name: str) -> Any:
    # Imported when first asked for, so that the protocol core can be used without loading asyncio and sockets.
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
