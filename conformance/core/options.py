"""Options of a run as data: each is defined once, beside the field that it sets.

A dataclass whose fields are made by :func:`option` is a table of options. The command line, the pytest plugin and the
command that reruns a case are generated from that table.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

_KEY: Final = "option"


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of a run.

    Attributes:
        name: its name on the command line, such as ``--time-scale``.
        help: one sentence.
        parse: converts text to a value or raises ``ValueError``; ``bool`` for a flag, which takes no text.
        metavar: the placeholder for a value in the help.
        default: its value if it is not given.
        bare: its value if it is given without one; None if it needs one.
        choices: the allowed values; empty if ``parse`` decides.
        minimum: the smallest number.
        maximum: the largest number.
        is_repeatable: whether each use adds a value to a tuple.
        is_rerun: whether a rerun of one case needs it.
        is_drawn: whether a random number is drawn if it is not given.
    """

    name: str
    help: str
    parse: Callable[[str], Any] = str
    metavar: str | None = None
    default: Any = None
    bare: Any = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    is_repeatable: bool = False
    is_rerun: bool = True
    is_drawn: bool = False

    @property
    def is_flag(self) -> bool:
        """True if it takes no value."""
        return self.parse is bool

    def checked(self, text: str) -> Any:
        """Return the value of a text.

        Raises:
            ValueError: the text is not a value of this option; the message says why.
        """
        value = self.parse(text)
        if self.choices and value not in self.choices:
            raise ValueError(f"{text!r} is not one of {', '.join(self.choices)}")
        if self.minimum is not None and value < self.minimum:
            raise ValueError(f"{text} is less than {self.minimum:g}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"{text} is more than {self.maximum:g}")
        return value


def option(name: str, help: str, **details: Any) -> Any:  # noqa: A002 - the usual name for it
    """Return a dataclass field that the option ``name`` sets; ``details`` are further attributes of :class:`Option`."""
    if details.get("is_repeatable"):
        details["default"] = ()
    stated = Option(name=name, help=help, **details)
    return field(default=stated.default, metadata={_KEY: stated})


def options_of(table: type[Any]) -> dict[str, Option]:
    """Return the options of a dataclass by the field that they set, in order."""
    return {each.name: each.metadata[_KEY] for each in fields(table) if _KEY in each.metadata}


def from_options(table: type[Any], values: Mapping[str, Any], **others: Any) -> Any:
    """Create a dataclass from the values of its options.

    Args:
        table: the dataclass.
        values: values by field. None or a missing value means that the option was not given; other names are ignored.
        others: fields that no option sets.
    """
    given = {name: values[name] for name in options_of(table) if values.get(name) is not None}
    drawn = {name: random.getrandbits(31) for name, stated in options_of(table).items() if stated.is_drawn}
    return table(**drawn | given, **others)


def as_arguments(chosen: Any, *, prefix: str = "--", is_rerun: bool = False) -> list[tuple[str, str | None]]:
    """Return the options that create such a dataclass, with their values as text; None for a flag.

    Args:
        chosen: the dataclass.
        prefix: replaces ``--``.
        is_rerun: return only the options that a rerun of one case needs.
    """
    return [
        (f"{prefix}{stated.name.removeprefix('--')}", None if stated.is_flag else _as_text(value))
        for name, stated in options_of(type(chosen)).items()
        if stated.is_rerun or not is_rerun
        for value in _values(stated, getattr(chosen, name))
    ]


def _values(stated: Option, value: Any) -> tuple[Any, ...]:
    if stated.is_repeatable:
        return tuple(value)
    is_usual = value is None or (value == stated.default and not stated.is_drawn)
    return () if is_usual else (value,)


def _as_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
