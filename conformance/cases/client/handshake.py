"""HSK, on a client: the connect message, the acknowledgement, and refusals."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.cases.client.lifecycle import HELD_SECONDS, acknowledge_late, ask_many
from conformance.core.verdicts import Late, Unsupported, Violation
from conformance.harness.case import Case, add
from conformance.harness.client_context import APP, QUICK_DELAY_MS, ClientContext
from conformance.harness.decorators import client_case
from conformance.peers.base import Ended
from conformance.peers.server import ServerPeer
from conformance.protocol import codec

SHORT_TIMEOUT_MS = 300
BLOCKED_SECONDS = 0.3
"""A client that takes so long to publish waits until the server has read."""
RETRY_SECONDS = 8 * QUICK_DELAY_MS / 1000
"""In which a client that connects again by itself would have done so."""


def connects(context: ClientContext, app: str) -> None:
    """Have the client connect in an application, and compare ids."""
    asked = context.begin_connecting(app_id=app)
    end = context.accept()
    connect = end.shake_hands()
    context.expect_connected(asked)
    identity = context.driver.ask("connection_info")
    if connect["app_id"] != app or not identity["connected"]:
        raise Violation(
            "the client joined another application than its own", received=codec.shorten([connect, identity])
        )
    if identity.get("connection_id", end.connection_id) != end.connection_id:
        raise Violation("the client connected under another id than its own", received=codec.shorten(identity))
    context.settle(end)


for _name, _app in {
    "usual": APP,
    "of-one-character": "x",
    "of-full-length": "a" * 255,
    "in-unicode": "äö€😀 with blanks",
    "with-controls": "a\x00b\n",
}.items():
    add(
        Case(
            f"client-handshake/application-{_name}",
            ("HSK-001", "ENV-001", "ENV-012"),
            f"The first frame is a valid connect message, with an app_id {_name.replace('-', ' ')}.",
            partial(connects, app=_app),
            role="client",
        )
    )


@client_case("client-handshake/application-that-cannot-be", "HSK-001")
def impossible_application(context: ClientContext) -> None:
    """Made for an application whose name is too long, the client refuses to be made or to connect, or sends another."""
    there = context.address.client_options
    made = context.driver.begin("create", app_id="a" * 256, reconnect_attempts=0, **there)
    if "error" in context.driver.answer(made):
        return
    context.driver.begin("connect")
    end = context.accept_within(HELD_SECONDS * context.time_scale)
    if end:
        with contextlib.suppress(Ended):
            end.take_connect()


@client_case("client-handshake/nothing-ahead-of-the-acknowledgement", "HSK-002", "HSK-032", seconds=0.2)
def nothing_ahead(context: ClientContext) -> None:
    """Until the acknowledgement is there the client sends nothing but its connect message, whatever it is told."""
    asked = context.begin_connecting()
    end = context.accept()
    end.take_connect()
    context.driver.begin("subscribe", channel="early")
    context.driver.begin("publish", channel="early", payload=1)
    context.driver.begin("notify", channel="early", payload=1)
    context.driver.begin("send_request", channel="early", payload=1, timeout_ms=50)
    acknowledge_late(context, end)
    context.expect_connected(asked)


@client_case("client-handshake/early-subscriptions-wait-too", "HSK-002", "HSK-032", seconds=0.2)
def early_subscriptions_wait(context: ClientContext) -> None:
    """What was subscribed to before the client connected waits for the acknowledgement as well."""
    context.create()
    early = context.begin_early("subscribe", "early")
    asked = context.driver.begin("connect")
    end = context.accept()
    end.take_connect()
    acknowledge_late(context, end)
    context.expect_connected(asked)
    context.expect_taken(early)


ACKNOWLEDGEMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "with-unknown-members": ("HSK-009", {"motd": "hello", "server": {"name": "kit"}, "__proto__": 1, "error": None}),
    "with-unknown-profiles": ("PRF-002", {"profiles": ["batch", "telepathy", ""]}),
    "with-unknown-limits": ("HSK-009", {"limits": {"max_frame_bytes": 1_048_576, "max_moons": 1}}),
    "of-a-newer-minor-version": ("HSK-009", {"protocol": "1.7"}),
}


def acknowledged(context: ClientContext, payload: dict[str, Any]) -> None:
    """Acknowledge with these members, and use the connection."""
    context.settle(context.connect(acknowledgement=payload))


for _name, (_rule, _payload) in ACKNOWLEDGEMENTS.items():
    add(
        Case(
            f"client-handshake/acknowledgement-{_name}",
            (_rule,),
            f"An acknowledgement {_name.replace('-', ' ')} is one.",
            partial(acknowledged, payload=_payload),
            role="client",
        )
    )


@client_case("client-handshake/smallest-acknowledgement", "HSK-009")
def smallest_acknowledgement(context: ClientContext) -> None:
    """An acknowledgement with nothing but status and connection_id, and without reply_to, is one."""
    asked = context.begin_connecting()
    end = context.accept()
    end.take_connect()
    message = end.acknowledgement()
    message["payload"] = {"status": "connected", "connection_id": end.connection_id}
    del message["reply_to"]
    end.send(message)
    context.expect_connected(asked)
    context.settle(end)


@client_case("client-handshake/acknowledgement-with-unknown-envelope-members", "ENV-011")
def acknowledgement_with_unknown_members(context: ClientContext) -> None:
    """An acknowledgement whose envelope has members that the client does not know is one."""
    asked = context.begin_connecting()
    end = context.accept()
    end.take_connect()
    end.send(end.acknowledgement() | {"version": "9", "trace_id": {"a": [1]}})
    context.expect_connected(asked)
    context.settle(end)


@client_case("client-handshake/slow-acknowledgement", "HSK-001", seconds=0.4)
def slow_acknowledgement(context: ClientContext) -> None:
    """An acknowledgement that takes its time, within the connection timeout, is waited for."""
    asked = context.begin_connecting(connection_timeout_ms=int(3000 * context.time_scale))
    end = context.accept()
    end.take_connect()
    context.wait(0.3 * context.time_scale)
    end.acknowledge()
    context.expect_connected(asked)
    context.settle(end)


def refused(context: ClientContext, code: str) -> None:
    """Answer the connect message with an error and end the stream."""
    asked = context.begin_connecting()
    end = context.accept()
    connect = end.take_connect()
    end.send(end.error(code, connect, app_id="system"))
    end.end_sending()
    context.expect_not_connected(asked)


for _code in (
    *("handshake_required", "unsupported_protocol", "unauthorized", "too_many_connections", "shutting_down"),
    "a_code_of_the_future",
):
    add(
        Case(
            f"client-handshake/refused-with-{_code.replace('_', '-')}",
            ("HSK-012",),
            f"A connect message that is answered with {_code} is a failed attempt.",
            partial(refused, code=_code),
            role="client",
        )
    )


def broken_off(context: ClientContext, how: Callable[[ServerPeer], None]) -> None:
    """End the stream instead of acknowledging."""
    asked = context.begin_connecting()
    end = context.accept()
    end.take_connect()
    how(end)
    context.expect_not_connected(asked)


def _send_and_end(end: ServerPeer, message_type: str, payload: Any, channel: str = "system") -> None:
    end.send(end.message(message_type, channel, payload))
    end.end_sending()


def _half_an_acknowledgement(end: ServerPeer) -> None:
    octets = codec.frame(codec.encode(end.acknowledgement()))
    end.send_octets(octets[: len(octets) // 2])
    end.end_sending()


ENDINGS: dict[str, Callable[[ServerPeer], None]] = {
    "end-of-stream": ServerPeer.end_sending,
    "reset": ServerPeer.reset,
    "half-an-acknowledgement": _half_an_acknowledgement,
    "another-status": partial(_send_and_end, message_type="response", payload={"status": "pending"}),
    "a-response-without-status": partial(_send_and_end, message_type="response", payload={}),
    "a-publish": partial(_send_and_end, message_type="publish", payload={"status": "connected"}, channel="news"),
}
for _name, _how in ENDINGS.items():
    add(
        Case(
            f"client-handshake/{_name}-instead-of-the-acknowledgement",
            ("HSK-012",),
            f"The attempt fails with {_name.replace('-', ' ')}, and the end, in place of the acknowledgement.",
            partial(broken_off, how=_how),
            role="client",
        )
    )


@client_case("client-handshake/silence-instead-of-the-acknowledgement", "HSK-012", seconds=0.4)
def silence(context: ClientContext) -> None:
    """A server that says nothing is given up within the connection timeout."""
    asked = context.begin_connecting(connection_timeout_ms=SHORT_TIMEOUT_MS)
    end = context.accept()
    end.take_connect()
    start = time.monotonic()
    context.expect_not_connected(asked)
    if time.monotonic() - start > SHORT_TIMEOUT_MS / 1000 + 1.5 * context.time_scale:
        raise Late("the client waited for the acknowledgement for much longer than its connection timeout")


@client_case("client-handshake/keeps-its-id", "HSK-003", seconds=0.2)
def keeps_its_id(context: ClientContext) -> None:
    """After a loss the client comes back under the same connection_id, in the same application."""
    end = context.connect(reconnect_attempts=5)
    for _ in range(3):
        end.end_sending()
        again = context.welcome_back()
        if (again.connection_id, again.app_id) != (end.connection_id, end.app_id):
            raise Violation(
                "the client came back under another id", expected=end.connection_id, received=again.connection_id
            )
        end = again
    context.settle(end)


def stays_away(context: ClientContext, code: str) -> None:
    """End an open connection with an error after which coming back does harm."""
    end = context.connect(reconnect_attempts=5)
    end.send(end.error(code))
    end.end_sending()
    context.expect_no_connection(RETRY_SECONDS, f"the client connected again by itself after {code}")


def stays_away_when_refused(context: ClientContext, code: str) -> None:
    """Refuse an attempt to come back with such an error."""
    end = context.connect(reconnect_attempts=5)
    end.end_sending()
    again = context.accept_back()
    again.take_connect()
    again.send(again.error(code, app_id="system"))
    again.end_sending()
    context.expect_no_connection(RETRY_SECONDS, f"the client connected again by itself after {code}")


for _code, _when in {
    "session_replaced": stays_away,
    "unauthorized": stays_away_when_refused,
    "unsupported_protocol": stays_away_when_refused,
}.items():
    add(
        Case(
            f"client-handshake/stays-away-after-{_code.replace('_', '-')}",
            ("HSK-026",),
            f"After {_code} the client does not connect again by itself.",
            partial(_when, code=_code),
            role="client",
            seconds=0.5,
        )
    )


@client_case("client-handshake/ends-in-order", "HSK-028", seconds=0.3)
def ends_in_order(context: ClientContext) -> None:
    """What the client sent ahead of disconnect arrives, then the end of the stream, and nothing that is no frame."""
    end = context.connect()
    for number in range(20):  # more than the operating systems hold, so that some of it waits in the client
        context.driver.ask("publish", channel="last-words", payload="x" * 400_000 + str(number))
    context.driver.ask("disconnect")
    arrived = end.receive_until_end()
    if len(arrived) != 20 or end.was_reset or end.receive_octets_until_end():
        raise Violation(
            "what the client sent ahead of disconnect did not all arrive, or not in order",
            expected="20 messages and the end of the stream",
            received=f"{len(arrived)} messages{', then a reset' if end.was_reset else ''}",
        )


def _flood(context: ClientContext, end: ServerPeer) -> list[int]:
    """Have the client publish more than the operating systems hold, and read none of it; return the commands' ids."""
    context.reads_ahead = False
    asked = []
    for number in range(30):
        asked.append(context.driver.begin("publish", channel="last-words", payload="x" * 400_000 + str(number)))
        if not context.driver.is_answered(asked[-1], BLOCKED_SECONDS * context.time_scale):
            break  # a client may wait for the server
    end.patience += context.seconds_for(len(asked) * 400_000)
    return asked


