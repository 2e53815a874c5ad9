"""Properties that hold for whatever Hypothesis comes up with; a failure is shrunk to a small example."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from conformance.core.verdicts import Violation
from conformance.harness.decorators import case
from conformance.harness.property_testing import for_all
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec, oracle, schemas
from conformance.protocol.codec import Message
from conformance.results.survey import ANY_ERROR

if TYPE_CHECKING:
    from conformance.harness.strategies import Writing

Sent = Callable[[ClientPeer, str], Message]
SEQUENCES: dict[str, tuple[int, Sent]] = {
    "ping": (1, lambda peer, _: peer.ping_message()),
    "publish": (1, lambda peer, channel: peer.message("publish", channel, "äöü€😀")),
    "notification": (0, lambda peer, channel: peer.message("notification", channel, [1])),
    "response": (0, lambda peer, channel: peer.message("response", channel, None)),
    "unknown action": (1, lambda peer, _: peer.request_message("system", {"action": "no-such-action"})),
    "no handler": (1, lambda peer, channel: peer.request_message(channel, "x" * 300)),
    "bad envelope": (1, lambda peer, channel: peer.message("publish", channel, 1, further=1)),
    "forbidden": (1, lambda peer, channel: peer.message("subscribe", channel, {"connection_id": "nobody"})),
}
"""What a sequence is made of, and how many frames the server sends because of it to a subscriber of the channel."""
ABILITIES = {"ping": "ping", "publish": "own_delivery"}
"""The abilities of the survey that the server needs for these frames; the others are errors."""


@case("properties/any-split-gives-the-same-answers", "FRM-005", "FRM-006", seconds=0.5)
def any_split(context: ServerContext) -> None:
    """However a sequence of frames is cut into segments, its answers are those to the same frames sent one by one."""
    from hypothesis import strategies as st

    def holds(example: tuple[list[str], list[int]]) -> None:
        kinds, cuts = example
        whole, split = _answers(context, kinds, None), _answers(context, kinds, cuts)
        if whole != split:
            raise Violation(
                "a sequence of frames got other answers when it was cut differently",
                expected=codec.shorten(whole),
                received=codec.shorten(split),
            )

    kinds = st.lists(st.sampled_from(sorted(SEQUENCES)), min_size=1, max_size=8)
    for_all(context, st.tuples(kinds, st.lists(st.integers(0, 3000), max_size=12)), holds)


def _answers(context: ServerContext, kinds: list[str], cuts: list[int] | None) -> list[str]:
    """Send a sequence, cut at positions or frame by frame, and return what comes, without what may differ."""
    peer, channel = context.connect(), context.name("channel")
    peer.subscribe(channel)
    messages = [SEQUENCES[kind][1](peer, channel) | {"message_id": f"m-{n}"} for n, kind in enumerate(kinds)]
    frames = [codec.frame(codec.encode(message)) for message in messages]
    octets = b"".join(frames)
    ends = itertools.accumulate(map(len, frames)) if cuts is None else (cut % len(octets) for cut in cuts)
    for start, end in itertools.pairwise(sorted({0, len(octets), *ends})):
        peer.send_octets(octets[start:end])
    needed = (ABILITIES.get(kind, ANY_ERROR) for kind in kinds if SEQUENCES[kind][0])
    with peer.needing(next(filter(peer.expectations.survey.excludes, needed), "")):
        answers = [peer.receive() for kind in kinds for _ in range(SEQUENCES[kind][0])]
    peer.expect_silence()
    return sorted(_essence(answer) for answer in answers)


def _essence(answer: Message) -> str:
    payload = answer["payload"]
    code = payload["error"]["code"] if isinstance(payload, dict) and "error" in payload else payload
    return codec.encode([answer["message_type"], answer.get("reply_to"), code]).decode()


@case("properties/any-payload-comes-back", "ENC-015", "ENC-016", "SUB-012", seconds=0.3)
def any_payload(context: ServerContext) -> None:
    """Whatever the payload of a publish is, its subscriber gets it unchanged."""
    from conformance.harness.strategies import json_values

    def holds(payload: Any) -> None:
        peer, channel = context.connect(), context.name("channel")
        peer.subscribe(channel)
        peer.publish_and_get(channel, payload)

    for_all(context, json_values, holds)


@case(
    "properties/any-envelope-is-answered",
    *("REQ-001", "REQ-002", "REQ-003", "REQ-008", "ENC-008", "ENC-015", "ENC-016", "ENV-009", "ENV-010"),
    needs=("echo",),
    seconds=0.3,
)
def any_envelope(context: ServerContext) -> None:
    """Whatever a request's members are and however it is written, its echo has its payload, under its message_id."""
    from hypothesis import strategies as st

    from conformance.harness.strategies import envelope_members, writings

    def holds(example: tuple[dict[str, Any], Writing]) -> None:
        members, writing = example
        peer = context.connect()
        request = peer.message("request", "conformance.echo") | {"reply_to": None} | members
        peer.send_body(writing.write(request))
        peer.expect_payload(request, request["payload"], "an echo changed the payload")

    for_all(context, st.tuples(envelope_members(), writings), holds)


