"""Mutants of the Node.js client: edits of a copy of its source, which the driver loads instead."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from client_mutants import MUTANTS
from mutation import CONTROL, ClientMutant

from conformance.core.roles import Role
from conformance.core.settings import Settings
from conformance.targets.client import ClientTarget
from conformance.targets.config import TargetConfig

HARNESS = Path(__file__).parents[2] / "node_harness"


class ClientLaboratory:
    """Creates clients."""

    role: Role = "client"
    sanity = (
        "client-encoding/keeps-an-object",
        "client-publish/publish-with-an-object",
        "client-requests/unknown-members",
    )
    without: Mapping[str, str] = MappingProxyType({})

    def mutants(self) -> Mapping[str, ClientMutant]:
        """Return every mutant by name."""
        return MUTANTS

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
            for edit in MUTANTS[name].edits if name != CONTROL else ():
                edit.apply(package / "client")
            driver = shlex.join(["node", str(HARNESS / "driver.js"), "--package", str(package)])
            yield ClientTarget(TargetConfig(client=driver), settings)
