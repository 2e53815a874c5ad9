"""Short lists of globs that match exactly some of the ids of cases."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import takewhile

SPECIAL = re.compile(r"[*?\[]")
"""What makes a glob more than an id."""


@dataclass(frozen=True)
class CaseGlobs:
    """A set of cases: those whose id matches one of ``cases`` and none of ``excepted``."""

    cases: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.cases) + len(self.excepted)

    def __add__(self, other: CaseGlobs) -> CaseGlobs:
        return CaseGlobs(self.cases + other.cases, self.excepted + other.excepted)

    def matching(self, ids: Iterable[str]) -> list[str]:
        """Return the ids in the set, in their order."""
        is_in, is_out = matcher(self.cases), matcher(self.excepted)
        return [each for each in ids if is_in(each) and not is_out(each)]

    def stale(self, ids: Iterable[str]) -> str:
        """Return the first of the globs that matches none of the ids; empty if each matches one."""
        ordered = sorted(ids)
        return next((each for each in (*self.cases, *self.excepted) if not _matches_any(each, ordered)), "")


def matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that returns true for the ids that are one of ``globs``, or match one."""
    exact, prefixes, others = set[str](), list[str](), list[str]()
    for glob in globs:
        if not SPECIAL.search(glob):
            exact.add(glob)
        elif glob.endswith("*") and not SPECIAL.search(glob[:-1]):
            prefixes.append(glob[:-1])
        else:
            others.append(glob)
    starts = tuple(prefixes)
    return lambda case: case in exact or case.startswith(starts) or any(fnmatchcase(case, each) for each in others)


@dataclass
class _Node:
    """The ids with a prefix: the one that ends there, and those that go on."""

    prefix: str = ""
    is_id: bool = False
    children: dict[str, _Node] = field(default_factory=lambda: defaultdict(_Node))


def globs_for(wanted: Collection[str], everything: Iterable[str]) -> CaseGlobs:
    """Return globs that match exactly ``wanted`` among ``everything``.

    The globs are the shortest list of ids and of prefixes that end at a word, each prefix with its exceptions. A case
    more or less changes few of them.
    """
    root = _Node()
    for each in sorted({*everything, *wanted}):
        _insert(root, each)
    included, _ = _best(root, frozenset(wanted))
    return CaseGlobs(tuple(sorted(included.cases)), tuple(sorted(included.excepted)))


def _matches_any(glob: str, ordered: list[str]) -> bool:
    start = SPECIAL.split(glob)[0]
    first = bisect_left(ordered, start)
    with_start = takewhile(lambda case: case.startswith(start), ordered[first:])
    return any(map(matcher([glob]), with_start))


def _insert(root: _Node, case: str) -> None:
    node, prefix = root, ""
    for word in re.findall(r"[^/-]*[/-]|[^/-]+$", case):
        prefix += word
        node = node.children[word]
        node.prefix = prefix
    node.is_id = True


def _best(node: _Node, wanted: frozenset[str]) -> tuple[CaseGlobs, CaseGlobs]:
    """Return the globs for the wanted ids below a node, alone and within a glob that matches all of them.

    The second are exceptions from that glob.
    """
    inside = outside = CaseGlobs()
    for child in node.children.values():
        alone, within = _best(child, wanted)
        inside, outside = inside + alone, outside + within
    if node.is_id:
        is_wanted = node.prefix in wanted
        inside += CaseGlobs((node.prefix,)) if is_wanted else CaseGlobs()
        outside += CaseGlobs() if is_wanted else CaseGlobs((), (node.prefix,))
    if not node.children or not node.prefix:
        return inside, outside
    glob = f"{node.prefix}*"
    whole = CaseGlobs((glob,)) + outside
    if not inside:
        outside = CaseGlobs((), (glob,))
    return (whole if len(whole) < len(inside) else inside), outside
