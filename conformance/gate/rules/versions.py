"""The version of the tree and its section of the changelog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from conformance.gate.model.findings import NOBODY, Finding, Rule
from conformance.gate.model.version import Step, Version
from conformance.gate.rules.comparison import Comparison

VERSION_BACK = Rule(
    "version-back",
    NOBODY,
    Step.NEVER,
    "the version is earlier than the one it is compared with",
    "Write a later version into the title of spec/README.md.",
)
CHANGELOG_MISSING = Rule(
    "changelog-missing",
    NOBODY,
    Step.NEVER,
    "the changelog does not mention a change",
    "Describe it under '### Protocol VERSION' in CHANGELOG.md, and name each requirement by its id. "
    "If VERSION was released already, use the next version, also in the title of spec/README.md.",
)
RULES = (VERSION_BACK, CHANGELOG_MISSING)


def check(comparison: Comparison, findings: Iterable[Finding], changes: Mapping[Version, str]) -> Iterator[Finding]:
    """Check that the version increased, and that the changelog has a section that names the changes."""
    old, new = comparison.old.version, comparison.new.version
    if new < old:
        yield Finding(VERSION_BACK, "version", f"the version was {old}, and is {new}", str(old), str(new))
    touched = [each for each in findings if each.pointer != "version"]
    said = changes.get(new, "")
    if touched and (not said or new == old):
        what = (
            f"CHANGELOG.md has no section about protocol {new}" if not said else f"protocol {new} was released already"
        )
        yield Finding(CHANGELOG_MISSING, "changelog", what)
        return
    ids = [each.pointer.partition("/")[2] for each in touched if each.pointer.startswith("requirements/")]
    unsaid = [id_ for id_ in dict.fromkeys(ids) if id_ not in said]
    if unsaid:
        shown = ", ".join(unsaid[:10])
        yield Finding(CHANGELOG_MISSING, "changelog", f"CHANGELOG.md does not name {shown} under protocol {new}")
