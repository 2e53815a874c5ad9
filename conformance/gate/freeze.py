"""Release a version: write the file that later versions are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from conformance.core.files import write_whole
from conformance.gate.inputs.against import read_release, released, resolve
from conformance.gate.inputs.contradictions import refuse_contradictions, refuse_stale_list
from conformance.gate.inputs.release_history import changed_releases
from conformance.gate.inputs.working_tree import Tree
from conformance.gate.judge import judge
from conformance.gate.model.judgement import Waiver
from conformance.gate.model.release import FOLDER, ReleaseError
from conformance.gate.model.version import Version


def freeze(root: Path, version: str, waived: Sequence[Waiver], progress: Callable[[str], None]) -> Path:
    """Write the release of a tree, and return its file.

    Args:
        root: the tree.
        version: the version that the tree must have.
        waived: waivers.
        progress: called with a description of each step.

    Raises:
        ReleaseError: the tree has another version or is not ready: it was released already, it contradicts itself, the
            gate refuses it, the changelog does not describe it, or the list of requirements is stale.
    """
    tree = Tree.read(root)
    release = tree.release
    try:
        wanted = Version.parse(version)
    except ValueError as error:
        raise ReleaseError(str(error)) from None
    if wanted != release.version:
        raise ReleaseError(f"{root}: this is version {release.version} (spec/README.md), not {wanted}")
    refuse_contradictions(tree)
    _refuse_unready(root, tree, waived, progress)
    path = root / "spec" / FOLDER / f"{release.version}.json"
    if path.exists():
        read_release(path)  # raises if a merge broke it
        raise ReleaseError(f"{path}: {release.version} was released already; a release is never edited")
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, release.to_json())  # a partial release could not be replaced
    except OSError as error:
        raise ReleaseError(f"{path}: cannot be written ({error})") from None
    return path


def _refuse_unready(root: Path, tree: Tree, waived: Sequence[Waiver], progress: Callable[[str], None]) -> None:
    version = tree.release.version
    refuse_stale_list(root)
    if not tree.changes.get(version):
        raise ReleaseError(
            f"{root / 'CHANGELOG.md'}: the section 'Protocol {version}' is missing or empty; describe the version there"
        )
    if version in released(root) or not released(root):
        return
    old, name = resolve(None, root)
    judgement = judge(old, tree, waived, progress=progress, edited_releases=changed_releases(root))
    if not judgement.is_accepted:
        count = len(judgement.refused) + len(judgement.problems)
        raise ReleaseError(
            f"{root}: the gate refuses {version} against {name} (findings: {count}); run ipc-conformance gate"
        )
