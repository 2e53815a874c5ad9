"""Shows what a new version no longer has where it was: at what stood before it and is still there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import takewhile

from conformance.gate.model.findings import Finding
from conformance.gate.model.release import Release


def placed(finding: Finding, old: Release, new: Release) -> Finding:
    """Return a finding about a requirement or a row that is gone with the place where it was; others as they are."""
    prefix, key = _divided(finding.pointer, old)
    before, after = _keys(prefix, old), set(_keys(prefix, new))
    if finding.at or key in after or key not in before:
        return finding
    kept = [each for each in takewhile(lambda each: each != key, before) if each in after]
    return replace(finding, at=f"{prefix}/{kept[-1]}") if kept else finding


def _divided(pointer: str, release: Release) -> tuple[str, str]:
    """Return the part of a pointer that names a list, and the key in it."""
    kind, _, rest = pointer.partition("/")
    if kind == "tables":
        table = next((each for each in release.tables if rest.startswith(f"{each}/")), "")
        return f"tables/{table}", rest.removeprefix(f"{table}/")
    return kind, rest


def _keys(prefix: str, release: Release) -> list[str]:
    found: Iterable[str] = ()
    if prefix == "requirements":
        found = release.requirements
    elif prefix.startswith("tables/"):
        found = release.tables.get(prefix.removeprefix("tables/"), {})
    return list(found)
