"""SYS: the system channel."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import Any

from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.protocol import codec, schemas

ROUNDING_SECONDS = 1.0


@case("system/ping", "SYS-003")
def ping(context: ServerContext) -> None:
    """A ping is answered with status pong, in any application."""
    for app in ("conformance", context.name("app")):
        answer = context.connect(app=app).request("system", {"action": "ping"})
        if answer["payload"].get("status") != "pong":
            raise Violation("a ping got something else than a pong", received=codec.shorten(answer["payload"]))


@case("system/get-time", "SYS-004")
def get_time(context: ServerContext) -> None:
    """get_time gives one moment twice, as Unix time and in RFC 3339 with offset zero, and time does not go back."""
    peer = context.connect()
    times = []
    for _ in range(2):
        payload = peer.request("system", {"action": "get_time"})["payload"]
        wrong = schemas.problem("time", payload)
        if wrong:
            raise Violation("the answer to get_time breaks its schema", received=f"{codec.shorten(payload)} {wrong}")
        moment = datetime.fromisoformat(re.sub(r"[zZ]$|-00:00$", "+00:00", payload["iso"].upper())).timestamp()
        if abs(moment - payload["timestamp"]) >= ROUNDING_SECONDS:
            raise Violation("timestamp and iso name different moments", received=codec.shorten(payload))
        times.append(payload["timestamp"])
    if times[1] < times[0]:
        raise Violation("time went backwards between two requests", received=str(times))


@case("system/further-members-are-ignored", "SYS-005")
def further_members_are_ignored(context: ServerContext) -> None:
    """Members that an action does not define change nothing."""
    peer = context.connect()
    for action in ("ping", "get_time"):
        payload = peer.request("system", {"action": action, "x": [1], "status": "error", "timestamp": None})["payload"]
        if "error" in payload:
            raise Violation("a further member of a system request was not ignored", received=codec.shorten(payload))


def refused(context: ServerContext, payload: Any, code: str) -> None:
    """Send a system request that is refused, behind one that is not."""
    peer = context.connect()
    peer.expect_silence()
    message = peer.message("request", "system", payload)
    peer.send(message)
    peer.expect_error(code, message)
    peer.expect_silence()


REFUSED: dict[str, tuple[str, str, Any]] = {
    "payload-a-string": ("SYS-001", "invalid_message", "ping"),
    "payload-an-array": ("SYS-001", "invalid_message", ["ping"]),
    "payload-null": ("SYS-001", "invalid_message", None),
    "payload-a-number": ("SYS-001", "invalid_message", 1),
    "without-action": ("SYS-001", "invalid_message", {"Action": "ping"}),
    "action-null": ("SYS-001", "invalid_message", {"action": None}),
    "action-a-number": ("SYS-001", "invalid_message", {"action": 1}),
    "action-an-object": ("SYS-001", "invalid_message", {"action": {"action": "ping"}}),
    "action-unknown": ("SYS-002", "unknown_action", {"action": "reboot"}),
    "action-empty": ("SYS-002", "unknown_action", {"action": ""}),
    "action-in-capitals": ("SYS-002", "unknown_action", {"action": "PING"}),
    "action-with-a-blank": ("SYS-002", "unknown_action", {"action": "ping "}),
    "action-like-a-method": ("SYS-002", "unknown_action", {"action": "__init__"}),
}
for _name, (_rule, _code, _payload) in REFUSED.items():
    add(
        Case(
            f"system/{_name}",
            (_rule,),
            f"A system request with {_name.replace('-', ' ')} gets {_code}.",
            partial(refused, payload=_payload, code=_code),
        )
    )
