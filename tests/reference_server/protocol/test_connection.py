"""The connection without its socket."""

import importlib.resources
import json
import struct
import subprocess
import sys
import tracemalloc

import pytest
from refserver_peer import Core, code_of, connect, frame, message, messages_in, open_core, ping, publish, subscribe

from reference_server import Limits
from reference_server.protocol.errors import ErrorCode, UnsendableError
from reference_server.protocol.events import (
    ConnectReceived,
    NotificationReceived,
    PublishReceived,
    RequestReceived,
    SubscribeReceived,
    UnsubscribeReceived,
)
from reference_server.protocol.schemas import validator
from reference_server.protocol.states import State
from reference_server.version import PROTOCOL


def test_core_loads_nothing_that_does_input_or_output():
    program = """
import sys
import jsonschema_rs  # loads sockets for purposes of its own, which are put out of sight here
openers = {"asyncio", "socket", "ssl", "selectors"}
for name in openers & set(sys.modules):
    del sys.modules[name]
import importlib, pkgutil
import reference_server.broker, reference_server.protocol
for module in pkgutil.iter_modules(reference_server.protocol.__path__, "reference_server.protocol."):
    importlib.import_module(module.name)
print(*openers & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []


def test_events_end_after_as_many_frames_as_asked_for_and_go_on_later():
    core = open_core()
    core.connection.receive_data(frame(*[{}] * 3, message("notification", "c"), ping()))

    assert (list(core.connection.events(2)), core.connection.is_behind, len(core.sent())) == ([], True, 2)
    (event,) = core.connection.events(2)
    assert (event.channel_id, core.connection.is_behind, len(core.sent())) == ("c", True, 1)
    assert (list(core.connection.events(2)), core.connection.is_behind, len(core.sent())) == ([], False, 1)


def test_connection_that_ends_is_no_longer_behind():
    core = open_core()
    core.connection.receive_data(frame(*[{}] * 3))

    assert list(core.connection.events(2)) == []
    core.connection.fail(ErrorCode.SESSION_REPLACED)
    assert (list(core.connection.events(2)), core.connection.is_behind) == ([], False)


# The vectors of the specification


def load_vectors():
    folder = importlib.resources.files("ipc_schemas").joinpath("vectors")
    files = [json.loads(file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".json")]
    return [vector for file in files for vector in file["vectors"]]


VECTORS = load_vectors()


def core_for(vector):
    if vector["state"] == "awaiting_connect":
        return Core(token="the token" if vector.get("profile") == "security" else None)
    profiles = [vector["profile"]] if "profile" in vector else []
    return open_core(name=vector.get("connection_id", "vector"), app="conformance", profiles=profiles)


def body_of(vector):
    body = vector["body"]
    return body["text"].encode() if "text" in body else bytes.fromhex(body["hex"])


def check_outcome(vector, core, answers):
    expected = vector["expect"]
    if expected["outcome"] == "accepted":
        wanted = [] if expected["answer"] == "none" else [expected["answer"]]
        assert len(answers) == len(wanted)
        assert all(
            validator(schema).is_valid(answer["payload"]) for schema, answer in zip(wanted, answers, strict=True)
        )
        assert core.connection.state is State.OPEN
        return
    (answer,) = answers
    assert validator("error-message").is_valid(answer)
    assert code_of(answer) == expected["code"]
    assert {name: answer[name] for name in ("reply_to", "app_id", "channel_id")} == {
        name: expected[name] for name in ("reply_to", "app_id", "channel_id")
    }
    assert core.connection.state is (State.CLOSING if expected["fatal"] else State.OPEN)


def refuse_unhandled(core):
    """Do what a server without handlers does."""
    for event in core.events:
        if isinstance(event, RequestReceived):
            core.connection.refuse(event, ErrorCode.NO_HANDLER, "none")
    return core.sent()


CUTS = {
    "whole": lambda octets: [octets],
    "octet by octet": lambda octets: [octets[at : at + 1] for at in range(len(octets))],
    "with trailing octets": lambda octets: [octets + b"\x00\x00\x00"],
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_vectors_have_their_outcome_however_they_arrive(cut):
    # Requests of the profile queue are answered by a handler, which a core has not.
    vectors = [vector for vector in VECTORS if not vector["requirements"][0].startswith("QUE")]
    assert len(vectors) > 1000
    for vector in vectors:
        core = core_for(vector)
        answers = core.feed(*cut(frame(body_of(vector)))) + refuse_unhandled(core)
        try:
            check_outcome(vector, core, answers)
        except (AssertionError, ValueError) as error:
            pytest.fail(f"{vector['id']}: {answers} {error}")


# Handshake


def test_acknowledgement_announces_version_profiles_and_limits():
    core = Core(Limits(max_depth=77))
    (answer,) = core.feed(frame(connect("bob", app="shop", protocol="1.9", more=1)))

    assert validator("acknowledgement-message").is_valid(answer)
    assert answer["app_id"] == "shop"
    assert answer["payload"] == {
        "status": "connected",
        "connection_id": "bob",
        "protocol": PROTOCOL,
        "profiles": [],
        "limits": Limits(max_depth=77).announced(),
    }
    assert core.events == [ConnectReceived("shop", "bob")]


def test_messages_behind_connect_are_processed_after_the_acknowledgement():
    core = Core()
    request, barrier = message(channel="api"), ping()
    answers = core.feed(frame(connect(), request, barrier))

    assert answers[0]["payload"]["status"] == "connected"
    assert answers[1]["reply_to"] == barrier["message_id"]
    assert core.events[1].message_id == request["message_id"]


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (ping(), "handshake_required"),
        (connect(channel="x") | {"channel_id": "api"}, "handshake_required"),
        (connect() | {"message_type": "notification"}, "handshake_required"),
        (connect() | {"timestamp": -1}, "handshake_required"),
        (connect(name=""), "handshake_required"),
        (connect(protocol="2.0"), "unsupported_protocol"),
        (connect(protocol="0.9"), "unsupported_protocol"),
        (connect(protocol="2"), "handshake_required"),
        (b"[]", "malformed_frame"),
    ],
)
def test_first_message_other_than_an_acceptable_connect_is_fatal(first, code):
    core = Core()
    (answer,) = core.feed(frame(first, connect()))

    assert code_of(answer) == code
    assert answer["app_id"] == "system"
    assert core.connection.state is State.CLOSING


def test_refused_handshake_tells_people_what_was_wrong_in_a_line():
    (answer,) = Core().feed(frame(connect(client={"name": "x" * 10_000}) | {"more" * 1000: 1}))
    text = answer["payload"]["error"]["message"]

    assert text.startswith("Additional properties are not allowed")
    assert len(text) < 400


def test_second_connect_is_refused_and_changes_nothing():
    core = open_core()
    again, barrier = connect("other", app="demo"), ping()
    refusal, answer = core.feed(frame(again, barrier))

    assert (code_of(refusal), refusal["reply_to"]) == ("already_connected", again["message_id"])
    assert answer["payload"]["status"] == "pong"
    assert core.connection.connection_id == "alice"
    assert core.events == []


# Events


def test_messages_become_events_in_their_order():
    core = open_core()
    messages = [
        subscribe("news"),
        message("notification", "note", 1),
        message("request", "api", [2]),
        publish("news", 3),
        subscribe("news", kind="unsubscribe"),
    ]
    assert core.feed(frame(*messages)) == []

    note, api = frame(messages[1]), frame(messages[2])
    assert core.events == [
        SubscribeReceived("news"),
        NotificationReceived("note", messages[1]["message_id"], 1, len(note)),
        RequestReceived("api", messages[2]["message_id"], [2], len(api)),
        PublishReceived("news", frame(messages[3])),
        UnsubscribeReceived("news"),
    ]


def test_publish_keeps_its_octets():
    core = open_core()
    body = b' {"timestamp":1.50, "payload":[1E2,"\\u0041"],"message_type":"publish","channel_id":"c",'
    body += b'"app_id":"demo","message_id":"m"}\n'
    core.feed(frame(body))

    assert core.events == [PublishReceived("c", frame(body))]


def test_pings_are_answered_only_after_the_event_before_them_was_handled():
    core = open_core()
    published = publish("news")
    core.connection.receive_data(frame(ping(), published, ping()))
    order = []
    for event in core.connection.events():
        order += [len(messages_in(core.connection.data_to_send(0))), type(event)]
    order.append(len(messages_in(core.connection.data_to_send(0))))

    assert order == [1, PublishReceived, 1]


def test_response_is_discarded_even_for_another_application():
    core = open_core()

    assert core.feed(frame(message("response", app_id="other"), message("response"))) == []
    assert core.events == []


# Fatal errors


def test_everything_ahead_of_a_fatal_error_is_processed_and_nothing_behind_it():
    core = open_core()
    before, note, behind = ping(), message("notification", "note"), ping()
    answers = core.feed(frame(before, note, b"{", behind), frame(ping()))

    assert [answers[0]["reply_to"], code_of(answers[1])] == [before["message_id"], "malformed_frame"]
    assert len(answers) == 2
    assert [event.message_id for event in core.events] == [note["message_id"]]


def test_closing_connection_sends_nothing_more():
    core = open_core()
    core.feed(frame(message("request", "api")))
    (request,) = core.events
    core.connection.fail(ErrorCode.SESSION_REPLACED)
    core.connection.answer(request, "late")
    core.connection.refuse(request, ErrorCode.HANDLER_FAILED, "late")
    core.connection.fail(ErrorCode.SHUTTING_DOWN)
    core.connection.drop()
    core.connection.drain_over()

    (answer,) = core.sent()
    assert (code_of(answer), answer["reply_to"], answer["channel_id"]) == ("session_replaced", None, "system")


def test_too_long_frame_is_refused_on_its_header():
    core = open_core(Limits(max_frame_bytes=2**20))
    (answer,) = core.feed((2**20 + 1).to_bytes(4, "big"))

    assert code_of(answer) == "frame_too_large"


def test_http_gets_a_hint_and_the_end():
    core = Core()
    core.connection.receive_data(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")

    assert list(core.connection.events()) == []
    head, _, body = core.connection.data_to_send(0).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 426 ")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"IPC Framework" in body
    assert core.connection.state is State.CLOSING


# Answers


def test_answers_go_to_their_requests_whatever_their_order():
    core = open_core()
    core.feed(frame(message("request", "a", 1, message_id="same"), message("request", "b", 2, message_id="same")))
    first, second = core.events
    core.connection.answer(second, "B")
    core.connection.answer(first, "A")

    answers = core.sent()
    assert [(a["channel_id"], a["reply_to"], a["payload"]) for a in answers] == [("b", "same", "B"), ("a", "same", "A")]
    assert len({answer["message_id"] for answer in answers} | {"same"}) == 3
    assert all(validator("server-message").is_valid(answer) for answer in answers)


def test_unsendable_answer_is_reported_to_the_caller_and_can_still_be_refused():
    core = open_core(Limits(max_frame_bytes=2**20))
    core.feed(frame(message("request", "api")))
    (request,) = core.events
    for payload in (object(), "x" * 2**20):
        with pytest.raises(UnsendableError):
            core.connection.answer(request, payload)
    assert core.connection.owed == 1
    core.connection.refuse(request, ErrorCode.HANDLER_FAILED, "no")

    assert code_of(core.sent()[0]) == "handler_failed"
    assert core.connection.owed == 0


# The end


def test_client_that_ended_its_side_still_gets_what_it_is_owed():
    core = open_core()
    core.feed(frame(message("request", "api"), message("request", "api")))
    first, second = core.events
    core.connection.receive_eof()
    core.connection.answer(second, 2)
    assert core.connection.state is State.DRAINING
    core.connection.refuse(first, ErrorCode.HANDLER_FAILED, "no")

    assert len(core.sent()) == 2
    assert core.connection.state is State.CLOSED
    assert core.watcher.left == [State.AWAITING_CONNECT, State.OPEN, State.DRAINING, State.CLOSING]


def test_draining_ends_when_answers_take_too_long():
    core = open_core()
    core.feed(frame(message("request", "api")))
    core.connection.receive_eof()
    core.connection.drain_over()

    assert core.connection.state is State.CLOSED
    assert core.sent() == []


def test_incomplete_frame_is_dropped_at_the_end():
    core = open_core()

    assert core.feed(frame(message("notification", "note"))[:-1]) == []
    core.connection.receive_eof()
    assert (core.events, core.sent(), core.connection.state) == ([], [], State.CLOSED)


def test_end_before_the_handshake_closes_without_a_word():
    core = Core()
    core.connection.receive_eof()

    assert (core.connection.state, core.sent()) == (State.CLOSED, [])


def test_closing_connection_is_closed_by_its_client_or_by_time():
    for end in ("receive_eof", "linger_over", "transport_lost"):
        core = open_core()
        core.connection.fail(ErrorCode.SHUTTING_DOWN)
        getattr(core.connection, end)()
        assert core.connection.state is State.CLOSED
        core.connection.transport_lost()


# Output


def test_watcher_is_told_once_until_the_output_is_taken():
    core = open_core()
    told = core.watcher.outputs
    core.connection.deliver(b"a")
    core.connection.deliver(b"b")
    assert core.watcher.outputs == told + 1
    assert core.connection.data_to_send(0) == b"ab"
    core.connection.deliver(b"c")
    assert core.watcher.outputs == told + 2


def test_output_up_to_the_limit_is_held_and_one_octet_more_is_a_slow_consumer():
    limits = Limits(max_frame_bytes=2**20, max_outbound_bytes=2**20)
    core = open_core(limits)
    longest = frame(b"x" * 2**20)
    core.connection.deliver(longest)
    assert core.connection.data_to_send(0) == longest
    core.connection.deliver(b"x" * 10)
    assert core.connection.data_to_send(2**20 - 10) == b"x" * 10
    core.connection.deliver(b"x" * 10)

    (answer,) = messages_in(core.connection.data_to_send(2**20 - 9))
    assert code_of(answer) == "slow_consumer"
    assert core.connection.state is State.CLOSING
    assert core.connection.data_to_send(2**20) == b""


def test_a_connection_that_reads_no_more_keeps_nothing_of_an_unfinished_frame():
    core = open_core()
    core.connection.receive_data(frame(message("request", "slow")) + struct.pack(">I", 8 * 2**20))
    list(core.connection.events())
    tracemalloc.start()
    core.connection.receive_data(b"x" * 4 * 2**20)
    list(core.connection.events())
    held, _ = tracemalloc.get_traced_memory()
    core.connection.receive_eof()
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert core.connection.state is State.DRAINING
    assert held > 4 * 2**20 > 2**20 > left
