"""Where the two validators disagree: shown here, and kept out of the schemas or decided by the specification."""

from __future__ import annotations

import math
from typing import Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator
from subschemas import subschemas

DISAGREEMENTS: dict[str, tuple[Any, Any]] = {
    "NaN is a number": ({"type": "number"}, math.nan),
    "infinity is a number": ({"type": "number"}, math.inf),
    "an Arabic digit is a digit": ({"pattern": r"^\d"}, "\u0663"),
    "an accented letter is a word character": ({"pattern": r"^\w"}, "é"),
    "the end stands before a final line break": ({"pattern": "a$"}, "a\n"),
    "a lone surrogate is a string": ({"type": "string"}, "\ud800"),
    "0.3 is a multiple of 0.1": ({"multipleOf": 0.1}, 0.3),
}
DECIDED_BY_VECTORS = {
    "json/literal-nan": "malformed_frame",
    "i-json/lone-surrogate-high": "malformed_frame",
    "envelope/channel-id-control-0a-last": "invalid_message",
    "envelope/message-type-line-feed-behind": "invalid_message",
    "handshake/protocol-arabic-digits": "handshake_required",
    "handshake/protocol-full-width-digits": "handshake_required",
    "handshake/protocol-line-feed-behind": "handshake_required",
}


def verdicts(schema: Any, instance: Any) -> list[bool | str]:
    found: list[bool | str] = []
    for validator in (Draft202012Validator(schema), jsonschema_rs.Draft202012Validator(schema)):
        try:
            found.append(validator.is_valid(instance))
        except UnicodeEncodeError:
            found.append("refused to look")
    return found


@pytest.mark.parametrize("name", DISAGREEMENTS)
def test_validators_disagree(name: str) -> None:
    """Once they agree, the warning about it in schemas/README.md can go."""
    python, rust = verdicts(*DISAGREEMENTS[name])
    assert python != rust


@pytest.mark.parametrize(
    ("schema", "instance", "verdict"),
    [
        ({"type": "integer"}, 1.0, True),
        ({"const": 1}, 1.0, True),
        ({"const": 1}, True, False),
        ({"minimum": 0}, -0.0, True),
        ({"minimum": 0}, 10**400, True),
        ({"maxLength": 1}, "\U0001f600", True),
        ({"maxLength": 1}, "e\u0301", False),
        ({"const": "\u00e9"}, "e\u0301", False),
        ({"uniqueItems": True}, [1, True], True),
        ({"uniqueItems": True}, [1, 1.0], False),
        ({"format": "uuid"}, "no", True),
    ],
)
def test_validators_agree(schema: Any, instance: Any, verdict: bool) -> None:
    """What the schemas rely on."""
    assert verdicts(schema, instance) == [verdict, verdict]


@pytest.mark.parametrize("name", DECIDED_BY_VECTORS)
def test_vector_decides_where_decoders_and_validators_could_differ(name: str, vectors: list[Any]) -> None:
    (vector,) = [each for each in vectors if each["id"] == name]
    assert vector["expect"]["code"] == DECIDED_BY_VECTORS[name]


def test_schema_has_no_keyword_that_validators_read_differently(schema: Any) -> None:
    """Patterns are looked at in test_schema_files; no schema refers to itself, or the kit could not inline it."""
    keywords = {keyword for inner in subschemas(schema) for keyword in inner}
    assert not keywords & {"multipleOf", "format", "$dynamicRef", "contentMediaType"}
