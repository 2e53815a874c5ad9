"""The loads count right, find wrong answers, and end when a server does not go on."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from bench_servers import BARE, ScriptedServer

from conformance.bench import load
from conformance.bench.frame_pool import POOL_FRAMES, FramePool
from conformance.bench.load import FanOutLoad, PipelinedLoad
from conformance.core.verdicts import TargetError, Violation
from conformance.protocol import codec
from conformance.targets.process import ServerProcess
from conformance.transport.address import Address, address_of

Start = Callable[[Callable[[int, bytes], bytes | None]], ScriptedServer]

SECONDS = 0.1


def echo(_number: int, frame: bytes) -> bytes:
    return frame


def raw(server: ScriptedServer, **options: int) -> PipelinedLoad:
    return PipelinedLoad(address_of(server.socket), raw=True, **{"connections": 1, "window": 4} | options)


@pytest.fixture
def connected() -> Callable[[bytes], bytes]:
    """Give a function that answers connect messages."""

    def acknowledge(frame: bytes) -> bytes:
        message = codec.decode(frame[4:])
        payload = {"status": "connected", "connection_id": message["payload"]["connection_id"]}
        return codec.frame(codec.encode(message | {"message_id": "a", "message_type": "response", "payload": payload}))

    return acknowledge


@pytest.mark.parametrize(("connections", "window"), [(1, 1), (1, 64), (16, 16)])
def test_pipelined_load_runs_against_the_reference_server(reference: Address, connections: int, window: int) -> None:
    with PipelinedLoad(reference, connections=connections, window=window) as loaded:
        measured = loaded.measure(SECONDS)
        assert loaded.expected >= connections * window
    assert measured.rate > 0
    assert 0 <= measured.generator_cpu <= 1.5


def test_fan_out_load_runs_against_the_reference_server(reference: Address) -> None:
    with FanOutLoad(reference, subscribers=20, window=8) as loaded:
        measured = loaded.measure(SECONDS)
        assert loaded.expected % 20 == 0
    assert measured.rate > 0


@pytest.mark.parametrize("option", ["", " --joined"])
def test_raw_load_runs_against_the_bare_echo(option: str) -> None:
    process = ServerProcess(BARE + option)
    try:
        with PipelinedLoad(process.address, connections=2, window=64, raw=True) as loaded:
            assert loaded.measure(SECONDS).rate > 0
            assert loaded.expected > POOL_FRAMES, "the ring of frames went round"
    finally:
        process.stop()


def test_load_expects_as_many_answers_as_the_server_got_requests(scripted: Start) -> None:
    server = scripted(echo)
    with raw(server, connections=3) as loaded:
        loaded.measure(SECONDS)
        checks = 2 * 3
        assert loaded.expected == server.frames - checks


def test_window_bounds_what_is_in_flight(scripted: Start) -> None:
    held = bytearray()
    most = 0

    def answer_every_fourth(number: int, frame: bytes) -> bytes:
        nonlocal most
        held.extend(frame)
        most = max(most, len(held) // len(frame))
        if number % 4:
            return b""
        answers = bytes(held)
        held.clear()
        return answers

    with raw(scripted(answer_every_fourth)) as loaded:
        loaded.prepare()
        loaded.check()
        loaded.begin()
        loaded._run(SECONDS)
    assert most == 4


def test_measurement_ends_at_its_bound_of_frames(scripted: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "MAX_FRAMES", 50)
    with raw(scripted(echo)) as loaded:
        loaded.measure(60.0)
        assert 100 <= loaded.expected < 120


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        (lambda number, frame: frame if number < 20 else b"", "nothing arrived for 0.3 s; 19 of 23 frames arrived"),
        (lambda number, frame: frame if number < 20 else None, "the (server ended a|connection broke)"),
        (lambda number, frame: frame if number != 20 else frame + frame, "too many frames|did not send the frame back"),
        (lambda number, frame: frame if number != 20 else frame[:-1], "nothing arrived|did not come"),
    ],
    ids=["stops", "ends", "answers-twice", "cuts-short"],
)
def test_load_ends_with_an_error_when_the_server(
    scripted: Start, answers: Callable[[int, bytes], bytes | None], complaint: str
) -> None:
    with raw(scripted(answers)) as loaded, pytest.raises((TargetError, Violation), match=complaint):
        loaded.measure(SECONDS)


@pytest.mark.usefixtures("short_patience")
def test_load_does_not_wait_for_ever_for_the_last_answers(scripted: Start) -> None:
    server = scripted(lambda number, frame: frame if number != 5 else b"")
    with raw(server) as loaded, pytest.raises(TargetError, match=r"of .* frames arrived"):
        loaded.measure(SECONDS)


def test_raw_load_refuses_another_frame(scripted: Start) -> None:
    server = scripted(lambda _number, _frame: codec.frame(b"{}"))
    with raw(server) as loaded, pytest.raises(Violation, match="did not send the frame back"):
        loaded.measure(SECONDS)


@pytest.mark.parametrize(
    ("member", "complaint"), [("payload", "did not answer with the payload"), ("reply_to", "not the response")]
)
def test_pipelined_load_checks_a_response_in_full(
    scripted: Start, connected: Callable[[bytes], bytes], member: str, complaint: str
) -> None:
    def answer(number: int, frame: bytes) -> bytes:
        if number == 0:
            return connected(frame)
        message = json.loads(frame[4:])
        response = message | {
            "message_id": f"r-{number}",
            "message_type": "response",
            "reply_to": message["message_id"],
        }
        return codec.frame(codec.encode(response | {member: "something else"}))

    server = scripted(answer)
    loaded = PipelinedLoad(address_of(server.socket), connections=1, window=1)
    with loaded, pytest.raises(Violation, match=complaint):
        loaded.measure(SECONDS)


def test_frames_have_the_usual_size(reference: Address) -> None:
    with FanOutLoad(reference, subscribers=1, window=1) as loaded:
        for message in (loaded._publication(), loaded.connections[0].echo_message()):
            assert 150 <= FramePool(message).frame_octets <= 250


def test_fan_out_load_refuses_another_message_than_was_published(reference: Address) -> None:
    with FanOutLoad(reference, subscribers=2, window=2) as loaded:
        loaded.prepare()
        loaded.connections[1].publish_and_get(loaded._channel, "something else")
        with pytest.raises(Violation, match="did not get what was published"):
            loaded.check()


def test_fan_out_load_refuses_a_server_that_answers_publications(
    reference: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication = FanOutLoad._publication

    def as_request(loaded: FanOutLoad) -> dict[str, object]:
        return publication(loaded) | {"message_type": "request"}

    with FanOutLoad(reference, subscribers=2, window=2) as loaded:
        loaded.prepare()
        monkeypatch.setattr(FanOutLoad, "_publication", as_request)
        loaded._publisher.fill_from(loaded._publication())
        loaded.begin()
        with pytest.raises(TargetError, match="answered a publish"):
            loaded._run(SECONDS)


def test_load_closes_its_connections(scripted: Start) -> None:
    with raw(scripted(echo)) as loaded:
        loaded.measure(SECONDS)
    assert all(connection.fileno() == -1 for connection in loaded.connections)


def test_load_that_cannot_connect_says_so(scripted: Start) -> None:
    server = scripted(echo)
    address = address_of(server.socket)
    server.shutdown()
    server.server_close()
    with pytest.raises(TargetError, match="cannot connect"):
        PipelinedLoad(address, connections=1, window=1)
