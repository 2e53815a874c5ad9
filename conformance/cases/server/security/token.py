"""Tokens: who is let in, and what is said of those who are not (SEC-002 to SEC-006).

These cases need what a client needs: the token (``--token-file``), and the certificates to trust (``--tls-ca``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.core.verdicts import Unsupported, Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.transport.credentials import OPEN

MEBIBYTE = 1024 * 1024
DELAY_MS = 300
SUFFIX = "x"


def token_of(context: ServerContext) -> str:
    """Return the token that the server demands.

    Raises:
        Unsupported: the kit was given none.
    """
    if context.target.credentials.token is None:
        raise Unsupported("needs the token that the server demands (--token-file)")
    return context.target.credentials.token


@case("security/is-announced", "SEC-001")
def is_announced(context: ServerContext) -> None:
    """A server that demands a token or TLS announces the profile."""
    if context.target.credentials == OPEN:
        raise Unsupported("needs a server that demands a token or TLS (--token-file, --tls-ca)")
    payload = (context.connect().acknowledgement or {})["payload"]
    if "security" not in payload.get("profiles", ()):
        raise Violation("a server with a token or TLS does not announce security", received=codec.shorten(payload))


# Token


def changed_case(token: str) -> str:
    """Return a token that differs in upper and lower case alone, or not in that at all."""
    return token.swapcase() if token.swapcase() != token else token + SUFFIX


def wide(token: str) -> str:
    """Return a token in wide forms of its characters, which some normal forms of Unicode take for the same."""
    made = "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in token)
    return made if made != token else token + SUFFIX


WRONG: dict[str, Callable[[str], dict[str, Any]]] = {
    "absent": lambda _token: {},
    "empty": lambda _token: {"token": ""},
    "another": lambda _token: {"token": "no such token"},
    "one-character-short": lambda token: {"token": token[:-1]},
    "one-character-long": lambda token: {"token": token + SUFFIX},
    "with-a-blank": lambda token: {"token": f" {token}"},
    "with-a-line-feed": lambda token: {"token": f"{token}\n"},
    "with-a-nul": lambda token: {"token": f"{token}\x00"},
    "with-an-accent-behind": lambda token: {"token": f"{token}é"},
    "in-other-forms-of-its-characters": lambda token: {"token": wide(token)},
    "in-other-case": lambda token: {"token": changed_case(token)},
    "not-ascii": lambda _token: {"token": "tökén €😀"},
    "of-a-mebibyte": lambda _token: {"token": "x" * (MEBIBYTE - 1000)},
    "in-another-member": lambda token: {"Token": token, "auth": {"token": token}},
}


def connect_with(peer: ClientPeer, members: dict[str, Any], **payload: Any) -> Message:
    """Return a connect message with these members in the place of the token."""
    message = peer.connect_message(**payload)
    message["payload"].pop("token", None)
    message["payload"] |= members
    return message


def wrong_token(context: ServerContext, shown: Callable[[str], dict[str, Any]]) -> None:
    """Connect with a token that is not the server's."""
    members = shown(token_of(context))
    context.connect()
    peer = context.open()
    message = connect_with(peer, members)
    peer.send(message)
    peer.expect_error("unauthorized", message)
    context.check_alive()


for _name, _shown in WRONG.items():
    add(
        Case(
            f"security/token-{_name}",
            ("SEC-002", "ERR-006", "ERR-012"),
            f"A connect message whose token is {_name.replace('-', ' ')} gets unauthorized, and it is closed.",
            partial(wrong_token, shown=_shown),
            profile="security",
        )
    )


@case("security/right-token", "SEC-003", profile="security")
def right_token(context: ServerContext) -> None:
    """A client with the right token is served, whatever else its connect payload has."""
    token_of(context)
    peer = context.open()
    peer.handshake(client={"name": "x"}, further=1)
    peer.expect_silence()
    channel = context.name("channel")
    peer.subscribe(channel)
    peer.publish_and_get(channel, 1)


