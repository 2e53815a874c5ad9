"""All cases, and their selection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from pkgutil import walk_packages

from conformance.cases import client, server
from conformance.core.roles import Role
from conformance.core.settings import Selection
from conformance.harness.case import Case, registered
from conformance.results.case_globs import matcher
from conformance.results.run import Run
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
        selection: which cases; None selects all. With a budget, the most telling ones come first.
        role: the role of the target.

    Raises:
        ValueError: the results file of the selection cannot be read, is not given, or does not have a chosen cause.
    """
    wanted = selection or Selection()
    is_wanted = _filter(wanted)
    chosen = [each for each in all_cases().values() if each.role == role and is_wanted(each)]
    if wanted.causes and not wanted.failed:
        raise ValueError("--cause selects from an earlier run: give its results file with --failed RESULTS.json")
    if wanted.failed:
        earlier = Run.read(wanted.failed).chosen(wanted.causes)
        chosen = [each for each in chosen if each.id in earlier]
    return most_telling_first(chosen) if wanted.budget else sorted(chosen, key=lambda each: -each.seconds)


def most_telling_first(cases: Iterable[Case]) -> list[Case]:
    """Return cases in the order for a short time: the survey, then a quick case about each requirement, then others."""
    ahead, later, seen = list[Case](), list[Case](), set[str]()
    for each in sorted(cases, key=lambda each: (not each.ability, each.seconds)):
        is_new = bool(each.ability) or not seen.issuperset(each.requirements)
        (ahead if is_new else later).append(each)
        seen.update(each.requirements)
    return ahead + later


def _filter(selection: Selection) -> Callable[[Case], bool]:
    """Return a function that returns true for the cases that a selection has, as far as one case shows it."""
    is_named, is_excluded = matcher(selection.globs or ("*",)), matcher(selection.excluded)
    return lambda case: (
        is_named(case.id)
        and (selection.shard is None or selection.shard.has(case.id))
        and not is_excluded(case.id)
        and selection.level in (None, case.level)
        and (not selection.profiles or (case.profile or "core") in selection.profiles)
    )
