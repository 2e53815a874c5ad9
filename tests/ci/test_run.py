"""``.ci/run`` runs every session that the noxfile tags for CI, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

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


def test_ci_runs_the_sessions_that_are_tagged_so() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    called = re.findall(r"^nox .*-s ([a-z -]+?)(?: --.*)?$", script, re.MULTILINE)
    names = [name for words in called for name in words.split()]
    assert len(names) == len(set(names))
    assert set(names) == {name for name, tags in sessions().items() if "ci" in tags}


def test_tags_are_known_ones() -> None:
    assert all(tags and tags <= {"ci", "quick", "slow", "network"} for tags in sessions().values())
