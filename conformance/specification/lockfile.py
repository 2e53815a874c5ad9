"""The lock file of the spec's text: checks that it is up to date, and that no withdrawn id is in use again.

Only a text without problems can be compared (see ``text_problems``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from conformance.core.files import write_whole
from conformance.protocol.files import read_text
from conformance.protocol.requirements import LOCK_NAME, Requirement, from_json, to_json
from conformance.specification.checks import Problem
from conformance.specification.markdown import SpecError

_EXTRACT = 'run "ipc-conformance spec extract"'
_LISTED_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file on disk; ``text`` is None if there is none."""

    path: Path
    text: str | None
    requirements: Mapping[str, Requirement]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the lock file of a spec folder. Raises SpecError if it exists but cannot be read."""
        path = folder / LOCK_NAME
        if not path.exists():
            return cls(path, None, {})
        try:
            text = read_text(path)
            return cls(path, text, from_json(text))
        except (OSError, ValueError) as error:
            raise SpecError(f"{path}: cannot be read ({error}); restore it, or delete it and {_EXTRACT}") from error

    def history_problems(self, fresh: list[Requirement]) -> list[Problem]:
        """Find ids that are withdrawn in the lock file but not in the text."""
        now = {requirement.id: requirement.status for requirement in fresh}
        withdrawn = [entry.id for entry in self.requirements.values() if entry.status == "withdrawn"]
        return [self._revived(id_, now.get(id_)) for id_ in withdrawn if now.get(id_) != "withdrawn"]

    def staleness_problems(self, fresh: list[Requirement]) -> list[Problem]:
        """Find out if the file differs from the requirements in the text."""
        if self.text is None:
            return [Problem(self.path, 1, "the file is missing", _EXTRACT)]
        if self.text == to_json(fresh):
            return []
        return [Problem(self.path, 1, f"stale: {self._difference(fresh)}", _EXTRACT)]

    def write(self, fresh: list[Requirement]) -> None:
        """Write the file. Raises SpecError if it cannot be written."""
        try:
            write_whole(self.path, to_json(fresh))
        except OSError as error:
            raise SpecError(f"{self.path}: cannot be written ({error})") from error

    def _revived(self, id_: str, status: str | None) -> Problem:
        before, _, _ = (self.text or "").partition(f'"id": "{id_}"')
        what = f"{id_} was withdrawn, but the text {f'has it as {status}' if status else 'no longer has it'}"
        remedy = "keep the withdrawn sentence with its note; give a new rule a number that was never used"
        return Problem(self.path, before.count("\n") + 1, what, remedy)

    def _difference(self, fresh: list[Requirement]) -> str:
        entries = {entry.id: entry for entry in fresh}
        ids = sorted({*entries, *self.requirements})
        changed = [id_ for id_ in ids if entries.get(id_) != self.requirements.get(id_)]
        more = f" and {len(changed) - _LISTED_AT_MOST} more" if len(changed) > _LISTED_AT_MOST else ""
        return f"{', '.join(changed[:_LISTED_AT_MOST])}{more} changed" if changed else "order or layout changed"
