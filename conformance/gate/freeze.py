"""Release a version: write the file that later versions are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from conformance.gate.inputs.against import released, resolve
from conformance.gate.inputs.working_tree import Tree
from conformance.gate.judge import judge
from conformance.gate.model.judgement import Waiver
from conformance.gate.model.release import FOLDER, ReleaseError
from conformance.gate.model.version import Version
from conformance.protocol.requirements import LOCK_NAME, to_json


def freeze(root: Path, version: str, waived: Sequence[Waiver], progress: Callable[[str], None]) -> Path:
    """Write the release of a tree, and return its file.

    Args:
        root: the tree.
        version: the version that the tree must have.
        waived: waivers.
        progress: called with a description of each step.

    Raises:
        ReleaseError: the tree has another version or is not ready: it was released already, the gate refuses it, the
            changelog does not describe it, or the list of requirements is stale.
    """
    tree = Tree.read(root)
    release = tree.release
    try:
        wanted = Version.parse(version)
    except ValueError as error:
        raise ReleaseError(str(error)) from None
    if wanted != release.version:
        raise ReleaseError(f"{root}: this is version {release.version} (spec/README.md), not {wanted}")
    _refuse_unready(root, tree, waived, progress)
    path = root / "spec" / FOLDER / f"{release.version}.json"
    if path.exists():
        raise ReleaseError(f"{path}: {release.version} was released already; a release is never edited")
    try:
        _write_whole(path, release.to_json())
    except OSError as error:
        raise ReleaseError(f"{path}: cannot be written ({error})") from None
    return path


def _write_whole(path: Path, text: str) -> None:
    """Write a file completely or not at all, since a partial release could not be replaced."""
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    try:
        part.write_text(text, "utf-8", newline="\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _refuse_unready(root: Path, tree: Tree, waived: Sequence[Waiver], progress: Callable[[str], None]) -> None:
    version = tree.release.version
    lock = root / "spec" / LOCK_NAME
    if not lock.is_file() or lock.read_text("utf-8") != to_json(tree.release.requirements.values()):
        raise ReleaseError(f"{lock}: stale; run ipc-conformance spec extract")
    if not tree.changes.get(version):
        raise ReleaseError(
            f"{root / 'CHANGELOG.md'}: the section 'Protocol {version}' is missing or empty; describe the version there"
        )
    if version in released(root) or not released(root):
        return
    old, name = resolve(None, root)
    judgement = judge(old, tree, waived, progress=progress)
    if not judgement.is_accepted:
        count = len(judgement.refused) + len(judgement.problems)
        raise ReleaseError(
            f"{root}: the gate refuses {version} against {name} (findings: {count}); run ipc-conformance gate"
        )
