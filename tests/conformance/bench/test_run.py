"""What a run makes of its measurements: medians, ratios within a round, a file that its schema accepts."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from conformance.bench.load import Measurement
from conformance.bench.run import BenchRun, Spread
from conformance.bench.table import print_table
from conformance.bench.workloads import WORKLOADS, BenchTarget
from conformance.protocol import schemas

PIPELINED, FAN_OUT = WORKLOADS[0], WORKLOADS[3]
FAST, SLOW, RAW = (
    BenchTarget("fast", "f {port}"),
    BenchTarget("slow", "s {port}"),
    BenchTarget("bare", "b {port}", raw=True),
)


@pytest.fixture
def run() -> BenchRun:
    run = BenchRun([FAST, SLOW, RAW], [PIPELINED, FAN_OUT], rounds=3, seconds=1.0, relative_to="fast")
    for fast, slow, bare in ((100.0, 40.0, 200.0), (50.0, 10.0, 400.0), (900.0, 30.0, 300.0)):
        run.add(PIPELINED, FAST, Measurement(fast, 0.25))
        run.add(PIPELINED, SLOW, Measurement(slow, 0.01))
        run.add(PIPELINED, RAW, Measurement(bare, 0.95 if bare == 400.0 else 0.5))
        run.add(FAN_OUT, FAST, Measurement(fast, 0.1))
        run.add(FAN_OUT, SLOW, Measurement(slow, 0.1))
    return run


def test_ratios_compare_rates_of_the_same_round(run: BenchRun) -> None:
    assert run.ratio(PIPELINED, "slow") == Spread(5.0, 2.5, 30.0)
    assert run.ratio(PIPELINED, "bare") == Spread(0.5, 0.125, 3.0)


def test_there_is_no_ratio_without_two_measurements(run: BenchRun) -> None:
    assert run.ratio(PIPELINED, "fast") is None
    assert run.ratio(FAN_OUT, "bare") is None


def test_there_is_no_ratio_to_a_rate_of_nothing(run: BenchRun) -> None:
    for subject in (FAST, SLOW, RAW):
        run.add(PIPELINED, subject, Measurement(0.0, 0.0))
    assert run.ratio(PIPELINED, "slow") is None
    assert Spread.of([0.0]).deviation == 0.0


def test_file_fits_its_schema(run: BenchRun) -> None:
    content = run.as_json()
    assert schemas.problem("tools/bench", content) is None
    pipelined, fan_out = content["workloads"]
    assert [result["subject"] for result in fan_out["results"]] == ["fast", "slow"]
    assert pipelined["results"][2] == {
        "subject": "bare",
        "rates": [200.0, 400.0, 300.0],
        "median": 300.0,
        "min": 200.0,
        "max": 400.0,
        "ratio": {"median": 0.5, "min": 0.125, "max": 3.0},
        "generator_cpu": 0.95,
    }


@pytest.mark.parametrize("member", ["format", "machine", "relative_to", "workloads"])
def test_schema_refuses_a_file_without(run: BenchRun, member: str) -> None:
    content = run.as_json()
    del content[member]
    assert schemas.problem("tools/bench", content)


def test_table_fits_a_terminal_and_names_a_saturated_generator(run: BenchRun) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    print_table(console, run)
    text = console.export_text()
    assert any(line.split() == ["bare", "300", "±33%", "0.5", "±288%", "!95%"] for line in text.splitlines()), text
    assert "The generator was saturated" in text
    assert "pipelined-1x64" in text


def test_table_is_silent_about_a_generator_with_time_to_spare(run: BenchRun) -> None:
    run.workloads = [FAN_OUT]
    console = Console(width=80, record=True, file=io.StringIO())
    print_table(console, run)
    assert "saturated" not in console.export_text()


@pytest.mark.parametrize("text", ["", "name", "name=", "=cmd {port}", " =cmd {port}", "name=cmd"])
def test_subject_has_a_name_and_a_command_with_a_port(text: str) -> None:
    with pytest.raises(ValueError, match="is not NAME=COMMAND"):
        BenchTarget.parse(text)


def test_subject_command_may_hold_equals_signs() -> None:
    assert BenchTarget.parse("a=x --b=1 {port}") == BenchTarget("a", "x --b=1 {port}")
