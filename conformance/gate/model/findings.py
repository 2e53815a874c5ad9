"""Rules and their findings."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from conformance.gate.model.version import Step

Direction = Literal["senders", "receivers"]
SENDERS: tuple[Direction, ...] = ("senders",)
RECEIVERS: tuple[Direction, ...] = ("receivers",)
BOTH: tuple[Direction, ...] = ("senders", "receivers")
NOBODY: tuple[Direction, ...] = ()
Role = Literal["server", "client"]
ROLES: tuple[Role, ...] = ("server", "client")


def other_role(role: str) -> Role:
    """Return the role at the other end of a connection."""
    return "client" if role == "server" else "server"


def roles_of(target: str) -> tuple[Role, ...]:
    """Return the roles that a name stands for: ``server``, ``client``, or anything else for both."""
    return tuple(role for role in ROLES if target == role) or ROLES


def peers_of(target: str) -> tuple[Role, ...]:
    """Return the roles at the other end of those that a name stands for."""
    return tuple(other_role(role) for role in roles_of(target))


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the gate.

    Attributes:
        id: its permanent name, used in waivers.
        breaks: which peers of the old version such a change breaks. Senders: what they send is refused, or means
            something else. Receivers: they cannot accept what they get now, or miss what they no longer get.
        step: the version step that such a change needs.
        title: the difference that it finds, in a few words.
        remedy: what to do about it.
    """

    id: str
    breaks: tuple[Direction, ...]
    step: Step
    title: str
    remedy: str

    @property
    def page(self) -> str:
        """The explanation, as Markdown."""
        return files("conformance.gate").joinpath("pages", f"{self.id}.md").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Witness:
    """A message that shows what a change breaks.

    Attributes:
        message: the message or payload.
        sent_by: the version whose sender may send it.
        refused_by: the version whose receiver refuses it.
        reason: the error of the receiver's validator.
    """

    message: Any
    sent_by: str
    refused_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference that a rule found.

    Attributes:
        rule: the rule.
        pointer: the place that differs, such as ``requirements/FRM-001`` or ``schemas/connect#/properties/token``.
        what: the difference in one line.
        before: the old text.
        after: the new text.
        witness: a message that shows the difference, if there is one.
        also: further pointers that the same difference changes.
        breaks: whom it breaks, if that differs from the rule.
        roles: the roles of those whom it breaks, if it is not both.
        at: the pointer of the line to show, if it differs from ``pointer``.
    """

    rule: Rule
    pointer: str
    what: str
    before: str | None = None
    after: str | None = None
    witness: Witness | None = None
    also: tuple[str, ...] = ()
    breaks: tuple[Direction, ...] | None = None
    roles: tuple[Role, ...] = ROLES
    at: str | None = None

    @property
    def needs(self) -> Step:
        """The version step that it needs."""
        return self.rule.step

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Whom it breaks."""
        return self.rule.breaks if self.breaks is None else self.breaks

    @property
    def who(self) -> tuple[Role, ...]:
        """The roles of the peers that it breaks; none if it breaks nobody."""
        return tuple(role for role in ROLES if role in self.roles) if self.directions else ()
