"""One client case's view: the driven client, the relay it connects through, the server behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from conformance.driver import Driver
from conformance.relay import Link, Relay
from conformance.scene import Scene
from conformance.target import RESPONDER_APP, Target
from conformance.verdicts import Violation

RECONNECT_DELAY_MS = 50
POLL_SECONDS = 0.005


class ClientScene(Scene):
    """What a client case function is given: a scene whose server is a counterpart, and the client under test.

    Args:
        target: the server behind the relay; its options name the driver.
        seed: seeds :attr:`random`.

    Raises:
        TargetError: the driver does not start.
    """

    def __init__(self, target: Target, *, seed: int) -> None:
        super().__init__(target, seed=seed)
        assert target.options.client, "a client case needs a driver command"  # noqa: S101
        self.relay = Relay(target.address, self.trace)
        self.relay.__enter__()
        try:
            self.driver = Driver(target.options.client, self.trace, target.patience)
        except BaseException:
            self.relay.__exit__()
            raise

    @property
    def link(self) -> Link:
        """The client's newest connection, as the relay saw it.

        Raises:
            Violation: the client never connected.
        """
        if not self.relay.links:
            raise Violation("the client opened no connection")
        return self.relay.links[-1]

    def create(self, **options: Any) -> str:
        """Construct the client, pointed at the relay, and return its connection_id."""
        host, port = self.relay.address
        defaults = {"host": host, "port": port, "reconnect_delay_ms": RECONNECT_DELAY_MS}
        identity: str = self.driver.ask("create", app_id=RESPONDER_APP, **defaults | options)["connection_id"]
        return identity

    def connect_client(self, **options: Any) -> str:
        """Construct the client, connect it, and return its connection_id.

        Raises:
            Violation: it did not connect.
        """
        identity = self.create(**options)
        if not self.driver.ask("connect")["connected"]:
            raise Violation("the client did not connect to a server that accepts it", expected="connected: true")
        return identity

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until the relay has seen something.

        Raises:
            Violation: it did not happen in time.
        """
        deadline = time.monotonic() + self.target.patience
        while not condition():
            if time.monotonic() > deadline:
                raise Violation(f"{what} did not happen in time")
            time.sleep(POLL_SECONDS)

    def check_frames(self) -> None:
        """Check that every frame of the client kept the rules.

        Raises:
            Violation: one did not.
        """
        if self.relay.findings:
            raise Violation("the client sent a frame that breaks a rule", received="; ".join(self.relay.findings[:5]))

    def close(self) -> None:
        """End the client and the relay, and close the kit's own connections."""
        self.driver.stop()
        self.relay.__exit__()
        super().close()
