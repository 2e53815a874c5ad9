"""Accepting connections, also when the system has no descriptors left."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

# Long enough to cost nothing while no descriptor is free, short enough that no client notices it afterwards.
_PAUSE: Final = 0.25

_log = logging.getLogger("reference_server")


class Acceptor:
    """Accepts the connections of one listening socket.

    asyncio's own server reports the same lack of descriptors hundreds of times a second. This one waits, and logs one
    line when it begins to fail and one when it accepts again.

    Args:
        listener: A bound socket that does not block; `close` closes it.
        backlog: How many connections may wait to be accepted.
        factory: Makes the protocol of a connection.
    """

    def __init__(self, listener: socket.socket, backlog: int, factory: Callable[[], asyncio.Protocol]) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._factory = factory
        self._failing = False
        self._beginning: set[asyncio.Task[None]] = set()
        listener.listen(backlog)
        self._task = self._loop.create_task(self._run(), name="accept")

    async def close(self) -> None:
        """Accept no more; connections that were accepted go on."""
        self._task.cancel()
        await asyncio.wait([self._task])
        self._listener.close()
        if self._beginning:
            await asyncio.wait(self._beginning)

    async def _run(self) -> None:
        while True:
            try:
                connection, _ = await self._loop.sock_accept(self._listener)
            except ConnectionAbortedError:  # the client left before
                continue
            except OSError as error:
                self._note_failure(error)
                await asyncio.sleep(_PAUSE)
                continue
            self._note_success()
            task = self._loop.create_task(self._begin(connection))
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)
            await asyncio.sleep(0)  # so that a flood of connections leaves time for those that exist

    async def _begin(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, connection)
        except Exception:  # noqa: BLE001 - whatever it is, the next connections are accepted
            connection.close()
            _log.exception("a connection could not begin")

    def _note_failure(self, error: OSError) -> None:
        if not self._failing:
            _log.error("cannot accept connections: %s; trying again every %s s", error.strerror or error, _PAUSE)
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            _log.info("accepting connections again")
        self._failing = False
