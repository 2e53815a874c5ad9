"""Known failures and random input: a file that an update wrote holds on an unchanged target, whatever the seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from absent_target import AbsentTarget

from conformance.core.settings import Settings
from conformance.core.verdicts import ExitCode, Verdict, Violation
from conformance.harness.case import Case
from conformance.harness.server_context import ServerContext
from conformance.protocol.requirements import load
from conformance.results.baseline_file import write_baseline
from conformance.results.known_failures import Baseline
from conformance.results.run import Run
from conformance.runner.pytest_plugin import Judge, chosen_settings

MUST = next(each.id for each in load().values() if each.is_must and each.is_active and each.binds("server"))
SEEDS = range(1, 11)
MESSAGES = ("the answer is late", "the answer is wrong", "")


def by_chance(bad: int) -> Callable[[ServerContext], None]:
    """Return a case in which random input finds one of several faults, or none, as a property does."""

    def run(context: ServerContext) -> None:
        found = context.random.choice((*MESSAGES[:bad], *([""] * (4 - bad))))
        if found:
            raise Violation(found)

    return run


def always(_: ServerContext) -> None:
    raise Violation("the answer is missing")


CASES = [
    *(Case(f"properties/{number}", (MUST,), "Made up.", by_chance(number % 3)) for number in range(20)),
    Case("made/up", (MUST,), "Made up.", always),
    Case("made/right", (MUST,), "Made up.", lambda _: None),
]

IDS = [case.id for case in CASES]


def run_with(seed: int, baseline: Baseline, cases: list[Case] = CASES) -> Run:
    """Run cases on an unchanged target that nobody has to start."""
    target = AbsentTarget(Settings(seed=seed))
    return Run("server", seed, results=[Judge(baseline).judged(case, target) for case in cases])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What an update with the seed 0 wrote."""
    path = tmp_path / "known.toml"
    write_baseline(path, run_with(0, Baseline({})), Baseline({}), IDS)
    return path


def read(file: Path) -> Baseline:
    return Baseline.read(file, IDS)


def test_written_file_holds_for_ten_seeds(file: Path) -> None:
    runs = [run_with(seed, read(file)) for seed in SEEDS]
    assert [run.exit_code() for run in runs] == [ExitCode.CONFORMANT] * 10
    assert len({tuple((each.verdict, each.message) for each in run.results) for run in runs}) > 1
    found = {each.known for run in runs for each in run.results if each.verdict is Verdict.FAIL}
    assert "not with the seed 0 of the known failures" in found


def test_new_fault_is_unexpected_with_every_seed(file: Path) -> None:
    worse = [replace(case, run=always) if case.id in ("made/right", "properties/0") else case for case in CASES]
    for seed in (0, *SEEDS):
        unexpected = [each.case for each in run_with(seed, read(file), worse).results if not each.expected]
        assert unexpected == ["properties/0", "made/right"]


def test_pytest_uses_the_seed_of_the_file_unless_another_is_given(file: Path) -> None:
    values = {"seed": None, "examples": None}
    assert [chosen_settings(values | {"seed": given}, read(file)).seed for given in (None, 5)] == [0, 5]


def test_update_with_another_seed_keeps_chance_finds_and_their_reasons(file: Path) -> None:
    file.write_text(file.read_text().replace("FILL IN: why does the target do this?", "because"))
    before = read(file).entries
    assert before
    assert all(known.chance is case.startswith("properties") for case, known in before.items())
    write_baseline(file, run_with(3, read(file)), read(file), IDS)
    after = read(file)
    assert after.seed == 3
    assert before.items() <= after.entries.items()
