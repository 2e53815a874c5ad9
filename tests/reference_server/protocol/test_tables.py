"""The tables of the specification and of the code, read both ways."""

import importlib.resources
import json
import re

import pytest

from reference_server import Limits
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.limits import RANGES
from reference_server.protocol.schemas import validator
from reference_server.protocol.states import TRANSITIONS, State, StateError, Step, next_state
from reference_server.protocol.system_actions import ACTIONS


def rows_of_table(chapter: str, first_column: str) -> list[list[str]]:
    """Return the cells of a Markdown table, found by the name of its first column."""
    text = importlib.resources.files("ipc_spec").joinpath(chapter).read_text("utf-8")
    found = re.search(rf"^\| {first_column} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found, f"{chapter} has no table of {first_column}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def test_error_codes_are_those_of_the_specification_in_its_order():
    specified = [(code.strip("`"), fatal == "yes", when) for code, fatal, when in rows_of_table("09-errors.md", "code")]

    assert [(code.value, code.fatal, code.explanation) for code in ErrorCode] == specified


def test_error_codes_are_those_of_the_schema_in_its_order():
    text = importlib.resources.files("ipc_schemas").joinpath("error-code.schema.json").read_text("utf-8")
    fatal, not_fatal = (part["enum"] for part in json.loads(text)["oneOf"])

    assert [str(code) for code in ErrorCode if code.fatal] == fatal
    assert [str(code) for code in ErrorCode if not code.fatal] == not_fatal


def test_state_table_is_that_of_the_specification():
    rows = [[cell.strip("`") for cell in row[:3]] for row in rows_of_table("00-introduction.md", "state")]
    coded = [
        [state.value, step.value, after.value] for state, steps in TRANSITIONS.items() for step, after in steps.items()
    ]

    assert sorted(coded) == sorted(rows)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", Step)
def test_step_without_a_row_is_refused(state, step):
    if step in TRANSITIONS[state]:
        assert next_state(state, step) is TRANSITIONS[state][step]
    else:
        with pytest.raises(StateError, match=f"^{step.value} cannot happen in {state.value}$"):
            next_state(state, step)


def test_every_limit_has_a_range_and_a_default_inside():
    limits = Limits()

    assert set(RANGES) == set(Limits.__dataclass_fields__)
    defaults = {name: getattr(limits, name) for name in RANGES}
    assert defaults.pop("max_address_connections") is None  # which depends on another one
    assert all(RANGES[name][0] <= default <= RANGES[name][1] for name, default in defaults.items())


@pytest.mark.parametrize("name", RANGES)
def test_limit_outside_its_range_is_refused_by_name(name):
    low, high = RANGES[name]
    for wrong in (low - 1, high + 1, float("nan")):
        with pytest.raises(ValueError, match=rf"^{name} is \S+, allowed is {low} to {high}$"):
            Limits(**{name: wrong})


def test_outbound_limit_below_the_frame_limit_is_refused():
    with pytest.raises(ValueError, match=r"^max_outbound_bytes is 1048576, allowed is max_frame_bytes, 16777216"):
        Limits(max_outbound_bytes=1024 * 1024)


def test_announced_limits_obey_the_schema_at_both_ends_of_their_ranges():
    least = Limits(max_frame_bytes=2**20, max_depth=64, max_outbound_bytes=2**20, max_connections=100)
    for limits in (Limits(), least, Limits(handshake_timeout=30), Limits(handshake_timeout=1)):
        acknowledgement = {"status": "connected", "connection_id": "c", "limits": limits.announced()}
        assert validator("acknowledgement").is_valid(acknowledgement)
        assert set(limits.announced()) == {
            "max_frame_bytes",
            "max_depth",
            "max_outbound_bytes",
            "max_connections",
            "handshake_timeout_ms",
        }


def answers_on_system():
    """Return the schemas of the answers to the actions that every server knows, `connect` aside."""
    rows = [[cell.strip("`") for cell in row] for row in rows_of_table("19-messages.md", "channel")]
    return {row[1]: row[5] for row in rows if row[0] == "system" and not row[6] and row[1] != "connect"}


def test_actions_are_those_of_the_table_of_messages():
    assert set(ACTIONS) == set(answers_on_system())


@pytest.mark.parametrize("action", ACTIONS)
def test_action_answers_as_its_schema_says(action):
    assert validator(answers_on_system()[action]).is_valid(ACTIONS[action]({}))
