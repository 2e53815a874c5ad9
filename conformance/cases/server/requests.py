"""REQ: one request, one response."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.cases.server.handling import INTERNALS, check_order
from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message

SHAPES: dict[str, Any] = {
    "an-object": {"a": {"b": [1, {"c": None}]}},
    "an-array": [1, [2, [3]], {}],
    "a-string": "text with äöü€😀",
    "a-number": -12.5,
    "true": True,
    "null": None,
    "an-empty-object": {},
    "an-error-of-its-own": {"status": "error", "error": {"code": "mine", "message": "an application's own"}},
    "a-connect-payload": {"action": "connect", "connection_id": "somebody"},
}


def echoed(context: ServerContext, payload: Any) -> None:
    """Get ``payload`` back in exactly one response."""
    peer = context.connect()
    request = peer.message("request", "conformance.echo", payload)
    peer.send(request)
    peer.expect_payload(request, payload, "an echo did not give the payload back")
    peer.expect_silence("a request got more than one response")


for _name, _payload in SHAPES.items():
    add(
        Case(
            f"requests/echo-of-{_name}",
            ("REQ-001", "REQ-002", "REQ-003", "ENV-010"),
            f"A request with {_name.replace('-', ' ')} gets exactly one response, under the ids of the request.",
            partial(echoed, payload=_payload),
            needs=("echo",),
        )
    )


@case("requests/ping-gets-exactly-one-response", "REQ-001", "REQ-002", "REQ-003")
def ping_gets_one_response(context: ServerContext) -> None:
    """A ping gets one response with its own ids, and no second one."""
    peer = context.connect()
    peer.request("system", {"action": "ping"})
    peer.expect_silence("a ping got more than one response")


@case("requests/responses-have-fresh-ids", "REQ-004")
def responses_have_fresh_ids(context: ServerContext) -> None:
    """No two messages that the server originates on a connection share a message_id (the kit watches every frame)."""
    peer = context.connect()
    for _ in range(20):
        peer.expect_silence()
        request = peer.request_message("no-such-channel", 1)
        peer.send(request)
        peer.expect_error("no_handler", request)


@case("requests/echo-of-a-mebibyte", "REQ-001", needs=("echo",), seconds=0.2)
def echo_of_a_mebibyte(context: ServerContext) -> None:
    """A payload that takes almost 1 MiB when every character is written as an escape is echoed."""
    peer = context.connect()
    # 36 octets as escapes. A longer answer may exceed a frame of the least size (LIM-001).
    request = peer.request_message("conformance.echo", {"text": "äöü€😀" * 29_000})
    peer.send(request)
    peer.expect_payload(request, request["payload"], "an echo did not give the payload back")


def foreign_connection_id(context: ServerContext, kind: str) -> None:
    """Put somebody else's id into the payload, and get the answer oneself."""
    bystander, peer = context.connect(), context.connect()
    payload: dict[str, Any] = {"value": 1}
    payload |= {"foreign": {"connection_id": bystander.connection_id}, "forged": {"connection_id": "nobody"}}.get(
        kind, {}
    )
    payload |= {"of the wrong type": {"connection_id": 5}}.get(kind, {})
    request = peer.message("request", "conformance.echo", payload)
    peer.send(request)
    try:
        peer.expect_payload(request, payload, "an echo did not give the payload back")
    finally:  # a response to somebody else says more than a missing one
        bystander.expect_silence("a response went to the connection that the payload named")


for _kind in ("foreign", "missing", "forged", "of the wrong type"):
    add(
        Case(
            f"requests/connection-id-{_kind.replace(' ', '-')}",
            ("REQ-005",),
            f"With a connection_id that is {_kind} in the payload, the response goes to the connection that asked.",
            partial(foreign_connection_id, kind=_kind),
            needs=("echo",),
        )
    )


@case("requests/two-connections-interleaved", "REQ-005", "ISO-006", needs=("echo",))
def two_connections_interleaved(context: ServerContext) -> None:
    """Two connections that use the same message ids at the same time each get their own answers."""
    peers = [context.connect(), context.connect()]
    requests = {
        peer.label: [
            peer.request_message("conformance.echo", {"of": peer.label, "n": n}) | {"message_id": f"m-{n}"}
            for n in range(50)
        ]
        for peer in peers
    }
    for pair in zip(*requests.values(), strict=True):
        for peer, request in zip(peers, pair, strict=True):
            peer.send(request)
    for peer in peers:
        answers = {answer["reply_to"]: answer["payload"] for answer in (peer.receive() for _ in range(50))}
        if answers != {request["message_id"]: request["payload"] for request in requests[peer.label]}:
            raise Violation("answers to two connections were mixed up", received=codec.shorten(answers))


