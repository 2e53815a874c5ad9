"""ERR and LIM, on a client: frames that break the rules, and frames that are as long as they may be."""

from __future__ import annotations

from functools import partial

from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.client_context import ClientContext
from conformance.harness.decorators import client_case
from conformance.peers.frame_checks import MAX_FRAME_WITHOUT_ANNOUNCEMENT
from conformance.protocol import codec

LIMIT = 100_000
SMALL_LIMIT = 2_000
ENVELOPE_BYTES = 600
"""Of a message without its payload, at most: ids may have 128 characters, and some libraries add white space."""
SHORT_TIMEOUT_MS = 300

BODIES: dict[str, bytes] = {
    "not-utf-8": b'{"text":"\xff\xfe"}',
    "overlong-utf-8": b'{"text":"\xc0\xaf"}',
    "surrogate-in-utf-8": b'{"text":"\xed\xa0\x80"}',
    "empty": b"",
    "truncated-json": b'{"message_id": "m", "app_id',
    "trailing-data": b"{} {}",
    "trailing-comma": b'{"a": 1,}',
    "single-quotes": b"{'a': 1}",
    "nan": b'{"a": NaN}',
    "infinity": b'{"a": [-Infinity]}',
    "control-character": b'{"a": "\n"}',
    "utf-16": '{"a": "b"}'.encode("utf-16-le"),
    "byte-order-mark": b"\xef\xbb\xbf{}",
    "array": b"[]",
    "string": b'"text"',
    "number": b"1",
    "null": b"null",
    "octets": bytes(range(256)),
}


def malformed(context: ClientContext, body: bytes) -> None:
    """Send a bad body to a client that is connected, and have it live on."""
    end = context.connect()
    context.settle(end)
    end.send_body(body)
    end.expect_gone()
    _lives_on(context)


def malformed_acknowledgement(context: ClientContext, body: bytes) -> None:
    """Send a bad body in place of the acknowledgement."""
    asked = context.begin_connecting()
    end = context.accept()
    end.take_connect()
    end.send_body(body)
    end.expect_gone()
    context.expect_not_connected(asked)
    _lives_on(context)


def _lives_on(context: ClientContext) -> None:
    context.await_connected(False, "the client says that it is connected after it has ended the connection")


for _name, _body in BODIES.items():
    _what = f"A body that is {_name.replace('-', ' ')}"
    for _when, _try in {"": malformed, "-in-place-of-the-acknowledgement": malformed_acknowledgement}.items():
        add(
            Case(
                f"client-errors/{_name}{_when}",
                ("ERR-014",),
                f"{_what}{_when.replace('-', ' ')} makes the client end the connection, and only that.",
                partial(_try, body=_body),
                role="client",
            )
        )


def oversize(context: ClientContext, announced: int | None, length: int) -> None:
    """State a length over the limit and send no body."""
    end = context.connect(acknowledgement={"limits": {"max_frame_bytes": announced}} if announced else None)
    context.settle(end)
    end.send_octets(codec.header(length))
    end.expect_gone()
    _lives_on(context)


for _name, (_announced, _length) in {
    "one-over-the-announced-limit": (LIMIT, LIMIT + 1),
    "one-over-the-customary-limit": (None, MAX_FRAME_WITHOUT_ANNOUNCEMENT + 1),
    "2147483647": (LIMIT, 2**31 - 1),
    "2147483648": (LIMIT, 2**31),
    "4294967295": (None, 2**32 - 1),
}.items():
    add(
        Case(
            f"client-errors/stated-length-{_name}",
            ("ERR-014",),
            f"A stated length of {_name.replace('-', ' ')} makes the client end the connection.",
            partial(oversize, announced=_announced, length=_length),
            role="client",
        )
    )


