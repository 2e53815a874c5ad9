"""The context of a client case: the driven client, and the kit as its server."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from conformance.core.verdicts import Unsupported, Violation
from conformance.harness.context import CaseContext, letters
from conformance.peers.server import ServerPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.targets.client import ClientTarget
from conformance.transport.address import TRANSPORTS, TcpAddress, address_of, at_once

APP = "conformance"
BARRIER = "conformance.barrier"
QUICK_DELAY_MS = 50
BACKLOG = 50
LOOK_SECONDS = 0.01


class ClientContext(CaseContext):
    """The argument of a client's case function.

    Attributes:
        driver: sends commands to the client and receives its events.

    Args:
        target: the client under test.
        seed: seed of :attr:`random`, so that cases with randomness can be repeated.

    Raises:
        TargetError: the driver does not start.
    """

    def __init__(self, target: ClientTarget, *, seed: int) -> None:
        super().__init__(target, seed=seed)
        self._patience = target.patience
        self._ends: list[ServerPeer] = []
        self._folder = TemporaryDirectory(prefix="ipc-conformance-")
        kind = TRANSPORTS[target.options.transport or TcpAddress.transport]
        self._listener = kind.listen_anywhere(Path(self._folder.name), BACKLOG)
        self.address = address_of(self._listener)
        try:
            self.driver = target.drive(self.trace, self._segmenter.settle)
        except BaseException:
            self._listener.close()
            self._folder.cleanup()
            raise

    # -- the client ------------------------------------------------------------------------------------------------

    def create(self, *, app_id: str = APP, **options: Any) -> None:
        """Construct the client, pointed at the kit.

        It does not reconnect after a loss, unless ``options`` say so.
        """
        usual = {"reconnect_attempts": 0, "reconnect_delay_ms": QUICK_DELAY_MS}
        self.driver.ask("create", app_id=app_id, **self.address.client_options, **usual | options)

    def begin_connecting(self, **options: Any) -> int:
        """Construct the client and tell it to connect; return the id of that command."""
        self.create(**options)
        return self.driver.begin("connect")

    def connect(self, *, acknowledgement: dict[str, Any] | None = None, **options: Any) -> ServerPeer:
        """Construct the client, have it connect, acknowledge it, and return the kit's end of the connection.

        Args:
            acknowledgement: additional members of the acknowledgement's payload.
            options: options of the client; see :meth:`create`.

        Raises:
            Violation: it sent a bad connect message, or does not report that it is connected.
        """
        asked = self.begin_connecting(**options)
        end = self.accept()
        end.shake_hands(**acknowledgement or {})
        self.expect_connected(asked)
        return end

    def expect_connected(self, asked: int) -> None:
        """Show that the command ``connect`` with that id succeeded.

        Raises:
            Violation: it did not.
        """
        if not self.driver.finish(asked)["connected"]:
            raise Violation("the client did not connect to a server that accepts it", expected="connected: true")

    def expect_not_connected(self, asked: int) -> None:
        """Show that the command ``connect`` with that id failed, as an error or with false (HSK-012).

        Raises:
            Violation: it succeeded.
        """
        answer = self.driver.answer(asked)
        if "error" not in answer and answer["result"]["connected"]:
            raise Violation("the client says that it is connected, and nobody accepted it", expected="connected: false")

    # -- the kit's side --------------------------------------------------------------------------------------------

    def accept(self, seconds: float | None = None) -> ServerPeer:
        """Return the next connection of the client.

        Args:
            seconds: how long to wait; the usual patience by default.

        Raises:
            Violation: it did not connect in time.
        """
        end = self.accept_within(self._patience if seconds is None else seconds)
        if end is None:
            raise Violation("the client did not connect in time", expected="a connection", received="none")
        return end

    def welcome_back(self) -> ServerPeer:
        """Accept the client's automatic reconnect, and wait until it reports that it is connected.

        Raises:
            Violation: it does not connect or report in time.
        """
        end = self.accept()
        end.shake_hands()
        deadline = time.monotonic() + self._patience
        while not self.driver.ask("connection_info")["connected"]:
            if time.monotonic() > deadline:
                raise Violation("the client does not say that it is connected again", expected="connected: true")
            self.wait(LOOK_SECONDS)
        return end

    def accept_within(self, seconds: float) -> ServerPeer | None:
        """Return the next connection of the client, or None if there is none within ``seconds``."""
        self._segmenter.settle()
        self._listener.settimeout(seconds)
        try:
            connected, _ = self._listener.accept()
        except TimeoutError:
            self.trace.event("*", f"no connection came for {seconds:g} s")
            return None
        label = letters(len(self._ends))
        end = ServerPeer(label, at_once(connected), self.trace, self._patience, self._segmenter)
        self._ends.append(end)
        return end

    def expect_no_connection(self, seconds: float, why: str) -> None:
        """Show that the client does not connect for some time; no barrier could show it sooner.

        Raises:
            Violation: it does.
        """
        if self.accept_within(seconds * self.time_scale):
            raise Violation(why, expected="no connection", received="a connection")

    def settle(self, end: ServerPeer) -> list[Message]:
        """Let the client send one more request and answer it; return the messages that it sent before that request.

        By then the client has processed all earlier messages, and its events about them have arrived.

        Raises:
            Violation: the request did not come, or its answer did not reach the user.
        """
        asked = self.driver.begin("send_request", channel=BARRIER, payload=None)
        before = []
        while (message := end.receive("the client's request"))["channel_id"] != BARRIER:
            before.append(message)
        end.respond(message, "through")
        answer = self.driver.finish(asked)["response"]
        if answer.get("payload") != "through":
            raise Violation("a request resolved to another response than its own", received=codec.shorten(answer))
        return before

    def subscribe(self, end: ServerPeer, channel: str, **members: Any) -> Message:
        """Let the client subscribe, and return its subscribe message."""
        self.driver.ask("subscribe", channel=channel, **members)
        return self._take_subscription(end, "subscribe", channel)

    def subscribe_early(self, channel: str) -> None:
        """Let the client subscribe before it is connected.

        Raises:
            Unsupported: it refuses; no rule requires it.
        """
        if "error" in self.driver.answer(self.driver.begin("subscribe", channel=channel)):
            raise Unsupported("the client takes no subscription before it is connected")

    def unsubscribe(self, end: ServerPeer, channel: str, **members: Any) -> Message:
        """Let the client unsubscribe, and return its unsubscribe message."""
        self.driver.ask("unsubscribe", channel=channel, **members)
        return self._take_subscription(end, "unsubscribe", channel)

    def handed_over(self, end: ServerPeer) -> list[dict[str, Any]]:
        """Return the events ``message`` so far: the messages that the client passed to its handlers, in order."""
        self.settle(end)
        return self.driver.take("message")

    def close(self) -> None:
        """End the client, and close all connections and the listening socket."""
        super().close()
        self.driver.stop()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.discard()
        self._listener.close()
        self._folder.cleanup()

    def stop_listening(self) -> None:
        """Refuse connections from now on."""
        self._listener.close()

    @staticmethod
    def _take_subscription(end: ServerPeer, kind: str, channel: str) -> Message:
        message = end.take(kind, channel)
        if message["payload"]["connection_id"] != end.connection_id:
            raise Violation(
                f"a {kind} does not have the client's own connection_id (SUB-001)",
                expected=end.connection_id,
                received=codec.shorten(message["payload"]),
            )
        return message
