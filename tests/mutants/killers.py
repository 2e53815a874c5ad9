"""The case that killed each mutant when ``killers.json`` was last renewed: an experiment tries that one first.

It saves time and decides nothing: a mutant dies of any case that claims its requirement. ``run.py --renew`` renews the
file, if every mutant died.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).with_name("killers.json")


@functools.cache
def known_killers() -> dict[str, dict[str, str]]:
    """Return the killers by the name of the laboratory, and of the mutant."""
    known: dict[str, dict[str, str]] = json.loads(FILE.read_text("utf-8"))
    return known


def killer_of(laboratory: str, mutant: str) -> str:
    """Return the id of the case that is tried first, or an empty text."""
    return known_killers()[laboratory].get(mutant, "")


def renew(laboratory: str, killers: Mapping[str, str]) -> None:
    """Write the killers of a laboratory's mutants."""
    known = known_killers() | {laboratory: dict(killers)}
    FILE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", "utf-8")
