"""ENC, on a client: values that come through unchanged."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.client_context import ClientContext
from conformance.harness.decorators import client_case
from conformance.protocol import codec

VALUES: dict[str, Any] = {
    "an-object": {"a": {"b": [1, {"c": None}]}},
    "an-array": [1, [2, [3]], {}],
    "a-string": "text with äöü€😀",
    "a-string-in-latin-1": "äöüß §°é ÿ\x80\x9f",
    "an-empty-string": "",
    "a-fraction": -12.5,
    "zero": 0,
    "true": True,
    "false": False,
    "null": None,
    "nul": "a\x00b",
    "every-c0-control": "".join(map(chr, range(0x20))),
    "noncharacters": "\ufdd0\ufffe\uffff\U0001fffe\U0010ffff",
    "edges-of-utf8": "\x7f\x80\u07ff\u0800\ud7ff\ue000\ufffd\uffff\U00010000\U0010ffff",
    "line-separators": "\u2028\u2029\u0085\r\n",
    "quotes-and-backslashes": '"\\/\b\f\n\r\t',
    "names-of-prototypes": {"__proto__": {"x": 1}, "constructor": 2, "toString": 3},
    "integers-of-53-bits": [0, 1, -1, 2**53 - 1, -(2**53 - 1)],
    "extremes-of-binary64": [1.7976931348623157e308, 5e-324, 1e23, 1e-7],
}


def there_and_back(context: ClientContext, value: Any) -> None:
    """Have the client send ``value`` in a request, and give it back in the response."""
    end = context.connect()
    if isinstance(value, dict):
        value = value | {"connection_id": end.connection_id}
    asked = context.driver.begin("send_request", channel="values", payload=value)
    request = end.take("request", "values")
    _compare(request["payload"], value, "the client sent another payload than it was told to")
    end.respond(request, value)
    answer = context.driver.finish(asked)["response"]
    _compare(answer["payload"], value, "the client handed over another payload than it received")


def _compare(found: Any, wanted: Any, why: str) -> None:
    if not codec.same(found, wanted):
        raise Violation(why, expected=codec.shorten(wanted), received=codec.shorten(found))


for _name, _value in VALUES.items():
    add(
        Case(
            f"client-encoding/keeps-{_name}",
            ("ENC-001", "ENC-002", "FRM-001", "FRM-002"),
            f"A request and its response keep {_name.replace('-', ' ')}.",
            partial(there_and_back, value=_value),
            role="client",
        )
    )


@client_case("client-encoding/lone-surrogates-are-not-sent", "ENC-003")
def lone_surrogates(context: ClientContext) -> None:
    """Told to send half of a surrogate pair, the client refuses, or sends something that everybody can read."""
    end = context.connect()
    for command in ("publish", "send_request"):
        context.driver.begin(command, channel="odd", payload="a\ud800b")
    context.settle(end)  # which receives what was sent, and checks it


@client_case("client-encoding/numbers-out-of-range-are-not-sent", "ENC-003")
def out_of_range(context: ClientContext) -> None:
    """Told to send a number beyond binary64, the client refuses, or sends something that everybody can read."""
    end = context.connect()
    for command in ("publish", "send_request"):
        context.driver.begin(command, channel="odd", payload=[10**400])
    context.settle(end)


@client_case("client-encoding/reads-escapes-and-white-space", "REQ-016")
def escapes(context: ClientContext) -> None:
    """A response that is written with escapes, white space and another order of members is the response."""
    end = context.connect()
    asked = context.driver.begin("send_request", channel="values", payload=1)
    response = end.response(end.take("request"), {"text": "äöü€😀"})
    members = dict(reversed(response.items()))
    end.send_body(b" \r\n" + json.dumps(members, indent="\t", separators=(" ,", " : ")).encode() + b"\n ")
    _compare(context.driver.finish(asked)["response"]["payload"], {"text": "äöü€😀"}, "escapes were read wrongly")
