"""NTF: messages that nobody answers."""

from __future__ import annotations

from typing import Any

from conformance.core.verdicts import Violation
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec


def seen(peer: ClientPeer, token: str) -> list[Any]:
    """Return what the responder remembers of the notes that carry ``token``."""
    notes = peer.request("conformance.seen", {})["payload"]["seen"]
    return [note["value"] for note in notes if isinstance(note, dict) and note.get("token") == token]


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
    """Each notification reaches the channel's handler exactly once, in the order of sending."""
    peer = context.connect()
    token = context.name("token")
    peer.send(*(peer.message("notification", "conformance.note", {"token": token, "value": n}) for n in range(100)))
    remembered = seen(peer, token)
    if remembered != list(range(100)):
        raise Violation(
            "notifications did not reach their handler once each and in order",
            expected="0 to 99",
            received=codec.shorten(remembered),
        )


@case("notifications/are-not-answered-by-their-handler", "NTF-001", needs=("seen",))
def not_answered_by_their_handler(context: ServerContext) -> None:
    """A notification that a handler takes gets no answer."""
    peer = context.connect()
    peer.send(peer.message("notification", "conformance.note", {"token": context.name("token"), "value": 1}))
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
