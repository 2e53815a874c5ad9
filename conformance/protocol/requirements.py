"""The spec's requirements as data: the lock file ``spec/requirements.json`` and what is asked of its entries."""

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
    """One requirement of the spec, as its lock file states it.

    ``section`` names the chapter and the heading it stands under, as in ``01-framing#receiving-frames``.
    ``text`` is the sentence in Markdown without its id, and ``sha256`` the digest of its UTF-8 octets. ``reason`` says
    why nobody can observe it when ``verify`` is ``excluded``, and is None otherwise.
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
        """Whether it is in force without being on its way out."""
        return self.status == "active"

    @property
    def is_in_force(self) -> bool:
        """Whether peers have to fulfil it, be it on its way out or not."""
        return self.status != "withdrawn"

    @property
    def is_must(self) -> bool:
        """Whether going against it takes conformance away."""
        return self.level == "must"

    def binds(self, role: Literal["server", "client"]) -> bool:
        """Whether a peer in this role has to fulfil it."""
        return self.target in (role, "both")


@cache
def load() -> dict[str, Requirement]:
    """Read the requirements of the installed spec, by id and in the spec's order."""
    return from_json(files("ipc_spec").joinpath(LOCK_NAME).read_text(encoding="utf-8"))


def from_json(lock: str) -> dict[str, Requirement]:
    """Read the text of a lock file.

    Raises ValueError when it is not JSON or not of the lock's form.
    """
    try:
        requirements = [Requirement(**entry) for entry in json.loads(lock)["requirements"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a list of requirements ({error})") from error
    return {requirement.id: requirement for requirement in requirements}


def to_json(requirements: Iterable[Requirement]) -> str:
    """Write the text of a lock file; equal requirements in equal order give equal text."""
    lock = {"requirements": [asdict(requirement) for requirement in requirements]}
    return json.dumps(lock, indent=2, ensure_ascii=False) + "\n"


def section_link(requirement: Requirement) -> str:
    """Give the link to the section a requirement stands in, relative to the root of the repository."""
    chapter, _, heading = requirement.section.partition("#")
    return f"spec/{chapter}.md#{heading}"
