"""What the cases accept from servers and clients of other architectures, and where that ends."""

from __future__ import annotations

import random
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from conformance.cases.catalogue import all_cases
from conformance.cases.server.handling import INTERNALS, check_order
from conformance.core.settings import Settings
from conformance.core.verdicts import BrokenFrame, Verdict, Violation
from conformance.harness.case import Case
from conformance.harness.client_context import ClientContext
from conformance.harness.context import MORE_TIME, CaseContext
from conformance.peers.client import ClientPeer
from conformance.runner.case_runner import run_case
from conformance.targets.client import ClientTarget
from conformance.targets.config import TargetConfig

THREADED = f"{shlex.quote(sys.executable)} {shlex.quote(str(Path(__file__).with_name('threaded_client.py')))}"
SENT = {"message_id": "m", "channel_id": "c", "payload": 1, "reply_to": None}


FIFTY = list(range(50))
PAIRS = [number ^ 1 for number in FIFTY]
ODD_FIRST = FIFTY[1::2] + FIFTY[::2]
STACK = FIFTY[::-1]


def rounds(*orders: Sequence[object]) -> Callable[[], Sequence[object]]:
    """Return what acts in these orders, the last one again and again."""
    left = list(orders)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize("seed", range(20))
def test_any_orders_of_threads_are_accepted(seed: int) -> None:
    chance = random.Random(seed)
    check_order(lambda: chance.sample(FIFTY, 50), 50, "wrong")


@pytest.mark.parametrize("order", [FIFTY, [1, 0, *FIFTY[2:]], [*FIFTY[25:], *FIFTY[:25]]])
def test_orders_with_few_descents_are_accepted(order: list[int]) -> None:
    check_order(rounds(order), 50, "wrong")


@pytest.mark.parametrize("first", [PAIRS, ODD_FIRST, STACK])
def test_an_order_that_does_not_repeat_is_accepted(first: list[int]) -> None:
    check_order(rounds(first, first, first, FIFTY), 50, "wrong")


@pytest.mark.parametrize("order", [[], FIFTY[:49], [*FIFTY, 49], [*FIFTY[:49], 48], [*FIFTY[:49], "49"]])
def test_what_is_lost_doubled_or_changed_is_found(order: list[object]) -> None:
    with pytest.raises(Violation):
        check_order(rounds(order), 50, "wrong")


@pytest.mark.parametrize("order", [PAIRS, STACK, [*STACK[40:], *STACK[:40]], sorted(FIFTY, key=str)])
def test_an_order_that_is_wrong_each_time_is_found(order: list[int]) -> None:
    with pytest.raises(Violation):
        check_order(rounds(order), 50, "wrong")


def test_a_stack_that_takes_what_has_come_is_found() -> None:
    stacks = [[*range(start, -1, -1), *range(49, start, -1)] for start in (0, 3, 1, 2)]
    with pytest.raises(Violation):
        check_order(rounds(*stacks), 50, "wrong")


@pytest.mark.parametrize(
    "text", ["Error", "Internal Server Error", "HandlerError: refused", "Exception in the handler"]
)
def test_words_that_tell_nothing_are_accepted(text: str) -> None:
    assert not INTERNALS.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "RuntimeError",
        "java.lang.RuntimeException: x",
        "Traceback (most",
        "at /srv/app/main.js:3",
        'File "x.py"',
        "node_modules/x",
    ],
)
def test_internals_are_found(text: str) -> None:
    assert INTERNALS.search(text)


@pytest.mark.parametrize("arrived", [SENT, {name: SENT[name] for name in SENT if name != "reply_to"}])
def test_a_delivery_without_reply_to_equals_one_with_null(arrived: dict[str, object]) -> None:
    ClientPeer.compare_deliveries([arrived], [SENT], "why")


@pytest.mark.parametrize("arrived", [[], [SENT, SENT], [SENT | {"reply_to": "r"}], [SENT | {"payload": True}]])
def test_another_delivery_is_found(arrived: list[dict[str, object]]) -> None:
    with pytest.raises(Violation, match="why"):
        ClientPeer.compare_deliveries(arrived, [SENT], "why")


