"""ENC: what the golden vectors cannot hold, because it is large or because something has to come back unchanged."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.base import Ended
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.results.survey import ANY_ERROR

KEPT: dict[str, tuple[str, Any]] = {
    "nul": ("ENC-015", "a\x00b"),
    "every-c0-control": ("ENC-015", "".join(map(chr, range(0x20)))),
    "noncharacters": ("ENC-015", "\ufdd0\ufffe\uffff\U0001fffe\U0010ffff"),
    "edges-of-utf8": ("ENC-015", "\x7f\x80\u07ff\u0800\ud7ff\ue000\ufffd\uffff\U00010000\U0010ffff"),
    "combining-marks": ("ENC-015", "e\u0301 \u00e9 \u1e9b\u0323"),
    "right-to-left": ("ENC-015", "\u202eabc\u202c שלום"),
    "line-separators": ("ENC-015", "\u2028\u2029\u0085\r\n"),
    "quotes-and-backslashes": ("ENC-015", '"\\/\b\f\n\r\t'),
    "empty-names": ("ENC-015", {"": {"": ""}}),
    "names-of-prototypes": ("ENC-015", {"__proto__": {"x": 1}, "constructor": 2, "toString": 3, "__class__": 4}),
    "integers-of-53-bits": ("ENC-016", [0, 1, -1, 2**53 - 1, -(2**53 - 1)]),
    "fractions": ("ENC-016", [0.5, 0.1, -1.5, 3.141592653589793, 1e-7]),
    "extremes-of-binary64": ("ENC-016", [1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 1e23]),
    "every-json-type": ("ENC-015", {"a": [None, True, False, 0, "", [], {}, [[]], {"b": {}}]}),
}


def kept_by_publish(context: ServerContext, value: Any) -> None:
    """Publish ``value`` to oneself."""
    peer = context.connect()
    channel = context.name("kept")
    peer.subscribe(channel)
    message = peer.message("publish", channel, value)
    peer.send(message)
    with peer.needing("own_delivery"):
        _compare(peer.barrier(), value)


def kept_by_echo(context: ServerContext, value: Any) -> None:
    """Have ``value`` echoed."""
    peer = context.connect()
    payload = {"connection_id": peer.connection_id, "value": value}
    answer = peer.request("conformance.echo", payload)
    if not codec.same(answer["payload"], payload):
        raise Violation(
            "an echo changed the payload", expected=codec.shorten(payload), received=codec.shorten(answer["payload"])
        )


def _compare(arrived: list[codec.Message], value: Any) -> None:
    if len(arrived) != 1 or not codec.same(arrived[0]["payload"], value):
        raise Violation(
            "a publish did not bring its payload back unchanged",
            expected=codec.shorten(value),
            received=codec.shorten([message["payload"] for message in arrived]),
        )


for _name, (_rule, _value) in KEPT.items():
    _what = _name.replace("-", " ")
    add(
        Case(
            f"encoding/publish-keeps-{_name}",
            (_rule,),
            f"A publish keeps {_what}.",
            partial(kept_by_publish, value=_value),
        )
    )
    add(
        Case(
            f"encoding/echo-keeps-{_name}",
            (_rule,),
            f"A request and its response keep {_what}.",
            partial(kept_by_echo, value=_value),
            needs=("echo",),
        )
    )


def nested(peer: ClientPeer, levels: int) -> tuple[codec.Message, bytes]:
    """Return a marker, and a body of it that is nested ``levels`` deep, the root counted."""
    marker = peer.marker_message(deep="@")
    arrays = levels - 2
    return marker, codec.encode(marker).replace(b'"@"', b"[" * arrays + b"]" * arrays)


@case("encoding/depth-64-is-accepted", "ENC-009")
def depth_64_is_accepted(context: ServerContext) -> None:
    """A body nested exactly 64 levels deep is accepted."""
    peer = context.connect()
    marker, body = nested(peer, 64)
    peer.send_body(body)
    peer.expect_taken(marker, "a body of 64 levels was not accepted")


@case("encoding/depth-at-the-announced-limit", "LIM-015", "ENC-009")
def depth_at_the_announced_limit(context: ServerContext) -> None:
    """A body nested exactly as deep as the announced limit is accepted."""
    peer = context.connect()
    marker, body = nested(peer, peer.limit("max_depth") or 64)
    peer.send_body(body)
    peer.expect_taken(marker, "a body at the limit of depth was not accepted")


def too_deep(context: ServerContext, levels: int | None) -> None:
    """Nest deeper than the limit: refused, or accepted by a server without such a limit, but survived."""
    peer, bystander = context.connect(), context.connect()
    announced = peer.limit("max_depth")
    if levels is None and announced is None:
        levels = 1025
    marker, body = nested(peer, levels or (announced or 0) + 1)
    peer.send_body(body)
    try:
        answer = peer.receive()
    except Ended as end:
        raise Violation(
            "the server ended the connection without the error malformed_frame", received=str(end)
        ) from None
    if announced is not None or not peer.answers(answer, marker):
        peer.check_error(answer, "malformed_frame", None)
        peer.expect_end()
    bystander.expect_silence()
    context.check_alive()


for _name, _levels in {"one-level-over-the-limit": None, "100000-levels": 100_000}.items():
    add(
        Case(
            f"encoding/{_name}",
            ("ENC-010", "ISO-006"),
            f"A body with {_name.replace('-', ' ')} is refused and does no harm.",
            partial(too_deep, levels=_levels),
        )
    )


@case("encoding/hundred-thousand-members", "ENC-008", seconds=0.5)
def hundred_thousand_members(context: ServerContext) -> None:
    """An object with 100 000 members is accepted, with white space and any order of members."""
    peer = context.connect()
    marker = peer.marker_message(**{f"m{number}": number % 10 for number in range(50_000)})
    reordered = dict(reversed(marker.items()))
    peer.send_body(b" \n\t\r" + codec.encode(reordered).replace(b'":', b'" :\n') + b"\n")
    peer.expect_taken(marker, "a message with many members was not accepted")


@case("encoding/of-two-members-the-last-counts", "ENC-014")
def of_two_members_the_last_counts(context: ServerContext) -> None:
    """When app_id stands twice in an envelope, the server refuses it or takes the last one."""
    peer = context.connect()
    ping = peer.ping_message()
    for value, answers in ((peer.app_id, "pong"), ("elsewhere", "error")):
        probe = context.connect()
        ping = probe.ping_message()
        body = codec.encode(ping).replace(b'"channel_id"', b'"app_id":' + codec.encode(value) + b',"channel_id"', 1)
        probe.send_body(body)
        with probe.blaming(*(["ping"] if answers == "pong" else []), ANY_ERROR):
            payload = probe.receive()["payload"]
        code = payload.get("error", {}).get("code")
        taken = payload.get("status") == "pong" if answers == "pong" else code == "app_mismatch"
        if code != "malformed_frame" and not taken:
            raise Violation(
                "of two members of the same name the server did not take the last",
                expected=f"malformed_frame, or the outcome for app_id {value!r}",
                received=codec.shorten(payload),
            )
