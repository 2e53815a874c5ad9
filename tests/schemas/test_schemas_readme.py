"""The README beside the schemas: its Python runs, and its tables leave nothing out."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

README = (files("ipc_schemas") / "README.md").read_text("utf-8")


def test_python_examples_run() -> None:
    namespace: dict[str, Any] = {}
    examples = re.findall(r"^```python\n(.+?)^```$", README, re.MULTILINE | re.DOTALL)
    for example in examples:
        exec(example, namespace)  # noqa: S102 - the text is the project's own
    assert {"envelope", "quick"} <= namespace.keys()


def test_tables_name_every_file(schemas: dict[str, Any], vector_files: dict[str, Any]) -> None:
    linked = set(re.findall(r"\]\(([^)#]+\.json)\)", README))
    protocol = {f"{name}.schema.json" for name in schemas if "/" not in name}
    assert linked == protocol | {f"vectors/{name}.json" for name in vector_files} | {"tools/vectors.schema.json"}


def test_example_vector_is_a_real_one(vectors: list[Any]) -> None:
    identity = re.search(r'^  "id": "(.+)",$', README, re.MULTILINE)
    assert identity is not None
    (vector,) = (vector for vector in vectors if vector["id"] == identity[1])
    for member in ("description", "state", "requirements"):
        assert f'"{member}": ' in README
    assert vector["description"] in README