def _count_sent(context: ClientContext, asked: list[int]) -> int:
    """Return how many of these commands succeeded."""
    return sum("result" in context.driver.answer(each) for each in asked)


def _drops_what_waits(context: ClientContext) -> bool:
    """Have the client connect again, and return true if what waits inside it is lost without a disconnect, too.

    No rule forbids a client to drop messages for a server that does not read.
    """
    told = context.driver.begin("connect")
    try:
        end = context.accept_again(told)
    except Unsupported:  # what it lost is lost all the same
        return False
    end.shake_hands()
    context.expect_connected(told)
    asked = _flood(context, end)
    context.reads_ahead = True
    try:
        for _ in range(_count_sent(context, asked)):
            end.receive()
    except Late:
        return True
    return False


@client_case("client-handshake/what-waits-at-disconnect-arrives", "HSK-028", seconds=0.3)
def what_waits_arrives(context: ClientContext) -> None:
    """What waits inside the client, because the server does not read, arrives although the client disconnects."""
    end = context.connect()
    asked = _flood(context, end)
    told = context.driver.begin("disconnect")
    context.driver.is_answered(told, HELD_SECONDS * context.time_scale)
    context.reads_ahead = True
    arrived = len(end.receive_until_end())
    sent = _count_sent(context, asked)
    if arrived < sent and not end.was_reset and _drops_what_waits(context):
        raise Unsupported("the client drops messages while the server does not read")
    if arrived < sent or end.was_reset:
        raise Violation(
            "what the client sent ahead of disconnect did not all arrive, or not in order",
            expected=f"{sent} messages and the end of the stream",
            received=f"{arrived} messages{', then a reset' if end.was_reset else ''}",
        )


@client_case("client-handshake/process-ends-after-disconnect", "HSK-029")
def process_ends(context: ClientContext) -> None:
    """After disconnect nothing keeps the client's process alive."""
    end = context.connect()
    context.driver.ask("disconnect")
    end.expect_gone()
    context.expect_exit()


@client_case("client-handshake/process-ends-while-connecting", "HSK-029")
def process_ends_while_connecting(context: ClientContext) -> None:
    """A client that is told to disconnect while it waits for the acknowledgement lets its process end."""
    context.begin_connecting()
    end = context.accept()
    end.take_connect()
    context.driver.ask("disconnect")
    end.expect_gone()
    context.expect_exit()


@client_case("client-handshake/process-ends-with-requests-in-flight", "HSK-029")
def process_ends_with_requests(context: ClientContext) -> None:
    """A client that is told to disconnect while requests are in flight lets its process end."""
    end = context.connect()
    ask_many(context, end, 5)
    context.driver.ask("disconnect")
    context.expect_exit()
