"""The smallest tree that the gate accepts, to begin a protocol with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from conformance.gate.inputs.table_columns import REQUIRED, header, needed
from conformance.gate.model.release import ReleaseError
from conformance.protocol.requirements import LOCK_NAME, to_json
from conformance.specification.statements import Spec

_README = """# Protocol 1.0

The last word of this title is the version. It stands here only, and in `CHANGELOG.md`.

| chapter | ids |
|---|---|
| [Messages](01-messages.md) | MSG |
"""
_CHAPTER = """# Messages (MSG)

**[MSG-001]** A client MUST send a greeting as its first message.

[`greeting.schema.json`](../schemas/greeting.schema.json) states the greeting.
"""
_CHANGELOG = """# Changelog

### Protocol 1.0

The first version.
"""
_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://protocol.example/schemas/1/greeting.schema.json",
    "title": "Greeting",
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}
_VECTOR = {
    "id": "greeting/name",
    "description": "A greeting with a name.",
    "requirements": ["MSG-001"],
    "state": "new",
    "body": {"text": '{"name":"x"}'},
    "expect": {"outcome": "accepted"},
}
_ROWS = {
    "states": "| new | greeting | open |",
    "messages": "| any | greeting | client | request | greeting |",
}


def write_tree(root: Path) -> list[Path]:
    """Write the smallest tree into a folder, and return its files.

    Raises:
        ReleaseError: the folder has something in it already, or cannot be written.
    """
    files = {
        "spec/README.md": _README,
        "spec/01-messages.md": _CHAPTER + "".join(_tables()),
        "schemas/greeting.schema.json": json.dumps(_SCHEMA, indent=2) + "\n",
        "schemas/vectors/greeting.json": json.dumps({"vectors": [_VECTOR]}, indent=2) + "\n",
        "CHANGELOG.md": _CHANGELOG,
    }
    try:
        if root.exists() and any(root.iterdir()):
            raise ReleaseError(f"{root}: not empty; name a new folder")
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, "utf-8")
        lock = root / "spec" / LOCK_NAME
        lock.write_text(to_json(Spec.read(root / "spec").requirements()), "utf-8")
    except OSError as error:
        raise ReleaseError(f"{root}: cannot be written ({error})") from None
    return [*(root / name for name in files), lock]


def _tables() -> Iterator[str]:
    """Write every table that a tree needs; most have no rows yet."""
    for name in REQUIRED:
        rule = f"|{'---|' * len(needed(name))}"
        rows = f"{_ROWS[name]}\n" if name in _ROWS else ""
        yield f"\n## The table of {name}\n\n<!-- {name} -->\n{header(name)}\n{rule}\n{rows}"
