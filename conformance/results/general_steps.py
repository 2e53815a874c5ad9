"""The general words of the kit for a failed step, in which many cases fail: each with an id and a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

WAITING = ", waiting for "
ANSWERS = ("a frame", "an answer", "the response", "a response", "the publish")
"""Names of one thing: what must come after a message that is answered. A publish can be the answer to a marker."""


@dataclass(frozen=True)
class Step:
    """What went wrong at a step.

    Attributes:
        id: a readable id, the same each time.
        sentence: what went wrong, in one sentence.
        pin: the part of the result's step that is the same in all cases of this step.
        is_absence: whether something did not come, which the lack of an ability can explain.
        is_general: whether the words are general ones, in which many cases fail.
    """

    id: str
    sentence: str
    pin: str
    is_absence: bool = False
    is_general: bool = True


@cache
def general_step(text: str) -> Step | None:
    """Return the step that a text names in general words; None if they are those of one case."""
    for pattern, step in _GENERAL:
        found = pattern.fullmatch(text)
        if found:
            return step(found)
    return None


def slug(text: str) -> str:
    """Return a text as the part of an id: lower case, words joined with hyphens, without articles."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return "-".join(word for word in words if word not in ("a", "an", "the"))


def _missing_error(found: re.Match[str]) -> Step:
    sentence = f"The {found['side']} does not send the error {found['code']} where it must"
    return Step(f"no-{slug('error ' + found['code'])}", sentence, found["pin"], is_absence=True)


def _late(found: re.Match[str]) -> Step:
    name = _awaited(found.groupdict().get("awaited", "a frame"))
    sentence = f"The {found['side']} is silent where it must send {name}"
    return Step(f"no-{slug(name)}", sentence, found["pin"], is_absence=True)


def _ended(found: re.Match[str]) -> Step:
    name = _awaited(found["awaited"] or "a frame")
    sentence = f"The {found['side']} ends the connection where it must send {name}"
    return Step(f"ends-before-{slug(name)}", sentence, found["pin"], is_absence=True)


def _awaited(text: str) -> str:
    """Return what a case waited for, without names that differ from run to run."""
    name = text.partition(" on ")[0]
    return "an answer" if name in ANSWERS else name


def _accepted(found: re.Match[str]) -> Step:
    code = found["code"]
    sentence = f"The server accepts what it must refuse with the error {code}"
    return Step(f"accepts-{slug(code)}", sentence, found["pin"])


def _wrong_code(found: re.Match[str]) -> Step:
    code = found["got"]
    return Step(f"wrong-{slug('error ' + code)}", f"The server sends the error {code} for another one", code)


def _command(found: re.Match[str]) -> Step:
    what = found["what"]
    return Step(f"no-{slug(what)}", f"{what[:1].upper()}{what[1:]} does not come", found["pin"])


def _named(id_: str, sentence: str, *, is_absence: bool = False) -> Callable[[re.Match[str]], Step]:
    def step(found: re.Match[str]) -> Step:
        side = found.groupdict().get("side", "server")
        return Step(id_, sentence.format(side=side), found["pin"], is_absence=is_absence)

    return step


