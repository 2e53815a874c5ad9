"""How the C library manages the memory of the process. Only glibc can be told; with others, nothing happens."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from typing import Any, Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

# Longer blocks return to the system when they are freed. Shorter ones are used again, as the next message of 1 MiB
# needs some too: to get all their pages from the system took two thirds of the time of such a message.
_LONG_BLOCK: Final = 4 * 1024 * 1024
# So much stays at the end of the heap until `return_free_memory`.
_SPARE: Final = 8 * 1024 * 1024


def keep_spare_blocks() -> None:
    """Have freed blocks kept for the next ones; call `return_free_memory` from time to time.

    By itself, glibc keeps blocks of up to 32 MiB if one of that length was ever freed, and gives the end of the heap
    back to the system again and again.
    """
    _call("mallopt", _M_MMAP_THRESHOLD, _LONG_BLOCK)
    _call("mallopt", _M_TRIM_THRESHOLD, _SPARE)


def return_free_memory() -> None:
    """Give all free pages back to the system, also those between blocks that are in use."""
    _call("malloc_trim", 0)


def _call(function: str, *arguments: int) -> None:
    with contextlib.suppress(AttributeError):
        getattr(_library(), function)(*arguments)


@functools.cache
def _library() -> Any:
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError):
        return ctypes.CDLL(None)
    return None
