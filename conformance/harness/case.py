"""The class of cases, and the registry of all cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from conformance.core.roles import Role
from conformance.core.versions import version_key
from conformance.protocol.requirements import Requirement, load


@dataclass(frozen=True)
class Case:
    """One test of a server or of a client.

    Attributes:
        id: ``chapter/what-it-tries``; permanent.
        requirements: ids of the requirements that it checks.
        summary: what it shows, in one sentence.
        run: the case itself, a function of a ``ServerContext``, or of a ``ClientContext`` for a client's case. It
            returns normally if the target passes.
        role: the role of the target.
        needs: responder handlers that it uses, without the prefix ``conformance.``; none for a client's case.
        profile: the profile that it belongs to; None for the core.
        spawned: whether the kit must have started the server, to inspect its process or to end it.
        ability: what a server that passes can do, in a few words, if the case belongs to the survey; else empty.
        seconds: its approximate duration on a conforming server; long cases start first.
    """

    id: str
    requirements: tuple[str, ...]
    summary: str
    run: Callable[[Any], None]
    role: Role = "server"
    needs: tuple[str, ...] = ()
    profile: str | None = None
    spawned: bool = False
    ability: str = ""
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
        """``must`` if any requirement is a MUST, else ``should``; it decides what a failure means."""
        return "must" if any(each.is_must for each in self.checked) else "should"

    @property
    def since(self) -> str:
        """The version of the protocol in which the oldest of the requirements appeared: what the case asks for."""
        return min((each.since for each in self.checked), key=version_key)

    def binding(self, version: str) -> Case:
        """Return the case without the requirements that a version does not have; unchanged if it has none of them."""
        known = [each.id for each in self.checked if version_key(each.since) <= version_key(version)]
        return replace(self, requirements=tuple(known)) if known else self


_register: dict[str, Case] = {}


def add(new: Case) -> None:
    """Register a case that was generated from a table.

    Raises:
        ValueError: its id is already registered, or it lacks a summary or requirements.
    """
    if new.id in _register:
        raise ValueError(f"case {new.id} is registered twice")
    if not new.summary or not new.requirements:
        raise ValueError(f"case {new.id} needs a summary and at least one requirement")
    _register[new.id] = new


def registered() -> dict[str, Case]:
    """Return the cases registered so far, by id."""
    return _register
