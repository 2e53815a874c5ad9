"""The pre-commit hook for other projects: its entry, executed in a project with a change that breaks peers."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from ci_jobs import ROOT
from kit_commands import ENVIRONMENT

from conformance import PROTOCOL_VERSION
from conformance.core.verdicts import ExitCode

(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))


def executed(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the entry as pre-commit does: at the top of a project, with the package's commands first on the path."""
    path = f"{Path(sys.executable).parent}:{ENVIRONMENT['PATH']}"
    words = shlex.split(HOOK["entry"])
    return subprocess.run(
        words, cwd=folder, env=ENVIRONMENT | {"PATH": path}, capture_output=True, text=True, check=False
    )


def test_hook_accepts_a_tree_and_refuses_a_breaking_edit(tmp_path: Path) -> None:
    for name in ("schemas", "spec"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    done = executed(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    major, minor = map(int, PROTOCOL_VERSION.split("."))
    title = f"# IPC Framework Wire Protocol {major}."
    edits = (
        ("schemas/queue-request.schema.json", "1000", "500"),
        ("spec/README.md", f"{title}{minor}", f"{title}{minor + 1}"),
    )
    for name, old, new in edits:
        file = tmp_path / name
        text = file.read_text("utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), "utf-8")
    done = executed(tmp_path)
    assert done.returncode != 0
    assert done.stdout.startswith("refused  senders-broken")


def test_hook_refuses_a_deletion_and_is_not_skipped_for_it(tmp_path: Path) -> None:
    for name in ("schemas", "spec"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    (tmp_path / "schemas" / "queue-request.schema.json").unlink()
    assert executed(tmp_path).returncode in (ExitCode.NOT_CONFORMANT, ExitCode.USAGE)
    assert HOOK["always_run"], "pre-commit names no deleted files, so no pattern finds this one"
    assert not HOOK.keys() & {"files", "types", "types_or"}
    assert (HOOK["language"], HOOK["pass_filenames"]) == ("python", False)
