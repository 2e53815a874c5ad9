"""Releases that were edited or deleted after git recorded them; a digest shows only that a file agrees with itself."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

from conformance.gate.model.release import FOLDER
from conformance.protocol.codec import identical

_ADDED, _DELETED = "A", "D"


def changed_releases(root: Path, revision: str | None = None) -> dict[str, str]:
    """Find the releases of a tree that no longer promise what git has of them.

    The first version of a file in the history of the current branch counts, and that of a revision to compare with. The
    history of a shallow clone begins late. A version that two branches released independently is left to their merge.

    Args:
        root: the tree. If it is in no repository of git, nothing is found.
        revision: the revision that the tree is compared with, if it is compared with one.

    Returns:
        What happened, by the version in the file's name.
    """
    recorded = _first_blobs(root)
    if revision is not None:
        recorded |= _blobs_at(root, revision)
    found = {}
    for name, blob in sorted(recorded.items()):
        path = root / "spec" / FOLDER / name
        if not path.is_file():
            found[path.stem] = "was deleted"
            continue
        content = path.read_bytes()
        if not _is_blob(content, blob) and not _keeps(content, _git(root, "cat-file", "blob", blob)):
            found[path.stem] = "was edited, or deleted and released again"
    return found


def _first_blobs(root: Path) -> dict[str, str]:
    """Return the name and the first content of each release in the history, as the id of git's object."""
    options = ("--raw", "--no-abbrev", "--no-renames", "--format=", "--relative", "--full-history")
    changes: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for line in _git(root, "log", *options, "--", f"spec/{FOLDER}").decode(errors="replace").splitlines():
        facts, _, path = line.partition("\t")
        *_, blob, status = facts.split()
        if path.endswith(".json"):
            changes[Path(path).name].append((status, blob))
    return {name: each[-1][1] for name, each in changes.items() if not _is_parallel([status for status, _ in each])}


def _is_parallel(statuses: list[str]) -> bool:
    """Return true if a file was added on two branches."""
    return statuses.count(_ADDED) - statuses.count(_DELETED) > 1


def _blobs_at(root: Path, revision: str) -> dict[str, str]:
    lines = _git(root, "ls-tree", revision, "--", f"spec/{FOLDER}/").decode(errors="replace").splitlines()
    entries = (line.partition("\t") for line in lines)
    return {Path(path).name: facts.split()[2] for facts, _, path in entries if path.endswith(".json")}


def _is_blob(content: bytes, blob: str) -> bool:
    """Return true if git's object has this content."""
    made = hashlib.new("sha1" if len(blob) == 40 else "sha256", usedforsecurity=False)
    made.update(b"blob %d\0" % len(content) + content)
    return made.hexdigest() == blob


def _keeps(now: bytes, before: bytes) -> bool:
    """Return true if a release has everything that an earlier text of it had; it may have gained tables."""
    try:
        new, old = json.loads(now), json.loads(before)
        tables: dict[str, Any] = {name: new["tables"].get(name) for name in old["tables"]}
        parts = ("version", "requirements", "schemas", "vectors")
        return identical(tables, old["tables"]) and all(identical(new[part], old[part]) for part in parts)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return False


def _git(root: Path, *arguments: str) -> bytes:
    """Return what git prints, or nothing if it fails: the tree may be in no repository."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, check=False, stdin=subprocess.DEVNULL, env=os.environ | {"LC_ALL": "C"}
        )
    except OSError:
        return b""
    return b"" if done.returncode else done.stdout
