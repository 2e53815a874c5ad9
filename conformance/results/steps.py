"""The failed step of a case in a normal form, by which failures of different cases are one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from conformance.results.case_result import CaseResult
from conformance.results.general_steps import ANSWERS, WAITING, Step, general_step
from conformance.results.survey import ANY_ERROR, ERROR

ABILITIES = {
    "the pong": "ping",
    "a pong": "ping",
    "the acknowledgement": "acknowledgement",
    "an error": ANY_ERROR,
}
"""The abilities that some waits need, unless the result names one."""
INCLUDED = {"profiles": "limits", "no_connection_id": "echo", "own_delivery": "delivery"}
"""Abilities that one fault usually takes away together with another, or that are tried with it."""
NO_LIMITS = "The acknowledgement does not state the limits, the protocol or the profiles"
"""What is wrong with a server whether the survey saw it or one case."""
ANY_TYPE = "ENV-010"
"""The requirement about payloads of any type, and so without a connection_id."""


@dataclass(frozen=True)
class Fault:
    """One fault that breaks several requirements.

    Attributes:
        id: the id of the step.
        requirements: the requirements that it breaks.
        sentence: what is wrong, in one sentence.
        stops_server: whether a server with it can stop serving.
    """

    id: str
    requirements: tuple[str, ...]
    sentence: str
    stops_server: bool = False


FAULTS = (
    Fault(
        "takeover",
        ("HSK-020", "HSK-022", "HSK-023"),
        "A client that connects again does not replace its older connection",
    ),
    Fault("stale-subscriptions", ("SUB-009", "HSK-021"), "Subscriptions outlive their connection"),
    Fault("blocking-handlers", ("REQ-010", "REQ-011"), "A running handler delays other messages", stops_server=True),
    Fault("no-limits", ("HSK-007",), NO_LIMITS),
    Fault("shutdown", ("LIM-013", "LIM-014"), "The server does not shut down as it must"),
)
WRONG_ANSWERS = ("other-frame", "wrong-acknowledgement", "sends-too-much")
LATE_ANSWERS = ("answer", "acknowledgement")
"""Steps that one of these faults explains better, and what such a fault can delay or lose."""


def text_of(result: CaseResult) -> str:
    """Return the step of a result as the case named it.

    If the message is about something else, such as the end of the server's process, return its first line.
    """
    first = result.message.partition("\n")[0]
    return result.step if result.step.startswith(first) else first


def step_of(result: CaseResult) -> Step:
    """Return the normal form of the step at which a case failed.

    Two cases have the same step if they say the same in the general words of the kit. The special words of a case are
    about its first requirement, so that is the step then; or the fault that is behind several requirements.
    If the server served nobody afterwards, whatever the case waited for did not come because of that; something wrong
    that the case saw before keeps its step.
    """
    text, requirement = text_of(result), result.requirements[0]
    general = general_step(text)
    fault = next((each for each in FAULTS if requirement in each.requirements), None)
    pin = general.pin if general else text
    has_stopped = result.stopped and (general.is_absence if general else result.late)
    if fault and (general is None or _may_follow(general)) and (fault.stops_server or not has_stopped):
        return Step(fault.id, fault.sentence, pin, is_general=False)
    if has_stopped:
        return Step("stops-serving", "The server stops serving", pin)
    return general or Step(requirement, text[:1].upper() + text[1:], text, is_general=False)


def _may_follow(step: Step) -> bool:
    """Return true if a general step may be due to a fault that the case is about."""
    return step.id in WRONG_ANSWERS or step.id.removeprefix("no-").removeprefix("ends-before-") in LATE_ANSWERS


def abilities_of(result: CaseResult) -> tuple[str, ...]:
    """Return the abilities that the failed step needed, the one that includes the others first."""
    text = text_of(result)
    needed = including(result.needed or _implied(text))
    is_any_type = text.partition(WAITING)[2] in ANSWERS and ANY_TYPE in result.requirements
    return (*needed, "no_connection_id") if is_any_type else needed


def including(ability: str) -> tuple[str, ...]:
    """Return an ability with those that include it, the most general one first; nothing for an empty string."""
    if not ability:
        return ()
    general = ANY_ERROR if ability.startswith(ERROR) else INCLUDED.get(ability)
    return (general, ability) if general else (ability,)


def _implied(text: str) -> str:
    awaited = text.partition(WAITING)[2]
    code = re.search(r"(?:without|waiting for) the error (\w+)$", text)
    return f"{ERROR}{code[1]}" if code else ABILITIES.get(awaited, "")
