"""Makes the survey of a server: tries its abilities together, and measures how long an answer takes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from conformance.cases.catalogue import all_cases
from conformance.core.settings import Settings
from conformance.core.verdicts import Late, Verdict, Violation
from conformance.harness.case import Case
from conformance.peers.client import ClientPeer
from conformance.peers.markers import Marker
from conformance.protocol.codec import Message
from conformance.results.case_result import CaseResult
from conformance.results.survey import ANY_ERROR, ERROR, SEVERAL, Finding, State, Survey
from conformance.runner.case_runner import try_case
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget

FIRST = (
    *("survey/acknowledgement", "survey/many-connections"),
    *("survey/ping", "survey/time", "survey/own-delivery", "survey/echo"),
)
"""These choose how the others find out what the server has processed."""
LAST = "survey/survives"
HANDSHAKES = 4
"""The largest number of handshakes in a case of the survey."""
ROUNDS = 5
SLOW_SECONDS = 0.2
SLOW_FACTOR = 20
"""An ability that takes so much longer than a quick answer is there, but slowly."""


def ability_of(case: Case) -> str:
    """Return the name of the ability that a case of the survey tries."""
    return case.id.partition("/")[2].replace("-", "_")


def survey_of(config: TargetConfig, settings: Settings) -> tuple[Survey, frozenset[str]]:
    """Start or reach a server, and return its survey, and which handlers of the responder it has.

    Raises:
        TargetError: it cannot be started or reached.
    """
    with ServerTarget(config, settings) as target:
        return make_survey(target), target.responder


def make_survey(target: ServerTarget) -> Survey:
    """Find out what a server can do; it may have been restarted afterwards.

    Args:
        target: an entered target.

    Raises:
        TargetError: the server ended and cannot be started again.
    """
    return _Surveyor(target).survey()


class _Surveyor:
    """Tries the abilities of one server."""

    def __init__(self, target: ServerTarget) -> None:
        self._target = target
        self._results: dict[str, CaseResult] = {}
        self._loss = ""

    def survey(self) -> Survey:
        cases = [each for each in all_cases().values() if each.ability]
        first = [each for each in cases if each.id in FIRST]
        self._adopt(_handshake_seconds(self._target))
        self._try_together(first)
        self._adopt(self._target.survey.answer_seconds)
        if self._target.survey.lacks(SEVERAL):
            for case in first:
                self._try_alone(case)
            self._adopt(self._target.survey.answer_seconds)
        answer_seconds = _answer_seconds(self._target)
        self._adopt(answer_seconds)
        self._try_together([each for each in cases if each.id not in FIRST and each.id != LAST])
        self._try_together([each for each in cases if each.id == LAST])
        self._doubt_lateness()
        self._adopt(answer_seconds)
        for name in [each.case for each in self._target.survey.findings if each.state is State.SLOWLY]:
            self._try_alone(all_cases()[name])  # it may have been slow because of the others
        self._adopt(answer_seconds)
        return self._target.survey

    def _adopt(self, answer_seconds: float) -> None:
        """Make the target use what was found out so far."""
        found = [self._finding(all_cases()[case], result, answer_seconds) for case, result in self._results.items()]
        self._target.adopt(Survey((*found, _any_error(found)) if found else (), answer_seconds))

    def _try_together(self, cases: Sequence[Case]) -> None:
        """Try cases at the same time; then one by one what may have failed because the server ended."""
        is_single = self._target.survey.lacks(SEVERAL)
        with ThreadPoolExecutor(1 if is_single else len(cases)) as pool:
            results = list(pool.map(lambda each: try_case(each, self._target), cases))
        has_ended = any(not each.verdict.is_clean for each in results) and self._has_lost()
        for case, result in zip(cases, results, strict=True):
            self._results[case.id] = result
            if has_ended and not result.verdict.is_clean:
                self._try_alone(case)

    def _doubt_lateness(self) -> None:
        """Try a case that was late by itself; if it is not late again, the machine was busy: try the next one, too."""
        late = [case for case, result in self._results.items() if result.late]
        for case in late:
            self._try_alone(all_cases()[case])
            if self._results[case].late:
                return

    def _try_alone(self, case: Case) -> None:
        """Try a case by itself; once more if the server ended, which may be due to the cases before."""
        for _ in range(2):
            self._results[case.id] = try_case(case, self._target)
            if self._results[case.id].verdict.is_clean or not self._has_lost():
                return

    def _has_lost(self) -> bool:
        """Return true if the server has ended or serves nobody; it is replaced, and does not survive."""
        loss = self._target.recover()
        self._loss = self._loss or (loss.text if loss else "")
        return loss is not None and not loss.is_final

    def _finding(self, case: Case, result: CaseResult, answer_seconds: float) -> Finding:
        ability, message = ability_of(case), result.message
        if result.verdict is Verdict.UNSUPPORTED or (result.needed == SEVERAL != ability):
            state = State.UNKNOWN
        elif not result.verdict.is_clean:
            state = State.NO
        else:
            state = State.SLOWLY if self._is_slow(ability, result, answer_seconds) else State.YES
        if case.id == LAST and self._loss:
            state, message = State.NO, f"the server did not survive the survey: {self._loss.splitlines()[0]}"
        return Finding(ability, case.ability, case.id, state, round(result.duration_ms / 1000, 3), message)

    def _is_slow(self, ability: str, result: CaseResult, answer_seconds: float) -> bool:
        """Return true if a case took much longer than its handshakes and quick answers explain."""
        acknowledged = self._results.get(FIRST[0])
        handshakes = (
            HANDSHAKES * acknowledged.duration_ms / 1000 if acknowledged and ability != "acknowledgement" else 0.0
        )
        return result.duration_ms / 1000 > max(SLOW_SECONDS, SLOW_FACTOR * answer_seconds) + handshakes


def _any_error(found: Iterable[Finding]) -> Finding:
    """Conclude whether the server has error answers at all."""
    tried = [each for each in found if each.ability.startswith(ERROR) and each.state is not State.UNKNOWN]
    has_any = any(each.state is not State.NO for each in tried)
    state = State.YES if has_any else State.NO if tried else State.UNKNOWN
    return Finding(ANY_ERROR, "answers with errors", "", state, 0.0, "" if has_any else "no error answer came at all")


def _handshake_seconds(target: ServerTarget) -> float:
    """Return how long a connection takes until it is acknowledged; 0 if it is not."""
    start = time.monotonic()
    try:
        target.probe().discard()
    except Violation:
        return 0.0
    return time.monotonic() - start


def _answer_seconds(target: ServerTarget) -> float:
    """Return how long a quick answer takes: the slowest of a few, one after another, or how long one did not come."""
    if target.expectations.marker is Marker.SILENCE:
        return round(_handshake_seconds(target), 4)
    slowest = start = 0.0
    try:
        with closing(target.probe()) as probe:
            probe.patience = target.patience
            for _ in range(ROUNDS):
                start = time.monotonic()
                probe.receive_through(_sent(probe, probe.marker_message()))
                slowest = max(slowest, time.monotonic() - start)
    except Late:
        slowest = time.monotonic() - start if start else _handshake_seconds(target)
    except Violation:
        pass
    return round(slowest, 4)


def _sent(probe: ClientPeer, message: Message) -> Message:
    probe.send(message)
    return message