@case("properties/any-octets-leave-others-alone", "ISO-006", seconds=0.3)
def any_octets(context: ServerContext) -> None:
    """Whatever octets a connection sends, before the handshake and after it, another one is served."""
    from hypothesis import strategies as st

    def holds(octets: bytes) -> None:
        bystander = context.connect()
        for peer in (context.open(), context.connect()):
            peer.send_octets(octets)
            peer.discard()
        bystander.expect_silence()

    for_all(context, st.binary(max_size=64) | st.binary(max_size=64).map(codec.frame), holds)
    context.check_alive()


@case(
    "properties/any-body-gets-its-verdict",
    *("ENC-004", "ENC-005", "ENC-007", "ENV-005", "ENV-006", "ERR-001", "ERR-002", "ERR-003", "ERR-004", "ERR-011"),
    *("HSK-004", "HSK-013", "HSK-014", "ISO-001", "SYS-001", "SYS-002", "SUB-002", "SUB-003", "REQ-012"),
    seconds=0.4,
)
def any_body(context: ServerContext) -> None:
    """A body that is a valid message with something changed gets exactly what schemas and precedence say."""
    from hypothesis import strategies as st

    from conformance.harness.strategies import bodies

    app, me, token = context.name("app"), "me", context.target.credentials.token

    def holds(example: tuple[bool, bytes]) -> None:
        is_first, body = example
        peer = context.open(app=app, connection_id=me)
        if not is_first:
            peer.handshake()
        peer.send_body(body)
        expected = (
            oracle.first_message(body, token)
            if is_first
            else oracle.later_message(body, app, me, context.target.profiles)
        )
        _expect(peer, expected)

    for_all(context, st.tuples(st.booleans(), bodies(st.sampled_from(valid_messages(app, me, token)))), holds)
    context.check_alive()


def valid_messages(app: str, me: str, token: str | None = None) -> list[Message]:
    """Return a valid message of each kind, each with an id of its own; the connect message shows the token."""
    own, connect = {"connection_id": me}, {"action": "connect", "connection_id": me, "protocol": "1.0"}
    connect |= {} if token is None else {"token": token}
    kinds: list[tuple[str, str, Any]] = [
        ("request", "system", connect),
        ("request", "system", {"action": "ping"}),
        ("request", "system", {"action": "get_time"}),
        ("request", "nobody", [1, {"a": None}]),
        ("notification", "news", "text"),
        ("response", "system", {"status": "pong"}),
        ("subscribe", "news", own),
        ("unsubscribe", "news", own),
        ("publish", "news", {"a": 1.5}),
    ]
    fixed = {"app_id": app, "timestamp": 1.5, "reply_to": None}
    return [
        {"message_id": f"m{number}", "channel_id": channel, "message_type": kind, "payload": payload} | fixed
        for number, (kind, channel, payload) in enumerate(kinds)
    ]


def _expect(peer: ClientPeer, expected: oracle.Expected) -> None:
    """Receive what has to come, and nothing else."""
    if expected.outcome == "error":
        peer.expect_error(expected.code, expected.message)
    elif expected.answer == "acknowledgement":
        connect = expected.message or {}
        peer.app_id, peer.connection_id = connect["app_id"], connect["payload"]["connection_id"]
        peer.acknowledge(peer.receive())
    elif expected.outcome == "answer":
        answer = peer.expect_response(expected.message or {})
        if problem := schemas.problem(expected.answer, answer["payload"]):
            raise Violation("a request of the system channel got a wrong answer", received=problem)
    elif expected.outcome == "nothing":
        peer.expect_silence()
