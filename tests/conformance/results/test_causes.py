"""Grouping of failures by cause: the step in its normal form, missing abilities, ranking, examples."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import conformance
from conformance.core.verdicts import Verdict
from conformance.protocol import schemas
from conformance.results.case_result import CaseResult
from conformance.results.causes import cause_id, causes_of, id_of_ability, possible_ids
from conformance.results.run import Run
from conformance.results.steps import step_of
from conformance.results.survey import Finding, State, Survey

PACKAGE = Path(conformance.__file__).parent
LATE = "the server did not answer in time, waiting for "
ENDED = "the server ended the connection (end of stream)"


def survey(*missing: str, present: tuple[str, ...] = ("acknowledgement", "delivery")) -> Survey:
    """Return a survey with these abilities, the basic ones first."""
    found = [Finding(name, f"does {name}", f"survey/{name}", State.YES, 0.0) for name in present]
    return Survey((*found, *(Finding(name, f"does {name}", f"survey/{name}", State.NO, 0.0) for name in missing)))


def bad(case: str, step: str, *, verdict: Verdict = Verdict.FAIL, rule: str = "SYS-003", **members: Any) -> CaseResult:
    """Return the result of a case that failed at a step."""
    message = step.partition(", waiting for ")[0]
    return CaseResult(
        case, [rule], "must", verdict, expected=False, duration_ms=1, message=message, step=step, **members
    )


def good(case: str, verdict: Verdict = Verdict.PASS, **members: Any) -> CaseResult:
    return CaseResult(case, ["SYS-003"], "must", verdict, expected=True, duration_ms=1, **members)


STEPS = {
    "no-error-no-handler": [
        f"{LATE}the error no_handler",
        "the server ended the connection without the error no_handler",
        f"{ENDED}, waiting for the error no_handler",
        "the server ended the connection (reset (Connection reset by peer)), waiting for the error no_handler",
    ],
    "accepts-no-handler": [
        "expected the error no_handler and got a response without an error",
        "expected the error no_handler and got a publish without an error",
    ],
    "wrong-error-internal": [
        "expected the error no_handler and got the error internal",
        "expected the error forbidden and got the error internal",
    ],
    "error-codes": ["expected the error forbidden and got an error without a known code"],
    "error-form": ["expected the error forbidden and got it in a wrong form, at payload/error"],
    "error-address": ["the error forbidden is addressed wrongly (ERR-002 to ERR-004)"],
    "no-answer": [f"{LATE}a frame", f"{LATE}the response", f"{LATE}an answer"],
    "no-pong": [f"{LATE}the pong"],
    "no-error": [f"{LATE}an error"],
    "ends-before-answer": [
        ENDED,
        f"{ENDED}, waiting for a frame",
        "the server ended the connection (reset (Broken pipe)), waiting for the response",
    ],
    "broken-envelope": [
        "the server sent a message that breaks the envelope rules (ENV-001)",
        "the server sent a message that breaks the envelope rules (ENV-001), waiting for the error no_handler",
    ],
    "broken-encoding": ["the client sent a body that breaks the encoding rules, waiting for a connect message"],
    "process-ends": ["the server process ended during the case", "the client's process ended", "the client crashed"],
    "stops-serving": ["the server stopped serving"],
    "stays-open": ["the server did not close the connection", "the client did not end the connection"],
    "no-connect-message": ["the client did not send anything in time, waiting for a connect message"],
    "no-publish": [
        "the client did not send anything in time, waiting for a publish on channel-1",
        "the client did not send anything in time, waiting for a publish on channel-2",
        "the client did not send anything in time, waiting for a publish",
    ],
    "SYS-003": ["an echo did not give the payload back", "somebody else subscribed this connection"],
}


@pytest.mark.parametrize(("wanted", "text"), [(name, text) for name, texts in STEPS.items() for text in texts])
def test_step_has_a_normal_form(wanted: str, text: str) -> None:
    step = step_of(bad("a/b", text))
    assert step.id == wanted
    assert step.pin in text
    assert step.sentence[0].isupper()


GENERAL = ("harness", "peers", "targets")
"""Packages whose messages many cases share."""
RAISED = ("Violation", "Late", "Ended", "BrokenFrame")


def messages_of(path: Path) -> Iterator[str]:
    """Yield the messages of violations in a module, with sample values."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISED and node.args:
            yield from texts_of(node.args[0])


