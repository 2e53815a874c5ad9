"""The spec's requirements as data, from the lock file ``spec/requirements.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

LOCK_NAME = "requirements.json"

Level = Literal["must", "should", "may"]
Target = Literal["server", "client", "both"]
Status = Literal["active", "deprecated", "withdrawn"]
Verify = Literal["case", "vector", "schema", "excluded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement of the spec, as in its lock file.

    ``section`` names its chapter and heading, as in ``01-framing#receiving-frames``. ``text`` is the sentence in
    Markdown without its id, and ``sha256`` the digest of its UTF-8 octets. If ``verify`` is ``excluded``, ``reason``
    says why it cannot be observed; otherwise it is None.
    """

    id: str
    level: Level
    target: Target
    section: str
    text: str
    sha256: str
    since: str
    status: Status
    verify: Verify
    reason: str | None

    @property
    def is_active(self) -> bool:
        """True if it is in force and not deprecated."""
        return self.status == "active"

    @property
    def is_in_force(self) -> bool:
        """True if peers must fulfil it, deprecated or not."""
        return self.status != "withdrawn"

    @property
    def is_must(self) -> bool:
        """True if a violation means that the peer does not conform."""
        return self.level == "must"

    def binds(self, role: Literal["server", "client"]) -> bool:
        """Return true if a peer in this role must fulfil it."""
        return self.target in (role, "both")


@cache
def load() -> dict[str, Requirement]:
    """Read the requirements of the installed spec, by id and in the spec's order."""
    return from_json(files("ipc_spec").joinpath(LOCK_NAME).read_text(encoding="utf-8"))


def from_json(lock: str) -> dict[str, Requirement]:
    """Read the text of a lock file.

    Raises ValueError if it is not JSON or does not have the form of a lock file.
    """
    try:
        requirements = [Requirement(**entry) for entry in json.loads(lock)["requirements"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a list of requirements ({error})") from error
    return {requirement.id: requirement for requirement in requirements}


def to_json(requirements: Iterable[Requirement]) -> str:
    """Return the text of a lock file; equal requirements in the same order give the same text."""
    lock = {"requirements": [asdict(requirement) for requirement in requirements]}
    return json.dumps(lock, indent=2, ensure_ascii=False) + "\n"


def section_link(requirement: Requirement) -> str:
    """Return the link to the section of a requirement, relative to the root of the repository."""
    chapter, _, heading = requirement.section.partition("#")
    return f"spec/{chapter}.md#{heading}"
