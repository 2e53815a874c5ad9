"""Files that the kit writes: results whole or not at all, and temporary folders that do not outlive a run."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

SCRATCH = "IPC_CONFORMANCE_SCRATCH"
"""The environment variable with the temporary folder of a run, which the run deletes, even if a worker was killed."""


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Create a temporary folder, inside that of the run if there is one."""
    place = os.environ.get(SCRATCH, "")
    if Path(place).is_dir() and place:
        return tempfile.TemporaryDirectory(prefix="t-", dir=place)
    return tempfile.TemporaryDirectory(prefix="ipc-conformance-")


def write_whole(path: Path, text: str) -> None:
    """Write a UTF-8 file under a temporary name in its folder, and rename it.

    A link stays a link, and a file keeps its mode. A device, a pipe or ``/dev/stdout`` is written directly.

    Raises:
        OSError: it cannot be written; an older file is unchanged.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, "utf-8", newline="\n")
        return
    path = path.resolve() if path.is_symlink() else path
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        part.chmod(_mode(path))
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def why_unwritable(path: Path) -> str | None:
    """Return why :func:`write_whole` would fail, as far as this can be known without writing; None if it may work."""
    place = path if path.exists() and not path.is_file() else path.parent
    if path.is_dir():
        return "it is a folder"
    if not place.exists():
        return f"the folder {place} does not exist"
    if path.is_file() and not os.access(path, os.W_OK):
        return "the file is read-only"
    return None if os.access(place, os.W_OK) else f"no permission to write to {place}"


def _mode(path: Path) -> int:
    """Return the mode of a file or, if it is new, the mode that a new file gets."""
    with contextlib.suppress(OSError):
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
