"""The raw peer and the connection, against servers that are each wrong in one named way."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kit_scripted import Link, Script, after_handshake, connected, error, in_turn, pong, response, serving

from conformance.core.trace import Trace
from conformance.core.verdicts import Late, TargetError, Violation
from conformance.peers.base import QUICKACK, Ended
from conformance.peers.client import ClientPeer
from conformance.peers.expectations import Expectations
from conformance.protocol import codec
from conformance.results.survey import Finding, State, Survey
from conformance.transport.address import address_of

Act = Callable[[ClientPeer], object]

BREAKS_ENVELOPE = "the server sent a message that breaks the envelope rules (ENV-001)"
BREAKS_ENCODING = "the server sent a body that breaks the encoding rules"
NOT_THE_RESPONSE = "the next frame is not the response to the request (REQ-001 to REQ-003)"
NOT_THE_ACKNOWLEDGEMENT = "the answer to a valid connect message is not its acknowledgement (HSK-004, HSK-005)"
ADDRESSED_WRONGLY = "is addressed wrongly (ERR-002 to ERR-004)"
MEBIBYTE = 1_048_576


def without(message: codec.Message, name: str) -> codec.Message:
    return {member: value for member, value in message.items() if member != name}


def to_a_request(answer: Callable[[codec.Message], codec.Message]) -> Script:
    return after_handshake(lambda link: link.send(answer(link.receive())))


def ask(connection: ClientPeer) -> None:
    connection.handshake()
    connection.request("conformance.echo", 1)


def silence(connection: ClientPeer) -> None:
    connection.handshake()
    connection.expect_silence()


def silence_twice(connection: ClientPeer) -> None:
    silence(connection)
    connection.expect_silence()


def malformed(connection: ClientPeer) -> None:
    connection.handshake()
    connection.send_body(b"x")
    connection.expect_error("malformed_frame", None)


def refused(connection: ClientPeer) -> None:
    connection.handshake()
    request = connection.request_message("conformance.echo", 1)
    connection.send(request)
    connection.expect_error("no_handler", request)


def fatal(link: Link, *further: codec.Message, **members: Any) -> None:
    """Answer a malformed frame as the rules say, then do something more."""
    link.stream.read(5)
    answer = error(link.connect, "malformed_frame", channel_id="system", reply_to=None, message_id="f1")
    link.send(answer | members, *further)


def deaf_after_fatal(link: Link) -> None:
    fatal(link)
    link.wait_for_the_end()


def one_id_for_all(link: Link) -> None:
    for _ in range(2):
        link.send(pong(link.receive(), message_id="the-only"))


def extra(link: Link) -> None:
    ping = link.receive()
    link.send(pong(link.connect, message_id="extra"), pong(ping))


def refuse(**members: Any) -> Script:
    return to_a_request(lambda request: error(request, "no_handler", **members))


def acknowledge(**members: Any) -> Script:
    def play(link: Link) -> None:
        connect = link.receive()
        payload = {"status": "connected", "connection_id": connect["payload"]["connection_id"]}
        link.send(response(connect, payload | members.pop("payload", {}), **{"reply_to": None} | members))

    return play


WRONG: dict[str, tuple[Script, Act, str, str]] = {
    "sends a header over the limit": (
        lambda link: link.octets(b"\x01\0\0\1rest"),
        ClientPeer.receive,
        "the server sent a header over the frame limit, or lost its framing",
        "16777217, octets 01000001",
    ),
    "sends text instead of frames": (
        lambda link: link.octets(b"HTTP/1.1 400 Bad Request"),
        ClientPeer.receive,
        "the server sent a header over the frame limit, or lost its framing",
        "48545450",
    ),
    "sends no JSON": (lambda link: link.body(b"hello"), ClientPeer.receive, BREAKS_ENCODING, "ENC-001"),
    "sends Latin-1": (lambda link: link.body(b'{"a":"\xe4"}'), ClientPeer.receive, BREAKS_ENCODING, "ENC-002"),
    "sends a name twice": (lambda link: link.body(b'{"a":1,"a":1}'), ClientPeer.receive, BREAKS_ENCODING, "ENC-003"),
    "sends an object that is no message": (lambda link: link.send({}), ClientPeer.receive, BREAKS_ENVELOPE, ""),
    "leaves the timestamp out": (
        to_a_request(lambda request: without(response(request, 1), "timestamp")),
        ask,
        BREAKS_ENVELOPE,
        "timestamp",
    ),
    "adds a member": (to_a_request(lambda request: response(request, 1, debug=1)), ask, BREAKS_ENVELOPE, "debug"),
    "sends a request": (
        to_a_request(lambda request: response(request, 1, message_type="request")),
        ask,
        BREAKS_ENVELOPE,
        "message_type",
    ),
    "uses a message_id twice": (
        after_handshake(one_id_for_all),
        silence_twice,
        "the server used a message_id a second time (REQ-004)",
        "the-only",
    ),
    "echoes the message_id": (
        to_a_request(lambda request: response(request, 1, message_id=request["message_id"])),
        ask,
        "the server used a message_id a second time (REQ-004)",
        "",
    ),
    "ends the stream instead": (
        lambda link: link.receive(),
        ClientPeer.handshake,
        "the server ended the connection (end of stream)",
        "",
    ),
    "ends the stream inside a frame": (
        lambda link: link.octets(b"\0\0\0\x09{"),
        ClientPeer.receive,
        "the server ended the connection (end of stream)",
        "",
    ),
    "resets": (
        in_turn(Link.receive, Link.reset),
        ClientPeer.handshake,
        "the server ended the connection (reset",
        "",
    ),
    "sends a pong nobody asked for": (
        after_handshake(extra),
        silence,
        "the server sent something where nothing is to be sent",
        "1 message(s), first",
    ),
    "answers with status gnip": (
        to_a_request(lambda request: response(request, {"status": "gnip"})),
        silence,
        "a ping got something else than a pong (SYS-003)",
        "gnip",
    ),
    "answers another request": (
        to_a_request(lambda request: response(request, 1, reply_to="another")),
        ask,
        NOT_THE_RESPONSE,
        '"another"',
    ),
    "answers on another channel": (
        to_a_request(lambda request: response(request, 1, channel_id="another")),
        ask,
        NOT_THE_RESPONSE,
        '"another"',
    ),
    "answers in another application": (
        to_a_request(lambda request: response(request, 1, app_id="another")),
        ask,
        NOT_THE_RESPONSE,
        '"another"',
    ),
    "acknowledges another connection": (
        acknowledge(payload={"connection_id": "another"}),
        ClientPeer.handshake,
        NOT_THE_ACKNOWLEDGEMENT,
        '"another"',
    ),
    "acknowledges with a wrong status": (
        acknowledge(payload={"status": "ok"}),
        ClientPeer.handshake,
        NOT_THE_ACKNOWLEDGEMENT,
        "'connected' was expected",
    ),
    "acknowledges with a reply_to": (
        acknowledge(reply_to="A-1"),
        ClientPeer.handshake,
        NOT_THE_ACKNOWLEDGEMENT,
        "at reply_to",
    ),
    "acknowledges in another application": (
        acknowledge(app_id="another"),
        ClientPeer.handshake,
        NOT_THE_ACKNOWLEDGEMENT,
        '"another"',
    ),
    "gives another error": (
        to_a_request(lambda request: error(request, "forbidden")),
        refused,
        "expected the error no_handler and got",
        "forbidden",
    ),
    "gives a made-up error": (
        to_a_request(lambda request: error(request, "teapot")),
        refused,
        "expected the error no_handler and got",
        "teapot",
    ),
    "gives a good answer": (
        to_a_request(lambda request: response(request, 1)),
        refused,
        "expected the error no_handler and got",
        "",
    ),
    "ends instead of an error": (
        after_handshake(lambda link: link.receive()),
        refused,
        "the server ended the connection without the error no_handler",
        "end of stream",
    ),
    "gives an error without reply_to": (refuse(reply_to=None), refused, ADDRESSED_WRONGLY, '"reply_to": null'),
    "gives an error on channel system": (refuse(channel_id="system"), refused, ADDRESSED_WRONGLY, '"system"'),
    "gives an error in application system": (refuse(app_id="system"), refused, ADDRESSED_WRONGLY, '"system"'),
    "replies to what cannot be read": (
        after_handshake(lambda link: fatal(link, reply_to="made-up")),
        malformed,
        ADDRESSED_WRONGLY,
        '"made-up"',
    ),
    "goes on after a fatal error": (
        after_handshake(lambda link: fatal(link, pong(link.connect, message_id="p1"))),
        malformed,
        "the server sent something on a connection that it had to close",
        "pong",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_violation_says_how_the_server(name: str) -> None:
    script, act, message, received = WRONG[name]
    with connected(script) as connection, pytest.raises(Violation) as caught:
        act(connection)
    assert message in caught.value.message
    assert received in caught.value.received


SILENT: dict[str, tuple[Script, Act]] = {
    "at the handshake": (Link.wait_for_the_end, ClientPeer.handshake),
    "at a request": (after_handshake(Link.wait_for_the_end), ask),
    "inside a header": (in_turn(lambda link: link.octets(b"\0\0"), Link.wait_for_the_end), ClientPeer.receive),
    "inside a body": (in_turn(lambda link: link.octets(b"\0\0\0\2{"), Link.wait_for_the_end), ClientPeer.receive),
    "after a fatal error": (after_handshake(deaf_after_fatal), malformed),
}


@pytest.mark.parametrize("name", SILENT)
def test_violation_when_nothing_comes(name: str) -> None:
    script, act = SILENT[name]
    with connected(script, patience=0.2) as connection, pytest.raises(Violation) as caught:
        act(connection)
    assert caught.value.message == "the server did not answer in time"
    assert not isinstance(caught.value, Ended)


def test_a_good_server_is_no_violation() -> None:
    def script(link: Link) -> None:
        link.send(response(link.receive(), [1.0]))
        link.send(pong(link.receive()))
        link.send(error(link.receive(), "no_handler"))
        fatal(link)

    with connected(after_handshake(script)) as connection:
        connection.handshake()
        request = connection.request_message("conformance.echo", [1])
        connection.send(request)
        connection.expect_payload(request, [1], "not an echo")
        connection.expect_silence()
        refusal = connection.request_message("nowhere", 1)
        connection.send(refusal)
        connection.expect_error("no_handler", refusal)
        connection.send_body(b"x")
        connection.expect_error("malformed_frame", None)
        assert connection.is_over


def deliveries(*wanted: str) -> Act:
    def act(connection: ClientPeer) -> None:
        connection.handshake()
        messages = [connection.message("publish", "news", text) | {"timestamp": 1} for text in wanted]
        for number, each in enumerate(messages):
            each["message_id"] = f"n{number}"
        connection.expect_deliveries(messages)

    return act


def news(link: Link, *texts: str) -> None:
    ping = link.receive()
    for number, text in enumerate(texts):
        message = {"message_id": f"n{number}", "app_id": "conformance", "channel_id": "news", "timestamp": 1.0}
        link.send(message | {"message_type": "publish", "payload": text})
    link.send(pong(ping))


@pytest.mark.parametrize("sent", [(), ("a",), ("b", "a"), ("a", "b", "c"), ("a", "B")])
def test_deliveries_are_compared_in_number_order_and_content(sent: tuple[str, ...]) -> None:
    script = after_handshake(lambda link: news(link, *sent))
    with connected(script) as connection, pytest.raises(Violation) as caught:
        deliveries("a", "b")(connection)
    assert caught.value.message == "the subscriber did not get exactly what was published"
    assert caught.value.received.startswith(f"{len(sent)} message(s)")


@pytest.mark.parametrize(("publisher", "ability"), [("A", "own_delivery"), ("B", "delivery"), ("AA", "delivery")])
def test_deliveries_name_the_ability_that_they_need(publisher: str, ability: str) -> None:
    with connected(after_handshake(news)) as connection:
        connection.handshake()
        with pytest.raises(Violation) as caught:
            connection.expect_deliveries([{"message_id": f"{publisher}-1"}])
    assert caught.value.ability == ability


def test_deliveries_need_no_reply_to() -> None:
    with connected(after_handshake(lambda link: news(link, "a", "b"))) as connection:
        deliveries("a", "b")(connection)


def test_limits_are_taken_over_from_the_acknowledgement() -> None:
    def script(link: Link) -> None:
        acknowledge(payload={"limits": {"max_frame_bytes": MEBIBYTE}})(link)
        link.octets(codec.header(MEBIBYTE + 1))

    with connected(script) as connection:
        connection.handshake()
        with pytest.raises(Violation, match="over the frame limit"):
            connection.receive()


def test_sending_to_a_server_that_stops_reading_ends() -> None:
    done = threading.Event()
    with connected(lambda _: done.wait(10), patience=0.2) as connection:
        try:
            with pytest.raises(Violation, match="the server stopped reading"):
                connection.send_octets(bytes(32 * MEBIBYTE))
        finally:
            done.set()


def test_sending_reads_meanwhile() -> None:
    def echo(link: Link) -> None:
        while octets := link.socket.recv(65_536):
            link.octets(octets)

    data = bytes(32 * MEBIBYTE)  # more than all buffers on the way there and back
    with connected(echo) as connection:
        connection.send_octets(data)
        connection.end_sending()
        assert len(connection.receive_octets_until_end(limit=len(data))) == len(data)


def test_send_without_reading_tells_how_much_was_taken() -> None:
    done = threading.Event()
    with connected(lambda _: done.wait(10)) as connection:
        taken = connection.send_without_reading(bytes(32 * MEBIBYTE), stall_seconds=0.1)
        done.set()
    assert 0 < taken < 32 * MEBIBYTE
    with connected(Link.wait_for_the_end) as connection:
        assert connection.send_without_reading(bytes(MEBIBYTE), stall_seconds=5.0) == MEBIBYTE
        connection.end_sending()


def test_send_without_reading_leaves_what_arrives_unread() -> None:
    with connected(in_turn(lambda link: link.body(b"{}"), Link.wait_for_the_end)) as connection:
        connection.send_without_reading(bytes(1000), stall_seconds=1.0)
        assert [entry.direction for entry in connection._trace.entries] == ["event"] * 3
        assert connection._buffer == b""


def test_an_error_answer_survives_the_end_of_the_connection_while_sending() -> None:
    def refuse_and_leave(link: Link) -> None:
        link.socket.recv(1)
        link.send(error({"message_id": "1", "app_id": "system", "channel_id": "system"}, "frame_too_large"))
        link.reset()

    with connected(refuse_and_leave) as connection:
        taken = connection.send_without_reading(bytes(32 * MEBIBYTE), stall_seconds=5.0)
        assert taken < 32 * MEBIBYTE
        assert connection.receive()["payload"]["error"]["code"] == "frame_too_large"
        connection.expect_end()


def test_arrival_is_told_without_waiting() -> None:
    asked, sent = threading.Event(), threading.Event()

    def script(link: Link) -> None:
        asked.wait(10)
        link.octets(b"x")
        sent.set()

    with connected(script) as connection:
        assert not connection.has_arrived()
        asked.set()
        assert sent.wait(10)
        assert connection.receive_octets_until_end() == b"x"
        assert connection.is_over


def test_connecting_to_nobody_is_the_targets_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = address_of(listener)
    with pytest.raises(TargetError, match=f"cannot connect to {address}"):
        ClientPeer("A", address, Trace(), 1.0)


def test_discarding_twice_is_safe_and_resets() -> None:
    ends: list[str] = []

    def script(link: Link) -> None:
        try:
            link.socket.recv(1)
        except ConnectionResetError:
            ends.append("reset")

    with serving(script) as address:
        peer = ClientPeer("A", address, Trace(), 1.0)
        peer.discard()
        peer.discard()
    assert ends == ["reset"]


def test_connection_that_the_case_closed_is_not_waited_for() -> None:
    with serving(lambda _: None) as address:
        peer = ClientPeer("A", address, Trace(), 1.0)
        peer.close()
        with pytest.raises(ValueError, match="a connection that it closed"):
            peer.receive()


def test_a_handshake_timeout_may_come_of_a_kit_that_was_late() -> None:
    """It is tried again, and not held against the server at once."""

    def refuse(link: Link) -> None:
        connect = link.receive()
        link.send(error(connect, "handshake_timeout"))

    with connected(refuse) as connection, pytest.raises(Late, match=re.escape(NOT_THE_ACKNOWLEDGEMENT)):
        connection.handshake()


def answer_ping(link: Link) -> None:
    link.send(pong(link.receive()))


@pytest.mark.skipif(QUICKACK is None, reason="Linux only")
def test_what_arrives_is_acknowledged_at_once_unless_a_case_wants_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    options = list[tuple[int, int]]()

    class Recorded(socket.socket):
        def setsockopt(self, level: int, name: int, value: Any) -> None:  # type: ignore[override]
            options.append((name, value))
            super().setsockopt(level, name, value)

    def dial(address: Any, *_: object) -> socket.socket:
        plain = address.connect(1.0)
        return Recorded(plain.family, plain.type, fileno=plain.detach())

    monkeypatch.setattr("conformance.peers.client.connect", dial)
    with serving(after_handshake(in_turn(answer_ping, answer_ping))) as address:
        connection = ClientPeer("A", address, Trace(), 5.0)
        connection.app_id, connection.connection_id = "app", "me"
        silence(connection)
        assert (QUICKACK, 1) in options
        connection.delay_acknowledgements()
        del options[:-1]
        assert options == [(QUICKACK, 0)]
        connection.expect_silence()
        assert options == [(QUICKACK, 0)]
        connection.discard()


def lacking(*abilities: str) -> Expectations:
    """Return what to expect of a server without some abilities."""
    return Expectations.of(
        Survey(tuple(Finding(name, name, "", State.NO, 0.0) for name in abilities)), 1.0, is_patient=False
    )


def echo_and_wait(connection: ClientPeer) -> None:
    connection.send(connection.request_message("conformance.echo", {"n": 1}))
    connection.receive()


def fail_and_wait(connection: ClientPeer) -> None:
    connection.send(connection.request_message("conformance.fail", {"detail": "x"}))
    connection.receive()


def echo_and_expect_an_error(connection: ClientPeer) -> None:
    connection.send(connection.request_message("conformance.echo", {"n": 1}))
    connection.receive_error("invalid_message")


def either(connection: ClientPeer) -> None:
    with connection.blaming("ping", "error.malformed_frame"):
        connection.receive()


BLAMED: list[tuple[Act, tuple[str, ...], str]] = [
    (echo_and_wait, ("echo",), "echo"),
    (echo_and_wait, ("ping",), ""),
    (fail_and_wait, ("errors",), "error.handler_failed"),
    (echo_and_expect_an_error, ("echo", "errors"), "error.invalid_message"),
    (either, ("ping",), "ping"),
    (either, ("ping", "errors"), "ping"),
    (either, ("errors",), "error.malformed_frame"),
    (either, (), "error.malformed_frame"),
    (ClientPeer.receive, ("echo",), ""),
]


@pytest.mark.parametrize(("act", "missing", "blamed"), BLAMED)
def test_a_wait_says_which_ability_it_needed(act: Act, missing: tuple[str, ...], blamed: str) -> None:
    with connected(after_handshake(Link.wait_for_the_end), patience=0.2) as connection:
        connection.handshake()
        connection.expectations = lacking(*missing)
        with pytest.raises(Late) as found:
            act(connection)
        assert found.value.ability == blamed


@pytest.mark.parametrize(("answered", "blamed"), [(1, "time"), (2, "")])
def test_what_was_answered_is_not_blamed_later(answered: int, blamed: str) -> None:
    def answer_some(link: Link) -> None:
        for _ in range(answered):
            link.send(response(link.receive(), {}))
        link.wait_for_the_end()

    with connected(after_handshake(answer_some), patience=0.2) as connection:
        connection.handshake()
        connection.expectations = lacking("ping", "time")
        for action in ("ping", "get_time"):
            connection.send(connection.request_message("system", {"action": action}))
        for _ in range(answered):
            connection.receive()
        with pytest.raises(Late) as found:
            connection.receive()
        assert found.value.ability == blamed


@pytest.mark.parametrize(("beside", "missing", "blamed"), [
    (True, ("many_connections",), "many_connections"),
    (False, ("many_connections",), "error.handshake_required"),
    (True, (), "error.handshake_required"),
])  # fmt: skip
def test_a_further_connection_may_wait_for_its_turn(beside: bool, missing: tuple[str, ...], blamed: str) -> None:
    with connected(Link.wait_for_the_end, patience=0.2) as connection:
        connection.is_beside, connection.expectations = beside, lacking(*missing)
        with pytest.raises(Late) as found:
            connection.receive_error("handshake_required")
        assert found.value.ability == blamed
