"""Build what a release consists of, twice, and write it with its digests to a folder; fails if the builds differ.

``python .ci/release.py FOLDER`` needs a clean checkout, npm and uv. It writes wheel, sdist, npm tarball and SBOM, and
asks twine and npm what they would say about them. Nothing is published.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
NODE = "node_harness"
MANIFEST = "SHA256SUMS"
SURROUNDINGS: tuple[Mapping[str, str], ...] = (
    {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
    {"TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "2"},
)
"""What two people who build the same commit may have set differently."""
Build = Callable[[Path, Path, Mapping[str, str]], None]
"""Writes files to a folder: takes a copy of the project, that folder, and the variables to build with."""


class NotReproducible(Exception):
    """Two builds of the same files differ."""


def main() -> None:
    """Build, compare, check, and write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder.absolute()
    try:
        if changed := _said("git", "status", "--porcelain"):
            sys.exit(f"a release is built from a commit, and these files are not committed:\n{changed}")
        empty(folder)
        build_twice([distributions, tarball, sbom], folder)
        check(folder)
    except (NotReproducible, subprocess.CalledProcessError) as error:
        sys.exit(f"no release: {error}")
    sys.stdout.write((folder / MANIFEST).read_text("utf-8"))


def empty(folder: Path) -> None:
    """Make an empty folder, or empty one that an earlier release filled; exit if it has anything else."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / MANIFEST).exists():
        sys.exit(f"{folder} is no folder of an earlier release: it has files and no {MANIFEST}")
    shutil.rmtree(folder)
    folder.mkdir()


def build_twice(builds: list[Build], folder: Path) -> None:
    """Build in two copies of the project, write the files and their digests to a folder.

    Raises:
        NotReproducible: the files of the two builds differ.
    """
    found = []
    for surroundings in SURROUNDINGS:
        with tempfile.TemporaryDirectory() as place:
            project, made = Path(place, "project"), Path(place, "made")
            copy_project(project)
            made.mkdir()
            for build in builds:
                build(project, made, {**os.environ, "SOURCE_DATE_EPOCH": str(epoch()), **surroundings})
            found.append(manifest(made))
            shutil.copytree(made, folder, dirs_exist_ok=True)
    if found[0] != found[1]:
        raise NotReproducible("\n".join(["the builds differ", *sorted(set(found[0]) ^ set(found[1]))]))
    (folder / MANIFEST).write_text("".join(f"{line}\n" for line in found[0]), "utf-8")


def epoch() -> int:
    """Return the time that the files state, in seconds: SOURCE_DATE_EPOCH, or the time of the commit."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or _said("git", "log", "-1", "--format=%ct"))


def copy_project(folder: Path) -> None:
    """Copy the files of the commit, with modes that are the same everywhere."""
    with tempfile.TemporaryDirectory() as place:
        packed = Path(place, "commit.tar")
        _said("git", "-c", "tar.umask=0022", "archive", f"--output={packed}", "HEAD")
        _unpack(packed, folder)


def _unpack(packed: Path, folder: Path) -> None:
    """Unpack an archive; Python 3.11.3 and older have no filters."""
    with tarfile.open(packed) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202 - filtered where Python can, and made by these commands


def distributions(project: Path, made: Path, variables: Mapping[str, str]) -> None:
    """Build the sdist, and the wheel from the sdist, which shows that the sdist is complete."""
    _hook("sdist", project, made, variables)
    (sdist,) = made.glob("*.tar.gz")
    normalize(sdist, int(variables["SOURCE_DATE_EPOCH"]))
    with tempfile.TemporaryDirectory() as place:
        _unpack(sdist, Path(place))
        _hook("wheel", Path(place, sdist.name.removesuffix(".tar.gz")), made, variables)


def _hook(kind: str, project: Path, made: Path, variables: Mapping[str, str]) -> None:
    """Have setuptools build a wheel or an sdist; the environment has setuptools, so pip need not isolate it."""
    # The mode of files that setuptools generates would depend on the umask.
    make = f"import os; os.umask(0o022); from setuptools import build_meta; build_meta.build_{kind}({str(made)!r})"
    _run([sys.executable, "-c", make], project, variables)


def normalize(sdist: Path, seconds: int) -> None:
    """Write an sdist again without what depends on the machine: times, owners, modes, and the order of files."""
    packed = io.BytesIO()
    with (
        tarfile.open(sdist) as old,
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=seconds) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            plain = tarfile.TarInfo(member.name)
            plain.type, plain.size, plain.mtime = member.type, member.size, seconds
            plain.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            new.addfile(plain, old.extractfile(member) if member.isfile() else None)
    sdist.write_bytes(packed.getvalue())


def tarball(project: Path, made: Path, variables: Mapping[str, str]) -> None:
    """Pack the Node.js client; npm itself writes the same time and modes everywhere."""
    _run(["npm", "pack", "--silent", "--pack-destination", str(made)], project / NODE, variables)


def sbom(project: Path, made: Path, variables: Mapping[str, str]) -> None:
    """List what an installation of the wheel consists of, in the locked versions, as CycloneDX.

    The npm package has no dependencies.
    """
    (wheel,) = made.glob("*.whl")
    name, version, *_ = wheel.name.split("-")
    with tempfile.TemporaryDirectory() as place:
        lock, stated = str(project / ".ci" / "requirements" / "test.txt"), Path(place, "pyproject.toml")
        _run(["uv", "venv", "--quiet", "--python", sys.executable, f"{place}/venv"], project, variables)
        install = ("install", "--quiet", "--python", f"{place}/venv", "--constraint", lock, "-r", "pyproject.toml")
        _run(["uv", "pip", *install], project, variables)
        # The tool reads pyproject.toml only, and the version of this project is in a module.
        text = (project / "pyproject.toml").read_text("utf-8")
        stated.write_text(text.replace('dynamic = ["version"]', f'version = "{version}"'), "utf-8")
        shape = ("--output-reproducible", "--validate", "-o", str(made / f"{name}-{version}.cdx.json"))
        _run(["cyclonedx-py", "environment", "--pyproject", str(stated), *shape, f"{place}/venv"], project, variables)


def check(folder: Path) -> None:
    """Ask twine and npm what they would say about the files; neither publishes anything or needs a login."""
    packages = sorted(str(each) for each in folder.iterdir() if each.name.endswith((".whl", ".tar.gz")))
    (npm_tarball,) = map(str, folder.glob("*.tgz"))
    _run([sys.executable, "-m", "twine", "check", "--strict", *packages], folder, os.environ)
    _run(["npm", "publish", npm_tarball, "--dry-run", "--offline"], folder, os.environ)


def manifest(folder: Path) -> list[str]:
    """Return the digests of the files in a folder, in the form that ``sha256sum --check`` reads."""
    files = sorted(each for each in folder.iterdir() if each.is_file())
    return [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}" for each in files]


def _run(command: list[str], folder: Path, variables: Mapping[str, str]) -> None:
    """Run a command; show what it says only if it fails."""
    done = subprocess.run(  # noqa: S603 - commands of this file
        command, cwd=folder, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
        done.check_returncode()


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - git
    return done.stdout.strip()


if __name__ == "__main__":
    main()
