"""The tables of a run's options: a field that is added there reaches the command line, pytest and reruns."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from kit_commands import ENVIRONMENT, LIMIT_SECONDS, mini

from conformance.cli.options import table_options
from conformance.core.options import Option, as_arguments, from_options, options_of
from conformance.core.settings import ChopMode, Selection, Settings
from conformance.harness.case import Case
from conformance.runner.case_runner import _reproduce
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget

FURTHER_OPTION = """
from dataclasses import dataclass
from conformance.core import settings
from conformance.core.options import option

@dataclass(frozen=True)
class Settings(settings.Settings):
    patience: float = option("--patience", "Wait for tea.", parse=float, metavar="MINUTES", default=3.0, minimum=1)

settings.Settings = Settings
"""
CASE = """
from conformance.harness.case import Case
from conformance.core.verdicts import Violation
from conformance.harness.decorators import case

@case("draft/tea", "SYS-003")
def tea(context):
    \"\"\"Tea takes its time.\"\"\"
    raise Violation(f"waited for {context.settings.patience:g}")
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder whose Python has one more option in the table, and a draft with a case that reads it."""
    (tmp_path / "sitecustomize.py").write_text(FURTHER_OPTION)
    (tmp_path / "draft").mkdir()
    (tmp_path / "draft" / "cases.py").write_text(CASE)
    return tmp_path


def python(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(place), *filter(None, [ENVIRONMENT.get("PYTHONPATH")])])
    environment = ENVIRONMENT | {"PYTHONPATH": path}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, timeout=3 * LIMIT_SECONDS, check=False
    )


def test_added_option_reaches_help_cases_workers_and_reruns(place: Path) -> None:
    assert "--patience MINUTES" in python(place, "conformance", "run", "--help").stdout
    run = ("conformance", "run", "--server-cmd", mini(), "--draft", "draft", "--case", "draft/tea", "--seed", "7")
    done = python(place, *run, "--patience", "4.5", "-n", "2", "--json", "r.json")
    assert done.returncode == 1, done.stdout + done.stderr
    (result,) = json.loads((place / "r.json").read_text())["results"]
    assert result["message"] == "waited for 4.5"
    draft = shlex.quote(str(place / "draft"))
    assert result["reproduce"].endswith(f" --draft {draft} --case 'draft/tea' --seed 7 --patience 4.5")
    done = python(place, *run, "--patience", "0")
    assert (done.returncode, "--patience" in done.stderr) == (2, True)


def test_added_option_has_its_twin_in_pytest(place: Path) -> None:
    (place / "test_protocol.py").write_text("from conformance.suite import test_conformance\n")
    shown = python(place, "pytest", "--help").stdout
    assert "--ipc-patience=MINUTES" in shown.replace("--ipc-patience MINUTES", "--ipc-patience=MINUTES")
    done = python(place, "pytest", "-q", "-p", "no:cacheprovider", "--ipc-server-cmd", mini(), "--ipc-patience", "0")
    assert (done.returncode, "0 is less than 1" in done.stderr) == (4, True), done.stderr


def test_names_of_options_are_taken_once() -> None:
    names = [stated.name for table in (TargetConfig, Selection, Settings) for stated in options_of(table).values()]
    assert len(names) == len(set(names))


def test_target_is_handed_to_workers_whole(tmp_path: Path) -> None:
    file = tmp_path / "target.toml"
    file.write_text(
        'name = "mine"\ncommand = "serve {port}"\nfolder = "."\nenvironment = {A = "1"}\nprofiles = ["queue"]\n'
    )
    target = TargetConfig.chosen({}, file)
    assert TargetConfig.from_json(json.loads(json.dumps(target.as_json()))) == target
    assert target.reproduce == f"--target {file}"


def test_rerun_reaches_the_same_target(tmp_path: Path) -> None:
    """What an ``again`` line says, read as a shell and the command line read it, is the target of the run."""
    file, token = tmp_path / "it's mine.toml", tmp_path / "token"
    file.write_text('command = "serve {port}"\nenvironment = {A = "1"}\nstart_seconds = 3\n')
    token.write_text("secret\n")
    given = {"token_file": token, "start_seconds": 40.0}
    target = TargetConfig.from_json(json.loads(json.dumps(TargetConfig.chosen(given, file).as_json())))
    words = shlex.split(target.reproduce)
    assert words == ["--target", str(file), "--token-file", str(token), "--start-timeout", "40"]
    made = TargetConfig(command="./serve 'a b' {port}", folder=tmp_path / "x y", environment={"A": "1 2"})
    name, command = shlex.split(made.reproduce)
    assert (name, shlex.split(command)[:2]) == ("--server-cmd", ["sh", "-c"])
    (tmp_path / "x y").mkdir()
    (tmp_path / "x y" / "serve").write_text('#!/bin/sh\necho "$1,$2,$A"\n')
    (tmp_path / "x y" / "serve").chmod(0o755)
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True)
    assert done.stdout == "a b,{port},1 2\n"


def test_rerun_selects_the_profile_that_the_run_demanded() -> None:
    target = ServerTarget(TargetConfig(server="h:1", profiles=("queue",)), Settings(seed=1))
    case = Case("made/up", ("QUE-001",), "Made up.", lambda _: None, profile="queue")
    assert _reproduce(case, target) == "ipc-conformance run --server h:1 --profile queue --case 'made/up' --seed 1"


def test_arguments_say_what_differs_from_the_usual_and_what_was_drawn() -> None:
    chosen = Settings(seed=7, time_scale=2.0, chop=ChopMode("random", 3), traces=True)
    words = [("--seed", "7"), ("--time-scale", "2"), ("--chop", "random:3"), ("--trace", None)]
    assert as_arguments(chosen) == words
    assert as_arguments(chosen, is_rerun=True) == words[:-1]
    assert as_arguments(Selection(globs=("a/*", "b/*")), prefix="--ipc-") == [
        ("--ipc-case", "a/*"),
        ("--ipc-case", "b/*"),
    ]


def test_number_is_drawn_when_none_is_given() -> None:
    drawn = {from_options(Settings, {}).seed for _ in range(5)}
    assert len(drawn) > 1
    assert from_options(Settings, {"seed": 0}).seed == 0


@pytest.mark.parametrize(
    ("stated", "text", "problem"),
    [
        (Option(name="--a", help="", parse=int), "x", "invalid literal"),
        (Option(name="--a", help="", parse=float, minimum=1), "0.5", "0.5 is less than 1"),
        (Option(name="--a", help="", parse=int, maximum=3), "4", "4 is more than 3"),
        (Option(name="--a", help="", choices=("must", "should")), "may", "'may' is not one of must, should"),
    ],
)
def test_value_that_does_not_fit_is_refused_with_the_reason(stated: Option, text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        stated.checked(text)


def test_option_that_needs_no_value_has_the_bare_one() -> None:
    found: list[float] = []
    command = click.command()(table_options(Settings)(lambda **values: found.append(values["soak_seconds"])))
    for arguments in ([], ["--soak"], ["--soak", "2"]):
        command.main(arguments, standalone_mode=False)
    assert found == [0.0, 90.0, 2.0]