_SIDE = "the (?P<side>server|client)"
_CODE = "the error (?P<code>[a-z_]+)"
_AFTER = f"(?:{WAITING}.*)?"
_GENERAL: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Step]], ...] = tuple(
    (re.compile(pattern), step)
    for pattern, step in (
        (f"(?P<pin>{_SIDE} ended the connection without the error) (?P<code>[a-z_]+)", _missing_error),
        (f"(?P<pin>{_SIDE} did not .* in time){WAITING}{_CODE}", _missing_error),
        (f"(?P<pin>{_SIDE} ended the connection) \\(.*\\){WAITING}{_CODE}", _missing_error),
        (f"(?P<pin>{_SIDE} did not .* in time{WAITING}(?P<awaited>.*?))(?: on .*)?", _late),
        (f"(?P<pin>{_SIDE} did not answer in time)", _late),
        (f"(?P<pin>{_SIDE} ended the connection) \\(.*\\)(?:{WAITING}(?P<awaited>.*))?", _ended),
        (f"(?P<pin>expected {_CODE} and got an? \\w+ without an error)", _accepted),
        (f"(?P<pin>expected {_CODE} and got) the error (?P<got>[a-z_]+)", _wrong_code),
        (
            "(?P<pin>expected the error) .* and got it in a wrong form, .*",
            _named("error-form", "The errors of the server have a wrong form"),
        ),
        (
            "expected the error .* and got (?P<pin>an error without a known code)",
            _named("error-codes", "The errors of the server have unknown codes"),
        ),
        (
            "the error .* (?P<pin>is addressed wrongly .*)",
            _named("error-address", "The errors of the server are addressed wrongly"),
        ),
        (
            f"(?P<pin>{_SIDE} sent a message that breaks the envelope rules.*?){_AFTER}",
            _named("broken-envelope", "The {side} sends messages that break the envelope rules"),
        ),
        (
            f"(?P<pin>{_SIDE} sent a body that breaks the encoding rules){_AFTER}",
            _named("broken-encoding", "The {side} sends bodies that break the encoding rules"),
        ),
        (
            f"(?P<pin>{_SIDE} sent a header over the frame limit, or lost its framing){_AFTER}",
            _named("broken-framing", "The {side} sends frames that cannot be read"),
        ),
        (
            f"(?P<pin>{_SIDE} used a message_id a second time.*?){_AFTER}",
            _named("repeated-message-id", "The {side} uses a message_id a second time"),
        ),
        (
            f"(?P<pin>{_SIDE}(?:'s)? (?:process ended|crashed).*)",
            _named("process-ends", "The process of the {side} ends"),
        ),
        (
            "(?P<pin>the client handed over what is no message)",
            _named("hands-over-no-message", "The client hands over what is no message"),
        ),
        ("(?P<pin>the server stopped serving)", _named("stops-serving", "The server stops serving")),
        (
            "(?P<pin>the server does not accept a connection)",
            _named("no-connection", "The server does not accept a connection", is_absence=True),
        ),
        (
            f"(?P<pin>{_SIDE} stopped reading)",
            _named("stops-reading", "The {side} stops reading", is_absence=True),
        ),
        (
            f"(?P<pin>{_SIDE} did not (?:close|end) the connection.*?)",
            _named("stays-open", "The {side} does not end a connection that it must end", is_absence=True),
        ),
        (
            f"(?P<pin>{_SIDE} sent something on a connection that it had to close)",
            _named("sends-before-end", "The {side} sends something where it must end the connection"),
        ),
        (
            "(?P<pin>the next frame is not the response to the request .*)",
            _named("other-frame", "Another frame comes where the response to a request must come"),
        ),
        (
            "(?P<pin>a ping got something else than a pong .*)",
            _named("wrong-pong", "The answer to a ping is not a pong"),
        ),
        (
            f"(?P<pin>{_SIDE} sent something where nothing is to be sent)",
            _named("sends-too-much", "The {side} sends something where it must send nothing"),
        ),
        (
            "(?P<pin>the subscriber did not get exactly what was published)",
            _named("wrong-deliveries", "Subscribers do not get exactly what is published", is_absence=True),
        ),
        (
            "(?P<pin>connections that have ended still hold (?:memory|descriptors))",
            _named("resource-leak", "Connections that have ended still hold memory or descriptors"),
        ),
        ("(?P<pin>(?P<what>.+) did not come in time)", _command),
        (
            "(?P<pin>the client did not connect .*)",
            _named("no-connect", "The client does not connect to a server that accepts it"),
        ),
        (
            "(?P<pin>the client says that it is connected, and nobody accepted it)",
            _named("wrong-connect", "The client says that it is connected when it is not"),
        ),
        (
            "(?P<pin>the client failed at what it was told to do)",
            _named("command-fails", "The client fails at what it is told to do"),
        ),
        (
            "(?P<pin>the client succeeded where it had to fail)",
            _named("command-succeeds", "The client succeeds where it must fail"),
        ),
        (
            "(?P<pin>a request resolved to another response than its own)",
            _named("wrong-response", "A request of the client resolves to another response than its own"),
        ),
        (
            "(?P<pin>the client sent something else than .*)",
            _named("other-message", "The client sends another message than it is told to send"),
        ),
        (
            "(?P<pin>a .+ does not have the client's own connection_id .*)",
            _named("wrong-connection-id", "Messages do not have the client's own connection_id"),
        ),
        (
            "(?P<pin>the client's first message is not a valid connect message .*)",
            _named("wrong-connect-message", "The client's first message is not a valid connect message"),
        ),
        (
            "(?P<pin>the client sent another app_id than its own .*)",
            _named("wrong-app-id", "The client sends another app_id than its own"),
        ),
        (
            "(?P<pin>the answer to a valid connect message is not its acknowledgement .*)",
            _named("wrong-acknowledgement", "The answer to a connect message is not its acknowledgement"),
        ),
    )
)
"""The general words of the kit. A step that a case names in its own words is in none of them."""
