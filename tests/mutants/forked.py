"""Servers as forks of this process, which has imported the reference server and the mutants."""

from __future__ import annotations

from forks import IS_LINUX, ForkedServer
from serve import serve

from conformance.targets.process import ServerProcess
from conformance.targets.server import ServerTarget


class MutantServer(ForkedServer):
    """A server that ``serve.py`` would start."""

    @staticmethod
    def serve(arguments: list[str]) -> None:
        """Patch the fork, and serve."""
        serve(arguments)


class ForkedTarget(ServerTarget):
    """A server target whose servers are forks, on Linux."""

    PROCESS = MutantServer if IS_LINUX else ServerProcess
