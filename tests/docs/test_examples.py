"""The output in the documentation is what the commands print."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from kit_commands import invoke

from conformance.cases.catalogue import all_cases, select
from conformance.core.settings import Settings
from conformance.reports.failure import describe
from conformance.runner.case_runner import run_case
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
CUT = "..."


def block(page: str, beginning: str) -> list[str]:
    """Return the lines of the console block that has a line with this beginning, from that line on."""
    for found in BLOCK.findall((ROOT / page).read_text("utf-8")):
        lines: list[str] = found.splitlines()
        for number, line in enumerate(lines):
            if line.startswith(beginning):
                return lines[number:]
    raise LookupError(f"{page} has no block with {beginning!r}")


def without_numbers(lines: list[str]) -> list[str]:
    return [re.sub(r"\d+", "#", line) for line in lines]


def test_failure_is_explained_as_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    example = block("docs/testing-a-server.md", "FAIL ")
    case = all_cases()[example[0].removeprefix("FAIL ")]
    mutant = shlex.join([sys.executable, str(ROOT / "tests" / "mutants" / "serve.py"), "ISO-005", "--port", "{port}"])
    with ServerTarget(TargetConfig(command=mutant), Settings(seed=1)) as target:
        shown = describe(run_case(case, target))
    start = example.index("  trace     seconds peer octets")
    assert without_numbers(example[: start + 1]) == without_numbers(shown[: start + 1])
    assert example[-1].startswith("  again     ipc-conformance run --target ")
    assert example[-1].split(" --case ")[1].startswith(f"'{case.id}' --seed ")


@pytest.mark.parametrize("page", ["README.md", "docs/testing-a-server.md"])
def test_summary_has_as_many_cases_as_there_are(page: str) -> None:
    chapters = [case.chapter for case in select()]
    executed = 0
    for line in block(page, "chapter "):
        name, *cells = line.split()
        if len(cells) == 5 and name != "chapter":
            assert sum(int(cell) for cell in cells if cell != "-") == (chapters.count(name) or len(chapters)), line
            executed = int(cells[0])
        if line.startswith("reference_server: "):
            assert f" {executed} cases executed " in line
        if line.startswith("node_client: "):
            assert f" {len(select(role='client'))} cases executed " in line
    assert executed


@pytest.mark.parametrize("page", ["README.md", "docs/gate.md"])
def test_refusal_is_explained_as_on_the_page(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("schemas", "spec"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    for name, old, new in (("schemas/queue-request.schema.json", "1000", "500"), ("spec/README.md", "1.1", "1.2")):
        file = tmp_path / name
        file.write_text(file.read_text("utf-8").replace(old, new, 1), "utf-8")
    monkeypatch.chdir(tmp_path)
    shown = invoke("gate").output.splitlines()
    example = block(page, "refused ")
    assert example[-1].strip() == CUT
    assert shown[: len(example) - 1] == example[:-1]
