"""Mutated trees: whatever is in its files, the gate ends with a judgement, or with one line and status 2.

``python tests/gate/fuzz.py FIRST LAST`` tries the seeds of a range and prints a table of the exit statuses.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from click.testing import CliRunner
from protocol_tree import Workshop

from conformance.cli.gate import gate

VALUES: tuple[Any, ...] = (None, True, 0, -1, 1e300, "", "x", "\ud800", [], {}, [[]], {"$ref": "#"}, {"a": {"b": 1}})
WORDS = ("|", "---", "<!--", "-->", "<!-- limits -->", "**[SYS-001]**", "MUST", "1.0", "`", "\x00", "*Since: 9.9.*")
PLACES = ("spec/*.md", "spec/*.json", "spec/releases/*.json", "schemas/*.json", "schemas/vectors/*.json", "*.md")


def mutate(root: Path, random: Random) -> Path:
    """Change one file of a tree in a random way, and return it."""
    files = sorted(path for pattern in PLACES for path in root.glob(pattern) if path.is_file())
    path = random.choice(files)
    change = random.choice(
        (_octets, _lines, _words, _value, _whole) if path.suffix == ".json" else (_octets, _lines, _words, _whole)
    )
    change(path, random)
    return path


def _octets(path: Path, random: Random) -> None:
    octets = bytearray(path.read_bytes())
    for _ in range(random.randint(1, 3)):
        if octets:
            octets[random.randrange(len(octets))] = random.randrange(256)
    path.write_bytes(bytes(octets))


def _lines(path: Path, random: Random) -> None:
    lines = path.read_bytes().split(b"\n")
    at, other = random.randrange(len(lines)), random.randrange(len(lines))
    action = random.randrange(4)
    if action == 0:
        del lines[at : at + random.randint(1, 9)]
    elif action == 1:
        lines.insert(other, lines[at])
    elif action == 2:
        lines[at], lines[other] = lines[other], lines[at]
    else:
        del lines[at:]
    path.write_bytes(b"\n".join(lines))


def _words(path: Path, random: Random) -> None:
    words = path.read_bytes().split(b" ")
    words[random.randrange(len(words))] = random.choice(WORDS).encode()
    path.write_bytes(b" ".join(words))


def _value(path: Path, random: Random) -> None:
    """Replace a value somewhere in a JSON file, or delete it."""
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    containers = [each for each in _containers(document) if each]
    if not containers:
        return
    chosen = random.choice(containers)
    key = random.choice(list(chosen) if isinstance(chosen, dict) else range(len(chosen)))
    if random.random() < 0.3:
        del chosen[key]
    else:
        chosen[key] = random.choice(VALUES)
    path.write_text(json.dumps(document, indent=1), "utf-8")


def _containers(value: Any) -> list[Any]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [
        *([value] if isinstance(value, dict | list) else []),
        *(each for one in inside for each in _containers(one)),
    ]


def _whole(path: Path, random: Random) -> None:
    action = random.randrange(4)
    if action == 0:
        path.unlink()
    elif action == 1:
        path.write_bytes(b"")
    elif action == 2:
        path.unlink()
        path.mkdir()
    else:
        path.write_text("[" * random.choice((1, 5000)), "utf-8")


def attempt(seed: int, folder: Path) -> int:
    """Mutate a tree, let the gate judge or freeze it, and return the status. Raises AssertionError if it is wrong."""
    random = Random(seed)
    Workshop(folder, vectors=("batch",))
    run = CliRunner()
    assert run.invoke(gate, ["freeze", "1.0", "--tree", str(folder)]).exit_code == 0
    if random.random() < 0.8:  # otherwise it is stale after most changes
        (folder / "spec" / "requirements.json").unlink()
    changed = [mutate(folder, random) for _ in range(random.randint(1, 2))]
    command = random.choice(([], ["--format", "github"], ["--format", "json"], ["freeze", "1.0"]))
    result = run.invoke(gate, [*command, "--tree", str(folder)])
    told = f"seed {seed}, {[path.name for path in changed]}: {result.stderr[:300]}"
    assert result.exit_code in (0, 1, 2), f"{told} {result.exception!r}"
    assert "itself failed" not in result.stderr, told
    if result.exit_code == 2:
        assert len(result.stderr.splitlines()) == 1, told
    for path in changed:
        is_schema = path.parent.name in ("schemas", "vectors") and path.is_file()
        assert result.exit_code == 2 or not is_schema or _is_json(path), (
            f"not JSON, but status {result.exit_code}: {told}"
        )
    return result.exit_code


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return True


if __name__ == "__main__":
    first, last = map(int, sys.argv[1:3])
    statuses: Counter[Any] = Counter()
    for number in range(first, last):
        with tempfile.TemporaryDirectory() as place:
            try:
                statuses[attempt(number, Path(place))] += 1
            except AssertionError as error:
                statuses["wrong"] += 1
                print(error, flush=True)  # noqa: T201 - a command line tool
    print(dict(statuses))  # noqa: T201
