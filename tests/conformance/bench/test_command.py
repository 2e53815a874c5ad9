"""The command: a whole run, its file, what it leaves behind, and wrong use."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from bench_servers import BARE, REFERENCE
from click.testing import CliRunner, Result

from conformance.cli.bench import bench
from conformance.protocol import schemas

QUICK = ("--rounds", "2", "--seconds", "0.05")
SILENT = (
    f"'{sys.executable}' -c 'import socket,sys,time; s=socket.create_server((\"127.0.0.1\",{{port}})); time.sleep(60)'"
)
ENDING = f"'{sys.executable}' -c 'import sys; sys.exit(\"no licence\")' {{port}}"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(bench, arguments)


def noting_its_pid(file: Path, command: str) -> str:
    return f"sh -c 'echo $$ > {file}; exec \"$@\"' sh {command}"


def is_running(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text("ascii")), 0)
    except ProcessLookupError:
        return False
    return True


def test_command_measures_and_ends_every_subject(tmp_path: Path) -> None:
    pid_file, json_file = tmp_path / "pid", tmp_path / "bench.json"
    subjects = {
        "ours": noting_its_pid(pid_file, REFERENCE),
        "jobs": f"{REFERENCE} --profile queue --state {{state}}",
        "bare": BARE,
    }
    given = [part for name, command in subjects.items() for part in ("--subject", f"{name}={command}")]
    result = call(*given, "--raw", "bare", "--queue", "jobs", *QUICK, "--json", str(json_file))
    assert result.exit_code == 0, result.output
    assert not is_running(pid_file)
    content = json.loads(json_file.read_text("utf-8"))
    assert schemas.problem("tools/bench", content) is None
    figures = {each["name"]: [result["subject"] for result in each["results"]] for each in content["workloads"]}
    assert figures == {
        "pipelined-1x64": [*subjects],
        "pipelined-16x16": [*subjects],
        "sequential": [*subjects],
        "fanout-50": ["ours", "jobs"],
        "fanout-200": ["ours", "jobs"],
        "enqueue-64": ["jobs"],
    }
    rates = [result["rates"] for each in content["workloads"] for result in each["results"]]
    assert all(len(each) == 2 and min(each) > 0 for each in rates)


def test_command_measures_the_workloads_it_is_told_to() -> None:
    result = call("--subject", f"bare={BARE}", "--raw", "bare", "--workload", "sequential", *QUICK)
    assert result.exit_code == 0, result.output
    assert "sequential" in result.stdout
    assert "fanout" not in result.stdout


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize(
    ("command", "complaint"),
    [(SILENT, "other, pipelined-1x64: "), (ENDING, "no licence"), ("no-such-program {port}", "no-such-program")],
    ids=["silent", "ends", "missing"],
)
def test_command_names_the_subject_that_fails_and_ends_the_others(tmp_path: Path, command: str, complaint: str) -> None:
    pid_file = tmp_path / "pid"
    start = time.monotonic()
    result = call("--subject", f"ours={noting_its_pid(pid_file, REFERENCE)}", "--subject", f"other={command}", *QUICK)
    assert (result.exit_code, complaint in result.stderr) == (3, True), result.output
    assert "Traceback" not in result.output
    assert not is_running(pid_file)
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "--subject"),
        (["--subject", "nonsense"], "NAME=COMMAND"),
        (["--subject", "a=x"], "{port}"),
        (["--subject", "a=x {port}", "--subject", "a=y {port}"], "each subject needs its own name, got a, a"),
        (["--subject", "a=x {port}", "--raw", "b"], "no subject is named 'b'; use one of a"),
        (["--subject", "a=x {port}", "--relative-to", "b"], "no subject is named 'b'; use one of a"),
        (["--subject", "a=x {port}", "--workload", "dancing"], "dancing"),
        (["--subject", "a=x {port}", "--rounds", "0"], "--rounds"),
        (["--subject", "a=x {port}", "--seconds", "0"], "--seconds"),
        (["--subject", "a=x {port}", "--raw", "a", "--workload", "fanout-50"], "see --raw and --queue"),
        (["--subject", "a=x {port}", "--workload", "enqueue-64"], "see --raw and --queue"),
        (["--subject", "a=x {port}", "--queue", "b"], "no subject is named 'b'"),
    ],
)
def test_command_refuses(arguments: list[str], complaint: str) -> None:
    result = call(*arguments)
    assert (result.exit_code, complaint in result.stderr) == (2, True), result.output


def test_command_says_that_it_cannot_write_its_file(tmp_path: Path) -> None:
    file = tmp_path / "missing" / "bench.json"
    options = ("--raw", "bare", "--workload", "sequential", "--rounds", "1", "--seconds", "0.05", "--json", str(file))
    result = call("--subject", f"bare={BARE}", *options)
    assert result.exit_code == 2
    assert f"cannot write {file}" in result.stderr
