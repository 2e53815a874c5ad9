"""Rules and what they find."""

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


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the gate.

    Attributes:
        id: its name, stable for ever; waivers name it.
        breaks: which peers of the old version such a change breaks. Senders: what they send is not taken, or means
            something else. Receivers: they cannot take what they get now, or miss what they no longer get.
        step: the step of the version that such a change needs.
        title: what it looks for, in a few words.
        remedy: what to do instead.
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
        reason: what the receiver's validator says.
    """

    message: Any
    sent_by: str
    refused_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference that a rule speaks about.

    Attributes:
        rule: the rule.
        pointer: the thing that differs, such as ``requirements/FRM-001`` or ``schemas/connect#/properties/token``.
        what: the difference in a line.
        before: how it was.
        after: how it is.
        witness: a message that shows it, where one can.
        also: further things that the same difference changes.
        breaks: whom it breaks, where that is not what the rule says.
    """

    rule: Rule
    pointer: str
    what: str
    before: str | None = None
    after: str | None = None
    witness: Witness | None = None
    also: tuple[str, ...] = ()
    breaks: tuple[Direction, ...] | None = None

    @property
    def needs(self) -> Step:
        """The version step it needs."""
        return self.rule.step

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Whom it breaks."""
        return self.rule.breaks if self.breaks is None else self.breaks
