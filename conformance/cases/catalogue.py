"""All cases, and their selection."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pkgutil import walk_packages

from conformance.cases import client, server
from conformance.core.roles import Role
from conformance.core.settings import Selection
from conformance.harness.case import Case, registered
from conformance.specification import drafts


@cache
def all_cases() -> dict[str, Case]:
    """Return all cases of servers and clients by id.

    Raises DraftError if the run has a draft or a release that cannot be read.
    """
    for package in (server, client):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    import_module(f"{server.__name__}.golden_vectors").register(drafts.apply())
    return registered()


def select(selection: Selection | None = None, *, role: Role = "server") -> list[Case]:
    """Return the selected cases, long ones first.

    Args:
        selection: which cases; None selects all.
        role: the role of the target.
    """
    wanted = selection or Selection()
    chosen = [each for each in all_cases().values() if each.role == role and _is_wanted(each, wanted)]
    return sorted(chosen, key=lambda each: -each.seconds)


def _is_wanted(case: Case, selection: Selection) -> bool:
    return (
        (not selection.globs or any(fnmatchcase(case.id, glob) for glob in selection.globs))
        and selection.level in (None, case.level)
        and (not selection.profiles or (case.profile or "core") in selection.profiles)
    )
