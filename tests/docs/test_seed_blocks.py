"""The table of the document's code blocks: its page, and the document itself where it is at hand."""

from __future__ import annotations

import os
import runpy
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

import pytest
import run_blocks

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "seed-blocks.md"
DOCUMENT = Path(
    os.environ.get("IPC_SEED_DOCUMENT", ROOT.parent / "shared" / "seed" / "nodejs-package-documentation.md")
)
SAMPLE = """# A
```bash
npm install
```
## B
```javascript
// OLD
one();
// NEW
two();
```
"""


def test_the_page_is_that_of_the_table() -> None:
    assert PAGE.read_text("utf-8") == run_blocks.page(run_blocks.read_table())


@pytest.mark.parametrize(("environment", "ending"), [({"IPC_SEED_DOCUMENT": "nowhere.md"}, "error"), ({}, "skip")])
def test_the_session_fails_without_a_document_that_was_named(
    environment: dict[str, str], ending: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "nox", fake_nox())
    monkeypatch.setitem(sys.modules, "node_tools", ModuleType("node_tools"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "")  # which the noxfile removes
    monkeypatch.delenv("IPC_SEED_DOCUMENT", raising=False)
    session = runpy.run_path(str(ROOT / "noxfile.py"))["seed_blocks"]
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(EndedError, match="there is no document") as ended:
        session(FakeSession())
    assert ended.value.args[0] == ending


class EndedError(Exception):
    """The session was ended: how, and why."""


class FakeSession:
    """A nox session that can only end."""

    def error(self, why: str) -> NoReturn:
        raise EndedError("error", why)

    def skip(self, why: str) -> NoReturn:
        raise EndedError("skip", why)


def fake_nox() -> ModuleType:
    """Return what the noxfile needs of nox, which tests do not have."""
    nox = ModuleType("nox")
    nox.__dict__.update(session=lambda **_: lambda function: function, options=SimpleNamespace())
    return nox


@pytest.mark.skipif(
    "IPC_SEED_DOCUMENT" not in os.environ and not DOCUMENT.is_file(), reason="the document is not part of the project"
)
def test_the_table_has_every_block_of_the_document() -> None:
    blocks = list(run_blocks.blocks_of(DOCUMENT.read_text("utf-8")))
    assert list(run_blocks.stale(blocks, run_blocks.read_table())) == []


def test_blocks_are_cut_at_their_alternatives() -> None:
    found = list(run_blocks.blocks_of(SAMPLE))
    assert [(each.number, each.part, each.heading, each.language, each.code) for each in found] == [
        (1, "", "A", "bash", "npm install\n"),
        (2, "OLD", "B", "javascript", "// OLD\none();\n"),
        (2, "NEW", "B", "javascript", "// NEW\ntwo();\n"),
    ]


def test_changed_new_and_missing_blocks_are_stale() -> None:
    _, old, new = run_blocks.blocks_of(SAMPLE)
    entry = {"heading": "B", "digest": old.digest}
    assert list(run_blocks.stale([old], {old.key: entry})) == []
    assert "is not in the table" in next(run_blocks.stale([old, new], {old.key: entry}))
    assert "has the digest" in next(run_blocks.stale([old], {old.key: entry | {"digest": "0"}}))
    assert list(run_blocks.stale([], {old.key: entry})) == ["there is no block 2 OLD"]


def started(code: str) -> subprocess.Popen[str]:
    # In the background, the tests ignore SIGINT, and so do their processes unless they do not want to.
    heed = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"
    command = [sys.executable, "-uc", heed + code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


GOES_ON = "signal.signal(signal.SIGINT, signal.SIG_IGN); print('here'); time.sleep(600)"


def test_a_program_that_goes_on_after_sigint_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_blocks, "STOP_SECONDS", 0.5)
    with started(GOES_ON) as process:
        ran = run_blocks.watch(process, ["here"], 60.0, threading.Event())
    assert ran == run_blocks.Ran("here\n", hangs=True)
    assert list(run_blocks.problems_of(ran, ["here"])) == ["no end after SIGINT"]
    with started("print('here'); time.sleep(600)") as process:
        ran = run_blocks.watch(process, ["here"], 60.0, threading.Event())
    assert list(run_blocks.problems_of(ran, ["here"])) == []


def test_programs_that_run_are_killed_when_all_end() -> None:
    ends = threading.Event()
    with started(GOES_ON) as process:
        assert process.stdout
        threading.Timer(0.5, ends.set).start()
        run_blocks.watch(process, ["never"], 600.0, ends)
    assert process.returncode in (-signal.SIGINT, -signal.SIGKILL)


def test_ctrl_c_ends_what_runs_and_begins_nothing_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []
    runs, told = threading.Event(), []

    def check(block: run_blocks.Block, *_: Any, ends: threading.Event, prints: bool) -> list[str]:  # noqa: ARG001
        begun.append(block.part)
        if block.part == "OLD":
            assert runs.wait(60.0)
            raise KeyboardInterrupt
        runs.set()
        told.append(ends.wait(60.0))
        return []

    server = f"{shlex.quote(sys.executable)} -m reference_server --port {{port}}"
    document = tmp_path / "document.md"
    document.write_text(SAMPLE, "utf-8")
    monkeypatch.setattr(run_blocks, "SERVERS", {"one": server, "two": server})
    monkeypatch.setattr(run_blocks, "check", check)
    monkeypatch.setattr(sys, "argv", ["run_blocks.py", str(document), "--jobs", "2", "--print"])
    assert run_blocks.main() == 130
    assert sorted(begun) == ["NEW", "OLD"]
    assert told == [True]
    assert "interrupted" in capsys.readouterr().err


def test_patterns_are_looked_for_in_order() -> None:
    assert run_blocks.missing("one\ntwo\nthree\n", ["one", "t.*three"]) == []
    assert run_blocks.missing("one\ntwo\n", ["two", "one"]) == ["one"]