@case("security/refusals-do-not-differ", "SEC-004", profile="security")
def refusals_do_not_differ(context: ServerContext) -> None:
    """Whatever is wrong with the token, the answer is the same."""
    token = token_of(context)
    answers = {}
    for name, shown in WRONG.items():
        peer = context.open()
        message = connect_with(peer, shown(token))
        peer.send(message)
        answer = peer.receive("the error unauthorized")
        answers[name] = {key: value for key, value in answer.items() if key not in {"message_id", "timestamp"}}
        if answers[name].pop("reply_to") != message["message_id"]:
            raise Violation("a refusal is not about the connect message", received=codec.shorten(answer))
    for name, answer in answers.items():
        if not codec.same(answer, answers["absent"]):
            raise Violation(
                f"the refusal of a token that is {name} differs from that of none",
                expected=codec.shorten(answers["absent"]),
                received=codec.shorten(answer),
            )


@case("security/refused-client-replaces-nobody", "SEC-005", "HSK-020", profile="security")
def replaces_nobody(context: ServerContext) -> None:
    """A client without the token that has the name of another does not take its place or its subscriptions."""
    token_of(context)
    channel = context.name("channel")
    live = context.connect()
    live.subscribe(channel)
    for members in ({}, {"token": "no such token"}):
        thief = context.open(connection_id=live.connection_id)
        message = connect_with(thief, members)
        thief.send(message)
        thief.expect_error("unauthorized", message)
        live.publish_and_get(channel, "still here")


@case("security/refused-client-does-nothing", "SEC-005", "ERR-007", profile="security")
def does_nothing(context: ServerContext) -> None:
    """What a client sends behind a connect message that is refused is not acted upon."""
    token_of(context)
    channel = context.name("channel")
    live = context.connect()
    live.subscribe(channel)
    peer = context.open()
    message = connect_with(peer, {"token": "no such token"})
    peer.send(message, peer.message("publish", channel, "forged"), peer.ping_message())
    peer.expect_error("unauthorized", message)
    live.expect_silence("a publish behind a connect message that was refused was delivered")


@case("security/token-comes-before-the-version", "SEC-002", "ERR-011", "HSK-014", profile="security")
def before_the_version(context: ServerContext) -> None:
    """Another version without the token is unauthorized, with the token an unsupported protocol."""
    token = token_of(context)
    for members, code in (({}, "unauthorized"), ({"token": token}, "unsupported_protocol")):
        peer = context.open()
        message = connect_with(peer, members, protocol="2.0")
        peer.send(message)
        peer.expect_error(code, message)


@case("security/token-comes-behind-the-connect-message", "ERR-011", "HSK-013", profile="security")
def behind_the_message(context: ServerContext) -> None:
    """A connect message that is not valid requires a handshake, whether the token is right, wrong or no string."""
    token = token_of(context)
    for members in ({"token": token}, {"token": "no such token"}, {"token": None}, {"token": [token]}):
        peer = context.open()
        message = connect_with(peer, members)
        if isinstance(members["token"], str):
            del message["payload"]["connection_id"]
        peer.send(message)
        peer.expect_error("handshake_required", message)


@case("security/tokens-are-not-told", "SEC-006", profile="security")
def not_told(context: ServerContext) -> None:
    """Neither a wrong token nor the right one is in anything that the server says."""
    token = token_of(context)
    wrong = f"{token}-{context.name('secret')}"
    peer = context.open()
    message = connect_with(peer, {"token": wrong})
    peer.send(message)
    refused = peer.expect_error("unauthorized", message)
    accepted = context.connect()
    again = accepted.connect_message()
    accepted.send(again)
    second = accepted.expect_error("already_connected", again)
    for answer in (refused, accepted.acknowledgement, second):
        if token in codec.encode(answer).decode() or wrong in codec.encode(answer).decode():
            raise Violation("the server tells a token", received=codec.shorten(answer))


# TLS
