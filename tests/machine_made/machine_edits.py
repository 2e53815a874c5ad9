"""Single edits of the reference server, which cosmic-ray makes, and their choice by a seed."""

from __future__ import annotations

import ast
import difflib
import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

PACKAGE = "reference_server"
OMITTED = (
    *("__main__.py", "allocator.py", "cli.py", "precautions.py", "version.py"),
    *("client/**/*.py", "examples/**/*.py", "logs/**/*.py"),
    *("network/loop_watch.py", "network/spare_memory.py", "profiles/queue/notices.py"),
)
"""Modules that the suite does not judge: the command line, logs, the client, examples, and measures against waste."""


@dataclass(frozen=True)
class Place:
    """An operator, such as replacing a comparison, at one position of a module; its edits are alternatives.

    Attributes:
        module: the path of the module inside the package.
        kind: the kind of the operator.
        line: the line, from 1.
        column: the column, from 0.
        inside: the name of the function or class around it; empty at the top of a module.
    """

    module: str
    kind: str
    line: int
    column: int
    inside: str


@dataclass(frozen=True)
class Edit:
    """An edit that cosmic-ray can make.

    Attributes:
        place: where.
        operator: the name of cosmic-ray's operator.
        options: the arguments of the operator.
        occurrence: which of the operator's positions in the module.
    """

    place: Place
    operator: str
    options: str
    occurrence: int


@dataclass(frozen=True)
class MachineMutant:
    """A changed module.

    Attributes:
        module: the path of the module inside the package.
        line: the line of the edit.
        inside: the name of the function or class around it.
        operator: the name of cosmic-ray's operator.
        old: the lines that the edit removes, joined by spaces.
        new: the lines that replace them.
        source: the text of the changed module.
    """

    module: str
    line: int
    inside: str
    operator: str
    old: str
    new: str
    source: str


def all_edits(tree: Path) -> list[Edit]:
    """Return each edit of the package in a source tree; cosmic-ray takes about 20 seconds to find them."""
    config = tree / "cosmic-ray.toml"
    omitted = [f"{PACKAGE}/{each}" for each in OMITTED]
    config.write_text(
        f"[cosmic-ray]\nmodule-path = '{PACKAGE}'\ntimeout = 100.0\ntest-command = 'true'\n"
        f"excluded-modules = {json.dumps(omitted)}\n[cosmic-ray.distributor]\nname = 'local'\n",
        "utf-8",
    )
    program = Path(sys.executable).with_name("cosmic-ray")
    subprocess.run([program, "init", config.name, "edits.sqlite"], cwd=tree, check=True, stdout=subprocess.DEVNULL)
    dumped = subprocess.run([program, "dump", "edits.sqlite"], cwd=tree, check=True, capture_output=True, text=True)
    return list(edits_of_dump(dumped.stdout.splitlines()))


def edits_of_dump(lines: Iterable[str]) -> Iterator[Edit]:
    """Read what ``cosmic-ray dump`` prints: a work item a line, with its result."""
    for line in lines:
        for found in json.loads(line)[0]["mutations"]:
            row, column = found["start_pos"]
            module = Path(found["module_path"]).relative_to(PACKAGE).as_posix()
            place = Place(module, _kind(found["operator_name"]), row, column, found["definition_name"] or "")
            yield Edit(place, found["operator_name"], json.dumps(found["operator_args"]), found["occurrence"])


def shuffled(edits: Iterable[Edit], seed: int) -> list[list[Edit]]:
    """Return the edits of each place in the order of a seed, and the places too.

    A binary operator has eleven replacements, of which most raise an exception at once. So places are drawn, not edits,
    and the first effective edit of a place stands for it. A place that is added to the source moves no others.
    """
    places = defaultdict[Place, list[Edit]](list)
    for each in edits:
        places[each.place].append(each)
    drawn = sorted(places, key=lambda place: (random.Random(f"{seed} {place}").random(), repr(place)))
    return [sorted(places[place], key=lambda each: random.Random(f"{seed} {each}").random()) for place in drawn]


def first_effective(tree: Path, edits: Sequence[Edit]) -> MachineMutant | None:
    """Return the mutant of the first edit that changes more than annotations, which are not evaluated."""
    for edit in edits:
        path = tree / PACKAGE / edit.place.module
        original = path.read_text("utf-8")
        changed = _changed(original, edit)
        if changed is not None and is_effective(original, changed):
            old, new = difference(original, changed)
            place = edit.place
            return MachineMutant(place.module, place.line, place.inside, edit.operator, old, new, changed)
    return None


def is_effective(original: str, changed: str) -> bool:
    """Return true if two sources differ in more than annotations, and both can be parsed."""
    try:
        return _bare(original) != _bare(changed)
    except SyntaxError:
        return False


def difference(original: str, changed: str) -> tuple[str, str]:
    """Return the removed lines and the added lines, each joined to one without indentation."""
    lines = list(difflib.ndiff(original.splitlines(), changed.splitlines()))
    return _joined(lines, "- "), _joined(lines, "+ ")


def _joined(lines: Iterable[str], mark: str) -> str:
    return " ".join(each.removeprefix(mark).strip() for each in lines if each.startswith(mark))


def _kind(operator: str) -> str:
    """Return what an operator replaces: its alternatives have the same kind."""
    return operator.partition("/")[2].partition("_")[0]


def _changed(source: str, edit: Edit) -> str | None:
    # Imported here: pure functions of this module are tested where cosmic-ray is not installed.
    plugins, mutating = import_module("cosmic_ray.plugins"), import_module("cosmic_ray.mutating")
    options: Any = json.loads(edit.options)
    options = json.loads(options) if isinstance(options, str) else options
    operator = plugins.get_operator(edit.operator)(**(options or {}))
    changed = mutating.mutate_code(source, operator, edit.occurrence)
    return None if changed is None else str(changed)


class _WithoutAnnotations(ast.NodeTransformer):
    """Removes the annotations of arguments, results and variables."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def _bare(source: str) -> str:
    return ast.dump(_WithoutAnnotations().visit(ast.parse(source)))


def changed_tree(tree: Path, mutant: MachineMutant) -> Path:
    """Write a mutant's module into a source tree and return its path."""
    path = tree / PACKAGE / mutant.module
    path.write_text(mutant.source, "utf-8")
    os.utime(path)
    return path
