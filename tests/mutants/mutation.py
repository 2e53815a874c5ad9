"""The classes and the registry of mutants, and the tools with which they patch the reference server.

A mutant is the reference server, the Node.js client or the asyncio client, with one mistake. It is named after the
requirement that the mistake breaks. The modules ``mutants_*.py`` contain those of the server by chapter,
``client_mutants.py``, ``lifetime_client_mutants.py``, ``promises_client_mutants.py`` and ``python_client_mutants.py``
those of the clients. ``run.py`` shows that the suite detects all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

Patch = Callable[[], None]
CONTROL = "none"
"""The name of the server or client without a mistake: the control of the experiment."""


class PatchError(Exception):
    """The code that a mutant patches has changed: adapt the mutant."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One mistake.

    Attributes:
        name: the requirement's id, with ``/`` and a word if there are several mistakes about it.
        mistake: what the server or client does wrong, in one sentence.
        harms: further cases of the sanity set that the mistake breaks; ``*`` for all.
        because: why it breaks them.
    """

    name: str
    mistake: str
    harms: tuple[str, ...] = ()
    because: str = ""

    @property
    def requirement(self) -> str:
        """The id of the requirement that the mistake breaks."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, kw_only=True)
class ServerMutant(Mutant):
    """A mistake of the reference server; ``patch`` applies it in this process."""

    patch: Patch


@dataclass(frozen=True)
class Edit:
    """A piece of a source file, and its replacement."""

    file: str
    old: str
    new: str

    def apply(self, folder: Path) -> None:
        """Edit the file in ``folder``.

        Raises:
            PatchError: the piece does not occur exactly once.
        """
        path = folder / self.file
        path.write_text(self.applied(path.read_text("utf-8")), "utf-8")

    def applied(self, text: str) -> str:
        """Return the edited text of the file.

        Raises:
            PatchError: the piece does not occur exactly once.
        """
        if text.count(self.old) != 1:
            raise PatchError(f"{self.file} has {text.count(self.old)} times: {self.old}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, kw_only=True)
class ClientMutant(Mutant):
    """A mistake of a client, applied by edits of its source."""

    edits: tuple[Edit, ...]


_register: dict[str, ServerMutant] = {}


def mutant(name: str, *, harms: tuple[str, ...] = (), because: str = "") -> Callable[[Patch], Patch]:
    """Register the decorated function as the patch of a mutant; its docstring is the mistake."""
    if bool(harms) != bool(because):
        raise ValueError(f"{name}: harm and its reason must be given together")

    def decorate(patch: Patch) -> Patch:
        if name in _register or not patch.__doc__:
            raise ValueError(f"mutant {name} is registered twice, or has no docstring")
        mistake = patch.__doc__.strip()
        _register[name] = ServerMutant(name=name, mistake=mistake, patch=patch, harms=harms, because=because)
        return patch

    return decorate


def all_mutants() -> dict[str, ServerMutant]:
    """Return every mutant of the server by name."""
    for file in sorted(Path(__file__).parent.glob("mutants_*.py")):
        import_module(file.stem)
    return _register


def replace(owner: Any, name: str, value: Any) -> Any:
    """Replace the value of an attribute of a module or class, and return the old value.

    Raises:
        PatchError: it has no such attribute.
    """
    if name not in vars(owner):
        raise PatchError(f"{owner.__name__} has no {name} of its own")
    original = vars(owner)[name]
    setattr(owner, name, value)
    return original


def around(owner: Any, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace a function of a module or class by the decorated one; its arguments are the original, then the call's.

    Raises:
        PatchError: there is no such function.
    """
    if name not in vars(owner):
        raise PatchError(f"{owner.__name__} has no {name} of its own")
    return lambda stand_in: _stand_in(stand_in, replace(owner, name, None), lambda made: setattr(owner, name, made))


def instead_of_entry(table: MutableMapping[Any, Any], key: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace an entry of a table of functions by the decorated function; like :func:`around`.

    Raises:
        PatchError: the table has no such entry.
    """
    if key not in table:
        raise PatchError(f"a table has no entry {key!r}")
    return lambda stand_in: _stand_in(stand_in, table[key], lambda made: table.__setitem__(key, made))


def _stand_in(
    stand_in: Callable[..., Any], original: Callable[..., Any], put: Callable[[Callable[..., Any]], object]
) -> Callable[..., Any]:
    @functools.wraps(original)
    def made(*arguments: Any, **options: Any) -> Any:
        return stand_in(original, *arguments, **options)

    put(made)
    return stand_in
