"""The page docs/architecture.md: its packages, files and names exist, and no package is missing on it."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Collection
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text("utf-8")
LINK = re.compile(r"\]\((?:\.\./)?([^)#]+)(?:#[^)]*)?\)")
STEP = re.compile(r"\]\(\.\./([^)]+\.py)\): ((?:`\w+`(?:, )?)+)")
ROW = re.compile(r"^\| \d+ \| \[`(\w+)`\]\(\.\./(\w+)/\1/__init__\.py\) \| (.+) \|$", re.MULTILINE)
MOST_IN_A_CHAIN = 10


@cache
def names_in(path: str) -> set[str]:
    """Return the names that a module defines, members of classes among them."""
    found = set[str]()
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {each.id for each in targets if isinstance(each, ast.Name)}
    return found


def packages_of(top: str) -> set[str]:
    return {each.parent.name for each in (ROOT / top).glob("*/__init__.py")}


def docstring(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0].replace("``", "`")


def test_every_link_leads_somewhere() -> None:
    targets = [each for each in LINK.findall(TEXT) if "://" not in each]
    assert len(targets) > 50
    assert [each for each in targets if not (ROOT / each).exists()] == []


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_steps_of_a_walk_name_what_their_files_define(number: int) -> None:
    walk = TEXT.partition(f"## Walk {number}: ")[2].partition("\n## ")[0]
    items = re.findall(r"^\d+\. .*?(?=^\d+\. |\Z|^$)", walk, re.MULTILINE | re.DOTALL)
    assert len(items) >= 8
    assert [each for each in items if not STEP.search(each)] == []
    steps = [(path, name) for path, names in STEP.findall(walk) for name in re.findall(r"\w+", names)]
    assert [f"{path} has no {name}" for path, name in steps if name not in names_in(path)] == []


def test_map_has_every_package_in_its_own_words() -> None:
    rows = {(top, package): text for package, top, text in ROW.findall(TEXT)}
    unlisted = {("conformance", "implementations"), ("reference_server", "examples")}  # named in the prose
    there = {(top, package) for top in ("conformance", "reference_server") for package in packages_of(top)}
    assert set(rows) == there - unlisted
    assert {key: docstring(ROOT.joinpath(*key, "__init__.py")) for key in rows} == rows


def test_floors_of_the_map_are_those_of_the_contracts() -> None:
    floors: dict[int, set[str]] = {}
    for floor, package in re.findall(r"^\| (\d+) \| \[`(\w+)`\]\(\.\./conformance/", TEXT, re.MULTILINE):
        floors.setdefault(int(floor), set()).add(f"conformance.{package}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (contract,) = [
        each
        for each in project["tool"]["importlinter"]["contracts"]
        if each["name"].startswith("The floors of the kit")
    ]
    layers = [set(layer.split(" | ")) for layer in contract["layers"]]
    assert [floors[floor] for floor in sorted(floors, reverse=True)] == layers


def test_every_package_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    listed = {each for each in project["tool"]["setuptools"]["packages"] if not each.startswith("ipc_")}
    folders = [file.parent for top in ("conformance", "reference_server") for file in (ROOT / top).rglob("__init__.py")]
    assert listed == {".".join(folder.relative_to(ROOT).parts) for folder in folders}


def test_contract_about_the_registry_names_every_profile() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (contract,) = [
        each for each in project["tool"]["importlinter"]["contracts"] if each["name"].startswith("Only the registry")
    ]
    listed = re.findall(r"^from (reference_server\.profiles\.\w+)", registry(), re.MULTILINE)
    assert sorted(contract["forbidden_modules"]) == sorted({*listed} - {"reference_server.profiles.profile"})


def registry() -> str:
    return (ROOT / "reference_server" / "profiles" / "registry.py").read_text("utf-8")


def imports_of(module: str, path: Path, known: Collection[str]) -> set[str]:
    """Return the modules that a module imports; of a package and a module in it, the module."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{each.name}" for each in node.names]
            found |= {each if each in known else node.module for each in inside}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return found & set(known) - {module}


def longest_chain(package: str) -> list[str]:
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in ROOT.joinpath(*package.split(".")).rglob("*.py")
    }
    arrows = {module: imports_of(module, path, files.keys()) for module, path in files.items()}

    @cache
    def chain(module: str) -> tuple[str, ...]:
        further = sorted((chain(each) for each in arrows[module]), key=len)
        return (module, *(further[-1] if further else ()))

    return list(sorted(map(chain, files), key=len)[-1])


PACKAGES = [*(f"conformance.{each}" for each in sorted(packages_of("conformance"))), "reference_server"]


@pytest.mark.parametrize("package", PACKAGES)
def test_chains_of_imports_are_short(package: str) -> None:
    chain = longest_chain(package)
    assert len(chain) <= MOST_IN_A_CHAIN, " > ".join(chain)
