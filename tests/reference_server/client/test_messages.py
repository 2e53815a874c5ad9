"""Frames out of payloads, and messages out of frames."""

import json

import pytest

from reference_server.client.errors import ClientError
from reference_server.client.messages import (
    Message,
    ServerFrames,
    UnusableMessageError,
    make_connect,
    make_frame,
    read_message,
)
from reference_server.protocol.errors import FrameTooLargeError
from reference_server.protocol.frames import encode_frame
from reference_server.protocol.schemas import validator


def body(frame):
    assert int.from_bytes(frame[:4]) == len(frame) - 4
    return json.loads(frame[4:])


def message(**members):
    usual = {"message_id": "s", "app_id": "demo", "channel_id": "news", "message_type": "response", "payload": None}
    return Message(**usual | {"timestamp": 1} | members)


@pytest.mark.parametrize(
    "payload", [None, 0, -12.5, 1.7976931348623157e308, 5e-324, "ä€😀\0\u2028", [1, [2]], {"": {}}]
)
def test_frame_holds_a_valid_message_with_the_payload(payload):
    made = body(make_frame("demo", "m1", "news", "publish", payload))
    assert validator("client-message").is_valid(made)
    assert made["payload"] == payload
    assert made["reply_to"] is None


@pytest.mark.parametrize("token", [None, "t"])
def test_connect_message_is_valid(token):
    made = body(make_connect("demo", "m1", "c1", token))
    assert validator("connect-message").is_valid(made)
    assert ("token" in made["payload"]) == (token is not None)


def test_frame_of_exactly_the_limit_is_made():
    length = len(make_frame("demo", "m1", "news", "publish", "x" * 100)) - 4
    # The timestamp may have more or fewer digits, so there is some room.
    assert make_frame("demo", "m1", "news", "publish", "x" * 100, max_bytes=length + 10)
    with pytest.raises(ClientError, match="the server accepts 50") as raised:
        make_frame("demo", "m1", "news", "publish", "x" * 100, max_bytes=50)
    assert raised.value.code == "frame_too_large"


def test_first_frame_of_a_server_may_be_as_long_as_others():
    frames = ServerFrames()
    frames.receive_data(encode_frame(b"x" * (2 << 20)))
    assert len(frames.next_frame()) == (2 << 20) + 4
    frames.set_limit(10)
    frames.receive_data(encode_frame(b"x" * 10) + encode_frame(b"x" * 11))
    assert frames.next_frame()
    with pytest.raises(FrameTooLargeError):
        frames.next_frame()


@pytest.mark.parametrize("value", [b'"\\ud800"', b"1e400"])
def test_value_that_python_cannot_hold_is_not_malformed(value):
    with pytest.raises(UnusableMessageError) as raised:
        read_message(encode_frame(b'{"payload":%b,"reply_to":"m7"}' % value))
    assert raised.value.reason.code == "invalid_message"
    assert raised.value.answers == ("m7",)


ERRORS = [
    ({"status": "error", "error": {"code": "no_handler", "message": "m"}}, "no_handler"),
    ({"status": "error"}, "unknown"),
    ({"status": "error", "error": "text"}, "unknown"),
    ({"status": "error", "error": {"code": 5}}, "5"),
    ({"status": "ok", "error": {"code": "no_handler"}}, None),
    ([], None),
    ("error", None),
]


@pytest.mark.parametrize(("payload", "code"), ERRORS, ids=str)
def test_error_of_a_response(payload, code):
    error = message(payload=payload).error
    assert (error and error.code) == code
    assert message(payload=payload, message_type="publish").error is None


def test_error_is_one_printable_line_of_bounded_length():
    error = message(
        payload={"status": "error", "error": {"code": "x" * 500, "message": "a\nb\x1b[31m\u202e" * 9000}}
    ).error
    assert str(error).isprintable()
    assert len(str(error)) < 13_000
    assert len(error.code) < 110
    assert "a\\nb\\x1b[31m\\u202e" in str(error)


def test_acknowledgement_is_known_by_type_channel_and_status_alone():
    payload = {"status": "connected", "motd": "x"}
    assert message(channel_id="system", payload=payload).is_acknowledgement
    for members in ({"channel_id": "news"}, {"message_type": "publish"}, {"payload": {"status": "error"}}):
        assert not message(**{"channel_id": "system", "payload": payload} | members).is_acknowledgement