def texts_of(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.BoolOp):
        yield from texts_of(node.values[-1])
    elif isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(each.value) if isinstance(each, ast.Constant) else sample_of(each) for each in node.values)


def sample_of(node: ast.expr) -> str:
    text = ast.unparse(node)
    return "the server" if "side" in text else "a response without an error" if "_named" in text else "answer"


def test_every_message_that_many_cases_share_has_a_pattern() -> None:
    modules = [path for name in GENERAL for path in (PACKAGE / name).glob("*.py")]
    messages = {text: path.name for path in modules for text in messages_of(path)}
    assert len(messages) > 25
    assert {text: name for text, name in messages.items() if not step_of(bad("a/b", text)).is_general} == {}


def test_message_counts_if_it_is_about_something_else_than_the_step() -> None:
    result = bad("a/b", f"{LATE}the pong", needed="ping")
    result.message = "the server process ended during the case"
    assert [each.id for each in causes_of([result], survey("ping"))] == ["process-ends"]
    result.message, result.step = "cannot start\nmore", ""
    assert step_of(result).pin == "cannot start"


def test_steps_of_one_id_have_one_pin_unless_their_words_differ() -> None:
    for code in ("no_handler", "forbidden"):
        assert step_of(bad("a/b", f"{LATE}the error {code}")).pin == "the server did not answer in time"


def test_missing_ability_that_the_step_needed_is_the_cause() -> None:
    results = [
        bad("a/1", f"{LATE}the pong", needed="ping"),
        bad("a/2", "the subscriber did not get exactly what was published", needed="ping", rule="SUB-010"),
        bad("a/3", f"{LATE}the pong"),
        bad("survey/ping", f"{LATE}the pong"),
        bad("a/4", f"{LATE}the response", needed="echo"),
    ]
    found = causes_of(results, survey("ping"))
    assert [(each.id, each.ability, each.cases) for each in found] == [
        ("no-ping", "ping", ["a/1", "a/2", "a/3", "survey/ping"]),
        ("no-answer", "", ["a/4"]),
    ]
    assert found[0].sentence == "The server does not answer pings"


def test_what_the_survey_tried_under_a_name_of_several_words_has_that_cause() -> None:
    results = [
        bad("survey/own-delivery", f"{LATE}a publish", rule="SUB-010"),
        bad("a/1", "a body of 255 octets did not come back as it was", needed="own_delivery", rule="FRM-008"),
    ]
    (found,) = causes_of(results, survey("own_delivery"))
    assert (found.id, found.requirements) == ("no-own-delivery", ("SUB-010",))
    (found,) = causes_of(results, survey("own_delivery", "delivery"))
    assert found.id == "no-delivery"


def test_without_any_error_answer_all_missing_errors_have_one_cause() -> None:
    results = [
        bad("a/1", f"{LATE}the error no_handler", needed="error.no_handler"),
        bad("a/2", "the server ended the connection without the error malformed_frame"),
        bad("a/3", f"{LATE}an error"),
        bad("a/4", "expected the error forbidden and got a response without an error", needed="error.forbidden"),
    ]
    assert {each.id: each.cases for each in causes_of(results, survey("error.no_handler", "errors"))} == {
        "no-errors": ["a/1", "a/2", "a/3"], "accepts-forbidden": ["a/4"],
    }  # fmt: skip
    one = {each.id: each.ability for each in causes_of(results, survey("error.no_handler", present=("errors",)))}
    assert one["no-error-no-handler"] == "error.no_handler"
    assert one["no-error-malformed-frame"] == ""