def as_long_as_allowed(context: ClientContext, announced: int | None) -> None:
    """Send a response with exactly the longest body there may be."""
    end = context.connect(acknowledgement={"limits": {"max_frame_bytes": announced}} if announced else None)
    context.driver.patience += context.seconds_for(announced or MAX_FRAME_WITHOUT_ANNOUNCEMENT)
    asked = context.driver.begin("send_request", channel="long", payload=None)
    response = end.response(end.take("request"), "")
    missing = (announced or MAX_FRAME_WITHOUT_ANNOUNCEMENT) - len(codec.encode(response))
    end.send(response | {"payload": "x" * missing})
    answer = context.driver.finish(asked)["response"]
    if len(answer["payload"]) != missing:
        raise Violation("a frame that is as long as allowed came through shorter", received=str(len(answer["payload"])))
    context.settle(end)


LIMITS = {"announced": LIMIT, "customary": None, "announced-and-more-than-customary": 16_800_000}
for _name, _announced in LIMITS.items():
    add(
        Case(
            f"client-errors/frame-at-the-{_name}-limit",
            ("LIM-003",),
            f"A frame whose body is exactly as long as the {_name.replace('-', ' ')} limit is accepted.",
            partial(as_long_as_allowed, announced=_announced),
            role="client",
            seconds=0.1 if _announced == LIMIT else 0.8,
        )
    )


def too_long_to_send(context: ClientContext, command: str, payload: str) -> None:
    """Tell the client to send more than the server takes; it may drop a message to which nobody answers."""
    end = context.connect(acknowledgement={"limits": {"max_frame_bytes": SMALL_LIMIT}})
    end.checks.max_frame_bytes = SMALL_LIMIT
    timeout = {"timeout_ms": SHORT_TIMEOUT_MS} if command == "send_request" else {}
    asked = context.driver.begin(command, channel="long", payload=payload, **timeout)
    if "error" not in context.driver.answer(asked) and command == "send_request":
        raise Violation("the client did not refuse to send a frame over the server's limit", expected="an error")
    if context.settle(end):  # which also shows that the connection is still in order
        raise Violation("the client sent something else in place of a frame over the server's limit")


for _command in ("send_request", "publish", "notify"):
    add(
        Case(
            f"client-errors/{_command.replace('_', '-')}-over-the-limit",
            ("LIM-002",),
            f"Told to {_command.replace('_', ' ')} more than the server takes, the client refuses and stays connected.",
            partial(too_long_to_send, command=_command, payload="x" * SMALL_LIMIT),
            role="client",
        )
    )
add(
    Case(
        "client-errors/octets-over-the-limit",
        ("LIM-002",),
        "A message that has fewer characters than the server takes octets, and more octets, is refused.",
        partial(too_long_to_send, command="publish", payload="é" * (SMALL_LIMIT * 6 // 10)),
        role="client",
    )
)


@client_case("client-errors/frame-at-the-limit-is-sent", "LIM-002")
def at_the_limit(context: ClientContext) -> None:
    """A message that is just within the server's limit is sent."""
    end = context.connect(acknowledgement={"limits": {"max_frame_bytes": SMALL_LIMIT}})
    end.checks.max_frame_bytes = SMALL_LIMIT
    context.driver.ask("publish", channel="long", payload="x" * (SMALL_LIMIT - ENVELOPE_BYTES))
    end.take("publish", "long")
    context.settle(end)


def fatal_on_open(context: ClientContext, code: str) -> None:
    """Send a fatal error on an open connection, with a request in flight."""
    end = context.connect()
    asked = context.driver.begin("send_request", channel="slow", payload=1, timeout_ms=60_000)
    end.take("request", "slow")
    end.send(end.error(code))
    end.end_sending()
    context.driver.failure(asked)
    _lives_on(context)


for _code in ("malformed_frame", "frame_too_large", "session_replaced", "slow_consumer", "shutting_down"):
    add(
        Case(
            f"client-errors/fatal-{_code.replace('_', '-')}",
            ("REQ-018",),
            f"After the fatal error {_code} and the end of the stream the client's requests fail, and it lives on.",
            partial(fatal_on_open, code=_code),
            role="client",
        )
    )
