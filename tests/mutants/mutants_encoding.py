"""Mistakes about the form of bodies (chapter ENC)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
from mutation import around, mutant, replace

from reference_server import broker
from reference_server.protocol import connection, messages
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode, MalformedFrameError, WireError
from reference_server.protocol.frames import HEADER, encode_frame


def _change_emitted(change: Callable[[bytes], bytes]) -> None:
    """Change the body of every message that handlers publish."""

    @around(broker, "encode_message")
    def encode(original: Any, *arguments: Any) -> bytes:
        return encode_frame(change(original(*arguments)[HEADER.size :]))


def _decode_otherwise(lenient: Callable[[bytes], Any]) -> None:
    """Decode with another decoder what the server's own refuses."""

    @around(messages, "_decode_json")
    def decode(original: Any, body: bytes) -> Any:
        try:
            return original(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            try:
                return lenient(body)
            except ValueError:
                raise msgspec.DecodeError from None


@mutant("ENC-001")
def terminated() -> None:
    """A body that the server publishes ends with a NUL, as C strings do."""
    _change_emitted(lambda body: body + b"\0")


@mutant("ENC-002")
def byte_order_mark() -> None:
    """A body that the server publishes begins with a byte order mark."""
    _change_emitted(lambda body: b"\xef\xbb\xbf" + body)


@mutant("ENC-002/latin-1")
def latin_1() -> None:
    """A body that the server publishes is in Latin-1 where that has the character."""
    _change_emitted(lambda body: body.replace("ä".encode(), "ä".encode("latin-1")))


@mutant("ENC-003")
def surrogates_given_back() -> None:
    """An escape of a lone surrogate is accepted, and put into the answer."""
    _decode_otherwise(json.loads)

    @around(messages, "_encode_json")
    def encode(original: Any, message: Any) -> bytes:
        try:
            body: bytes = original(message)
        except (UnicodeEncodeError, ValueError):
            return json.dumps(msgspec.structs.asdict(message)).encode()
        return body


@mutant("ENC-004")
def replacement_characters() -> None:
    """Octets that are not UTF-8 are replaced by U+FFFD."""
    _decode_otherwise(lambda body: json.loads(body.decode("utf-8", "replace")))


@mutant("ENC-005")
def not_a_number() -> None:
    """The tokens NaN and Infinity are taken for numbers."""
    _decode_otherwise(lambda body: json.loads(body.decode().replace("\\u", "\\\\u")))


@mutant("ENC-005/trailing")
def trailing_octets() -> None:
    """What stands behind the JSON text is ignored."""
    _decode_otherwise(lambda body: json.JSONDecoder().raw_decode(body.decode())[0])


@mutant("ENC-006")
def empty_body_ignored() -> None:
    """An empty body is taken for a sign of life."""

    @around(Connection, "_read")
    def read(original: Any, self: Connection, frame: bytes) -> Any:
        return original(self, frame) if len(frame) > HEADER.size else None


@mutant("ENC-007")
def root_is_not_fatal() -> None:
    """A root that is not an object is an invalid message, and the connection goes on."""

    @around(connection, "decode_message")
    def decode(original: Any, *arguments: Any) -> Any:
        try:
            return original(*arguments)
        except MalformedFrameError as error:
            if "root" in error.detail:
                raise WireError(ErrorCode.INVALID_MESSAGE) from None
            raise


@mutant("ENC-008")
def white_space_in_front() -> None:
    """A body that begins with white space is refused."""

    @around(connection, "decode_message")
    def decode(original: Any, frame: bytes, *arguments: Any) -> Any:
        if frame[HEADER.size : HEADER.size + 1].isspace():
            raise MalformedFrameError("white space")
        return original(frame, *arguments)


@mutant("ENC-008/escapes")
def type_by_text() -> None:
    """The type of a message is looked for in the text of the body, where it may be escaped."""

    @around(connection, "decode_message")
    def decode(original: Any, frame: bytes, *arguments: Any) -> Any:
        message = original(frame, *arguments)
        kind = message.get("message_type")
        if isinstance(kind, str) and f'"{kind}"'.encode("utf-8", "replace") not in frame:
            raise MalformedFrameError("no type")
        return message


@mutant("ENC-009")
def root_counted_twice() -> None:
    """Only 63 levels are accepted: the limit is taken to be for what is inside the payload."""

    @around(connection, "decode_message")
    def decode(original: Any, frame: bytes, _max_depth: int) -> Any:
        return original(frame, 63)


@mutant("ENC-010")
def depth_not_checked() -> None:
    """Only what the decoder itself cannot take is too deep, whatever the limit says."""

    @around(connection, "decode_message")
    def decode(original: Any, frame: bytes, _max_depth: int) -> Any:
        return original(frame, 1_000_000)


@mutant("ENC-011")
def surrogates_replaced() -> None:
    """Lone surrogates are replaced by U+FFFD."""

    def lenient(body: bytes) -> Any:
        text = json.dumps(json.loads(body), ensure_ascii=False)
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))

    _decode_otherwise(lenient)


@mutant("ENC-012")
def infinite_integer() -> None:
    """Integers are accepted however long they are."""
    replace(messages, "_check_range", lambda _body: None)


@mutant("ENC-012/infinity")
def infinite_fraction() -> None:
    """A number that is too large becomes infinite."""

    def lenient(body: bytes) -> Any:
        return json.loads(body) if b"Infinity" not in body and b"NaN" not in body else _no_json()

    _decode_otherwise(lenient)


def _no_json() -> Any:
    raise ValueError


@mutant("ENC-013")
def member_twice() -> None:
    """An object may have a member name twice."""
    replace(messages, "_check_duplicates", lambda _value, _body: None)


@mutant("ENC-014")
def first_member_counts() -> None:
    """Of two members of one name the first one counts."""
    replace(messages, "_check_duplicates", lambda _value, _body: None)

    @around(messages, "_decode_json")
    def decode(original: Any, body: bytes) -> Any:
        original(body)
        return json.loads(body, object_pairs_hook=lambda members: dict(reversed(members)))
