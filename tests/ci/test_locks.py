"""The lock files in ``.ci/requirements/`` fit pyproject.toml; ``nox -s lock`` renews them. No network needed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WITH_PROJECT = {"dev", "test", "docs"}
"""Groups whose lock has the project's own dependencies, too."""
PIN = re.compile(
    r"^([\w.-]+)==([^ \n]+)(?: ; [^\\\n]+)? ?"  # name, version, and for which systems
    r"((?:\\\n +--hash=sha256:[0-9a-f]{64} ?)+)\n"
    r"((?: +#.*\n)+)",  # what needs it
    re.MULTILINE,
)
LOCKS = sorted(path.stem for path in (ROOT / ".ci" / "requirements").glob("*.txt"))


def members(group: str) -> Iterator[str]:
    for entry in PROJECT["dependency-groups"][group]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from members(entry["include-group"])


def wanted(group: str) -> dict[str, Requirement]:
    texts = [*members(group), *(PROJECT["project"]["dependencies"] if group in WITH_PROJECT else ())]
    return {canonicalize_name(each.name): each for each in map(Requirement, texts)}


def pins(group: str) -> dict[str, Any]:
    text = (ROOT / ".ci" / "requirements" / f"{group}.txt").read_text("utf-8")
    return {canonicalize_name(match[1]): match for match in PIN.finditer(text)}


def test_every_lock_has_a_group() -> None:
    assert set(LOCKS) == set(PROJECT["dependency-groups"]) - {"build"}


@pytest.mark.parametrize("group", LOCKS)
def test_a_lock_is_pins_with_hashes_and_names_no_host(group: str) -> None:
    text = (ROOT / ".ci" / "requirements" / f"{group}.txt").read_text("utf-8")
    rest = "".join(line for line in PIN.sub("", text).splitlines(keepends=True) if not line.startswith("#"))
    assert rest == ""
    assert "://" not in text


@pytest.mark.parametrize("group", LOCKS)
def test_a_lock_fits_pyproject(group: str) -> None:
    locked = pins(group)
    for name, requirement in wanted(group).items():
        assert name in locked, f"{name} is in pyproject.toml and not in .ci/requirements/{group}.txt: run nox -s lock"
        assert requirement.specifier.contains(locked[name][2], prereleases=True), f"{requirement}: run nox -s lock"
    direct = {name for name, match in locked.items() if "ipc-conformance (pyproject.toml" in match[4]}
    assert direct == set(wanted(group)), "pyproject.toml no longer names all of these: run nox -s lock"


@pytest.mark.parametrize("group", ["test", "nox"])
def test_locks_agree_with_each_other(group: str) -> None:
    every = pins("dev")
    assert {name: match[2] for name, match in pins(group).items()}.items() <= {
        name: match[2] for name, match in every.items()
    }.items()


def test_packages_of_the_site_can_be_installed_beside_those_of_developers() -> None:
    every = pins("dev")
    shared = {name: (match[2], every[name][2]) for name, match in pins("docs").items() if name in every}
    assert "jinja2" in shared
    assert [name for name, (one, other) in shared.items() if one != other] == []
