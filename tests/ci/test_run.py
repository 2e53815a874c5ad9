"""``.ci/run`` runs every session that the noxfile tags for it, and no other; what the noxfile chooses exists."""

from __future__ import annotations

import ast
import re
import subprocess
from fnmatch import filter as matching
from pathlib import Path

import pytest

from conformance.cases.catalogue import all_cases

ROOT = Path(__file__).parents[2]


def sessions() -> dict[str, set[str]]:
    """Return the sessions of the noxfile with their tags; its import needs nox, which tests do not have."""
    found = {}
    body = ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body
    for function in (each for each in body if isinstance(each, ast.FunctionDef)):
        for decorator in function.decorator_list:
            if ast.unparse(decorator).startswith("nox.session"):
                assert isinstance(decorator, ast.Call), f"{function.name} has no tags"
                options = {
                    each.arg: ast.literal_eval(each.value) for each in decorator.keywords if each.arg != "python"
                }
                found[options.get("name", function.name)] = set(options["tags"])
    return found


@pytest.mark.parametrize("run", ["ci", "nightly"])
def test_each_run_has_the_sessions_that_are_tagged_for_it(run: str) -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    head, nightly, changes = re.split(
        r'^if \[ "\$run" = nightly \]; then\n|^fi\n(?=\nif ! command)', script, flags=re.MULTILINE
    )
    called = re.findall(
        r"^ *nox .*-s ([a-z -]+?)(?: --.*)? 2>&1 .*$", nightly if run == "nightly" else changes, re.MULTILINE
    )
    names = [name for words in called for name in words.split()]
    assert "-s" not in head
    assert len(names) == len(set(names))
    assert set(names) == {name for name, tags in sessions().items() if run in tags}


def test_unknown_run_is_refused() -> None:
    done = subprocess.run(["bash", ".ci/run", "weekly"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: .ci/run [nightly]\n")


def test_tags_are_known_ones() -> None:
    assert all(tags and tags <= {"ci", "nightly", "quick", "slow", "network"} for tags in sessions().values())


def test_patterns_of_cases_in_the_noxfile_match_cases() -> None:
    nodes = ast.walk(ast.parse((ROOT / "noxfile.py").read_text("utf-8")))
    texts = (each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str))
    patterns = {text for text in texts if re.fullmatch(r"[a-z-]+/[a-z-]*\*[a-z*-]*", text)}
    assert len(patterns) > 20
    assert [each for each in sorted(patterns) if not matching(all_cases(), each)] == []
