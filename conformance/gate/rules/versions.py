"""The version of the tree and its section of the changelog."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from conformance.gate.model.findings import BOTH, NOBODY, Finding, Rule
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
VERSION_SKIPPED = Rule(
    "version-skipped",
    NOBODY,
    Step.NEVER,
    "the version skips numbers",
    "Write the next patch, minor or major version after the latest release into the title of spec/README.md.",
)
RELEASE_EDITED = Rule(
    "release-edited",
    BOTH,
    Step.NEVER,
    "the file of a release was edited or deleted",
    "Restore the file from git; a release is never edited. Put changes into a later version.",
)
RULES = (VERSION_BACK, VERSION_SKIPPED, CHANGELOG_MISSING, RELEASE_EDITED)


def check(
    comparison: Comparison,
    findings: Iterable[Finding],
    changes: Mapping[Version, str],
    released: Collection[Version] = (),
) -> Iterator[Finding]:
    """Check that the version is a next one, and that the changelog has a section that names the changes.

    Args:
        comparison: both versions.
        findings: all other findings.
        changes: the changelog's text about each version.
        released: the released versions of the tree.
    """
    old, new = comparison.old.version, comparison.new.version
    if new < old:
        yield Finding(VERSION_BACK, "version", f"the version was {old}, and is {new}", str(old), str(new))
    yield from _skipped(new, {old, *released})
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


def _skipped(new: Version, known: Collection[Version]) -> Iterator[Finding]:
    earlier = [each for each in known if each <= new]
    if not earlier or new in earlier:
        return
    latest = max(earlier)
    following = [latest.after(step) for step in (Step.PATCH, Step.MINOR, Step.MAJOR)]
    if new not in following:
        what = f"the version is {new}; after {latest} comes {', '.join(map(str, following[:-1]))} or {following[-1]}"
        yield Finding(VERSION_SKIPPED, "version", what, str(latest), str(new))


def edited(releases: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding about each release that was edited or deleted.

    Args:
        releases: what happened to them, by version.
    """
    for version, happened in releases.items():
        yield Finding(RELEASE_EDITED, f"releases/{version}", f"the release {version} {happened}")
