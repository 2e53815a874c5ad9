"""Verdicts: what becomes of a case, and of the server when a case kills or hangs it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import execnet
import pytest
from absent_target import AbsentTarget
from kit_commands import mini

from conformance.core.settings import Settings
from conformance.core.verdicts import BrokenFrame, TargetError, Unsupported, Verdict, Violation
from conformance.harness.case import Case
from conformance.harness.server_context import ServerContext
from conformance.protocol import codec
from conformance.protocol.requirements import load
from conformance.reports.failure import describe
from conformance.results.case_result import CaseResult
from conformance.results.causes import cause_id
from conformance.results.run import Run
from conformance.results.survey import Survey
from conformance.runner.case_runner import run_case
from conformance.runner.second_tries import late_cases
from conformance.specification import drafts
from conformance.targets import process
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget

MUST = next(each.id for each in load().values() if each.is_must and each.is_active and each.binds("server"))
SHOULD = next(each.id for each in load().values() if each.level == "should" and each.is_active)
PATIENT = 0.3


def made(run: Callable[[ServerContext], Any], *requirements: str, **options: Any) -> Case:
    return Case("made/up", requirements or (MUST,), "Made up.", run, **options)


def raising(error: Exception) -> Callable[[ServerContext], None]:
    def run(_: ServerContext) -> None:
        raise error

    return run


@pytest.fixture
def nobody() -> ServerTarget:
    """A target that is not there, for cases that do not connect."""
    return AbsentTarget()


@pytest.fixture
def spawned(request: pytest.FixtureRequest) -> Iterator[ServerTarget]:
    """The small server, started by the kit, wrong as the parameter says."""
    options = TargetConfig(command=mini(getattr(request, "param", "")))
    with ServerTarget(options, Settings(seed=1, time_scale=PATIENT)) as target:
        yield target


def judged(target: ServerTarget, case: Case) -> CaseResult:
    return run_case(case, target)


def test_a_case_that_returns_passes(nobody: ServerTarget) -> None:
    result = judged(nobody, made(lambda _: None))
    assert (result.verdict, result.message, result.trace) == (Verdict.PASS, "", [])


def test_what_a_case_says_is_the_same_in_every_run(nobody: ServerTarget) -> None:
    def run(context: ServerContext) -> None:
        names = context.name("app"), context.name("a-channel")
        violation = Violation(f"{names[0]!r} lost {names[1][:-2]}", received=names[0])
        violation.awaited = f"a publish on {names[1]}"
        raise violation

    result = judged(nobody, made(run))
    assert result.message == "'app' lost a-channel"
    assert result.step == "'app' lost a-channel, waiting for a publish on a-channel"
    assert nobody.nonce in result.received


VERDICTS: dict[str, tuple[tuple[str, ...], Exception, Verdict]] = {
    "a broken MUST": ((MUST,), Violation("wrong", expected="right", received="bad"), Verdict.FAIL),
    "a broken SHOULD": ((SHOULD,), Violation("wrong", expected="right", received="bad"), Verdict.WARN),
    "a MUST and a SHOULD": ((SHOULD, MUST), Violation("wrong", expected="right", received="bad"), Verdict.FAIL),
    "a broken frame in a case about a SHOULD": ((SHOULD,), BrokenFrame("wrong"), Verdict.FAIL),
    "something optional": ((MUST,), Unsupported("wrong"), Verdict.UNSUPPORTED),
    "a target's error": ((MUST,), TargetError("wrong"), Verdict.FAIL),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_verdict_of(name: str, nobody: ServerTarget) -> None:
    requirements, error, verdict = VERDICTS[name]
    result = judged(nobody, made(raising(error), *requirements))
    assert (result.verdict, result.message) == (verdict, "wrong")
    if isinstance(error, Violation) and error.received:
        assert (result.wanted, result.received) == ("right", "bad")


def test_a_worker_can_send_every_result(nobody: ServerTarget) -> None:
    """It could not send a subclass of ``str``, and the whole run would end."""
    shortened = {"expected": codec.shorten([1] * 500), "received": codec.shorten([2])}
    for values in (
        shortened,
        {"received": shortened["received"]},
        {"expected": shortened["expected"], "received": "x"},
    ):
        result = judged(nobody, made(raising(Violation("wrong", **values))))
        assert {type(value) for value in (result.message, result.wanted, result.received)} == {str}
        assert execnet.loads(execnet.dumps(result.as_json())) == result.as_json()


def test_an_exception_in_the_kit_is_an_error_with_its_traceback(nobody: ServerTarget) -> None:
    result = judged(nobody, made(raising(KeyError("surprise"))))
    assert result.verdict is Verdict.ERROR
    assert "Traceback" in result.message
    assert "KeyError: 'surprise'" in result.message


def test_ctrl_c_is_no_verdict(nobody: ServerTarget) -> None:
    def interrupted(_: ServerContext) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(nobody, made(interrupted))


def test_a_missing_handler_a_profile_and_a_process_make_a_case_unsupported(nobody: ServerTarget) -> None:
    def never(_: ServerContext) -> None:
        raise AssertionError

    nobody.responder = frozenset({"echo"})
    reasons = [
        judged(nobody, made(never, **options)).message
        for options in ({"needs": ("echo", "delay")}, {"profile": "queue"}, {"spawned": True})
    ]
    assert reasons == [
        "the server has no handler on conformance.delay in the application conformance",
        "the server does not announce the profile queue",
        "needs a server that the kit starts itself (--server-cmd)",
    ]
    assert judged(nobody, made(lambda _: None, needs=("echo",))).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("stated", "chosen", "is_judged"),
    [
        *(("1.1", None, True), ("1.10", None, True), ("1.0", None, False), (None, None, False), ("new", None, False)),
        *(("1.1", "1.0", False), ("1.0", "1.1", True)),
    ],
)
def test_a_newer_rule_is_for_those_who_state_its_version(
    nobody: ServerTarget, monkeypatch: pytest.MonkeyPatch, stated: str | None, chosen: str | None, *, is_judged: bool
) -> None:
    newer = replace(load()["SYS-003"], id="SYS-999", since="1.1")
    monkeypatch.setitem(load(), newer.id, newer)
    nobody.acknowledgement = {"protocol": stated} if stated else {}
    nobody.settings = Settings(protocol=chosen)

    result = judged(nobody, made(lambda _: None, newer.id))

    assert result.verdict is (Verdict.PASS if is_judged else Verdict.UNSUPPORTED)
    if not is_judged:
        how = "is judged by" if chosen else "states"
        assert result.message == f"the server {how} protocol 1.0, and the rule is of 1.1"


@pytest.mark.parametrize(
    ("stated", "rules", "verdict"),
    [("1.0", [SHOULD], Verdict.WARN), ("1.1", [SHOULD, "SYS-999"], Verdict.FAIL)],
)
def test_a_case_of_two_versions_is_judged_by_the_rules_of_the_one_that_is_stated(
    nobody: ServerTarget, monkeypatch: pytest.MonkeyPatch, stated: str, rules: list[str], verdict: Verdict
) -> None:
    newer = replace(load()["SYS-003"], id="SYS-999", since="1.1")
    monkeypatch.setitem(load(), newer.id, newer)
    nobody.acknowledgement = {"protocol": stated}
    result = judged(nobody, made(raising(Violation("wrong")), SHOULD, newer.id))
    assert (result.requirements, result.verdict) == (rules, verdict)
    assert result.level == ("must" if len(rules) > 1 else "should")


def test_a_draft_is_judged_by_its_own_version(nobody: ServerTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = replace(load()["SYS-003"], id="SYS-999", since="1.1")
    monkeypatch.setitem(load(), newer.id, newer)
    monkeypatch.setenv(drafts.DRAFT, "somewhere")
    assert nobody.protocol == "1.1"
    assert judged(nobody, made(lambda _: None, newer.id)).verdict is Verdict.PASS
    nobody.settings = Settings(protocol="1.0")
    assert judged(nobody, made(lambda _: None, newer.id)).verdict is Verdict.UNSUPPORTED


def test_traces_of_passed_cases_are_kept_on_demand(nobody: ServerTarget) -> None:
    nobody.settings = Settings(traces=True)
    result = judged(nobody, made(lambda context: context.trace.event("*", "hello")))
    assert [entry["text"] for entry in result.trace] == ["hello"]


def test_chance_depends_on_the_seed_and_the_case_alone(nobody: ServerTarget) -> None:
    drawn: list[float] = []
    for identity, seed in (("made/a", 1), ("made/a", 1), ("made/a", 2), ("made/b", 1)):
        case = Case(identity, (MUST,), "x", lambda context: drawn.append(context.random.random()))
        nobody.settings = Settings(seed=seed)
        run_case(case, nobody)
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


def test_connections_of_a_case_are_closed_even_if_it_fails(spawned: ServerTarget) -> None:
    opened = []

    def fails(context: ServerContext) -> None:
        opened.append(context.connect())
        raise Violation("wrong")

    assert judged(spawned, made(fails)).verdict is Verdict.FAIL
    assert opened[0]._socket.fileno() == -1


def reboot(context: ServerContext) -> None:
    peer = context.connect()
    peer.send(peer.request_message("system", {"action": "reboot"}))
    peer.receive()


@pytest.mark.parametrize("spawned", ["dies"], indirect=True)
def test_a_server_that_dies_fails_the_case_and_is_replaced(spawned: ServerTarget) -> None:
    first = spawned.process
    result = judged(spawned, made(reboot))
    assert (result.verdict, result.message) == (Verdict.FAIL, "the server process ended during the case")
    assert "exit status 7" in result.received
    assert "out of coffee" in result.received
    assert spawned.process is not first
    assert judged(spawned, made(ServerContext.check_alive)).verdict is Verdict.PASS


@pytest.mark.parametrize("ending", [lambda _: None, raising(Unsupported("no")), raising(KeyError("x"))])
def test_a_dead_server_is_a_failure_whatever_else_the_case_says(
    ending: Callable[[ServerContext], None], spawned: ServerTarget
) -> None:
    def kill(context: ServerContext) -> None:
        assert spawned.process
        for pid in spawned.process.pids():
            os.kill(pid, signal.SIGKILL)
        spawned.process.wait(5)
        ending(context)

    result = judged(spawned, made(kill, SHOULD))
    assert (result.verdict, result.message) == (Verdict.FAIL, "the server process ended during the case")
    assert "signal 9" in result.received


def test_a_server_that_was_busy_for_a_moment_is_not_restarted(
    spawned: ServerTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, looks = spawned.process, iter([False, False, True])
    monkeypatch.setattr(spawned, "is_serving", lambda: next(looks))
    result = judged(spawned, made(raising(Violation("it is wrong"))))
    assert (result.stopped, spawned.process) == (False, first)
    assert next(looks, None) is None


@pytest.mark.parametrize("spawned", ["hangs"], indirect=True)
def test_a_server_that_is_busy_after_another_one_hung_is_not_restarted(
    spawned: ServerTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert judged(spawned, made(reboot)).stopped
    test_a_server_that_was_busy_for_a_moment_is_not_restarted(spawned, monkeypatch)


@pytest.mark.parametrize("spawned", ["hangs"], indirect=True)
def test_a_server_that_hangs_is_restarted(spawned: ServerTarget) -> None:
    first = spawned.process
    result = judged(spawned, made(reboot))
    assert (result.verdict, result.message) == (Verdict.FAIL, "the server did not answer in time")
    assert "Afterwards the server served nobody and was restarted" in result.received
    assert result.stopped
    assert late_cases(Run(role="server", seed=0, results=[replace(result, expected=False)])) == []
    assert spawned.process is not first
    assert judged(spawned, made(ServerContext.check_alive)).verdict is Verdict.PASS


@pytest.mark.parametrize("spawned", ["hangs"], indirect=True)
def test_a_server_that_hangs_fails_a_case_about_a_should(spawned: ServerTarget) -> None:
    result = judged(spawned, made(reboot, SHOULD))
    assert (result.verdict, result.message) == (Verdict.FAIL, "the server did not answer in time")
    assert cause_id(result, Survey()) == "stops-serving"


def fails_at_first(context: ServerContext) -> None:
    context.first_attempt = "it was red"


@pytest.mark.parametrize("spawned", ["hangs"], indirect=True)
@pytest.mark.parametrize("ending", [raising(Violation("it was red", expected="blue")), fails_at_first])
def test_a_server_that_hangs_fails_a_case_that_broke_no_must(
    ending: Callable[[ServerContext], None], spawned: ServerTarget
) -> None:
    def hang(context: ServerContext) -> None:
        with contextlib.suppress(Violation):
            reboot(context)
        ending(context)

    result = judged(spawned, made(hang, SHOULD))
    assert (result.verdict, result.message, result.stopped) == (Verdict.FAIL, "the server stopped serving", True)
    assert "it was red" in result.received
    assert cause_id(result, Survey()) == "stops-serving"


def test_a_stopped_server_that_takes_no_signal_is_restarted(
    spawned: ServerTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "STOP_GRACE_SECONDS", 0.2)

    def freeze(context: ServerContext) -> None:
        assert spawned.process
        for pid in spawned.process.pids():
            os.kill(pid, signal.SIGSTOP)
        context.connect()

    assert "was restarted" in judged(spawned, made(freeze)).received
    assert spawned.is_serving()


@pytest.mark.parametrize("spawned", ["dies"], indirect=True)
@pytest.mark.parametrize("rule", [MUST, SHOULD])
def test_a_server_of_the_case_that_dies_is_named_like_the_shared_one(spawned: ServerTarget, rule: str) -> None:
    def on_its_own(context: ServerContext) -> None:
        with context.own_server():
            reboot(context)

    result = judged(spawned, made(on_its_own, rule))
    assert (result.verdict, result.message) == (Verdict.FAIL, "the server process ended during the case")
    assert "out of coffee" in result.received


@pytest.mark.parametrize("spawned", ["dies"], indirect=True)
def test_a_server_of_the_case_that_dies_gets_no_second_attempt(spawned: ServerTarget) -> None:
    attempts: list[float] = []

    def dies_at_first(context: ServerContext) -> None:
        def attempt(seconds: float) -> None:
            attempts.append(seconds)
            with context.own_server():
                if len(attempts) == 1:
                    reboot(context)

        context.with_more_time(attempt, 0.1)

    result = judged(spawned, made(dies_at_first))
    assert (result.verdict, result.message) == (Verdict.FAIL, "the server process ended during the case")


def test_a_server_that_the_case_ends_has_not_died(spawned: ServerTarget) -> None:
    def end_it(context: ServerContext) -> None:
        with context.own_server() as own:
            peer = context.connect()
            own.kill()
            peer.receive()

    assert judged(spawned, made(end_it)).message.startswith("the server ended the connection")


def test_a_case_with_a_server_of_its_own_leaves_the_shared_one_alone(spawned: ServerTarget) -> None:
    shared, address = spawned.process, spawned.address

    def end_it(context: ServerContext) -> None:
        with context.own_server() as own:
            context.connect()
            assert spawned.address == own.address != address
            own.stop()

    assert judged(spawned, made(end_it)).verdict is Verdict.PASS
    assert (spawned.process, spawned.address) == (shared, address)
    assert spawned.is_serving()


def test_the_explanation_has_the_rule_the_wire_and_the_command(spawned: ServerTarget) -> None:
    def fails(context: ServerContext) -> None:
        peer = context.connect()
        answer = peer.request("system", {"action": "ping"})
        raise Violation("wrong", expected="right", received=codec.shorten(answer["payload"]))

    result = judged(spawned, made(fails))
    text = "\n".join(describe(result))
    assert text.startswith("FAIL made/up\n")
    for part in (f"[{MUST}]", "(spec/", "what      wrong", "wanted    right", 'received  {"status": "pong"}'):
        assert part in text
    assert ' A -> {"message_id":"A-1"' in text
    assert "\n  again     ipc-conformance run --server-cmd " in text
    assert " --case 'made/up' --seed 1" in text


def test_a_long_trace_is_cut_at_its_beginning(nobody: ServerTarget) -> None:
    def chatty(context: ServerContext) -> None:
        for number in range(100):
            context.trace.event("A", f"event {number}.")
        raise Violation("wrong")

    result = judged(nobody, made(chatty))
    assert "    ... 60 earlier lines: --trace shows them" in describe(result)
    assert not any("event 59." in line for line in describe(result))
    assert any("event 0." in line for line in describe(result, trace_lines=None))


def outcome(*verdicts: tuple[Verdict, bool], **members: Any) -> Run:
    results = [CaseResult("a/b", [MUST], "must", verdict, expected, 1.0) for verdict, expected in verdicts]
    return Run(role="server", seed=1, results=results, **members)


GOOD, KNOWN, FAILED = (Verdict.PASS, True), (Verdict.FAIL, True), (Verdict.FAIL, False)
ABSENT, KNOWN_ABSENT, BROKEN = (Verdict.UNSUPPORTED, True), (Verdict.UNSUPPORTED, False), (Verdict.ERROR, False)


@pytest.mark.parametrize(
    ("run", "code", "conformant"),
    [
        (outcome(GOOD, ABSENT), 0, True),
        (outcome(GOOD, (Verdict.WARN, True)), 0, True),
        (outcome(GOOD, KNOWN), 0, False),
        (outcome(GOOD, (Verdict.PASS, False)), 1, True),
        (outcome(GOOD, FAILED), 1, False),
        (outcome(GOOD, KNOWN_ABSENT), 1, True),
        (outcome(GOOD, FAILED, unreachable="gone"), 3, False),
        (outcome(unreachable="never there", kit_errors=["x"]), 3, False),
        (outcome(), 4, False),
        (outcome(ABSENT, ABSENT), 4, False),
        (outcome(GOOD, FAILED, BROKEN), 5, False),
        (outcome(GOOD, (Verdict.ERROR, True)), 0, False),
        (outcome(GOOD, kit_errors=["x"]), 5, False),
    ],
)
def test_exit_code_of_a_run(run: Run, code: int, conformant: bool) -> None:
    assert (run.exit_code(), run.is_conformant) == (code, conformant)