@case("requests/same-message-id-twice-in-flight", "REQ-007", needs=("delay",), seconds=0.1)
def same_message_id_twice(context: ServerContext) -> None:
    """Two requests with one message_id in flight get two responses."""
    peer = context.connect()
    twins = [
        peer.request_message("conformance.delay", {"delay_ms": 40, "value": value}) | {"message_id": "twin"}
        for value in (1, 2)
    ]
    peer.send(*twins)
    values = sorted(peer.expect_response(twins[0])["payload"]["value"] for _ in twins)
    if values != [1, 2]:
        raise Violation(
            "two requests with one message_id were not both answered", expected="[1, 2]", received=str(values)
        )


@case("requests/reply-to-of-a-request-is-ignored", "REQ-008")
def reply_to_is_ignored(context: ServerContext) -> None:
    """A request with a reply_to is answered under its own message_id."""
    peer = context.connect()
    ping = peer.marker_message() | {"reply_to": "something-else"}
    peer.send(ping)
    if peer.receive_through(ping):
        raise Violation("a request with a reply_to got more than its response")


@case("requests/handlers-start-in-order", "REQ-009", needs=("emit",), seconds=0.1)
def handlers_start_in_order(context: ServerContext) -> None:
    """Handlers that act at once act in the order in which their requests arrived, as far as threads let it show."""
    watcher, peer = context.connect(), context.connect()
    channel = context.name("order")
    watcher.subscribe(channel)

    def act() -> list[Any]:
        emit = {"channel": channel, "count": 1, "message_type": "publish"}
        peer.send(*(peer.request_message("conformance.emit", emit | {"payload": number}) for number in range(50)))
        for _ in range(50):
            peer.receive()
        return [message["payload"] for message in watcher.barrier()]

    check_order(act, 50, "handlers did not start in the order of their requests")


@case("requests/thousand-in-flight", "REQ-001", needs=("echo",), seconds=0.5)
def thousand_in_flight(context: ServerContext) -> None:
    """A thousand requests written at once get a thousand responses, each with its own payload."""
    peer = context.connect()
    requests = {
        request["message_id"]: request
        for request in (peer.request_message("conformance.echo", {"n": n}) for n in range(1000))
    }
    peer.send(*requests.values())
    for _ in range(1000):
        answer = peer.receive()
        request = requests.pop(answer["reply_to"], None)
        if request is None or answer["payload"] != request["payload"]:
            raise Violation("a response belongs to no request in flight", received=codec.shorten(answer))
    peer.expect_silence()


@case("requests/slow-handler-does-not-delay-others", "REQ-010", needs=("delay",), seconds=0.6)
def slow_handler_does_not_delay_others(context: ServerContext) -> None:
    """While a handler of one connection takes its time, another connection is served."""

    def attempt(seconds: float) -> None:
        slow, other = context.connect(), context.connect()
        request = slow_request(slow, seconds, 1)
        other.patience += seconds
        slow.send(request)
        for _ in range(3):
            other.expect_silence()
        other.request("conformance.delay", {"delay_ms": 0, "value": 2})
        if slow.has_arrived():
            raise Violation("other connections were served only after the slow handler had ended")
        slow.expect_payload(request, {"value": 1}, "a slow handler's answer is wrong")

    context.with_more_time(attempt, 0.35)


def slow_request(peer: ClientPeer, seconds: float, value: Any) -> Message:
    """Return a request that is answered after ``seconds``, and make the connection wait for so long."""
    peer.patience += seconds
    return peer.request_message("conformance.delay", {"delay_ms": int(seconds * 1000), "value": value})


@case("requests/slow-handler-does-not-delay-a-ping", "REQ-011", needs=("delay",), seconds=0.6)
def slow_handler_does_not_delay_a_ping(context: ServerContext) -> None:
    """While a handler takes its time, a ping of the same connection is answered."""

    def attempt(seconds: float) -> None:
        peer = context.connect()
        request, ping = slow_request(peer, seconds, 1), peer.marker_message()
        peer.send(request, ping)
        if peer.receive_through(ping):
            raise Violation("a ping waited for a slow handler of its own connection")
        peer.expect_payload(request, {"value": 1}, "a slow handler's answer is wrong")

    context.with_more_time(attempt, 0.3)


