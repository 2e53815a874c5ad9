"""The schemas, the vectors and the requirements, loaded once for the tests beside this file."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

BASE = "https://ipc-framework.example/schemas/1/"
SUFFIX = ".schema.json"
REQUIREMENT = re.compile(r"^\*\*\[([A-Z]{3}-[0-9]{3})\]\*\* (.+?)\n\n", re.MULTILINE | re.DOTALL)


def documents(folder: Traversable, prefix: str, suffix: str) -> dict[str, Any]:
    """Return the JSON files of a folder, by their path without the suffix."""
    found = sorted((file for file in folder.iterdir() if file.name.endswith(suffix)), key=lambda file: file.name)
    return {prefix + file.name.removesuffix(suffix): json.loads(file.read_bytes()) for file in found}


ROOT = files("ipc_schemas")
SCHEMAS = documents(ROOT, "", SUFFIX) | documents(ROOT / "tools", "tools/", SUFFIX)
VECTOR_FILES = documents(ROOT / "vectors", "", ".json")
VECTORS = [vector for document in VECTOR_FILES.values() for vector in document["vectors"]]


class Validators:
    """Both validators over all schemas, neither of which may go to the network."""

    def __init__(self) -> None:
        named = [(document["$id"], document) for document in SCHEMAS.values()]
        self.registry: Registry[Any] = Registry().with_resources(
            (uri, Resource.from_contents(document)) for uri, document in named
        )
        self._rust_registry = jsonschema_rs.Registry(named)
        self.pair = cache(self._build)

    def _build(self, reference: str) -> tuple[Draft202012Validator, Any]:
        schema = {"$ref": BASE + reference}
        rust = jsonschema_rs.Draft202012Validator(schema, registry=self._rust_registry, offline=True)
        return Draft202012Validator(schema, registry=self.registry), rust

    def accept(self, name: str, instance: Any, *, fragment: str = "") -> bool:
        """Tell whether the schema of that name accepts the instance, and that both validators say the same."""
        python, rust = self.pair(f"{name}{SUFFIX}{fragment}")
        verdict: bool = python.is_valid(instance)
        assert rust.is_valid(instance) == verdict, f"jsonschema says {verdict} under {name}, jsonschema-rs does not"
        return verdict


@pytest.fixture(scope="session")
def validators() -> Validators:
    return Validators()


@pytest.fixture(scope="session")
def requirements() -> dict[str, str]:
    """The sentence of every requirement, by its id."""
    chapters = (file for file in files("ipc_spec").iterdir() if file.name.endswith(".md"))
    return dict(pair for file in chapters for pair in REQUIREMENT.findall(file.read_text("utf-8") + "\n\n"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes ``schema_name``, ``vector_file`` or ``vector`` once for each of them."""
    for name, values in {"schema_name": list(SCHEMAS), "vector_file": list(VECTOR_FILES)}.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values)
    if "vector" in metafunc.fixturenames:
        metafunc.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])


@pytest.fixture
def schema(schema_name: str) -> Any:
    return SCHEMAS[schema_name]


@pytest.fixture
def vector_document(vector_file: str) -> Any:
    return VECTOR_FILES[vector_file]


@pytest.fixture(scope="session")
def schemas() -> dict[str, Any]:
    return SCHEMAS


@pytest.fixture(scope="session")
def vector_files() -> dict[str, Any]:
    return VECTOR_FILES


@pytest.fixture(scope="session")
def vectors() -> list[Any]:
    return VECTORS


@pytest.fixture(scope="session")
def fatal_codes() -> frozenset[str]:
    return frozenset(SCHEMAS["error-code"]["oneOf"][0]["enum"])
