"""Values that the schemas accept and refuse, where no vector can show it: what servers send, and shared values."""

from __future__ import annotations

from typing import Any

import pytest

ENVELOPE: dict[str, Any] = {
    "message_id": "m",
    "app_id": "a",
    "channel_id": "c",
    "message_type": "response",
    "payload": {},
    "timestamp": 1,
    "reply_to": None,
}
ACKNOWLEDGEMENT = {"status": "connected", "connection_id": "c"}
REASON = {"code": "no_handler", "message": "Nobody."}
ERROR: dict[str, Any] = {"status": "error", "error": REASON}
TIME = {"timestamp": 1.5, "iso": "2026-01-02T03:04:05Z"}

ACCEPTED: dict[str, list[Any]] = {
    "acknowledgement": [
        ACKNOWLEDGEMENT,
        ACKNOWLEDGEMENT | {"protocol": "1.0", "profiles": [], "limits": {}, "unknown": 1},
        ACKNOWLEDGEMENT | {"profiles": ["queue", "x"], "limits": {"max_frame_bytes": 1048576, "unknown": "x"}},
        ACKNOWLEDGEMENT | {"limits": {"max_depth": 64, "max_connections": 100, "handshake_timeout_ms": 1000}},
    ],
    "acknowledgement-message": [ENVELOPE | {"channel_id": "system", "payload": ACKNOWLEDGEMENT}],
    "error": [ERROR, ERROR | {"detail": 1}, ERROR | {"error": REASON | {"detail": 1}}],
    "error-message": [ENVELOPE | {"payload": ERROR}, ENVELOPE | {"payload": ERROR, "reply_to": "x"}],
    "pong": [{"status": "pong"}, {"status": "pong", "unknown": 1}],
    "time": [
        TIME,
        TIME | {"iso": "2026-01-02T03:04:05.678901+00:00"},
        TIME | {"iso": "2026-01-02t03:04:05z"},
        TIME | {"iso": "2026-01-02T03:04:05-00:00"},
    ],
    "server-message": [ENVELOPE | {"message_type": kind} for kind in ("response", "notification", "publish")],
    "client-message": [
        *(ENVELOPE | {"message_type": kind} for kind in ("request", "response", "notification", "publish")),
        ENVELOPE | {"message_type": "subscribe", "payload": {"connection_id": "x"}},
        ENVELOPE | {"message_type": "unsubscribe", "payload": {"connection_id": "x"}},
    ],
}
REFUSED: dict[str, list[Any]] = {
    "acknowledgement": [
        {},
        {"status": "connected"},
        ACKNOWLEDGEMENT | {"status": "ok"},
        ACKNOWLEDGEMENT | {"protocol": "1"},
        ACKNOWLEDGEMENT | {"profiles": ["queue", "queue"]},
        ACKNOWLEDGEMENT | {"profiles": "queue"},
        ACKNOWLEDGEMENT | {"limits": []},
        ACKNOWLEDGEMENT | {"limits": {"max_frame_bytes": 1048575}},
        ACKNOWLEDGEMENT | {"limits": {"max_frame_bytes": 1073741825}},
        ACKNOWLEDGEMENT | {"limits": {"max_depth": 63}},
        ACKNOWLEDGEMENT | {"limits": {"max_connections": 99}},
        ACKNOWLEDGEMENT | {"limits": {"handshake_timeout_ms": 999}},
        ACKNOWLEDGEMENT | {"limits": {"handshake_timeout_ms": 30001}},
    ],
    "acknowledgement-message": [
        ENVELOPE | {"channel_id": "system", "payload": ACKNOWLEDGEMENT, "reply_to": "x"},
        ENVELOPE | {"payload": ACKNOWLEDGEMENT},
        ENVELOPE | {"channel_id": "system"},
    ],
    "error": [{}, {"status": "error"}, {"status": "error", "error": {"code": "no_handler"}}, ERROR | {"status": "ok"}],
    "error-message": [ENVELOPE, ENVELOPE | {"payload": ERROR, "message_type": "publish"}],
    "error-code": ["", "No_Handler", "no_handler ", None],
    "pong": [{}, {"status": "ok"}, "pong"],
    "time": [
        {"timestamp": 1},
        TIME | {"timestamp": -1},
        TIME | {"iso": "2026-01-02 03:04:05Z"},
        TIME | {"iso": "2026-01-02T03:04:05"},
        TIME | {"iso": "2026-01-02T03:04:05+01:00"},
        TIME | {"iso": "2026-01-02T03:04:05Z\n"},
        TIME | {"iso": "2026-01-02T03:04:05ZZ"},
        TIME | {"iso": "2026-01-02T03:04:05+00:00:00"},
        TIME | {"iso": "\u0662\u0660\u0662\u0666-01-02T03:04:05Z"},
    ],
    "server-message": [ENVELOPE | {"message_type": kind} for kind in ("request", "subscribe", "unsubscribe")],
    "client-message": [
        ENVELOPE | {"message_type": "request", "channel_id": "system"},
        ENVELOPE | {"message_type": "subscribe"},
        ENVELOPE | {"further": 1},
    ],
}
PROTOCOLS = ["0.0", "1.0", "1.10", "10.1", "999.999"]
NO_PROTOCOLS = [
    "",
    "1",
    "1.",
    ".1",
    "01.0",
    "1.00",
    "1.01",
    "1.0.0",
    "1000.0",
    "1.1000",
    "1.0\n",
    "1.0 ",
    "\u0661.\u0660",
    1.0,
]


def samples(table: dict[str, list[Any]]) -> list[Any]:
    return [pytest.param(name, value, id=f"{name}-{n}") for name in table for n, value in enumerate(table[name])]


@pytest.mark.parametrize(("name", "value"), samples(ACCEPTED))
def test_schema_accepts(name: str, value: Any, validators: Any) -> None:
    assert validators.accept(name, value)


@pytest.mark.parametrize(("name", "value"), samples(REFUSED))
def test_schema_refuses(name: str, value: Any, validators: Any) -> None:
    assert not validators.accept(name, value)


def test_fatal_codes_are_codes(validators: Any, fatal_codes: frozenset[str]) -> None:
    assert fatal_codes
    for code in fatal_codes:
        assert validators.accept("error", {"status": "error", "error": {"code": code, "message": "x"}})


def test_protocol_is_major_and_minor(validators: Any) -> None:
    accepted = [v for v in PROTOCOLS + NO_PROTOCOLS if validators.accept("common", v, fragment="#/$defs/protocol")]
    assert accepted == PROTOCOLS
