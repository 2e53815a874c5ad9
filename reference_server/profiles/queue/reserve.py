"""Disk space that is kept for the time when there is no more."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import IO, Final

# SQLite writes its log into the file when the log has 4 MiB, so the log and the file grow by that much.
RESERVE_BYTES: Final = 8 << 20

_NO_SPACE: Final = {errno.ENOSPC, errno.EDQUOT}


class Reserve:
    """A nameless file beside a state file. Without it, outcomes of jobs could not be written to a full disk.

    Args:
        folder: Where it takes space.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None

    def take(self) -> bool:
        """Take the space, and return false if the disk has too little. Where no space can be kept, do nothing."""
        if self._file is not None:
            return True
        try:
            file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - it is to stay open
        except OSError as error:
            return error.errno not in _NO_SPACE
        try:
            os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        except (OSError, AttributeError) as error:
            file.close()
            return getattr(error, "errno", None) not in _NO_SPACE
        self._file = file
        return True

    def free(self) -> None:
        """Let others have the space."""
        if self._file is not None:
            self._file.close()
            self._file = None