@case("requests/quick-answer-overtakes-a-slow-one", "REQ-011", needs=("delay",), seconds=0.3)
def quick_answer_overtakes(context: ServerContext) -> None:
    """Of two requests in flight on one connection, the one whose handler is done first is answered first."""

    def attempt(seconds: float) -> None:
        peer = context.connect()
        slow = slow_request(peer, seconds, "slow")
        quick = peer.request_message("conformance.delay", {"delay_ms": 0, "value": "quick"})
        peer.send(slow, quick)
        peer.expect_payload(quick, {"value": "quick"}, "the quick answer did not come first")
        peer.expect_payload(slow, {"value": "slow"}, "a slow handler's answer is wrong")

    context.with_more_time(attempt, 0.25)


@case("requests/silent-handler-does-not-block", "REQ-011", needs=("silent", "echo"))
def silent_handler_does_not_block(context: ServerContext) -> None:
    """Behind a request whose handler never ends, another request is answered."""
    peer = context.connect()
    peer.send(peer.request_message("conformance.silent", {}))
    request = peer.request_message("conformance.echo", {"n": 1})
    peer.send(request)
    peer.expect_payload(request, request["payload"], "the request behind a silent one got a wrong answer")


def no_handler(context: ServerContext, payload: Any) -> None:
    """Ask on a channel that nobody handles."""
    peer = context.connect()
    request = peer.message("request", context.name("nobody"), payload)
    peer.send(request)
    peer.expect_error("no_handler", request)
    peer.expect_silence()


for _name, _value in {"an-object": {"a": 1}, "a-string": "x", "null": None}.items():
    add(
        Case(
            f"requests/no-handler-for-{_name}",
            ("REQ-012", "ERR-005"),
            f"A request with {_name.replace('-', ' ')} on a channel without a handler gets no_handler.",
            partial(no_handler, payload=_value),
        )
    )


@case("requests/channel-that-has-subscribers-has-no-handler", "REQ-012")
def subscribed_channel_has_no_handler(context: ServerContext) -> None:
    """A channel with subscribers but no handler answers requests with no_handler, and the subscribers get nothing."""
    peer, subscriber = context.connect(), context.connect()
    channel = context.name("nobody")
    subscriber.subscribe(channel)
    request = peer.request_message(channel, {"a": 1})
    peer.send(request)
    peer.expect_error("no_handler", request)
    subscriber.expect_silence("a request was delivered to a subscriber")


@case("requests/failing-handler", "REQ-013", "ERR-005", needs=("fail",))
def failing_handler(context: ServerContext) -> None:
    """A handler that fails gives handler_failed, and the connection goes on."""
    peer = context.connect()
    request = peer.request_message("conformance.fail", {"detail": "boom"})
    peer.send(request)
    peer.expect_error("handler_failed", request)
    peer.expect_silence()


@case("requests/failure-tells-no-internals", "REQ-013", "REQ-014", needs=("fail",))
def failure_tells_no_internals(context: ServerContext) -> None:
    """The answer to a failing handler has neither the exception's text nor a stack trace nor a path."""
    peer = context.connect()
    secret = context.name("secret")
    peer.send(peer.request_message("conformance.fail", {"detail": secret}))
    answer = peer.receive_error("handler_failed")
    text = codec.encode(answer["payload"]).decode()
    if secret in text or INTERNALS.search(text) or answer["payload"].get("status") != "error":
        raise Violation(
            "the answer to a failing handler tells internals",
            expected="an error answer without the exception's text, a stack trace or a path",
            received=codec.shorten(answer["payload"]),
        )


@case("requests/response-is-discarded", "REQ-015")
def response_is_discarded(context: ServerContext) -> None:
    """A response that a client sends is dropped without an answer, an error payload or not."""
    peer = context.connect()
    for payload in ({"status": "connected"}, {"status": "error", "error": {"code": "x", "message": "y"}}, 1):
        peer.send(peer.message("response", "conformance.echo", payload, reply_to="whatever"))
        peer.expect_silence("a response sent to the server was answered")


@case("requests/response-on-another-application-is-discarded", "REQ-015", "ERR-011")
def foreign_response_is_discarded(context: ServerContext) -> None:
    """Even a response with a foreign app_id is dropped without an answer."""
    peer = context.connect()
    peer.send(peer.message("response", "system", {"status": "pong"}, app_id=context.name("app")))
    peer.expect_silence("a response with a foreign app_id was answered")
