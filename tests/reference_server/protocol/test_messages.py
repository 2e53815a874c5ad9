import json

import pytest
from refserver_peer import frame

from reference_server.protocol.errors import MalformedFrameError, UnsendableError
from reference_server.protocol.messages import MessageIds, ServerMessage, decode_message, encode_message

DEPTH = 64


def decode(body):
    return decode_message(frame(body), DEPTH)


REFUSED = {
    "empty": (b"", "not a JSON text"),
    "white space": (b" \n", "not a JSON text"),
    "array": (b"[]", "root is not an object"),
    "string": (b'"x"', "root is not an object"),
    "two texts": (b"{}{}", "not a JSON text"),
    "byte order mark": (b"\xef\xbb\xbf{}", "not a JSON text"),
    "bad octet in a value": (b'{"a":"\xff"}', "UTF-8"),
    "bad octet in a name": (b'{"\xff":1}', "UTF-8"),
    "surrogate octets": (b'{"a":"\xed\xa0\x80"}', "UTF-8"),
    "overlong": (b'{"a":"\xc0\xaf"}', "UTF-8"),
    "lone high surrogate": (rb'{"a":"\ud800"}', "not a JSON text"),
    "lone low surrogate": (rb'{"a":"\udc00"}', "not a JSON text"),
    "lone surrogate in a name": (rb'{"\ud800":1}', "not a JSON text"),
    "NaN": (b'{"a":NaN}', "not a JSON text"),
    "trailing comma": (b'{"a":1,}', "not a JSON text"),
    "huge float": (b'{"a":1e400}', "not a JSON text"),
    "huge integer": (b'{"a":' + b"9" * 309 + b"}", "binary64"),
    "huge negative integer in an array": (b'{"a":[[-' + b"9" * 400 + b"]]}", "binary64"),
    "integer of more digits than int takes": (b'{"a":' + b"9" * 5000 + b"}", "not a JSON text"),
    "a name twice": (b'{"a":1,"a":1}', "twice"),
    "a name twice, once escaped": (rb'{"a":1,"\u0061":2}', "twice"),
    "a name twice, deeper": (b'{"a":[{"b":{"c":1,"d":2,"c":3}}]}', "twice"),
    "a name twice and a colon less": (b'{"a":1,"a":"x:y"}', "twice"),
    "a name twice beside a long integer": (b'{"a":' + b"9" * 308 + b',"b":1,"b":1e5}', "twice"),
    "too deep": (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64"),
    "too deep with arrays": (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", "nested deeper than 64"),
    "very deep": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper than 64"),
    "deep enough for any stack": (b'{"a":' + b'{"a":' * 1_000_000, "nested deeper than 64"),
}

ACCEPTED = {
    "nothing": b"{}",
    "white space": b' \t\r\n{ "a" : [ 1 , 2 ] } ',
    "colons in strings": b'{"a":"::","b:c":{"d:":[":"]}}',
    "escapes": rb'{"\u0061\u003a":"\ud83d\ude00\u0000"}',
    "same name in two objects": b'{"a":{"a":1},"b":[{"a":1},{"a":1}]}',
    "deepest": b'{"a":' + b"[" * 63 + b"]" * 63 + b"}",
    "largest double": b'{"a":1.7976931348623157e308,"b":-1.7976931348623157e308}',
    "largest double as an integer": b'{"a":' + str(int(1.7976931348623157e308)).encode() + b"}",
    "smallest double": b'{"a":5e-324,"b":1e-400}',
    "many digits of a small number": b'{"a":0.' + b"1" * 400 + b"}",
    "many digits in a string": b'{"a":"' + b"1" * 400 + b'"}',
    "noncharacters": '{"a":"\ufffe\uffff\U0010ffff"}'.encode(),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED)
def test_body_is_refused(body, reason):
    with pytest.raises(MalformedFrameError, match=reason) as caught:
        decode(body)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED)
def test_body_is_accepted_with_its_values(body):
    assert decode(body) == json.loads(body)


def server_message(payload):
    return ServerMessage("m", "a", "c", "response", payload, 1.5, None)


def test_message_is_encoded_with_the_seven_members_of_the_envelope():
    encoded = encode_message(server_message({"ü": [1, None]}), 1000)

    assert json.loads(encoded[4:]) == {
        "message_id": "m",
        "app_id": "a",
        "channel_id": "c",
        "message_type": "response",
        "payload": {"ü": [1, None]},
        "timestamp": 1.5,
        "reply_to": None,
    }
    assert int.from_bytes(encoded[:4], "big") == len(encoded) - 4


def nested(depth):
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("payload", [object(), {"a": {(1, 2): 3}}, "\ud800", nested(100_000), len])
def test_payload_without_a_json_form_cannot_be_sent(payload):
    with pytest.raises(UnsendableError):
        encode_message(server_message(payload), 1000)


def test_message_over_the_limit_cannot_be_sent():
    length = len(encode_message(server_message("x" * 100), 1000)) - 4

    assert encode_message(server_message("x" * 100), length)
    with pytest.raises(UnsendableError, match=f"has {length} octets, the limit is {length - 1}"):
        encode_message(server_message("x" * 100), length - 1)


def test_message_ids_never_repeat_nor_meet_the_one_to_avoid():
    ids = MessageIds()
    first = ids.next()
    guessed = first.replace("-0", "-1")

    assert ids.next(unlike=guessed) == first.replace("-0", "-2")
    assert len({ids.next() for _ in range(1000)} | {MessageIds().next() for _ in range(1000)}) == 2000
