"""What a message costs at most, whatever it holds: memory by its length, work by that of a harmless one."""

import gc
import json
import re
import sys
import tracemalloc

import pytest
from refserver_peer import Core, code_of, connect, frame, message, open_core

from reference_server.protocol import messages, schemas
from reference_server.protocol.frames import FIRST_BODY_LIMIT
from reference_server.protocol.json_text import nesting, outside_strings
from reference_server.protocol.messages import decode_message

LENGTH = 256 * 1024  # a fraction of the 1 MiB that every server accepts: costs grow with it, and tests stay short

# A list of one item takes 96 octets in CPython, and two in JSON. Nothing takes more than that.
MOST_MEMORY = 50


def repeated(item, length=LENGTH):
    return b"[" + b",".join([item] * (length // (len(item) + 1))) + b"]"


HOSTILE = {
    "empty arrays": repeated(b"[]"),
    "empty objects": repeated(b"{}"),
    "objects": repeated(b'{"":0}'),
    "deep arrays": repeated(b"[" * 100 + b"]" * 100),
    "deep objects": repeated(b'{"":' * 100 + b"0" + b"}" * 100),
    "numbers": repeated(b"0"),
    "long numbers": repeated(b"9" * 300),
    "numbers that are hard to read": repeated(b"1.5e300"),
    "strings": repeated(b'"aa"'),
    "strings with brackets": repeated(b'["]"]'),
    "strings with colons": repeated(b'{"a":":"}'),
    "escaped colons": repeated(rb'"\u003a"'),
    "members": b"{" + b",".join(b'"%x":0' % number for number in range(LENGTH // 9)) + b"}",
    "long name": b'{"' + b"n" * LENGTH + b'":0}',
    "long string": b'"' + b"s" * LENGTH + b'"',
}


def body(payload, **members):
    """Return a message with a payload and members that are JSON texts already."""
    start = json.dumps(message("request", "c", None) | members).encode()
    return start[:-1].replace(b'"payload": null', b'"payload": ' + payload) + b"}"


def cost_in_memory(core, octets):
    """Return the peak of what the octets make the connection hold beside them, in times their length."""
    core.connection.receive_data(octets)
    tracemalloc.start()
    try:
        for _ in core.connection.events():
            pass
        return tracemalloc.get_traced_memory()[1] / len(octets)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_first_message_takes_memory_by_its_length_only(payload):
    core = Core()

    assert cost_in_memory(core, frame(body(payload, channel_id="system"))) < MOST_MEMORY
    assert code_of(core.sent()[0]) == "handshake_required"


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_invalid_message_takes_memory_by_its_length_only(payload):
    core = open_core()

    assert cost_in_memory(core, frame(body(payload, message_type="no type"))) < MOST_MEMORY
    assert code_of(core.sent()[0]) == "invalid_message"


def calls_of(function, *arguments):
    """Return how many functions and library calls a call makes: its steps in Python, whatever the machine."""
    steps = 0

    def count(_frame, event, _argument):
        nonlocal steps
        steps += event in ("call", "c_call")

    gc.disable()  # a collection would call the finalizers of other tests
    sys.setprofile(count)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
        gc.enable()
    return steps


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_steps_of_decoding_do_not_grow_with_the_values(payload):
    # Numbers that are hard to read cost one call each, and less than msgspec takes for them.
    numbers = payload.count(b"e300") * 3

    assert calls_of(decode_message, frame(body(payload)), 128) <= 100 + numbers


@pytest.mark.parametrize(
    "payload", [repeated(b"1.5e300"), repeated(b"-1E+300"), repeated(b"0.1e-300")], ids=lambda payload: payload[1:9]
)
def test_numbers_that_are_hard_to_read_are_not_left_to_msgspec(payload, monkeypatch):
    monkeypatch.setattr(messages, "_decode_json", None)  # which takes a hundred times as long for them

    assert all(type(number) is float for number in decode_message(frame(body(payload)), 128)["payload"])


@pytest.mark.parametrize("times", [1, 20])  # the function for hard numbers reads them only if there are many
def test_hard_numbers_keep_their_value_and_their_range(times):
    numbers = ["1.5e300", "1e23", "-1E+22", "2.5e-300", "0e999", "1.5", "-0.0", "12", "1e21"] * times
    text = b'{"a":[' + ",".join(numbers).encode() + b'],"b":"' + b"x," * 2500 + b'"}'

    assert repr(decode_message(frame(text), 64)["a"]) == repr(json.loads(text)["a"])
    with pytest.raises(messages.MalformedFrameError, match="out of range"):
        decode_message(frame(text.replace(b"1e23", b"1e309")), 64)


def test_collector_rests_while_a_large_body_is_decoded_and_goes_on_after_it(monkeypatch):
    running = []
    monkeypatch.setattr(messages, "_decode_json", lambda _body: running.append(gc.isenabled()) or {})
    large = frame(b"[" + b"1," * 5000 + b"1]")

    decode_message(large, 64)
    assert (running, gc.isenabled()) == ([False], True)
    gc.disable()
    try:
        decode_message(large, 64)
        assert not gc.isenabled()  # as its user wanted
    finally:
        gc.enable()


# The same answers as for short bodies, whose values are looked at one by one

LONG = b' "filler":"' + b"f," * 2500 + b'"}'


@pytest.mark.parametrize(
    "members",
    [
        b'{"a":1,"a":1,',
        rb'{"a":1,"\u0061":2,',
        b'{"a":[{"b":{"c":1,"d":2,"c":3}}],',
        b'{"a":1,"a":"x:y",',
        rb'{"a":1,"a":"\u003a",',
        rb'{"a":1,"a":"\\\u003A",',
    ],
)
def test_name_that_occurs_twice_in_a_large_body_is_refused(members):
    with pytest.raises(messages.MalformedFrameError, match="twice"):
        decode_message(frame(members + LONG), 64)


@pytest.mark.parametrize(
    "members",
    [
        rb'{"a":"\u003a","b:c":{"d:":[":"]},',
        rb'{"\u003A":"\\u003a","x":"\\\u003a",',
        b'{"a":{"a":1},"b":[{"a":1},{"a":1}],',
        b'{"a":' + b"[" * 63 + b"]" * 63 + b",",
        b'{"a":"' + b"[" * 99 + rb"\"[[[\\" + b'","b":[1],',
        b'{"a":"' + b"1" * 400 + b'","b":0.' + b"1" * 400 + b',"c":1' + b"0" * 310 + b"e-20,",
        rb'{"a":"\",' + b"9" * 400 + rb',\"",',
    ],
)
def test_large_body_is_accepted_with_its_values(members):
    assert decode_message(frame(members + LONG), 64) == json.loads(members + LONG)


@pytest.mark.parametrize("text", [b"[" * 64 + b"]" * 64, rb'"\"",' + b"[" * 64 + b'"]]"' + b"]" * 64])
def test_large_body_that_is_nested_too_deep_is_refused(text):
    with pytest.raises(messages.MalformedFrameError, match="nested deeper than 64"):
        decode_message(frame(b'{"a":[[],' + text[:-1] + b"]]," + LONG), 64)


@pytest.mark.parametrize("digits", [b"9" * 309, b"-" + b"9" * 400])
def test_large_body_with_a_number_out_of_range_is_refused(digits):
    with pytest.raises(messages.MalformedFrameError, match="binary64"):
        decode_message(frame(rb'{"s":"\"[1]","a":[' + digits + b"]," + LONG), 64)


def depth_of(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


def test_nesting_is_that_of_the_decoded_value():
    texts = [
        "[]",
        "[[],{}]",
        '{"a":[{"b":[[]]}],"c":"[[[[[[[[[[["}',
        "[" * 40 + "1" + "]" * 40,
        "[" + ",".join("[" * n + "]" * n for n in range(1, 30)) + "]",
        '["]",["}",[["{"]],"\\\\",["\\"]"]],""]',
        json.dumps([["x" * 70_000, ["]", {"[": ["y" * 70_000, [[]]]}]]]),
    ]
    assert [nesting(text.encode(), 0) for text in texts] == [depth_of(json.loads(text)) for text in texts]


def test_text_outside_of_strings():
    assert outside_strings(rb'{"a\"b":[1,"\\"],"c":"\\\""}') == b"{:[1,],:}"


# Explanations


def test_explanation_sees_an_outline_of_bounded_size():
    value = (
        {"a" * 1000: 1, "b": [[[[[[1]]]]]] * 1000, "c": "x" * 1000} | {str(n): n for n in range(1000)} | {"action": 2}
    )

    seen = schemas.outline(value)
    assert isinstance(seen, dict)
    assert len(json.dumps(seen)) < 5000
    assert seen["action"] == 2  # which a schema names
    assert depth_of(seen) <= 5


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("connect-message", [1] * 1000, "is not of type"),
        ("envelope", {str(n): n for n in range(1000)}, "not allowed|required"),
        ("batch-request", {"action": "batch_process", "requests": [{}]}, "required"),
        ("batch-request", {"action": "batch_process", "requests": [{"payload": 1}] * 999 + [1]}, "behind the first"),
        ("common#/$defs/channel_id", "c" * 256, "longer than 255"),
        ("common#/$defs/channel_id", "c" * 100_000, "longer than 255"),
    ],
)
def test_long_invalid_value_is_explained(name, value, reason):
    explanation = schemas.explain(schemas.validator(name), value)
    assert re.search(reason, explanation)
    assert len(explanation) < 310


# Before the handshake


def test_first_frame_is_limited_to_what_every_server_accepts():
    core = Core()
    assert code_of(core.feed((FIRST_BODY_LIMIT + 1).to_bytes(4, "big"))[0]) == "frame_too_large"

    core = Core()
    long = json.dumps(connect(unknown="")).encode()
    long = long.replace(b'"unknown": ""', b'"unknown": "' + b"u" * (FIRST_BODY_LIMIT - len(long)) + b'"')
    assert len(long) == FIRST_BODY_LIMIT
    assert core.feed(frame(long))[0]["payload"]["status"] == "connected"


def test_frames_after_the_handshake_have_the_limit_that_was_announced():
    core = open_core()
    core.feed(frame(message("request", "c", "x" * FIRST_BODY_LIMIT)))

    assert len(core.events) == 1
