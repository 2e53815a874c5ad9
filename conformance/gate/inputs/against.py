"""The versions that ``--against`` can name: a release of the tree, a git revision, a folder or file, a URL."""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
import threading
import zipfile
from concurrent.futures import Future
from pathlib import Path

from conformance.gate.inputs.strict_json import CONFLICT
from conformance.gate.inputs.working_tree import Tree
from conformance.gate.model.release import FOLDER, Release, ReleaseError
from conformance.gate.model.version import Version
from conformance.protocol.files import read_text

GIT = "git:"
_HOSTED = ("https://", "http://")
_NAMES = "name a release, git:REF, a folder, a file or a URL"
_SECONDS = 30
"""For the whole download of a file."""
_CUT_OFF = "incomplete: the server sent less than it announced; try again"
_MOST_OCTETS = 64 * 1024 * 1024
_PARTS = ("spec", "schemas", "CHANGELOG.md")


def released(root: Path) -> dict[Version, Path]:
    """Return the files of a tree's releases by version, the latest last."""
    found = {}
    for path in (root / "spec" / FOLDER).glob("*.json"):
        try:
            found[Version.parse(path.stem)] = path
        except ValueError as error:
            raise ReleaseError(f"{path}: the file of a release must be named after its version; {error}") from None
    return dict(sorted(found.items()))


def read_release(path: Path) -> Release:
    """Read a release from a file of any name. Raises ReleaseError if it cannot be read or was changed."""
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{path}: cannot be read ({error})") from None
    if CONFLICT.search(text):
        raise ReleaseError(
            f"{path}: a merge conflict: both branches released {path.stem}; "
            f"delete the file and freeze {path.stem} again"
        )
    return Release.from_json(text, str(path))


def resolve(against: str | None, root: Path) -> tuple[Release, str]:
    """Return the version to compare a tree with, and its name in reports.

    Args:
        against: the value of ``--against``; None for the latest release of the tree.
        root: the tree.

    Raises:
        ReleaseError: it does not exist or cannot be read.
    """
    if against is None:
        return _latest(root)
    if not against.strip():
        raise ReleaseError(f"--against is empty; {_NAMES}, or omit it to compare with the latest release")
    if against.startswith(GIT):
        return _git(root, against.removeprefix(GIT)), against
    if against.lower().startswith(_HOSTED):
        return _hosted(against), against
    version = _as_version(against)
    if version and version in released(root):  # takes precedence over a file of the same name
        return _read_named(version, released(root)[version]), f"release {version}"
    path = Path(against)
    if path.is_dir():
        return Tree.read(path).release, str(path)
    if path.exists():
        return read_release(path), str(path)
    have = ", ".join(map(str, released(root))) or "none"
    raise ReleaseError(
        f"--against {against}: no such release, folder or file; the releases of this tree are {have}, "
        "a git revision is written git:REF"
    )


def _as_version(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except ValueError:
        return None


def _latest(root: Path) -> tuple[Release, str]:
    files = released(root)
    if not files:
        raise ReleaseError(
            f"{root / 'spec' / FOLDER}: no version was released yet; name a version with --against, "
            "or release one with ipc-conformance gate freeze"
        )
    version, path = list(files.items())[-1]
    return _read_named(version, path), f"release {version}"


def _read_named(version: Version, path: Path) -> Release:
    release = read_release(path)
    if release.version != version:
        raise ReleaseError(f"{path}: this is version {release.version}; name the file after it")
    return release


def _git(root: Path, revision: str) -> Release:
    """Read the tree at a revision; the working tree stays untouched."""
    name = f"{GIT}{revision}"
    if not revision.strip() or revision.startswith("-"):
        raise ReleaseError(f"--against {name}: not a revision; write git:REF, such as git:origin/main")
    _run_git(root, name, "rev-parse", "--verify", "--quiet", f"{revision}^{{tree}}")
    known = _run_git(root, name, "ls-tree", "--name-only", revision, *_PARTS).decode().splitlines()
    if not {"spec", "schemas"} <= set(known):
        raise ReleaseError(
            f"{name}: {root} has no spec and schemas at that revision; commit them, or name another revision"
        )
    archive = _run_git(root, name, "archive", "--format=zip", revision, *known)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(io.BytesIO(archive)) as packed:
        packed.extractall(folder)
        try:
            return Tree.read(Path(folder)).release
        except ReleaseError as error:
            raise ReleaseError(f"{name}: {str(error).replace(folder, '.')}") from None


def _run_git(root: Path, name: str, *arguments: str) -> bytes:
    command = ["git", "-C", str(root), *arguments]
    english = os.environ | {"LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, env=english)  # noqa: S603
    except OSError as error:
        raise ReleaseError(f"{name}: git cannot be run ({error})") from None
    if done.returncode:
        raise ReleaseError(f"{name}: {_complaint(done.stderr.decode(errors='replace'))}")
    return done.stdout


def _complaint(said: str) -> str:
    """Return on one line why git failed, and the command that it advises; git is silent about an unknown revision."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if not lines:
        return "no such revision; fetch it, or name another"
    reason = next((line for line in lines if line.startswith("fatal:")), lines[-1]).removeprefix("fatal: ")
    advice = [f"; git advises: {line}" for line in lines if line.startswith("git ")]
    return f"git says: {reason}{''.join(advice[:1])}"


def _hosted(address: str) -> Release:
    """Download a release. One deadline covers the whole download, however slowly the server sends."""
    fetched: Future[bytes] = Future()
    threading.Thread(target=_fulfil, args=(fetched, address), daemon=True).start()
    try:
        text = fetched.result(_SECONDS).decode("utf-8")
    except TimeoutError:
        raise ReleaseError(f"{address}: cannot be fetched (not complete after {_SECONDS} seconds)") from None
    except UnicodeDecodeError as error:
        raise ReleaseError(f"{address}: not JSON ({error})") from None
    return Release.from_json(text, address)


def _fulfil(fetched: Future[bytes], address: str) -> None:
    try:
        fetched.set_result(_fetch(address))
    except BaseException as error:  # noqa: BLE001 - handed on to the thread that waits
        fetched.set_exception(error)


def _fetch(address: str) -> bytes:
    import http.client  # noqa: PLC0415 - slow to load, and needed by no other comparison
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    from conformance.gate.inputs.redirects import Redirects  # noqa: PLC0415

    opener = urllib.request.build_opener(Redirects(address))
    try:
        with opener.open(address, timeout=_SECONDS) as answer:
            octets, missing = bytes(answer.read(_MOST_OCTETS + 1)), answer.length
    except ReleaseError:  # a refused redirect
        raise
    except urllib.error.HTTPError as error:
        error.close()
        raise ReleaseError(f"{address}: cannot be fetched ({error})") from None
    except http.client.IncompleteRead:
        raise ReleaseError(f"{address}: {_CUT_OFF}") from None
    except http.client.HTTPException as error:
        raise ReleaseError(f"{address}: cannot be fetched ({type(error).__name__}: {error})") from None
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{address}: cannot be fetched ({error})") from None
    if len(octets) > _MOST_OCTETS:
        raise ReleaseError(f"{address}: not a release: longer than {_MOST_OCTETS} octets")
    if missing:
        raise ReleaseError(f"{address}: {_CUT_OFF}")
    return octets
