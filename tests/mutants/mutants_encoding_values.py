"""Mistakes about values that must stay unchanged (chapter ENC)."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from mutation import around, mutant

from reference_server.broker import Broker
from reference_server.protocol import connection
from reference_server.protocol.frames import HEADER, encode_frame


def _change_strings(change: Callable[[str], str]) -> None:
    _change_values(lambda value: change(value) if isinstance(value, str) else value)


def _change_objects(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    _change_values(lambda value: change(value) if isinstance(value, dict) else value)


def _change_delivered(change: Callable[[bytes], bytes]) -> None:
    """Change the body of everything that is delivered."""

    @around(Broker, "publish")
    def publish(original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        original(self, app_id, channel_id, encode_frame(change(frame[HEADER.size :])))


def _change_values(change: Callable[[Any], Any]) -> None:
    """Change every value of every payload that the server decodes."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return change({name: walk(member) for name, member in value.items()})
        return change([walk(item) for item in value]) if isinstance(value, list) else change(value)

    @around(connection, "decode_message")
    def decode(original: Any, *arguments: Any) -> Any:
        message = original(*arguments)
        return message | {"payload": walk(message["payload"])} if "payload" in message else message


@mutant("ENC-015")
def composed() -> None:
    """Strings of a payload are brought into composed form (NFC)."""
    _change_strings(lambda text: unicodedata.normalize("NFC", text))


@mutant("ENC-015/nul")
def ends_at_nul() -> None:
    """Strings of a payload end at a NUL."""
    _change_strings(lambda text: text.partition("\0")[0])


@mutant("ENC-015/noncharacters")
def noncharacters_replaced() -> None:
    """Noncharacters of a payload are replaced by U+FFFD."""
    _change_strings(lambda text: "".join("\ufffd" if ord(each) & 0xFFFE == 0xFFFE else each for each in text))


@mutant("ENC-015/lines")
def line_ends_unified() -> None:
    """Line separators of a payload become line feeds."""
    _change_strings(lambda text: "\n".join(text.splitlines()))


@mutant("ENC-015/direction")
def directions_removed() -> None:
    """Marks for the direction of writing are removed from payloads."""
    _change_strings(lambda text: text.replace("\u202e", "").replace("\u202c", ""))


@mutant("ENC-015/prototypes")
def prototypes_dropped() -> None:
    """Members that name a prototype are dropped from payloads."""
    _change_objects(lambda members: {name: each for name, each in members.items() if name != "__proto__"})


@mutant("ENC-015/empty")
def empty_names_dropped() -> None:
    """Members with an empty name are dropped from payloads."""
    _change_objects(lambda members: {name: each for name, each in members.items() if name})


@mutant("ENC-015/escapes")
def escaped_twice() -> None:
    """Backslashes of a payload are doubled."""
    _change_strings(lambda text: text.replace("\\", "\\\\"))


@mutant("ENC-015/delivered")
def composed_for_subscribers() -> None:
    """Strings are brought into composed form (NFC) when they are delivered."""
    _change_delivered(lambda body: unicodedata.normalize("NFC", body.decode()).encode())


@mutant("ENC-015/delivered-nul")
def nul_not_delivered() -> None:
    """Control characters are taken out of what is delivered."""
    _change_delivered(lambda body: re.sub(rb"\\u00[01].", b"", body))


@mutant("ENC-016/delivered")
def fifteen_digits_delivered() -> None:
    """Numbers keep fifteen digits when they are delivered."""

    def change(body: bytes) -> bytes:
        message = json.loads(body)
        payload = json.loads(json.dumps(message["payload"]), parse_float=lambda text: float(f"{float(text):.15g}"))
        return json.dumps(message | {"payload": payload}).encode()

    _change_delivered(change)


@mutant("ENC-016")
def fifteen_digits() -> None:
    """Numbers of a payload keep fifteen digits."""
    _change_values(lambda value: float(f"{value:.15g}") if isinstance(value, float) else value)


@mutant("ENC-016/integers")
def integers_are_floats() -> None:
    """Integers of a payload keep thirty-two bits."""
    _change_values(lambda value: value & 0xFFFFFFFF if type(value) is int else value)
