"""Functions that a user registers for an event."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

_P = ParamSpec("_P")
_F = TypeVar("_F", bound=Callable[..., object])

log = logging.getLogger("reference_server.client")


class Callbacks(Generic[_P]):
    """The functions for one event. One that fails is logged, and does not keep others from being called."""

    def __init__(self) -> None:
        self._functions: list[Callable[_P, object]] = []

    def __bool__(self) -> bool:
        return bool(self._functions)

    def add(self, function: Callable[_P, object]) -> None:
        """Add a function.

        Raises:
            TypeError: It is no plain function. A coroutine would never be awaited.
        """
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise TypeError("a callback must be a plain function; start a task in it to await something")
        self._functions.append(function)

    def call(self, *values: _P.args, **named: _P.kwargs) -> None:
        """Call all functions, in the order in which they were added."""
        for function in list(self._functions):
            try:
                function(*values, **named)
            except Exception:
                log.exception("callback %r failed", function)
