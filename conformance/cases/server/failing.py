"""A handler that fails ends its own request, and nothing else (REQ-013)."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.cases.server.handling import INTERNALS
from conformance.core.verdicts import Unsupported, Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.results.survey import ERROR

FAIL = "conformance.fail"
FAILED = f"{ERROR}handler_failed"
"""The ability of the survey to say that a handler failed."""
MANY = 200
OWED_SECONDS = 0.15


@case("failing/others-of-the-connection-go-on", "REQ-013", "REQ-001", needs=("fail", "delay"), seconds=0.2)
def others_go_on(context: ServerContext) -> None:
    """While a request of a connection waits in its handler, another one fails, and the first gets its answer."""
    peer = context.connect()
    owed = [
        peer.request_message("conformance.delay", {"delay_ms": int(1000 * OWED_SECONDS), "value": number})
        for number in range(5)
    ]
    failing = peer.request_message(FAIL, {"detail": "boom"})
    peer.send(*owed[:3], failing, *owed[3:])
    with peer.needing(FAILED):
        found = {answer["reply_to"]: answer for answer in (peer.receive() for _ in (failing, *owed))}
    if failing["message_id"] in found:
        peer.check_error(found.pop(failing["message_id"]), "handler_failed", failing)
    answers = {reply_to: answer["payload"] for reply_to, answer in found.items()}
    if answers != {request["message_id"]: {"value": number} for number, request in enumerate(owed)}:
        raise Violation(
            "a handler that failed took answers of others with it",
            expected=f"{len(owed)} answers",
            received=codec.shorten(answers),
        )
    peer.expect_silence("a request got more than one answer")


@case("failing/many-times", "REQ-013", "REQ-001", "REQ-010", needs=("fail", "echo"), seconds=0.2)
def many_times(context: ServerContext) -> None:
    """After hundreds of failures of one connection, its handlers and those of others still run."""
    peer = context.connect()
    requests = [peer.request_message(FAIL, {"detail": "boom"}) for _ in range(MANY)]
    peer.send(*requests)
    failed = {}
    with peer.needing(FAILED):
        for _ in requests:
            answer = peer.receive()
            failed[answer["reply_to"]] = answer
    for request in requests:
        if request["message_id"] not in failed:
            raise Violation("one of many requests whose handlers fail was not answered", expected=str(MANY))
        peer.check_error(failed[request["message_id"]], "handler_failed", request)
    for each in (peer, context.connect()):
        request = each.request_message("conformance.echo", {"n": 1})
        each.send(request)
        each.expect_payload(request, request["payload"], "after many failures an echo did not give the payload back")
        each.expect_silence()


@case("failing/subscriptions-go-on", "REQ-013", "ERR-005", "SUB-010", needs=("fail",))
def subscriptions_go_on(context: ServerContext) -> None:
    """The subscriptions of a connection whose handler failed go on."""
    peer, channel = context.connect(), context.name("channel")
    peer.subscribe(channel)
    request = peer.request_message(FAIL, {"detail": "boom"})
    peer.send(request)
    peer.expect_error("handler_failed", request)
    peer.publish_and_get(channel, "still subscribed")


@case("failing/behind-the-end-of-the-stream", "LIM-011", needs=("fail", "delay"), seconds=0.2)
def behind_the_end(context: ServerContext) -> None:
    """A client that ended its sending side gets the errors of handlers that failed, early or late, and the answers."""
    peer = context.connect()
    delay_ms = int(1000 * OWED_SECONDS)
    owed = peer.request_message("conformance.delay", {"delay_ms": delay_ms, "value": 1})
    failing = [
        peer.request_message(FAIL, {"detail": "boom"}),
        peer.request_message("conformance.delay", {"delay_ms": delay_ms}),  # may fail for want of a value, and late
    ]
    peer.send(owed, *failing)
    peer.end_sending()
    answers = {answer["reply_to"]: answer for answer in peer.receive_until_end()}
    if set(answers) != {each["message_id"] for each in (owed, *failing)}:
        raise Violation(
            "behind the end of the stream not all answers came that were owed",
            expected="three answers",
            received=codec.shorten([answer["payload"] for answer in answers.values()]),
            ability=FAILED if owed["message_id"] in answers else "",
        )
    for each in failing:
        if not _was_taken(answers[each["message_id"]]):
            peer.check_error(answers[each["message_id"]], "handler_failed", each)


DETAILS: dict[str, Any] = {
    "empty": "",
    "a-format": "%s %d {} {0} %(name)s ${x} %",
    "several-lines": "one\ntwo\r\nTraceback (most recent call last):\n",
    "with-controls": "\0\x1b[31m\x07\x7f",
    "beyond-ascii": "äé😀\u2028\ufeff",
    "long": "x" * 200_000,
}


def failing_with(context: ServerContext, detail: str) -> None:
    """Let a handler fail with a text."""
    peer = context.connect()
    for _ in range(2):
        request = peer.request_message(FAIL, {"detail": detail})
        peer.send(request)
        answer = peer.expect_error("handler_failed", request)
        text = codec.encode(answer["payload"]).decode()
        if INTERNALS.search(text) or (len(detail) > 1 and detail in answer["payload"]["error"]["message"]):
            raise Violation("the answer to a failing handler tells internals", received=codec.shorten(text))
    peer.expect_silence()


for _name, _detail in DETAILS.items():
    add(
        Case(
            f"failing/with-a-text-that-is-{_name}",
            ("REQ-013", "REQ-014"),
            f"A handler that fails with a text that is {_name.replace('-', ' ')} gives handler_failed, and no more.",
            partial(failing_with, detail=_detail),
            needs=("fail",),
        )
    )


EMIT = {"channel": "c", "count": 1, "message_type": "publish", "payload": 1}
WRONG: dict[str, tuple[str, Any]] = {
    "delay-without-value": ("delay", {"delay_ms": 0}),
    "delay-of-an-array": ("delay", [1]),
    "emit-of-another-type": ("emit", EMIT | {"message_type": "request"}),
    "emit-without-channel": ("emit", {name: value for name, value in EMIT.items() if name != "channel"}),
    "emit-of-a-count-below-zero": ("emit", EMIT | {"count": -1}),
    "emit-of-null": ("emit", None),
}


def wrong_payload(context: ServerContext, handler: str, payload: Any) -> None:
    """Give a handler what it does not take."""
    peer, channel = context.connect(), context.name("channel")
    peer.subscribe(channel)
    if isinstance(payload, dict) and "channel" in payload:
        payload = payload | {"channel": channel}
    for _ in range(2):
        request = peer.request_message(f"conformance.{handler}", payload)
        peer.send(request)
        answer = peer.receive_error("handler_failed")
        if _was_taken(answer):
            raise Unsupported(f"the responder's handler {handler} takes a payload that chapter 13 does not allow")
        peer.check_error(answer, "handler_failed", request)
    peer.expect_silence("a handler that failed did something")


def _was_taken(answer: Message) -> bool:
    """Return true if a handler answered: that of another language may take a missing member for null."""
    payload = answer["payload"]
    return answer["message_type"] == "response" and not (isinstance(payload, dict) and "error" in payload)


for _name, (_handler, _payload) in WRONG.items():
    add(
        Case(
            f"failing/{_name}",
            ("REQ-013", "ERR-005"),
            "A handler that is given what it does not take fails, and its connection goes on.",
            partial(wrong_payload, handler=_handler, payload=_payload),
            needs=(_handler,),
        )
    )