def test_answer_to_a_payload_of_any_type_needs_no_connection_id() -> None:
    results = [bad("a/1", f"{LATE}the response", rule="ENV-010", needed="echo"), bad("a/2", f"{LATE}the response")]
    found = causes_of(results, survey("no_connection_id"))
    assert [(each.id, each.cases) for each in found] == [("needs-connection-id", ["a/1"]), ("no-answer", ["a/2"])]


def test_wrong_frames_are_a_cause_of_their_own_whatever_the_survey_says() -> None:
    text = "the server sent a message that breaks the envelope rules (ENV-001), waiting for the pong"
    results = [bad("a/1", text, needed="ping"), bad("survey/ping", text, needed="ping")]
    assert [each.id for each in causes_of(results, survey("ping"))] == ["broken-envelope"]


@pytest.mark.parametrize("known", [None, Survey(), survey()])
def test_without_a_missing_ability_the_step_is_the_cause(known: Survey | None) -> None:
    results = [bad("a/1", f"{LATE}the pong", needed="ping"), bad("a/2", "it is red", rule="SUB-010")]
    assert [each.id for each in causes_of(results, known)] == ["SUB-010", "no-pong"]


def test_fault_behind_several_requirements_is_one_cause() -> None:
    results = [
        bad("a/1", "an answer went to the newer connection", rule="HSK-023"),
        bad(
            "a/2", "the answer to a valid connect message is not its acknowledgement (HSK-004, HSK-005)", rule="HSK-022"
        ),
        bad(
            "a/3", "the answer to a valid connect message is not its acknowledgement (HSK-004, HSK-005)", rule="FRM-001"
        ),
    ]
    assert {each.id: each.cases for each in causes_of(results)} == {
        "takeover": ["a/1", "a/2"], "wrong-acknowledgement": ["a/3"],
    }  # fmt: skip


def test_a_fault_explains_answers_that_did_not_come_but_no_single_error() -> None:
    results = [
        bad("a/1", f"{LATE}the acknowledgement", rule="REQ-010"),
        bad("a/2", "the server ended the connection (end of stream), waiting for the response", rule="REQ-011"),
        bad("a/3", f"{LATE}the error session_replaced", rule="HSK-023"),
    ]
    assert {each.id: each.cases for each in causes_of(results)} == {
        "blocking-handlers": ["a/1", "a/2"], "no-error-session-replaced": ["a/3"],
    }  # fmt: skip


def test_ids_of_abilities_can_be_read() -> None:
    names = {"ping": "no-ping", "error.no_handler": "no-error-no-handler", "no_connection_id": "needs-connection-id"}
    assert {name: id_of_ability(name) for name in names} == names


def test_causes_that_break_a_must_come_first_then_abilities_then_the_number_of_cases() -> None:
    results = [
        *(bad(f"a/{number}", "it is red", rule="SUB-010") for number in range(3)),
        *(bad(f"b/{number}", f"{LATE}the error forbidden") for number in range(5)),
        bad("c/1", f"{LATE}the pong", needed="ping"),
        bad("c/2", f"{LATE}the response", needed="echo"),
        *(bad(f"d/{number}", "it is slow", rule="FRM-004", verdict=Verdict.WARN) for number in range(9)),
    ]
    found = causes_of(results, survey("echo", "ping"))
    assert [each.id for each in found] == ["no-echo", "no-ping", "no-error-forbidden", "SUB-010", "FRM-004"]


def test_example_is_the_failure_with_the_shortest_trace_and_then_name() -> None:
    line = {"at": 0.0, "peer": "A", "direction": "event", "octets": 0, "hex": "", "text": "x"}
    results = [
        bad("a/long-name", f"{LATE}the pong", trace=[line]),
        bad("a/short", f"{LATE}the pong", trace=[line]),
        bad("a/x", f"{LATE}the pong", trace=[line] * 2),
        bad("a/w", f"{LATE}the pong", verdict=Verdict.WARN),
    ]
    (cause,) = causes_of(results)
    assert cause.example.case == "a/short"


