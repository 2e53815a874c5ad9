"""All cases, and the choosing among them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pkgutil import walk_packages

from conformance.cases import client, server
from conformance.core.roles import Role
from conformance.harness.case import Case, registered
from conformance.specification import drafts


@cache
def all_cases() -> dict[str, Case]:
    """Return every case by id, servers' and clients'.

    Raises OverlayError when the run has a draft or a release that cannot be read.
    """
    for package in (server, client):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    import_module(f"{server.__name__}.golden_vectors").register(drafts.apply())
    return registered()


def select(
    globs: Sequence[str] = (), *, role: Role = "server", level: str | None = None, profiles: Sequence[str] = ()
) -> list[Case]:
    """Return the chosen cases, the long ones first.

    Args:
        globs: patterns for ids, with ``*`` and ``?``; none means all.
        role: what is under test.
        level: ``"must"`` or ``"should"`` to choose by what a failure means.
        profiles: only the cases of these profiles, where ``"core"`` stands for those of no profile; none means all.
    """
    chosen = [
        each
        for each in all_cases().values()
        if each.role == role
        and (not globs or any(fnmatchcase(each.id, glob) for glob in globs))
        and level in (None, each.level)
        and (not profiles or (each.profile or "core") in profiles)
    ]
    return sorted(chosen, key=lambda each: -each.seconds)
