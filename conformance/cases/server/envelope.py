"""ENV: refused envelopes reach nobody (what is refused is in the golden vectors)."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.protocol import codec, schemas

POISON: dict[str, dict[str, Any]] = {
    "unknown-member": {"colour": "red"},
    "unknown-member-of-an-older-protocol": {"version": "1.0"},
    "message-id-a-number": {"message_id": 1},
    "message-id-too-long": {"message_id": "m" * 129},
    "timestamp-a-string": {"timestamp": "now"},
    "timestamp-negative": {"timestamp": -0.5},
    "timestamp-missing": {"timestamp": ...},
    "reply-to-a-number": {"reply_to": 5},
    "reply-to-empty": {"reply_to": ""},
    "payload-missing": {"payload": ...},
    "message-type-unknown": {"message_type": "broadcast"},
    "message-type-in-capitals": {"message_type": "PUBLISH"},
}


def poison(context: ServerContext, members: dict[str, Any]) -> None:
    """Publish a message with a bad envelope to a channel that somebody listens to."""
    subscriber, peer = context.connect(), context.connect()
    channel = context.name("channel")
    subscriber.subscribe(channel)
    peer.subscribe(channel)
    good = peer.message("publish", channel, "good")
    peer.send(good)
    peer.expect_deliveries([good])
    whole = {name: value for name, value in (good | {"message_id": "bad"} | members).items() if value is not ...}
    peer.send(whole)
    peer.expect_error("invalid_message", whole)
    peer.expect_silence("a message with a bad envelope came back")
    subscriber.expect_deliveries([good])


for _name, _members in POISON.items():
    add(
        Case(
            f"envelope/poison-{_name}",
            ("ENV-005", "ENV-006", "ERR-005"),
            f"A publish with {_name.replace('-', ' ')} is refused and delivered to nobody; the connection goes on.",
            partial(poison, members=_members),
        )
    )


@case(
    "envelope/every-kind-of-frame-keeps-the-rules",
    *("ENC-001", "ENC-002", "ENC-003", "ENV-001", "ENV-002", "ENV-003", "ERR-001"),
)
def every_kind_of_frame(context: ServerContext) -> None:
    """Acknowledgement, answers, errors and deliveries are valid bodies and envelopes (the kit checks every frame)."""
    peer = context.connect()
    channel = context.name("channel")
    peer.subscribe(channel)
    peer.publish_and_get(channel, {"text": "äöü€😀\x00", "numbers": [0, -1.5, 1e300]})
    peer.request("system", {"action": "get_time"})
    for message in (
        peer.request_message(context.name("nobody"), 1),
        peer.message("request", "system", 1),
        peer.message("publish", "system", 1),
        peer.message("publish", channel, 1, app_id="elsewhere"),
        peer.message("publish", channel, 1, extra="\ufffe"),
        peer.message("publish", "bad\nchannel", 1),
    ):
        peer.send(message)
        answer = peer.receive("an error")
        if wrong := schemas.problem("error-message", answer):
            raise Violation("a message that breaks a rule got no valid error (ERR-001)", received=wrong)
    if "emit" in context.target.responder:
        emit = {"channel": channel, "count": 1, "message_type": "notification", "payload": "äöü€😀\x00"}
        peer.send(peer.request_message("conformance.emit", emit))
        if {peer.receive()["message_type"], peer.receive()["message_type"]} != {"notification", "response"}:
            raise Violation("a message from the server did not arrive next to the answer that announces it")


@case("envelope/lone-surrogates-are-not-given-back", "ENC-003", needs=("echo",))
def lone_surrogates(context: ServerContext) -> None:
    """An escape of a lone surrogate is refused, or at least not put into a message that the server makes."""
    peer = context.connect()
    request = peer.request_message("conformance.echo", {"text": "@"})
    peer.send_body(codec.encode(request).replace(b"@", b"\\ud800"))
    with peer.blaming("error.malformed_frame"):
        answer = peer.receive()
    if answer["payload"].get("status") == "error":
        peer.check_error(answer, "malformed_frame", None)


@case("envelope/lengths-count-code-points", "ENV-007")
def lengths_count_code_points(context: ServerContext) -> None:
    """Names of full length in astral characters are accepted, with one more they are not."""
    peer = context.connect()
    name = context.name("channel")
    channel = name + "😀" * (255 - len(name))
    peer.subscribe(channel)
    peer.publish_and_get(channel, 1)
    for members in (
        {"channel_id": "😀" * 256},
        {"message_id": "😀" * 129},
        {"reply_to": "😀" * 129},
        {"app_id": "😀" * 256},
    ):
        message = peer.message("publish", channel, 1, **members)
        peer.send(message)
        peer.expect_error("invalid_message", message)


@case("envelope/refused-subscribe-has-no-effect", "ENV-006")
def refused_subscribe(context: ServerContext) -> None:
    """A subscribe with an unknown member is refused and does not subscribe."""
    peer = context.connect()
    channel = context.name("channel")
    message = peer.message("subscribe", channel, {"connection_id": peer.connection_id}, extra=1)
    peer.send(message)
    peer.expect_error("invalid_message", message)
    peer.publish(channel, 1)


@case("envelope/refused-request-is-not-handled", "ENV-006", needs=("emit",))
def refused_request(context: ServerContext) -> None:
    """A request with a bad timestamp is refused, and its handler does nothing."""
    peer = context.connect()
    channel = context.name("channel")
    peer.subscribe(channel)
    payload = {"channel": channel, "count": 1, "message_type": "publish", "payload": 1}
    message = peer.request_message("conformance.emit", payload) | {"timestamp": None}
    peer.send(message)
    peer.expect_error("invalid_message", message)
    peer.expect_silence("the handler of a refused request acted")
    peer.request("conformance.emit", payload | {"count": 0})


@case("envelope/many-refusals-in-a-row", "ENV-005", "ERR-005", seconds=0.2)
def many_refusals(context: ServerContext) -> None:
    """A hundred bad messages in one write get a hundred errors, in any order, and the connection goes on."""
    peer = context.connect()
    bad = {
        message["message_id"]: message
        for message in (peer.message("publish", "x", number, extra=1) for number in range(100))
    }
    peer.send(*bad.values())
    for _ in range(len(bad)):
        answer = peer.receive_error("invalid_message")
        about = bad.pop(answer.get("reply_to") or "", None)
        if about is None:
            raise Violation("an error is about no message that was sent", received=codec.shorten(answer))
        peer.check_error(answer, "invalid_message", about)
    peer.expect_silence("after a hundred refusals something else arrived")
