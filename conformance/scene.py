"""One case's view of the target: its connections, its names, its trace."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Iterator
from contextlib import contextmanager

from conformance.chop import Chopper
from conformance.connection import Connection
from conformance.process import ServerProcess
from conformance.target import RESPONDER_APP, Target
from conformance.trace import Trace
from conformance.verdicts import TargetError, Unsupported, Violation


class Scene:
    """What a case function is given.

    Args:
        target: the server under test.
        seed: seeds :attr:`random`, so that a case with chance in it can be repeated.
    """

    def __init__(self, target: Target, *, seed: int) -> None:
        self.target = target
        self.settings = target.settings
        self.random = random.Random(seed)
        self.trace = Trace()
        self._chopper = Chopper(target.settings.chop, seed)
        self._connections: list[Connection] = []

    @property
    def time_scale(self) -> float:
        """The factor on every deadline."""
        return self.target.time_scale

    def name(self, kind: str) -> str:
        """Return a name for a channel, an application or a connection that nothing else uses."""
        return self.target.fresh(kind)

    def open(self, *, app: str = RESPONDER_APP, connection_id: str | None = None) -> Connection:
        """Open a connection without a handshake.

        Raises:
            Violation: the server does not accept connections any more.
        """
        label = self._next_label()
        try:
            connection = Connection(label, self.target.address, self.trace, self.target.patience, self._chopper)
        except TargetError as error:
            raise Violation("the server does not accept a connection", received=str(error)) from None
        connection.app_id = app
        connection.connection_id = connection_id or self.name(label)
        self._connections.append(connection)
        return connection

    def connect(self, *, app: str = RESPONDER_APP, connection_id: str | None = None) -> Connection:
        """Open a connection and complete the handshake.

        Raises:
            Violation: the server does not accept it, or answers wrongly.
        """
        connection = self.open(app=app, connection_id=connection_id)
        connection.handshake()
        return connection

    def wait(self, seconds: float) -> None:
        """Let time pass, for what cannot be seen to have happened."""
        self._chopper.settle()
        time.sleep(seconds)

    def check_alive(self) -> None:
        """Show that the server still serves a new connection (ISO-006).

        Raises:
            Violation: it does not.
        """
        self.trace.event("*", "is the server still serving?")
        self.connect().expect_silence()

    @contextmanager
    def own_server(self) -> Iterator[ServerProcess]:
        """Point this scene at a server process of its own, for a case that ends it.

        Raises:
            Unsupported: the kit was given an address, not a command.
        """
        if not self.target.options.command:
            raise Unsupported("needs a server that the kit starts itself (--server-cmd)")
        process = self.target.spawn()
        shared, self.target.address = self.target.address, process.address
        try:
            yield process
        finally:
            self.close()
            self.target.address = shared
            process.stop()

    def close(self) -> None:
        """Close every connection of the scene."""
        self._chopper.forget()
        for connection in self._connections:
            connection.discard()

    def _next_label(self) -> str:
        number, letter = divmod(len(self._connections), 26)
        return string.ascii_uppercase[letter] + (str(number) if number else "")
