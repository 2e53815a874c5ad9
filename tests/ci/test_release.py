"""``.ci/release.py``: what differs between machines does not reach a release, and builds that differ are an error."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
assert SPEC is not None
assert SPEC.loader is not None
release = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(release)

FILES = (("p-1/b.py", b"x = 1\n", 0o644), ("p-1/a.sh", b"#!/bin/sh\n", 0o755))


def sdist(file: Path, names: int, owner: str, seconds: int, mask: int) -> Path:
    """Write an sdist as another machine would."""
    with tarfile.open(file, "w:gz") as archive:
        for name, content, mode in FILES[::names]:
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime, member.uname = len(content), mode & ~mask, seconds, owner
            archive.addfile(member, io.BytesIO(content))
    return file


def content_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    assert stream is not None
    return stream.read()


def test_sdists_of_two_machines_become_equal(tmp_path: Path) -> None:
    ours, theirs = sdist(tmp_path / "ours", 1, "root", 1, 0), sdist(tmp_path / "theirs", -1, "me", 99, 0o077)
    assert ours.read_bytes() != theirs.read_bytes()
    for file in (ours, theirs):
        release.normalize(file, 1_700_000_000)
    assert ours.read_bytes() == theirs.read_bytes()
    with tarfile.open(ours) as archive:
        members = archive.getmembers()
        assert [(each.name, content_of(archive, each), each.mode) for each in members] == sorted(FILES)
        assert {(each.mtime, each.uname, each.uid) for each in members} == {(1_700_000_000, "", 0)}


def test_two_different_builds_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "copy_project", Path.mkdir)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")

    def build(project: Path, made: Path, variables: Mapping[str, str]) -> None:
        (made / "place.txt").write_text(f"built in {project}, in the time zone {variables['TZ']}", "utf-8")

    with pytest.raises(release.NotReproducible, match=r"place\.txt"):
        release.build_twice([build], tmp_path)
    assert not (tmp_path / release.MANIFEST).exists()


def test_two_equal_builds_have_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "copy_project", Path.mkdir)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")

    def build(_: Path, made: Path, variables: Mapping[str, str]) -> None:
        (made / "time.txt").write_text(variables["SOURCE_DATE_EPOCH"], "utf-8")

    release.build_twice([build], tmp_path)
    done = subprocess.run(["sha256sum", "--check", release.MANIFEST], cwd=tmp_path, capture_output=True, check=False)
    assert done.stdout == b"time.txt: OK\n"


def test_copy_has_what_the_commit_has_with_two_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, copy = tmp_path / "project", tmp_path / "copy"
    for name, mode in (("a.txt", 0o640), ("bin/run", 0o700), ("bin/left.pyc", 0o644)):
        file = project / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        file.chmod(mode)
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (["init"], ["add", "a.txt", "bin/run"], [*author, "commit", "--message", "all"]):
        subprocess.run(["git", *command], cwd=project, check=True, capture_output=True)
    monkeypatch.setattr(release, "ROOT", project)
    release.copy_project(copy)
    copied = {str(each.relative_to(copy)): each.stat().st_mode & 0o777 for each in copy.rglob("*") if each.is_file()}
    assert copied == {"a.txt": 0o644, "bin/run": 0o755}


def test_folder_with_other_files_is_not_emptied(tmp_path: Path) -> None:
    kept = tmp_path / "thesis.txt"
    kept.touch()
    with pytest.raises(SystemExit, match="no folder of an earlier release"):
        release.empty(tmp_path)
    assert kept.exists()
    (tmp_path / release.MANIFEST).touch()
    release.empty(tmp_path)
    assert list(tmp_path.iterdir()) == []
