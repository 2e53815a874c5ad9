"""The draft that a run adds to the published protocol, or the release that replaces it.

The environment passes the choice on to the worker processes of a run.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from conformance.core.versions import version_key
from conformance.protocol import requirements, schemas, vectors
from conformance.protocol.files import parse_json
from conformance.protocol.vectors import Vector
from conformance.specification.markdown import SpecError, chapter_files, read_chapter
from conformance.specification.statements import requirement, statements

DRAFT, RELEASE = "IPC_CONFORMANCE_DRAFT", "IPC_CONFORMANCE_RELEASE"


class DraftError(Exception):
    """A draft or a release cannot be used; the message says on one line which one and why."""


def choose(name: str, path: Path) -> None:
    """Choose a draft's folder or a release's file for this process and its children."""
    os.environ[name] = str(path.resolve())


def chosen_version() -> str:
    """Return the version of the chosen draft, which is the newest of its requirements; empty if none was chosen."""
    if not os.environ.get(DRAFT):
        return ""
    return max((each.since for each in requirements.load().values()), key=version_key)


def chosen_options() -> list[str]:
    """Return the options of ``ipc-conformance run`` that make the same choice."""
    chosen = {"--draft": os.environ.get(DRAFT), "--release": os.environ.get(RELEASE)}
    return [word for option, path in chosen.items() if path for word in (option, path)]


def apply() -> list[Vector]:
    """Apply the chosen draft or release to the published protocol, and return the golden vectors of the run.

    Raises DraftError if it cannot be read.
    """
    draft, release = os.environ.get(DRAFT), os.environ.get(RELEASE)
    try:
        if release:
            return _apply_release(Path(release))
        return [*vectors.load(), *_apply_draft(Path(draft))] if draft else vectors.load()
    except (OSError, ValueError, TypeError, KeyError, SpecError) as error:
        raise DraftError(f"{release or draft}: cannot be used ({error})") from None


def _apply_release(file: Path) -> list[Vector]:
    content = parse_json(file)
    schemas.use(content["schemas"])
    return vectors.of_entries(content["vectors"])


def _apply_draft(folder: Path) -> list[Vector]:
    chapters = [read_chapter(path) for path in chapter_files(folder)]
    added = [requirement(found) for chapter in chapters for found in statements(chapter)]
    requirements.load().update({each.id: each for each in added})
    changed = {
        path.name.removesuffix(schemas.SUFFIX): parse_json(path) for path in folder.glob(f"schemas/*{schemas.SUFFIX}")
    }
    schemas.use(changed)
    _import(folder / "cases.py")
    files = sorted(folder.glob("schemas/vectors/*.json"))
    return [vector for path in files for vector in vectors.of_entries(parse_json(path)["vectors"])]


def _import(path: Path) -> None:
    """Import the cases of a draft, if it has any; they register themselves."""
    spec = importlib.util.spec_from_file_location("ipc_draft_cases", path)
    if path.exists() and spec and spec.loader:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
