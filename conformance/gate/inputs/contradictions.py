"""Where a tree contradicts itself: members and golden vectors that do not agree with the schemas and tables."""

from __future__ import annotations

from pathlib import Path

from conformance.gate.inputs.description_checks import description_problems
from conformance.gate.inputs.descriptions import MEMBERS
from conformance.gate.inputs.strict_json import read_text
from conformance.gate.inputs.vector_checks import vector_problems
from conformance.gate.inputs.working_tree import Tree
from conformance.gate.model.release import ReleaseError
from conformance.protocol.requirements import LOCK_NAME, to_json
from conformance.specification.statements import Spec


def contradictions(tree: Tree) -> list[str]:
    """Return the contradictions inside a tree, each on one line that begins with its place."""
    wrong = [(f"tables/{MEMBERS}/{key}", what) for key, what in description_problems(tree.release)]
    wrong += [(f"vectors/{id_}", f"the vector {id_} {what}") for id_, what in vector_problems(tree.release)]
    places = [tree.locate(pointer) for pointer, _ in wrong]
    return [f"{tree.root / at.file}:{at.line}: {what}" for at, (_, what) in zip(places, wrong, strict=True)]


def refuse_stale_list(root: Path) -> None:
    """Raise ReleaseError if a tree has a list of requirements that is not that of its chapters."""
    lock = root / "spec" / LOCK_NAME
    if lock.exists() and read_text(lock) != to_json(Spec.read(root / "spec").requirements()):
        raise ReleaseError(f"{lock}:1: stale; run ipc-conformance spec extract")


def refuse_contradictions(tree: Tree) -> None:
    """Raise ReleaseError with the first contradiction of a tree and the number of others, if there is one."""
    found = contradictions(tree)
    if found:
        raise ReleaseError(f"{found[0]}{f' (and {len(found) - 1} more)' if found[1:] else ''}")
