"""What a case is, and the register of all cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.core.roles import Role
from conformance.protocol.requirements import Requirement, load


@dataclass(frozen=True)
class Case:
    """One thing to try on a server, or on a client.

    Attributes:
        id: ``chapter/what-it-tries``; stable for ever.
        requirements: ids of the requirements that it checks.
        summary: what it shows, in a sentence.
        run: the case itself, a function of a ``ServerContext`` (of a ``ClientContext`` for a client's case). It returns
            when all is well.
        role: what is under test.
        needs: responder handlers that it uses, without the prefix ``conformance.``; none for a client's case.
        profile: the profile that it belongs to; None for the core.
        spawned: whether the kit must have started the server, to look at its process or end it.
        seconds: about how long it takes on a good server; the long ones are started first.
    """

    id: str
    requirements: tuple[str, ...]
    summary: str
    run: Callable[[Any], None]
    role: Role = "server"
    needs: tuple[str, ...] = ()
    profile: str | None = None
    spawned: bool = False
    seconds: float = 0.01

    @property
    def chapter(self) -> str:
        """The part of the id that groups cases in reports."""
        return self.id.partition("/")[0]

    @property
    def checked(self) -> tuple[Requirement, ...]:
        """The requirements themselves."""
        known = load()
        return tuple(known[each] for each in self.requirements)

    @property
    def level(self) -> str:
        """``must`` when any requirement is a MUST, else ``should``: what a failure means."""
        return "must" if any(each.is_must for each in self.checked) else "should"


_register: dict[str, Case] = {}


def add(new: Case) -> None:
    """Register a case that was made from a table.

    Raises:
        ValueError: its id is taken, or it lacks a summary or requirements.
    """
    if new.id in _register:
        raise ValueError(f"case {new.id} is registered twice")
    if not new.summary or not new.requirements:
        raise ValueError(f"case {new.id} needs a summary and at least one requirement")
    _register[new.id] = new


def registered() -> dict[str, Case]:
    """Return the cases registered so far, by id."""
    return _register
