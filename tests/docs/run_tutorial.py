"""Follow a tutorial to the letter: ``python tests/docs/run_tutorial.py docs/FILE.md`` from the root of the project.

What it does with the fenced blocks of the file, one after the other, in a copy of the project in a temporary folder:

- ``console`` runs each line that begins with ``$`` and compares what it prints with the lines below, where ``...``
  stands for anything. ``console status=1`` expects that exit status of the last command of the block.
- ``diff`` is applied; every file in it has to be as the diff says.
- any other language with ``file=PATH`` writes that file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_COPIED = (
    ".git",
    ".nox",
    ".venv",
    "node_modules",
    "*.egg-info",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
)


class Departure(Exception):
    """Something went otherwise than the tutorial says."""


def follow(tutorial: Path) -> None:
    """Follow the blocks of a tutorial."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, "project")
        shutil.copytree(Path.cwd(), copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
        for made in ("results", "build"):
            shutil.rmtree(copy / made, ignore_errors=True)
        pin_packages(copy, Path(place, "constraints.txt"))
        for language, options, content in FENCE.findall(tutorial.read_text("utf-8")):
            print(f"--- {language}{options}", flush=True)  # noqa: T201 - a command line tool
            do(copy, language, dict(part.split("=", 1) for part in options.split()), content)


def pin_packages(copy: Path, constraints: Path) -> None:
    """Let pip install the releases of the lock file, which a new release elsewhere does not change.

    Hashes are omitted: with them, pip would refuse the project itself, which has none.
    """
    locked = re.findall(
        r"^[\w.-]+==[^\\\n]+", (copy / ".ci" / "requirements" / "dev.txt").read_text("utf-8"), re.MULTILINE
    )
    constraints.write_text("\n".join(locked) + "\n", "utf-8")
    os.environ |= {"PIP_CONSTRAINT": str(constraints), "PIP_BUILD_CONSTRAINT": str(constraints)}
    os.environ["PIP_NO_COMPILE"] = "1"  # Python compiles what is imported, a tenth of it


def do(copy: Path, language: str, options: dict[str, str], content: str) -> None:
    """Do what a block says."""
    if language == "console":
        for command, expected in commands(content):
            is_last = content.rstrip().endswith((command, *expected[-1:]))
            run(copy, command, expected, int(options.get("status", 0)) if is_last else 0)
    elif language == "diff":
        apply = ["git", "apply", "--whitespace=nowarn", "-"]
        subprocess.run(apply, cwd=copy, input=content.encode(), check=True)
    elif "file" in options:
        file = copy / options["file"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, "utf-8")


def commands(content: str) -> Iterator[tuple[str, list[str]]]:
    """Find the commands of a block, each with the lines that it is to print."""
    for part in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
        command, *expected = part.replace("\\\n", "").splitlines()
        yield command, expected


def run(copy: Path, command: str, expected: list[str], status: int) -> None:
    """Run a command and compare what comes of it."""
    print(f"$ {command}", flush=True)  # noqa: T201
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    environment["PATH"] = f"{copy / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}"
    environment["COLUMNS"] = "300"
    done = subprocess.run(command, shell=True, cwd=copy, env=environment, capture_output=True, text=True, check=False)  # noqa: S602
    if done.returncode != status:
        raise Departure(f"{command}: status {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
    pattern = ".*".join(re.escape(piece) for piece in "\n".join(expected).strip().split("..."))
    if expected and not re.fullmatch(pattern, done.stdout.strip(), re.DOTALL):
        raise Departure(f"{command}: printed\n{done.stdout}\ninstead of\n{chr(10).join(expected)}")


if __name__ == "__main__":
    try:
        follow(Path(sys.argv[1]))
    except (Departure, subprocess.CalledProcessError) as error:
        sys.exit(f"the tutorial cannot be followed: {error}")
