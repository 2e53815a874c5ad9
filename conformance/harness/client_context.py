"""The context of a client case: the driven client, and the kit as its server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sized
from pathlib import Path
from typing import Any

from conformance.core.files import temporary_folder
from conformance.core.verdicts import Late, Unsupported, Violation
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
EARLY_SECONDS = 0.15
"""How long a command waits for its answer where a client may answer only when it is connected."""
ACCEPT_SECONDS = 0.05
"""How long to wait for a connection before looking whether the client has given up."""


def missing(events: Sized, count: int) -> type[Violation]:
    """Return what to raise about events: if there are too few of them, the others may only be late."""
    return Late if len(events) < count else Violation


class ClientContext(CaseContext):
    """The argument of a client's case function.

    Attributes:
        driver: sends commands to the client and receives its events.
        reads_ahead: whether the kit reads what the client sends while it waits for the driver.

    Args:
        target: the client under test.
        seed: seed of :attr:`random`, so that cases with randomness can be repeated.

    Raises:
        TargetError: the driver does not start.
    """

    def __init__(self, target: ClientTarget, *, seed: int) -> None:
        super().__init__(target, seed=seed)
        self.reads_ahead = True
        self._patience = target.patience
        self._ends: list[ServerPeer] = []
        self._folder = temporary_folder()
        kind = TRANSPORTS[target.options.transport or TcpAddress.transport]
        self._listener = kind.listen_anywhere(Path(self._folder.name), BACKLOG)
        self.address = address_of(self._listener)
        try:
            self.driver = target.drive(self.trace, self._segmenter.settle, self._read_ahead)
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
            raise Late("the client did not connect in time", expected="a connection", received="none")
        return end

    def accept_back(self) -> ServerPeer:
        """Accept the client's reconnect; tell it to connect if it does not by itself: no rule says after which losses.

        Raises:
            Unsupported: it refuses; no rule says that a client can be used again.
            Violation: it does not connect in time.
        """
        return self.accept_within(self._patience) or self.accept_again(self.driver.begin("connect"))

    def accept_again(self, asked: int) -> ServerPeer:
        """Return the connection that the client makes because the command ``connect`` with that id is not its first.

        Raises:
            Unsupported: it refuses; no rule says that a client can be used again.
            Violation: it says that it is connected, and has no connection; or it does not connect in time.
        """
        deadline = time.monotonic() + self._patience
        while (end := self.accept_within(ACCEPT_SECONDS)) is None:
            if self.driver.is_answered(asked):
                self.expect_not_connected(asked)
                raise Unsupported("the client does not connect again when it is told to")
            if time.monotonic() > deadline:
                raise Late("the client did not connect in time", expected="a connection", received="none")
        return end

    def welcome_back(self) -> ServerPeer:
        """Accept the client's reconnect, see :meth:`accept_back`, and wait until it reports that it is connected.

        Raises:
            Unsupported: it does not connect again.
            Violation: it does not connect or report in time.
        """
        end = self.accept_back()
        end.shake_hands()
        self.await_connected(True, "the client does not say that it is connected again")
        return end

    def await_loss(self) -> None:
        """Wait until the client has noticed that its connection is lost.

        Raises:
            Violation: it does not in time.
        """
        self.await_connected(False, "the client says that it is connected after its connection was lost")

    def await_connected(self, connected: bool, why: str) -> None:
        """Wait until the client reports that it is connected, or not: it may report later than it acts.

        Raises:
            Violation: it does not report it in time.
        """
        deadline = time.monotonic() + self._patience
        while self.driver.ask("connection_info")["connected"] is not connected:
            if time.monotonic() > deadline:
                raise Late(why, expected=f"connected: {str(connected).lower()}")
            self.wait(LOOK_SECONDS)

    def expect_exit(self) -> None:
        """Tell the driver to exit, and show that its process ends by itself.

        Raises:
            Violation: it does not end in time, or not with status 0.
        """
        status = self.driver.exit_status()
        if status != 0:
            kind = Late if status is None else Violation
            raise kind("the client's process did not end by itself", expected="exit status 0", received=str(status))

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

        By then the client has received all earlier messages. Its events about them may follow: a client may call its
        handlers in another thread.

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
        message = end.take("subscribe", channel)
        end.expect_own_id(message)
        return message

    def begin_early(self, command: str, channel: str) -> int:
        """Let the client subscribe or unsubscribe while it is not connected; return the id of the command.

        A client may answer only when it is connected; :meth:`expect_taken` waits for that.
        """
        asked = self.driver.begin(command, channel=channel)
        self.driver.is_answered(asked, EARLY_SECONDS * self.time_scale)
        return asked

    def expect_prompt(self, *asked: int) -> None:
        """Show that commands of :meth:`begin_early` have been answered: calls that wait together have no order.

        Raises:
            Unsupported: the client answers only when it is connected.
        """
        if not all(map(self.driver.is_answered, asked)):
            raise Unsupported("the client changes a subscription only when it is connected")

    def expect_taken(self, *asked: int) -> None:
        """Wait for the answers to commands of :meth:`begin_early`, now that the client is connected.

        Raises:
            Unsupported: it refused one; no rule requires it.
            Violation: no answer came.
        """
        if any("error" in self.driver.answer(each) for each in asked):
            raise Unsupported("the client changes no subscription while it is not connected")

    def react(self, channel: str, handler: str, action: str, /, **members: Any) -> None:
        """Let the client add a handler that obeys a command at its first call; see :meth:`reaction`.

        Raises:
            Unsupported: the driver does not know how.
        """
        if "react" not in self.driver.capabilities["commands"]:
            raise Unsupported("the driver does not know the command react")
        self.driver.ask("react", channel=channel, handler=handler, action={"command": action} | members)

    def reaction(self) -> dict[str, Any]:
        """Wait until a handler has done what :meth:`react` told it to, and return what came of it: result or error.

        Raises:
            Unsupported: the driver skipped it.
            Violation: it does not end in time.
        """
        event = self.driver.expect("reacted")
        if "skipped" in event:
            raise Unsupported(f"the driver skipped a command: {event['skipped']}")
        return event

    def unsubscribe(self, end: ServerPeer, channel: str) -> None:
        """Let the client unsubscribe.

        No rule asks for an unsubscribe message: a client may send it later, or only drop what arrives on the channel.
        """
        end.left.add(channel)
        self.driver.ask("unsubscribe", channel=channel)

    def handed_over(self, end: ServerPeer, count: int) -> list[dict[str, Any]]:
        """Return the events ``message`` so far: the messages that the client passed to its handlers.

        Args:
            end: the connection, whose earlier messages the client has received by then.
            count: how many events to wait for; fewer are returned if they do not come in time.
        """
        self.settle(end)
        return self.driver.gather("message", count)

    def close(self) -> None:
        """End the client, and close all connections and the listening socket."""
        super().close()
        self.driver.stop()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.discard()
        self._listener.close()
        self._folder.cleanup()

    def output(self) -> str:
        """Return the end of the client's own output."""
        return self.driver.tail()

    def stop_listening(self) -> None:
        """Refuse connections from now on."""
        self._listener.close()

    def _read_ahead(self) -> None:
        """Read on every connection, and end those that the client ended, while the driver works on a command.

        A client may wait until its octets have been read, or for the end of the server's stream.
        """
        for end in self._ends if self.reads_ahead else ():
            end.read_ahead()
            end.answer_end()
