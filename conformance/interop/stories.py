"""The stories: what users do with a client and a server. The docstring of each says what then works."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from conformance.core.verdicts import Late, TargetError, Violation
from conformance.interop.blame import are_reordered, is_delayed, lacks_handler, payloads, without_handler
from conformance.interop.outcome import Broken
from conformance.interop.stage import COMES_BACK_SECONDS, ECHO, PATIENCE_SECONDS, Actor, Asked, Stage, refuse
from conformance.peers.client import ClientPeer
from conformance.protocol.codec import Message, same
from conformance.protocol.error_answers import error_code
from conformance.protocol.responder import RESPONDER_APP

SLOW_MS, GIVES_UP_MS = 1000, 300
HEARTBEAT_MS = 1000
DELAY = "conformance.delay"
EARLY = 0.9
"""The part of a delay after which an answer is no longer early: clocks differ."""
MANY = 1000
CROSSINGS = 20
MEBIBYTE = 1_048_576
ROOM_FOR_ENVELOPE = 1024
UNICODE = ["Grüße", "日本語", "שלום", "👩‍👩‍👧", "\u2028\u2029", "\x00\x1f", '"\\', "\uffff\U0010ffff"]
VALUES = [["a", 1], "text", 42, -0.5, True, None]
RETURNS = 5
PENDING_MS = 2000
"""Some servers do nothing else while a handler runs, so it has to end."""
STAYS_SECONDS = 1.0
ENDS_SECONDS = 2.0


Play = Callable[[Stage], None]


@dataclass(frozen=True)
class Story:
    """A story.

    Attributes:
        name: its name in reports and options.
        title: what works if it works.
        play: acts it out.
        is_calm: whether it leaves its clients connected, with no option but the usual ones, for another story.
    """

    name: str
    title: str
    play: Play
    is_calm: bool


STORIES: dict[str, Story] = {}
"""All stories by name, in the order in which they are told."""


def _story(*, calm: bool = True) -> Callable[[Play], Play]:
    def add(play: Play) -> Play:
        name = play.__name__.replace("_", "-")
        STORIES[name] = Story(name, (play.__doc__ or "").rstrip("."), play, calm)
        return play

    return add


@_story(calm=False)
def connect(stage: Stage) -> None:
    """A client connects, and disconnects."""
    client = stage.client()
    refuse(not client.is_connected(), "client", "", "the client does not say that it is connected")
    link = client.link
    client.driver.ask("disconnect")
    if not stage.wait_for(lambda: "client" in link.ended, ENDS_SECONDS):
        stage.note("client", "HSK-028", "the client does not end its connection when it disconnects")


@_story()
def request(stage: Stage) -> None:
    """A request gets its response."""
    client = stage.client()
    client.echo({"question": "the same"})
    client.echo({"question": "the same"})


@_story()
def slow_handler(stage: Stage) -> None:
    """A request that takes too long fails, and its late response disturbs nothing."""
    client = stage.client()
    asked = client.begin_request(DELAY, {"delay_ms": stage.scaled(SLOW_MS), "value": "late"}, GIVES_UP_MS)
    answer = client.outcome(asked)
    link, slow = client.sent(asked)
    _refuse_early(client, asked)
    refuse("error" not in answer, "client", "", "a request did not fail after its timeout", str(answer))
    late = stage.wait_for(lambda: link.response_to(slow) is not None, PATIENCE_SECONDS)
    refuse(not late, "server", "REQ-001", "the server did not answer a request")
    client.echo({"after": "the late response"})
    refuse(not client.is_connected(), "client", "REQ-017", "the client lost its connection by a late response")


@_story()
def slow_handler_and_others(stage: Stage) -> None:
    """While a handler is slow, another client gets its responses."""
    client, other = stage.client(), stage.client()
    slow = client.begin_request(DELAY, {"delay_ms": stage.scaled(SLOW_MS), "value": 1})
    client.await_sent(slow)
    quick = other.begin_request(ECHO, {"meanwhile": True})
    other.finish_echo(quick)
    _refuse_early(client, slow)
    client.response(slow)
    delayed = is_delayed(client.sent(slow), other.sent(quick), slow.payload["delay_ms"] / 1000)
    refuse(delayed, "server", "REQ-010", "a slow handler delayed the requests of another client")


def _refuse_early(client: Actor, slow: Asked) -> None:
    """Blame the server if it has answered a request to the slow handler before its delay was over."""
    link, asked = client.sent(slow)
    response = link.response_to(asked)
    if response is None:
        return
    if lacks_handler(slow.channel, response):
        raise without_handler(slow.channel)
    seconds = link.seconds_between(asked, response)
    is_early = seconds < EARLY * slow.payload["delay_ms"] / 1000
    refuse(is_early, "server", "", "the server answered before the delay was over", f"after {seconds:.3f} s")


@_story()
def failing_handler(stage: Stage) -> None:
    """A request whose handler fails gets an error."""
    _expect_error(stage.client(), "conformance.fail", "handler_failed", "REQ-013")


@_story()
def no_handler(stage: Stage) -> None:
    """A request on a channel without a handler gets an error."""
    _expect_error(stage.client(), stage.channel("nobody"), "no_handler", "REQ-012")


def _expect_error(client: Actor, channel: str, code: str, requirement: str) -> None:
    asked = client.begin_request(channel, {"detail": "as it was told to"})
    answer = client.outcome(asked)
    link, sent = client.sent(asked)
    response = link.response_to(sent)
    found = error_code(response) if response else None
    refuse(found != code, "server", requirement, f"the server did not answer with the error {code}", str(found or ""))
    handed = answer.get("result", {}).get("response")
    is_told = error_code(handed or {}) == code or code in str(answer.get("error"))
    refuse(not is_told, "client", "ERR-010", "the client did not hand over an error answer", str(answer)[:300])
    client.settle()


@_story()
def publish(stage: Stage) -> None:
    """Two clients subscribe to a channel, and each gets what the other publishes."""
    one, two = stage.client(), stage.client()
    channel = stage.channel("news")
    one.subscribe(channel)
    two.subscribe(channel)
    one.publish(channel, {"from": 1})
    for client in (one, two):
        client.expect(channel, [{"from": 1}], one)
    two.publish(channel, {"from": 2})
    for client in (one, two):
        client.expect(channel, [{"from": 1}, {"from": 2}], one, two)


@_story()
def server_notification(stage: Stage) -> None:
    """A subscriber gets the notifications and the publishes of the server."""
    client = stage.client()
    channel = stage.channel("status")
    client.subscribe(channel)
    for kind in ("notification", "publish"):
        wanted = {"channel": channel, "count": 2, "message_type": kind, "payload": {"kind": kind}}
        client.request("conformance.emit", wanted)
    client.expect(channel, [{"kind": "notification"}] * 2 + [{"kind": "publish"}] * 2)


@_story()
def notify(stage: Stage) -> None:
    """The server gets the notifications of a client, once and in order."""
    client = stage.client()
    notes = [{"note": stage.channel("note"), "number": number} for number in range(3)]
    for each in notes:
        client.driver.ask("notify", channel="conformance.note", payload=each)
    answer = client.request("conformance.seen", {})
    seen = answer.get("seen") if isinstance(answer, dict) else None
    mine = [each for each in seen if any(same(each, note) for note in notes)] if isinstance(seen, list) else []
    sent = payloads(client.link.sent, "conformance.note", ("notification",))
    refuse(not same(sent, notes), "client", "", "the client did not send what it was told to notify", str(sent))
    message = "the server's handler got the notifications in another order"
    refuse(are_reordered(mine, notes), "server", "NTF-003", message, str(mine))
    refuse(not same(mine, notes), "server", "NTF-002", "the server's handler did not get the notifications", str(mine))


@_story()
def unsubscribe(stage: Stage) -> None:
    """A client that unsubscribed hands over nothing more of that channel, and goes on with others."""
    client, other = stage.client(), stage.client()
    left, kept = stage.channel("left"), stage.channel("kept")
    client.subscribe(left, kept)
    other.publish(left, 1)
    client.expect(left, [1], other)
    client.driver.ask("unsubscribe", channel=left)
    client.settle()
    # No rule asks a client for an unsubscribe: it may drop what arrives.
    has_left = bool(payloads(client.link.sent, left, ("unsubscribe",)))
    other.publish(left, 2)
    other.publish(kept, 3)
    client.expect(kept, [3], other)
    delivered = payloads(client.link.received, left, ("publish",))
    message = "the server delivered after an unsubscribe"
    refuse(has_left and not same(delivered, [1]), "server", "SUB-018", message, str(delivered))
    received = client.received(left)
    refuse(not same(received, [1]), "client", "", "the client handed over what it had unsubscribed from", str(received))


@_story()
def crossing(stage: Stage) -> None:
    """Two clients send requests and publish to each other at the same time, and nothing is mixed up."""
    pair = (stage.client(), stage.client())
    channels = (stage.channel("to-1"), stage.channel("to-2"))
    for client, channel in zip(pair, channels, strict=True):
        client.subscribe(channel)
    asked = []
    for number in range(CROSSINGS):
        for index, client in enumerate(pair):
            asked.append((client, client.begin_request(ECHO, {"from": index, "number": number})))
            client.publish(channels[1 - index], number)
    for client, each in asked:
        client.finish_echo(each)
    for index, client in enumerate(pair):
        client.expect(channels[index], list(range(CROSSINGS)), pair[1 - index])


@_story()
def payload_no_object(stage: Stage) -> None:
    """Payloads that are no objects travel as they are, in requests and publishes."""
    client, other = stage.client(), stage.client()
    channel = stage.channel("values")
    client.subscribe(channel)
    other.publish(channel, *VALUES)
    client.expect(channel, VALUES, other)
    for value in VALUES:
        client.echo(value)


@_story()
def mebibyte(stage: Stage) -> None:
    """A message of 1 MiB travels in both directions."""
    client = stage.client()
    text = "x" * (MEBIBYTE - ROOM_FOR_ENVELOPE)
    client.echo({"text": text})
    channel = stage.channel("large")
    client.subscribe(channel)
    client.publish(channel, {"text": text})
    client.expect(channel, [{"text": text}], client)


@_story()
def unicode(stage: Stage) -> None:
    """Text of all scripts travels unchanged, in payloads and in names of channels."""
    client = stage.client()
    client.echo({text: text for text in UNICODE})
    channel = stage.channel("канал-通道-🚀")
    client.subscribe(channel)
    client.publish(channel, *UNICODE)
    client.expect(channel, list(UNICODE), client)


@_story()
def burst(stage: Stage) -> None:
    """A subscriber gets 1000 publishes of a client, and 1000 of the server, complete and in order."""
    client, other = stage.client(), stage.client()
    channel, emitted = stage.channel("burst"), stage.channel("emitted")
    client.subscribe(channel, emitted)
    other.publish(channel, *range(MANY))
    client.expect(channel, list(range(MANY)), other)
    client.request("conformance.emit", {"channel": emitted, "count": MANY, "message_type": "publish", "payload": 0})
    client.expect(emitted, [0] * MANY)


@_story(calm=False)
def idle(stage: Stage) -> None:
    """A connection stays for three heartbeats without any message, and works then."""
    client = stage.client(heartbeat_interval_ms=stage.scaled(HEARTBEAT_MS))
    link = client.link
    stage.pause(3.5 * HEARTBEAT_MS / 1000)
    refuse(link.ended[:1] == ["server"], "server", "LIM-010", "the server ended a silent connection")
    has_left = bool(link.ended) or client.link is not link or not client.is_connected()
    pings = [each for each in link.sent if _is_ping(each)]
    due = [each for each in pings if link.seconds_after(each) > 0.8 * stage.scaled(HEARTBEAT_MS) / 1000]
    if any(link.response_to(each) is None for each in due):
        refuse(has_left, "server", "SYS-003", "the server does not answer pings")
        stage.note("server", "SYS-003", "the server does not answer pings")
    refuse(has_left, "client", "", "the client gave up a connection that works")
    if not pings:
        stage.note("client", "SYS-006", "the client sends no pings")
    client.settle()


def _is_ping(message: Message) -> bool:
    payload = message.get("payload")
    is_request = message.get("message_type") == "request" and message.get("channel_id") == "system"
    return is_request and isinstance(payload, dict) and payload.get("action") == "ping"


@_story(calm=False)
def server_restarts(stage: Stage) -> None:
    """After the server was killed and started again, requests and subscriptions work again."""
    _lose(stage, stage.kill_server, stage.start_server)


@_story(calm=False)
def connection_breaks(stage: Stage) -> None:
    """After the connection alone was broken, requests and subscriptions work again."""
    _lose(stage, stage.cut_connections, lambda: None)


def _lose(stage: Stage, lose: Callable[[], None], restore: Callable[[], None]) -> None:
    client = stage.client(reconnects=True)
    channel = stage.channel("kept")
    client.subscribe(channel)
    slow = {"delay_ms": stage.scaled(PENDING_MS), "value": 1}
    pending = client.begin_request(DELAY, slow, 60_000)
    client.await_sent(pending)
    _refuse_early(client, pending)
    lose()
    try:
        failure = client.outcome(pending)
    except Late as violation:
        stage.note("client", "REQ-018", "a request in flight did not fail when its connection was lost")
        failure = {"error": {"message": str(violation)}}
    _refuse_early(client, pending)
    refuse("error" not in failure, "client", "REQ-018", "a request succeeded on a lost connection", str(failure))
    restore()
    _come_back(stage, client)
    client.settle()
    client.publish(channel, {"after": "the loss"})
    client.expect(channel, [{"after": "the loss"}], client)


def _come_back(stage: Stage, client: Actor) -> None:
    """Wait until the client is connected again; tell it to connect if it does not by itself, which no rule asks for."""
    if stage.wait_for(lambda: len(client.links) > 1 and client.is_connected(), COMES_BACK_SECONDS):
        return
    refuse(client.is_connected(), "client", "", "the client did not notice that its connection was lost")
    stage.note("client", "", "the client does not connect again by itself")
    client.connect()


@_story(calm=False)
def client_killed(stage: Stage) -> None:
    """A client is killed, and the server goes on for the others and forgets it."""
    victim, other = stage.client(), stage.client()
    channel = stage.channel("shared")
    victim.subscribe(channel)
    other.subscribe(channel)
    link = victim.link
    victim.driver.stop()
    stage.wait_for(lambda: "client" in link.ended, PATIENCE_SECONDS)
    other.publish(channel, 1)
    other.expect(channel, [1], other)
    other.settle()
    if not stage.wait_for(lambda: "server" in link.ended, ENDS_SECONDS):
        stage.note("server", "LIM-017", "the server keeps the connection of a client that is gone")


@_story(calm=False)
def same_id(stage: Stage) -> None:
    """A second connection with the id of a client takes its place: the client is told, and stays away."""
    client = stage.client(reconnects=True)
    link = client.link
    with contextlib.ExitStack() as stack:
        with _taking_the_place("HSK-004"):
            second = ClientPeer("kit", stage.server.address, stage.trace, PATIENCE_SECONDS * stage.scale)
            stack.callback(second.discard)
            second.app_id, second.connection_id = RESPONDER_APP, client.connection_id
            second.handshake()
        told = stage.wait_for(lambda: "session_replaced" in link.errors, STAYS_SECONDS)
        refuse(not told, "server", "HSK-020", "the server did not tell a client that its session was replaced")
        ends = stage.wait_for(lambda: bool(link.ended), STAYS_SECONDS)
        refuse(not ends, "server", "ERR-012", "the server did not end a connection whose session was replaced")
        stays_away = not stage.wait_for(lambda: len(client.links) > 1, STAYS_SECONDS)
        if not stays_away:  # with its own id: now the second connection is replaced
            stage.note("client", "HSK-026", "the client connected again after its session was replaced")
            return
        gone = client.await_connected(False)
        refuse(not gone, "client", "", "the client says that it is connected after its session was replaced")
        with _taking_the_place("REQ-001"):
            second.request(ECHO, {"place": "taken"})


@contextlib.contextmanager
def _taking_the_place(requirement: str) -> Iterator[None]:
    """Blame the server for what goes wrong with the second connection."""
    try:
        yield
    except TargetError as error:
        raise Broken("server", "", "the server did not accept a second connection", str(error)) from None
    except Violation as violation:
        message = "the second connection with the id of a client does not work"
        raise Broken("server", requirement, message, f"{violation} {violation.received}") from None


@_story(calm=False)
def disconnect_and_connect(stage: Stage) -> None:
    """A client that disconnects and connects again at once, several times, works each time."""
    client = stage.client()
    for number in range(RETURNS):
        client.driver.ask("disconnect")
        client.connect()
        channel = stage.channel("again")
        client.subscribe(channel)
        client.publish(channel, number)
        client.expect(channel, [number], client)


@_story(calm=False)
def process_ends(stage: Stage) -> None:
    """The process of a client ends by itself after it has disconnected."""
    client = stage.client()
    client.settle()
    status = client.driver.exit_status()
    if status is None:
        stage.note("client", "HSK-029", "the client's process did not end by itself")
    refuse(status not in (0, None), "client", "", "the client's process ended with an error", f"status {status}")
