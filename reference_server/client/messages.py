"""Messages to and from a server: frames out of payloads, and messages out of frames (chapters ENC and ENV)."""

from __future__ import annotations

import json
import re
import time
from typing import Any, Final, Literal, NoReturn

import msgspec

from reference_server.client.errors import ClientError
from reference_server.protocol.capabilities import SYSTEM
from reference_server.protocol.errors import MalformedFrameError
from reference_server.protocol.frames import FrameDecoder, encode_frame
from reference_server.protocol.json_text import nesting
from reference_server.protocol.messages import decode_message
from reference_server.version import PROTOCOL, __version__

CUSTOMARY_FRAME_BYTES: Final = 16 * 1024 * 1024
"""The longest body while a server has announced no limit (LIM-003)."""

MOST_FRAME_BYTES: Final = 1 << 30
"""The largest limit that a server may announce (FRM-008)."""

ANY_DEPTH: Final = 1 << 30

_decode_json = msgspec.json.Decoder().decode
_REPLY_TO: Final = re.compile(rb'"reply_to"\s*:\s*"([^"\\]*)"')

MessageType = Literal["request", "response", "notification", "subscribe", "unsubscribe", "publish"]


class Message(msgspec.Struct, frozen=True):
    """A message of the server. Members that the specification does not name are omitted (ENV-011).

    Attributes:
        message_id: Names the message.
        app_id: The application.
        channel_id: The channel.
        message_type: What it is.
        payload: Any JSON value.
        timestamp: Unix time in seconds, by the sender's clock.
        reply_to: The `message_id` of the request that a response answers.
    """

    message_id: str
    app_id: str
    channel_id: str
    message_type: MessageType
    payload: Any
    timestamp: float
    reply_to: str | None = None

    @property
    def error(self) -> ClientError | None:
        """The error that a response reports (ERR-001); None if it reports none."""
        if self.message_type != "response" or self.status != "error":
            return None
        error = self.payload.get("error")
        told = error if isinstance(error, dict) else {}
        code, text = told.get("code", "unknown"), told.get("message", "no explanation")
        return ClientError(str(code), f"the server reported {code} on channel {self.channel_id!r}: {text}")

    @property
    def status(self) -> Any:
        """The member `status` of the payload; None if it has none."""
        return self.payload.get("status") if isinstance(self.payload, dict) else None

    @property
    def is_acknowledgement(self) -> bool:
        """Whether it acknowledges a connect message: known by channel, type and status alone (HSK-004, HSK-009)."""
        return self.message_type == "response" and self.channel_id == SYSTEM and self.status == "connected"

    def raise_for_error(self) -> Message:
        """Return the message itself.

        Raises:
            ClientError: The response reports an error; its code is the server's.
        """
        if (error := self.error) is not None:
            raise error
        return self


class UnusableMessageError(Exception):
    """A message that is dropped, and does not end the connection.

    Attributes:
        reason: What the user is told.
        answers: The ids that may be those of the requests it answers.
    """

    def __init__(self, reason: ClientError, answers: tuple[str, ...] = ()) -> None:
        super().__init__(reason, answers)
        self.reason = reason
        self.answers = answers


class ServerFrames(FrameDecoder):
    """Cuts the stream of a server into frames. Its first frame has no limit of its own, unlike that of a client."""

    def __init__(self) -> None:
        super().__init__(CUSTOMARY_FRAME_BYTES)
        self._at_stream_start = False

    def set_limit(self, limit: int) -> None:
        """Set the longest body accepted, in octets; it applies from the next header on."""
        self._limit = limit


def make_frame(
    app_id: str,
    message_id: str,
    channel: str,
    message_type: MessageType,
    payload: Any,
    *,
    max_bytes: int = CUSTOMARY_FRAME_BYTES,
    max_depth: int = ANY_DEPTH,
) -> bytes:
    """Return the frame of a message (FRM-001, ENC-001, ENV-001).

    Raises:
        TypeError: The payload has no JSON form.
        ValueError: The payload has a value that messages must not have (ENC-003).
        ClientError: `frame_too_large` or `too_deep`, the server would not accept it (LIM-002).
    """
    message = {
        "message_id": message_id,
        "app_id": app_id,
        "channel_id": channel,
        "message_type": message_type,
        "payload": payload,
        "timestamp": time.time(),
        "reply_to": None,  # deployed Python peers always send it
    }
    try:
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        body = text.encode()
    except RecursionError:
        raise ClientError("too_deep", "the payload is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("the payload has half of a surrogate pair in a string") from None
    if len(body) > max_bytes:
        what = f"the message has {len(body)} octets; the server accepts {max_bytes}"
        raise ClientError("frame_too_large", what)
    if max_depth < ANY_DEPTH and nesting(body, max_depth) > max_depth:
        raise ClientError("too_deep", f"the message is nested deeper than {max_depth} levels, the server's limit")
    frame = encode_frame(body)
    _check(frame)
    return frame


def _check(frame: bytes) -> None:
    """Refuse what JSON allows and ENC-003 forbids: a name twice (1 and "1" in a dict), a number beyond binary64."""
    try:
        decode_message(frame, ANY_DEPTH)
    except MalformedFrameError as error:
        raise ValueError(f"the payload cannot be sent: {error}") from None
    except RecursionError:
        raise ClientError("too_deep", "the payload is nested too deeply") from None


def make_connect(app_id: str, message_id: str, connection_id: str, token: str | None) -> bytes:
    """Return the frame that opens a connection (HSK-001)."""
    client = {"name": "ipc-conformance-python-client", "version": __version__}
    payload: dict[str, Any] = {
        "action": "connect",
        "connection_id": connection_id,
        "protocol": PROTOCOL,
        "client": client,
    }
    if token is not None:
        payload["token"] = token
    return make_frame(app_id, message_id, SYSTEM, "request", payload)


def read_message(frame: bytes) -> Message:
    """Return the message in a frame.

    Raises:
        MalformedFrameError: The body is not one JSON object, after which the connection must end (ERR-014).
        UnusableMessageError: The message is to be dropped: its envelope breaks a rule (ENV-013), or Python cannot hold
            its payload.
    """
    body = frame[4:]
    try:
        value = _decode_json(body)
    except RecursionError:
        answers = tuple(each.decode("utf-8", "replace") for each in _REPLY_TO.findall(body))
        raise UnusableMessageError(ClientError("too_deep", "a message is nested too deeply"), answers) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _refuse(body, error)
    if type(value) is not dict:
        raise MalformedFrameError("the root is not an object")
    try:
        return msgspec.convert(value, Message)
    except msgspec.ValidationError as error:
        raise UnusableMessageError(ClientError("invalid_message", f"a message has a bad envelope: {error}")) from None


def _refuse(body: bytes, error: Exception) -> NoReturn:
    """Tell JSON with a value that cannot be held, such as half of a surrogate pair, from what is no JSON."""
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise MalformedFrameError(f"the body is not a JSON text: {error}") from None
    if not isinstance(value, dict):
        raise MalformedFrameError("the root is not an object")
    answered = value.get("reply_to")
    reason = ClientError("invalid_message", f"a message has a value that cannot be read: {error}")
    raise UnusableMessageError(reason, (answered,) if isinstance(answered, str) else ()) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
