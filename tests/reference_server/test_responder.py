"""The responder does what its table in the specification says."""

import re
import time
from importlib.resources import files

import pytest
from refserver_peer import SECONDS, code_of, message, running, subscribe

from reference_server import ReferenceServer
from reference_server.profiles.registry import PROFILES
from reference_server.responder import install

APP = "conformance"


@pytest.fixture(scope="module")
def run():
    with running(install) as run:
        yield run


@pytest.fixture
def client(run):
    return run.client("client", APP)


def note(payload):
    return message("notification", "conformance.note", payload, app_id=APP)


def test_responder_has_every_handler_of_the_specification():
    text = files("ipc_spec").joinpath("13-responder.md").read_text("utf-8")
    rows = re.findall(r"^\| `(conformance\.\w+)` \| (request|notification)", text, re.MULTILINE)
    server = ReferenceServer(profiles=PROFILES)
    install(server)

    assert len(rows) == 10
    for channel, kind in rows:
        with pytest.raises(ValueError, match="already"):
            server.handler(channel, kind=kind, app=APP)(print)


def test_responder_serves_its_own_application_only(run):
    assert code_of(run.client("c", "demo").ask("conformance.echo")) == "no_handler"


@pytest.mark.parametrize("payload", [None, 1.5, "x", [], {"connection_id": "client", "a": {"b": None}}])
def test_echo_gives_back_the_payload(client, payload):
    assert client.ask("conformance.echo", payload)["payload"] == payload


def test_delay_answers_after_its_time_with_its_value(client):
    begun = time.monotonic()
    answer = client.ask("conformance.delay", {"delay_ms": 30, "value": [1], "connection_id": "client"})

    assert answer["payload"] == {"value": [1]}
    assert 0.03 <= time.monotonic() - begun < SECONDS


def test_fail_keeps_its_detail_to_itself(client):
    answer = client.ask("conformance.fail", {"detail": "the secret"})

    assert code_of(answer) == "handler_failed"
    assert "secret" not in str(answer)


def test_silent_never_answers_and_delays_nobody(client):
    client.send(message("request", "conformance.silent", app_id=APP))

    assert client.ping_barrier() == []
    assert client.ask("conformance.echo", 1)["payload"] == 1


@pytest.mark.parametrize("kind", ["publish", "notification"])
def test_emit_sends_in_order_ahead_of_its_answer(client, kind):
    client.send(subscribe("out", "client", app_id=APP))
    payload = {"channel": "out", "count": 200, "message_type": kind, "payload": {"n": 1}}
    client.send(message("request", "conformance.emit", payload, app_id=APP))
    arrived = [client.receive() for _ in range(200)]

    assert {each["message_type"] for each in arrived} == {kind}
    assert all(each["payload"] == {"n": 1} for each in arrived)
    assert len({each["message_id"] for each in arrived}) == 200
    assert client.receive()["payload"] == {"emitted": 200}


def test_notes_are_seen_oldest_first_and_the_last_1000_only(client):
    client.send(*(note(number) for number in range(1005)))

    assert client.ask("conformance.seen", {})["payload"] == {"seen": list(range(5, 1005))}


def test_close_ends_the_connection_behind_what_was_queued(client):
    client.send(
        message(payload={"action": "ping"}, app_id=APP),
        message("request", "conformance.close", app_id=APP),
    )

    assert client.receive()["payload"] == {"status": "pong"}
    assert client.ends()


WRONG = [
    ("delay", {"delay_ms": "5", "value": 1}),
    ("delay", {"delay_ms": -1, "value": 1}),
    ("delay", {"delay_ms": True, "value": 1}),
    ("delay", {"delay_ms": 1}),
    ("delay", []),
    ("emit", {"channel": "a", "count": -1, "message_type": "publish", "payload": 1}),
    ("emit", {"channel": "a", "count": 1.5, "message_type": "publish", "payload": 1}),
    ("emit", {"channel": "a", "count": 0, "message_type": "request", "payload": 1}),
    ("emit", {"channel": "", "count": 1, "message_type": "publish", "payload": 1}),
    ("emit", {"channel": 5, "count": 1, "message_type": "publish", "payload": 1}),
    ("emit", {"channel": "system", "count": 1, "message_type": "publish", "payload": 1}),
    ("emit", {"channel": "a", "count": 0, "message_type": "publish"}),
    ("emit", None),
    ("fail", {}),
    ("seen", None),
]


@pytest.mark.parametrize(("channel", "payload"), WRONG)
def test_something_else_than_the_table_says_fails(client, channel, payload):
    assert code_of(client.ask(f"conformance.{channel}", payload)) == "handler_failed"
