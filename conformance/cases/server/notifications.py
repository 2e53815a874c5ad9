"""NTF: messages that nobody answers."""

from __future__ import annotations

import itertools
import time
from typing import Any

from conformance.cases.server.handling import check_order
from conformance.core.verdicts import Unsupported, Violation
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message

FAILING = 4
"""Notifications that fail in their handler."""
NOTED_SECONDS = 0.3
"""How long a handler may take to remember the first of them."""


def seen(peer: ClientPeer, token: str) -> list[Any]:
    """Return what the responder remembers of the notes that carry ``token``."""
    return values_of(peer.request("conformance.seen", {})["payload"], token)


def values_of(payload: Any, token: str) -> list[Any]:
    """Return the values of the notes that carry ``token``, from an answer of the responder."""
    return [each["value"] for each in payload["seen"] if isinstance(each, dict) and each.get("token") == token]


def note(peer: ClientPeer, token: str, value: int) -> Message:
    """Return a notification that the responder remembers."""
    return peer.message("notification", "conformance.note", {"token": token, "value": value})


@case("notifications/without-a-handler", "NTF-001")
def without_a_handler(context: ServerContext) -> None:
    """A notification on a channel without a handler gets no answer, whatever its payload."""
    peer = context.connect()
    for payload in ({"a": 1}, [1], "text", 0, None, False):
        peer.send(peer.message("notification", context.name("nobody"), payload))
        peer.expect_silence("a notification was answered")


@case("notifications/on-the-system-channel", "NTF-001")
def on_the_system_channel(context: ServerContext) -> None:
    """A notification on the system channel gets no answer, even with the payload of a ping."""
    peer = context.connect()
    peer.send(peer.message("notification", "system", {"action": "ping"}))
    peer.expect_silence("a notification on the system channel was answered")


@case("notifications/on-a-channel-with-a-request-handler", "NTF-001", needs=("echo", "fail"))
def on_a_channel_with_a_request_handler(context: ServerContext) -> None:
    """A notification on a channel that handles requests gets no answer, even where the handler would fail."""
    peer = context.connect()
    for channel in ("conformance.echo", "conformance.fail"):
        peer.send(peer.message("notification", channel, {"detail": "x"}))
        peer.expect_silence("a notification was answered")


@case("notifications/handled-once-in-order", "NTF-002", "NTF-003", needs=("seen",), seconds=0.1)
def handled_once_in_order(context: ServerContext) -> None:
    """Each notification reaches the channel's handler exactly once, in order as far as threads let it show."""
    peer = context.connect()

    def act() -> list[Any]:
        token = context.name("token")
        peer.send(*(note(peer, token, number) for number in range(100)))
        return seen(peer, token)

    check_order(act, 100, "notifications did not reach their handler once each and in order")


@case("notifications/handled-before-a-later-request", "NTF-002", "REQ-009", needs=("seen",), seconds=0.1)
def handled_before_a_later_request(context: ServerContext) -> None:
    """Of notifications and requests in one write, each request finds the notifications before it handled."""
    peer = context.connect()
    token = context.name("token")
    requests = [peer.request_message("conformance.seen", {}) for _ in range(10)]
    pairs = ((note(peer, token, number), request) for number, request in enumerate(requests))
    peer.send(*itertools.chain.from_iterable(pairs))
    answers = {answer["reply_to"]: answer["payload"] for answer in (peer.receive() for _ in requests)}
    for number, request in enumerate(requests):
        found = values_of(answers[request["message_id"]], token)
        if not set(range(number + 1)) <= set(found):
            raise Violation(
                "the handler of a request was started before that of an earlier notification",
                expected=f"0 to {number}",
                received=codec.shorten(found),
            )


@case("notifications/are-not-answered-by-their-handler", "NTF-001", needs=("seen",))
def not_answered_by_their_handler(context: ServerContext) -> None:
    """A notification that a handler takes gets no answer."""
    peer = context.connect()
    peer.send(note(peer, context.name("token"), 1))
    peer.expect_silence("a notification with a handler was answered")


@case("notifications/do-not-reach-other-clients", "NTF-004")
def do_not_reach_other_clients(context: ServerContext) -> None:
    """A client's notification is not passed on, not even to subscribers of its channel."""
    peer, subscriber = context.connect(), context.connect()
    channel = context.name("channel")
    subscriber.subscribe(channel)
    peer.subscribe(channel)
    peer.send(peer.message("notification", channel, "not for you"))
    peer.expect_silence("a client's notification came back")
    subscriber.expect_silence("a client's notification was passed on")


@case("notifications/failing-handler-keeps-the-connection", "NTF-005", needs=("seen", "echo"))
def failing_handler(context: ServerContext) -> None:
    """A connection goes on after its notifications have failed: requests, subscriptions, later notifications."""
    peer, token, channel = context.connect(), context.name("token"), context.name("channel")
    peer.send(peer.message("subscribe", channel, {"connection_id": peer.connection_id}))
    for value in range(FAILING - 1):
        peer.send(peer.message("notification", "conformance.fail_note", {"token": token, "value": value}))
    request = peer.request_message("conformance.echo", {"text": "after"})
    peer.send(request)
    peer.expect_payload(request, request["payload"], "an echo behind notifications that fail was not answered")
    peer.send(peer.message("notification", "conformance.fail_note", {"token": token, "value": FAILING - 1}))
    published = peer.message("publish", channel, "after")
    peer.send(published)
    peer.expect_deliveries([published], "a subscription ended with a notification that failed")
    found = sorted(seen(peer, token))
    start = time.monotonic()
    while len(found) < FAILING and time.monotonic() < start + peer.patience:  # a server may hand them to threads
        context.wait(0.02)
        found = sorted(seen(peer, token))
        if not found and time.monotonic() > start + NOTED_SECONDS * context.time_scale:
            raise Unsupported("the server has no handler on conformance.fail_note that remembers what it is given")
    if found != list(range(FAILING)):
        raise Violation(
            "a notification that failed changed what later ones do",
            expected=f"{[*range(FAILING)]}",
            received=f"{found}",
        )