def test_cause_names_the_requirements_of_most_of_its_cases() -> None:
    results = [
        bad(f"a/{number}", f"{LATE}the pong", rule=rule) for number, rule in enumerate(["SYS-003"] * 3 + ["SUB-010"])
    ]
    results[0].requirements.append("SUB-016")
    assert causes_of(results)[0].requirements == ("SYS-003",)
    spread = [bad(f"a/{rule}", f"{LATE}the pong", rule=rule) for rule in ("SYS-003", "SUB-010", "SUB-011")]
    assert causes_of(spread)[0].requirements == ("SUB-010",)


def test_what_is_not_tested_belongs_to_the_ability_that_is_missing() -> None:
    results = [
        bad("survey/ping", f"{LATE}the pong", needed="ping"),
        good("a/watched", watched=True),
        good("a/idle", Verdict.UNSUPPORTED, needed="ping"),
        good("a/other", Verdict.UNSUPPORTED),
    ]
    (cause,) = causes_of(results, survey("ping"))
    assert cause.untested == ("a/idle", "a/watched")


def test_good_results_and_errors_of_the_kit_have_no_cause() -> None:
    assert causes_of([good("a/1"), good("a/2", Verdict.SLOW), bad("a/3", "Traceback", verdict=Verdict.ERROR)]) == []


def test_every_cause_is_one_that_the_baseline_may_name() -> None:
    for known in (Survey(), survey("ping", "errors", "error.no_handler")):
        for texts in STEPS.values():
            for result in (
                bad("a/b", text, needed=need) for text in texts for need in ("", "ping", "error.no_handler")
            ):
                assert cause_id(result, known) in possible_ids(result)


def test_results_file_has_the_causes_and_gives_them_back() -> None:
    run = Run("server", 1, results=[bad("a/1", f"{LATE}the pong", needed="ping"), good("a/2")], survey=survey("ping"))
    content = run.as_json()
    assert schemas.problem("tools/results", content) is None
    assert content["causes"] == [
        {
            "id": "no-ping",
            "sentence": "The server does not answer pings",
            "ability": "ping",
            "requirements": ["SYS-003"],
            "example": "a/1",
            "cases": ["a/1"],
            "unexpected": 1,
            "untested": [],
        }
    ]


@pytest.mark.parametrize("rule", ["SYS-003", "HSK-020", "LIM-013", "SUB-009"])
@pytest.mark.parametrize("step", [f"{LATE}the acknowledgement", f"{LATE}the error forbidden", ENDED])
def test_what_does_not_come_from_a_server_that_stopped_serving_has_that_cause(rule: str, step: str) -> None:
    stopped = bad("a/b", step, rule=rule, stopped=True)
    assert cause_id(stopped, survey("errors", "acknowledgement")) == "stops-serving"
    assert cause_id(bad("a/b", step, rule=rule), survey("errors", "acknowledgement")) != "stops-serving"


def test_a_handler_that_blocks_the_server_and_what_came_before_its_end_keep_their_causes() -> None:
    blocked = bad("a/b", f"{LATE}the response", rule="REQ-010", stopped=True)
    wrong = bad("a/b", "expected the error no_handler and got a response without an error", stopped=True)
    own_words = bad("a/b", "a publish reached another application", rule="ISO-001", stopped=True)
    found = [cause_id(each, survey()) for each in (blocked, wrong, own_words)]
    assert found == ["blocking-handlers", "accepts-no-handler", "ISO-001"]
    assert cause_id(replace(own_words, late=True), survey()) == "stops-serving"


def test_without_an_echo_nothing_is_known_about_requests_without_a_connection_id() -> None:
    silent = bad("a/b", f"{LATE}the response", needed="no_connection_id")
    assert cause_id(silent, survey("echo", "no_connection_id")) == "no-echo"
    assert cause_id(silent, survey("no_connection_id", present=("echo",))) == "needs-connection-id"
