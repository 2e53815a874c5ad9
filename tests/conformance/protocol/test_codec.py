"""The codec and the trace: every rule of the chapters FRM and ENC, from both sides."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.core.trace import Trace, render
from conformance.protocol import codec

BAD_BODIES = {
    "an octet that is no UTF-8": (b'{"a":"\xff"}', "not UTF-8 (ENC-002)"),
    "an overlong form": (b'{"a":"\xc0\xaf"}', "not UTF-8 (ENC-002)"),
    "a surrogate in UTF-8": (b'{"a":"\xed\xa0\x80"}', "not UTF-8 (ENC-002)"),
    "UTF-16": ("{}".encode("utf-16"), "not UTF-8 (ENC-002)"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "not one JSON text (ENC-001)"),
    "nothing": (b"", "not one JSON text (ENC-001)"),
    "two texts": (b"{}{}", "not one JSON text (ENC-001)"),
    "half a text": (b'{"a":', "not one JSON text (ENC-001)"),
    "single quotes": (b"{'a':1}", "not one JSON text (ENC-001)"),
    "a comma at the end": (b'{"a":[1,]}', "not one JSON text (ENC-001)"),
    "a zero in front": (b'{"a":01}', "not one JSON text (ENC-001)"),
    "a raw line feed in a string": (b'{"a":"\n"}', "not one JSON text (ENC-001)"),
    "a vertical tab as white space": (b"\x0b{}", "not one JSON text (ENC-001)"),
    "NaN": (b'{"a":NaN}', "the token NaN, which is not JSON (ENC-001)"),
    "Infinity": (b'{"a":Infinity}', "the token Infinity, which is not JSON (ENC-001)"),
    "-Infinity": (b'{"a":[-Infinity]}', "the token -Infinity, which is not JSON (ENC-001)"),
    "an array": (b"[{}]", "the root of the body is not an object (ENC-001): [{}]"),
    "a string": (b'"a"', 'the root of the body is not an object (ENC-001): "a"'),
    "null": (b"null", "the root of the body is not an object (ENC-001): null"),
    "a name twice": (b'{"a":1,"a":1}', "a member name twice (ENC-003)"),
    "a name twice, inside": (b'{"a":[{"b":1,"c":2,"b":1}]}', "a member name twice (ENC-003)"),
    "a name twice, once escaped": (b'{"a":1,"\\u0061":2}', "a member name twice (ENC-003)"),
    "a high surrogate alone": (b'{"a":"\\ud83d"}', "a lone surrogate (ENC-003)"),
    "a low surrogate alone": (b'{"a":"\\uDE00"}', "a lone surrogate (ENC-003)"),
    "a pair in the wrong order": (b'{"a":["\\ude00\\ud83d"]}', "a lone surrogate (ENC-003)"),
    "a lone surrogate in a name": (b'{"\\ud83d":1}', "a lone surrogate (ENC-003)"),
    "a number beyond binary64": (b'{"a":1e309}', "the number 1e309 is outside the range of binary64 (ENC-003)"),
    "a negative one": (b'{"a":[-2E+400]}', "the number -2E+400 is outside the range of binary64 (ENC-003)"),
    "an integer beyond binary64": (b'{"a":1%s}' % (b"0" * 309), "outside the range of binary64 (ENC-003)"),
    "an integer beyond what Python reads": (b'{"a":%s}' % (b"9" * 5000), "outside the range of binary64 (ENC-003)"),
    "endless nesting": (b'{"a":' + b"[" * 100_000, "nested too deep"),
}
GOOD_BODIES: dict[str, tuple[bytes, Any]] = {
    "white space around": (b" \t\r\n{ } ", {}),
    "a surrogate pair": (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
    "what looks like an escape": (b'{"a":"\\\\ud83d"}', {"a": "\\ud83d"}),
    "every octet length of UTF-8": ('{"a":"aß€😀"}'.encode(), {"a": "aß€😀"}),
    "one name in two objects": (b'{"a":{"a":1}}', {"a": {"a": 1}}),
    "the greatest number": (b'{"a":1.7976931348623157e308}', {"a": 1.7976931348623157e308}),
    "a long integer": (b'{"a":1%s}' % (b"0" * 308), {"a": 10**308}),
    "a number too small for binary64": (b'{"a":1e-400}', {"a": 0.0}),
}
SAME: list[tuple[Any, Any, bool]] = [
    (1, 1.0, True),
    (0, -0.0, True),
    (1, True, False),
    (0, False, False),
    (1.0, True, False),
    (True, True, True),
    (None, False, False),
    (None, 0, False),
    ("1", 1, False),
    ("é", "e\u0301", False),
    ([], {}, False),
    ([1, [2]], [1.0, [2.0]], True),
    ([1, [2]], [1, [True]], False),
    ([1], [1, 1], False),
    ({"a": [1]}, {"a": [True]}, False),
    ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, True),
    ({"a": None}, {}, False),
    (2**53 - 1, 2**53 - 2, False),
    (66431448003972648, 66431448003972650, True),
    (6.643144800397265e16, 66431448003972650, True),
    (2**60, 2**60 + 2**8, False),
    (0.1, 0.1 + 2**-56, False),
]


@pytest.mark.parametrize("name", BAD_BODIES)
def test_decode_refuses(name: str) -> None:
    body, text = BAD_BODIES[name]
    with pytest.raises(codec.BadBody) as caught:
        codec.decode(body)
    assert text in str(caught.value)


@pytest.mark.parametrize("name", GOOD_BODIES)
def test_decode_reads(name: str) -> None:
    body, message = GOOD_BODIES[name]
    assert codec.decode(body) == message


@pytest.mark.parametrize(("left", "right", "same"), SAME, ids=repr)
def test_same_compares_json_values_both_ways(left: Any, right: Any, same: bool) -> None:
    assert codec.same(left, right) is same
    assert codec.same(right, left) is same


def test_header_has_four_octets_most_significant_first() -> None:
    assert codec.header(0x01020304) == b"\1\2\3\4"
    assert codec.stated_length(b"\xff\0\0\1") == 0xFF000001
    assert codec.frame(b"{}") == b"\0\0\0\2{}"


def test_encode_escapes_nothing_that_need_not_be() -> None:
    assert codec.encode({"ä": ["😀", None]}) == '{"ä":["😀",null]}'.encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        codec.encode({"a": float("nan")})


def test_shorten_cuts_in_the_middle() -> None:
    assert codec.shorten({"a": "ü"}) == '{"a": "\\u00fc"}'
    exact = "x" * 298
    assert codec.shorten(exact) == f'"{exact}"'
    short = codec.shorten("a" * 500 + "b" * 500)
    assert short.startswith('"aaa')
    assert short.endswith('bbb"')
    assert " ... 722 more ... " in short
    assert len(codec.shorten("x" * 10**6)) <= 310


def test_trace_shows_a_frame_as_its_json_and_anything_else_as_such() -> None:
    trace = Trace()
    trace.octets("A", "sent", codec.frame(b'{"a":1}'))
    trace.octets("B", "received", b"GET / HTTP")
    trace.octets("A", "received", b"\0\0\0\1\xff")
    trace.octets("A", "received", codec.frame(b"line\x1b[31m"))
    trace.event("A", "end of stream")
    assert [line.partition(" A ")[2] or line.partition(" B ")[2] for line in render(trace.as_json())] == [
        '-> {"a":1} [11 octets]',
        "<- (not one frame) GET / HTTP [10 octets]",
        "<- octets 00000001ff [5 octets]",
        "<- octets 000000096c696e651b5b33316d [13 octets]",
        "-- end of stream",
    ]


def test_trace_keeps_head_and_tail_of_a_long_piece() -> None:
    trace = Trace()
    trace.octets("A", "sent", codec.frame(b'"' + b"x" * 2_000_000 + b'"'))
    entry = trace.entries[0]
    assert entry.octets == 2_000_006
    assert entry.hex.startswith("001e8482")
    assert entry.hex.endswith("7822")
    assert len(entry.hex) < 1100
    assert entry.text.startswith('"xx')
    assert entry.text.endswith('xx"')
    assert len(entry.text) < 600


def test_trace_has_times_that_do_not_go_back() -> None:
    trace = Trace()
    for _ in range(3):
        trace.event("A", "tick")
    times = [entry["at"] for entry in trace.as_json()]
    assert times == sorted(times)
    assert times[0] >= 0
