"""Outputs that cannot be written: one line, a status that never means *not conformant*, and the others are written."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from kit_commands import ENVIRONMENT, KIT, RaisingModule, finish, mini

from conformance.__main__ import main as program
from conformance.cli.run import _update
from conformance.cli.serve import LiveTrace
from conformance.core.files import why_unwritable, write_whole
from conformance.core.streams import UnwritableOutput
from conformance.core.verdicts import Verdict
from conformance.results.case_result import CaseResult
from conformance.results.known_failures import Baseline
from conformance.results.run import Run

TIME = ("--case", "system/get-time", "--case", "system/ping")
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")


def on_full_disk(*arguments: str, **environment: str) -> tuple[int, list[str]]:
    with (
        FULL.open("w") as full,
        subprocess.Popen(
            [*KIT, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT | environment
        ) as process,
    ):
        _, errors = finish(process)
    return process.returncode, errors.splitlines()


@needs_full
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_full_disk_is_a_line_and_status_2(unbuffered: str) -> None:
    line = "cannot write standard output: No space left on device"
    assert on_full_disk("--version", PYTHONUNBUFFERED=unbuffered) == (2, [line])


def test_closed_pipe_is_a_line_and_status_2() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [*KIT, "list"]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (2, "cannot write standard output: Broken pipe\n")


@needs_full
def test_run_writes_what_it_can_and_says_what_it_cannot(tmp_path: Path) -> None:
    files = ("--json", str(FULL), "--junit", str(tmp_path / "r.xml"))
    status, lines = on_full_disk("run", "--server-cmd", mini("time"), "-n", "1", *TIME, *files)
    assert status == 2
    assert lines[-2:] == [
        "cannot write /dev/full: No space left on device",
        "cannot write standard output: No space left on device",
    ]
    assert 'failures="1"' in (tmp_path / "r.xml").read_text()


@needs_full
def test_unwritable_errors_change_no_status() -> None:
    with FULL.open("w") as full:
        done = subprocess.run([*KIT, "--version"], stderr=full, stdout=subprocess.PIPE, env=ENVIRONMENT, check=False)
        wrong = subprocess.run([*KIT, "--nope"], stderr=full, stdout=subprocess.PIPE, env=ENVIRONMENT, check=False)
    assert (done.returncode, wrong.returncode) == (0, 2)


def test_serve_ends_when_it_cannot_print(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: str) -> None:
        raise UnwritableOutput("cannot write standard output")

    trace = LiveTrace()
    monkeypatch.setattr("conformance.cli.serve.click.echo", closed)
    trace.event("A", "connected")
    trace.complain("a rule")
    assert str(trace.failure) == "cannot write standard output"


def test_error_of_the_kit_is_status_5(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "conformance.cli.main", RaisingModule(ZeroDivisionError))
    with pytest.raises(SystemExit) as ended:
        program()
    assert ended.value.code == 5
    assert "the kit itself failed" in capsys.readouterr().err


def test_known_failures_in_a_folder_that_is_gone_are_a_line(tmp_path: Path) -> None:
    file = tmp_path / "gone" / "known.toml"
    failed = CaseResult("system/ping", ["SYS-003"], "must", Verdict.FAIL, False, 1, message="x")
    lines = list(_update(file, Run("server", 1, results=[failed]), Baseline({})))
    assert lines == [f"cannot write {file}: No such file or directory"]
    assert why_unwritable(file) == f"the folder {file.parent} does not exist"
    assert why_unwritable(tmp_path) == "it is a folder"
    assert why_unwritable(tmp_path / "new.toml") is None


def test_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, link = tmp_path / "r.json", tmp_path / "link"
    write_whole(file, "old")
    assert stat.S_IMODE(file.stat().st_mode) & 0o444, "a new file is as readable as any"
    file.chmod(0o600)
    link.symlink_to(file)
    write_whole(link, "new")
    assert (file.read_text(), link.is_symlink(), stat.S_IMODE(file.stat().st_mode)) == ("new", True, 0o600)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("conformance.core.files.os.fdopen", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, "newer")
    assert (file.read_text(), sorted(tmp_path.iterdir())) == ("new", [link, file])
