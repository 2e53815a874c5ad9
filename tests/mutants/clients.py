"""Mutants of the Node.js client and of the asyncio client: edits of a copy of the source, which the driver loads."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import client_mutants
import lifetime_client_mutants
import promises_client_mutants
import python_client_mutants
from mutation import CONTROL, ClientMutant

from conformance.core.roles import Role
from conformance.core.settings import Settings
from conformance.targets.client import ClientTarget
from conformance.targets.config import TargetConfig

NODE_MUTANTS = client_mutants.MUTANTS | lifetime_client_mutants.MUTANTS | promises_client_mutants.MUTANTS
HARNESS = Path(__file__).parents[2] / "node_harness"
PYTHON_PACKAGE = Path(__file__).parents[2] / "reference_server"
SANITY = (
    "client-encoding/keeps-an-object",
    "client-publish/publish-with-an-object",
    "client-requests/unknown-members",
)


class ClientLaboratory:
    """Creates Node.js clients."""

    name = "client"
    role: Role = "client"
    sanity = SANITY
    without: Mapping[str, str] = MappingProxyType({})

    def mutants(self) -> Mapping[str, ClientMutant]:
        """Return every mutant by name."""
        return NODE_MUTANTS

    def explore(self, time_scale: float) -> None:
        """Return nothing: a client is a new process in every case."""

    @contextmanager
    def made(self, name: str, known: None, settings: Settings) -> Iterator[ClientTarget]:  # noqa: ARG002
        """Edit a copy of the client.

        Raises:
            PatchError: the text that an edit replaces does not occur exactly once.
        """
        with tempfile.TemporaryDirectory(prefix="ipc-mutant-") as folder:
            package = Path(folder) / "client"
            shutil.copytree(HARNESS / "client", package / "client")
            shutil.copy(HARNESS / "package.json", package)
            for edit in NODE_MUTANTS[name].edits if name != CONTROL else ():
                edit.apply(package / "client")
            driver = shlex.join(["node", str(HARNESS / "driver.js"), "--package", str(package)])
            yield ClientTarget(TargetConfig(client=driver), settings)


class PythonClientLaboratory:
    """Creates asyncio clients."""

    name = "python-client"
    role: Role = "client"
    sanity = SANITY
    without: Mapping[str, str] = MappingProxyType({})

    def mutants(self) -> Mapping[str, ClientMutant]:
        """Return every mutant by name."""
        return python_client_mutants.MUTANTS

    def explore(self, time_scale: float) -> None:
        """Return nothing: a client is a new process in every case."""

    @contextmanager
    def made(self, name: str, known: None, settings: Settings) -> Iterator[ClientTarget]:  # noqa: ARG002
        """Edit a copy of the package, and run its driver in the folder that has it, which Python looks at first.

        Raises:
            PatchError: the text that an edit replaces does not occur exactly once.
        """
        with tempfile.TemporaryDirectory(prefix="ipc-mutant-") as folder:
            package = Path(folder) / PYTHON_PACKAGE.name
            shutil.copytree(PYTHON_PACKAGE, package)
            for edit in python_client_mutants.MUTANTS[name].edits if name != CONTROL else ():
                edit.apply(package / "client")
            driver = shlex.join([sys.executable, "-m", "reference_server.client.driver"])
            yield ClientTarget(TargetConfig(client=driver, folder=Path(folder)), settings)
