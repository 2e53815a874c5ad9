"""The survey: each ability that a server lacks is found out, and the others all the same."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kit_commands import mini

from conformance.cases.catalogue import all_cases
from conformance.core.settings import Settings
from conformance.core.verdicts import Verdict
from conformance.peers.markers import ABILITIES, Marker
from conformance.results.survey import ANY_ERROR, Finding, State, Survey
from conformance.runner.case_runner import run_case
from conformance.runner.survey import make_survey
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget

LACKING = Path(__file__).parents[2] / "helpers" / "lacking_server.py"
ERRORS = {each.partition("/")[2].replace("-", "_") for each in all_cases() if each.startswith("survey/error.")}


@pytest.fixture
def surveyed() -> Callable[[str], ServerTarget]:
    """Survey a server that lacks something, and return the target with its survey; the server has ended."""

    def made(lack: str) -> ServerTarget:
        command = f"{sys.executable} {LACKING} {lack} --port {{port}}"
        with ServerTarget(TargetConfig(command=command), Settings(seed=1)) as target:
            make_survey(target)
            return target

    return made


def states(survey: Survey, *some: State) -> set[str]:
    """Return the abilities that are in one of the states."""
    return {each.ability for each in survey.findings if each.state in some}


def test_a_good_server_lacks_nothing(surveyed: Callable[[str], ServerTarget]) -> None:
    survey = surveyed("nothing").survey
    assert not states(survey, State.NO, State.UNKNOWN)
    assert {each.case for each in survey.findings} - {""} == {each.id for each in all_cases().values() if each.ability}


@pytest.mark.parametrize(
    ("lack", "missing"),
    [
        ("ping", {"ping"}),
        ("errors", ERRORS | {ANY_ERROR}),
        ("echo", {"echo", "no_connection_id"}),
        ("many-connections", {"many_connections"}),
        ("long-life", {"survives"}),
    ],
)
def test_what_a_server_lacks(surveyed: Callable[[str], ServerTarget], lack: str, missing: set[str]) -> None:
    assert states(surveyed(lack).survey, State.NO) == missing


def test_what_needs_two_connections_is_unknown_without_them(surveyed: Callable[[str], ServerTarget]) -> None:
    assert states(surveyed("many-connections").survey, State.UNKNOWN) == {"delivery"}


def test_late_acknowledgements_are_the_only_slow_thing(surveyed: Callable[[str], ServerTarget]) -> None:
    survey = surveyed("quick-acknowledgement").survey
    assert "acknowledgement" in states(survey, State.SLOWLY)
    assert not states(survey, State.NO)


def test_deadlines_follow_late_answers(surveyed: Callable[[str], ServerTarget]) -> None:
    slow, quick = surveyed("quick-answers"), surveyed("nothing")
    assert not states(slow.survey, State.NO)
    assert slow.survey.answer_seconds > quick.survey.answer_seconds
    assert slow.patience > quick.patience


def test_what_was_late_once_is_not_lacking(tmp_path: Path) -> None:
    late_once = TargetConfig(command=mini("late-once"), environment={"LATE_ONCE": str(tmp_path / "was-late")})
    with ServerTarget(late_once, Settings(time_scale=0.3)) as target:  # patience is shorter than the server is late
        assert make_survey(target).has("time")
    assert (tmp_path / "was-late").exists()


def test_without_pings_something_else_marks_the_moment(surveyed: Callable[[str], ServerTarget]) -> None:
    assert surveyed("ping").expectations.marker is Marker.TIME


@pytest.fixture(scope="module")
def reference() -> Iterator[ServerTarget]:
    """The reference server with the responder."""
    command = f"{sys.executable} -m reference_server --port {{port}} --responder --log-level error"
    with ServerTarget(TargetConfig(command=command), Settings(seed=1)) as target:
        yield target


def adopt_only(target: ServerTarget, marker: Marker) -> None:
    """Make a target use a marker, as if the server answered no better one."""
    kinds = list(ABILITIES)
    better = kinds[: kinds.index(marker)] if marker in kinds else kinds
    found = {ABILITIES[each]: State.NO for each in better} | ({ABILITIES[marker]: State.YES} if marker in kinds else {})
    target.adopt(Survey(tuple(Finding(name, name, "", state, 0.0) for name, state in found.items())))
    assert target.expectations.marker is marker


@pytest.mark.parametrize("marker", [Marker.TIME, Marker.PUBLISH, Marker.ECHO, Marker.SILENCE])
@pytest.mark.parametrize(
    "case",
    [
        "publish/order-of-one-publisher",
        "publish/subscribing-twice-delivers-once",
        "isolation/same-channel-in-two-applications",
        "encoding/depth-64-is-accepted",
        "framing/octet-wise",
        "golden/json-accepts-pretty-printed",
        "envelope/poison-unknown-member",
    ],
)
def test_cases_pass_whatever_marks_the_moment(reference: ServerTarget, case: str, marker: Marker) -> None:
    adopt_only(reference, marker)
    if case.startswith("isolation") and marker is Marker.ECHO:
        return  # only the responder's application has the handler
    result = run_case(all_cases()[case], reference)
    assert result.verdict is Verdict.PASS, result.message
    assert result.watched is (marker is Marker.SILENCE)
