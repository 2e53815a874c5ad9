"""``.ci/run`` runs every session that the noxfile tags for CI, and no other; what the noxfile chooses exists."""

from __future__ import annotations

import ast
import re
from fnmatch import filter as matching
from pathlib import Path

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


def test_ci_runs_the_sessions_that_are_tagged_so() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    called = re.findall(r"^nox .*-s ([a-z -]+?)(?: --.*)? 2>&1 .*$", script, re.MULTILINE)
    names = [name for words in called for name in words.split()]
    assert len(names) == len(set(names))
    assert set(names) == {name for name, tags in sessions().items() if "ci" in tags}


def test_tags_are_known_ones() -> None:
    assert all(tags and tags <= {"ci", "quick", "slow", "network"} for tags in sessions().values())


def test_patterns_of_cases_in_the_noxfile_match_cases() -> None:
    nodes = ast.walk(ast.parse((ROOT / "noxfile.py").read_text("utf-8")))
    texts = (each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str))
    patterns = {text for text in texts if re.fullmatch(r"[a-z-]+/[a-z-]*\*[a-z*-]*", text)}
    assert len(patterns) > 20
    assert [each for each in sorted(patterns) if not matching(all_cases(), each)] == []