class Attempts:
    """An attempt that fails so many times."""

    def __init__(self, failures: int, error: type[Violation] = Violation) -> None:
        self.seconds: list[float] = []
        self._failures = failures
        self._error = error

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) <= self._failures:
            raise self._error("too late")


@pytest.fixture
def context() -> CaseContext:
    target = ClientTarget(TargetConfig(client=THREADED), Settings(time_scale=2.0))
    return CaseContext(target, seed=1)


def test_a_first_attempt_that_works_is_the_only_one(context: CaseContext) -> None:
    context.with_more_time(attempts := Attempts(0), 0.1)
    assert attempts.seconds == [0.2]


def test_a_second_attempt_has_more_time(context: CaseContext) -> None:
    context.with_more_time(attempts := Attempts(1), 0.1)
    assert attempts.seconds == [0.2, 0.2 * MORE_TIME]
    assert context.first_attempt, "or the result would not say that it was slow"


def test_a_second_failure_counts(context: CaseContext) -> None:
    with pytest.raises(Violation):
        context.with_more_time(Attempts(2), 0.1)


def test_a_broken_frame_counts_at_once(context: CaseContext) -> None:
    attempts = Attempts(1, BrokenFrame)
    with pytest.raises(BrokenFrame):
        context.with_more_time(attempts, 0.1)
    assert len(attempts.seconds) == 1


def disconnects(context: ClientContext) -> None:
    """Have a client disconnect that waits until the kit ends its side."""
    end = context.connect()
    context.driver.ask("publish", channel="c", payload="x" * 2_000_000)
    context.driver.ask("disconnect")
    assert end.take("publish", "c")["payload"]
    assert context.driver.exit_status() == 0


def comes_late(context: ClientContext) -> None:
    """Have a client call its handlers for longer than the kit's patience."""
    end = context.connect()
    context.subscribe(end, "c")
    context.driver.patience = 0.3
    end.send(*(end.message("publish", "c", number) for number in range(40)))
    assert len(context.driver.gather("message", 40)) == 40


@pytest.mark.parametrize("run", [disconnects, comes_late])
def test_the_kit_waits_for_a_client_that(run: object) -> None:
    target = ClientTarget(TargetConfig(client=THREADED), Settings())
    result = run_case(Case("made/up", ("HSK-001",), "Made up.", run, role="client"), target)  # type: ignore[arg-type]
    assert (result.verdict, result.message, result.received) == (Verdict.PASS, "", "")


@pytest.mark.parametrize(
    ("switch", "name", "verdict"),
    [
        ("--once", "client-loss/comes-back-after-end-inside-a-frame", Verdict.UNSUPPORTED),
        ("--once", "client-lifecycle/larger-limit-of-the-new-connection", Verdict.UNSUPPORTED),
        ("--once", "client-delivery/requests-fail-though-the-client-comes-back", Verdict.PASS),
        ("--once", "client-loss/requests-fail-at-reset", Verdict.PASS),
        ("--once", "client-requests/answers-in-any-order", Verdict.UNSUPPORTED),
        ("--once", "client-handlers/one-that-waits-for-a-response", Verdict.PASS),
        ("--told", "client-loss/comes-back-after-end-inside-a-frame", Verdict.PASS),
        ("--told", "client-publish/subscribe-and-unsubscribe", Verdict.PASS),
        ("--told", "client-publish/after-unsubscribe", Verdict.PASS),
        ("--told", "client-framing/every-kind-of-frame-keeps-the-rules", Verdict.PASS),
        ("--told", "client-requests/fresh-message-ids", Verdict.PASS),
        ("--once", "client-requests/fresh-message-ids", Verdict.PASS),
        ("--once", "client-publish/after-unsubscribe", Verdict.PASS),
    ],
)
def test_a_client_that_does_less_than_others_breaks_no_rule(switch: str, name: str, verdict: Verdict) -> None:
    target = ClientTarget(TargetConfig(client=f"{THREADED} {switch}"), Settings())
    assert run_case(all_cases()[name], target).verdict is verdict


def test_long_messages_have_more_time(context: CaseContext) -> None:
    assert context.seconds_for(16 * 1024 * 1024) > context.seconds_for(1024 * 1024) > 0
