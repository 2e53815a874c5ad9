"""What ``--against`` may name: a release of the tree, a git revision, a folder or file, a hosted file."""

from __future__ import annotations

import io
import subprocess
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from conformance.gate.release import FOLDER, Release, ReleaseError
from conformance.gate.tree import Tree
from conformance.gate.version import Version

_GIT = "git:"
_HOSTED = ("https://", "http://")
_SECONDS = 20
_MOST_OCTETS = 64 * 1024 * 1024
_PARTS = ("spec", "schemas", "CHANGELOG.md")


def released(root: Path) -> dict[Version, Path]:
    """Return the files of the versions that a tree has released, by version, the latest last."""
    found = {}
    for path in (root / "spec" / FOLDER).glob("*.json"):
        try:
            found[Version.parse(path.stem)] = path
        except ValueError as error:
            raise ReleaseError(f"{path}: a release is named after its version; {error}") from None
    return dict(sorted(found.items()))


def read_release(path: Path) -> Release:
    """Read a release's file.

    Raises ReleaseError when it cannot be read, was changed, or is named after another version.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReleaseError(f"{path}: cannot be read ({error})") from None
    return Release.from_json(text, str(path))


def resolve(against: str | None, root: Path) -> tuple[Release, str]:
    """Return what a tree is to be compared with, and how to call it.

    Args:
        against: what ``--against`` says; None for the latest release of the tree.
        root: the tree.

    Raises:
        ReleaseError: there is no such thing, or it cannot be read.
    """
    if against is None:
        return _latest(root)
    if against.startswith(_GIT):
        return _git(root, against.removeprefix(_GIT)), against
    if against.startswith(_HOSTED):
        return Release.from_json(_fetch(against), against), against
    path = Path(against)
    if path.is_dir():
        return Tree.read(path).release, str(path)
    if path.is_file():
        return read_release(path), str(path)
    return _named(against, root)


def _latest(root: Path) -> tuple[Release, str]:
    files = released(root)
    if not files:
        raise ReleaseError(
            f"{root / 'spec' / FOLDER}: no version was released yet; say what to compare with (--against), "
            "or release one with ipc-conformance gate freeze"
        )
    version, path = list(files.items())[-1]
    return _read_named(version, path), f"release {version}"


def _named(against: str, root: Path) -> tuple[Release, str]:
    files = released(root)
    try:
        version = Version.parse(against)
    except ValueError:
        version = None
    if version not in files:
        have = ", ".join(map(str, files)) or "none"
        raise ReleaseError(
            f"--against {against}: no such release, folder or file; the releases of this tree are {have}, "
            "a git revision is written git:REF"
        )
    return _read_named(version, files[version]), f"release {version}"


def _read_named(version: Version, path: Path) -> Release:
    release = read_release(path)
    if release.version != version:
        raise ReleaseError(f"{path}: this is version {release.version}; name the file after it")
    return release


def _git(root: Path, revision: str) -> Release:
    """Read the tree at a revision, without touching the working tree."""
    top = Path(_run_git(root, "rev-parse", "--show-toplevel").decode().strip())
    inside = f"{revision}:{_run_git(root, 'rev-parse', '--show-prefix').decode().strip()}"
    known = _run_git(top, "ls-tree", "--name-only", inside).decode().split("\n")
    archive = _run_git(top, "archive", "--format=zip", inside, *(part for part in _PARTS if part in known))
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(io.BytesIO(archive)) as packed:
        packed.extractall(folder)
        try:
            return Tree.read(Path(folder)).release
        except ReleaseError as error:
            raise ReleaseError(f"{_GIT}{revision}: {str(error).replace(folder, '.')}") from None


def _run_git(root: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603
    except OSError as error:
        raise ReleaseError(f"git cannot be run ({error})") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise ReleaseError(f"git {' '.join(arguments[:2])}: {said[-1]}")
    return done.stdout


def _fetch(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:  # noqa: S310 - http and https alone
            octets = answer.read(_MOST_OCTETS + 1)
        if len(octets) > _MOST_OCTETS:
            raise ReleaseError(f"{address}: longer than {_MOST_OCTETS} octets, so no release")
        return str(octets.decode("utf-8"))
    except urllib.error.HTTPError as error:
        error.close()
        raise ReleaseError(f"{address}: cannot be fetched ({error})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ReleaseError(f"{address}: cannot be fetched ({error})") from None
