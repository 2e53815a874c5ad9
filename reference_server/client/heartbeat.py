"""Pings at an interval, and the loss of a connection on which they are not answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reference_server.client.errors import ClientError
from reference_server.client.link import Link


class Heartbeat:
    """Pings the server (SYS-006), and fails a link on which a ping is not answered within the interval (SYS-007).

    The deployed servers 1.0.0 to 1.1.2 answer no pings, and name no protocol in their acknowledgement. Until such a
    server answers a ping, an unanswered one is no loss, and no other follows: TCP keepalive, which takes the place of
    pings then, probes only connections on which nothing is sent.

    Args:
        interval: Seconds between pings; 0 for none.
        ping: Sends a ping on a link and returns its id; raises `ClientError` if it cannot be sent.
    """

    def __init__(self, interval: float, ping: Callable[[Link], str]) -> None:
        self._interval = interval
        self._ping = ping
        self._link: Link | None = None
        self._is_silent = False
        self._unanswered: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the server is one that may answer no pings, and has answered none so far."""
        return self._is_silent

    def start(self, link: Link, may_be_silent: bool) -> None:
        """Begin with a link."""
        self.stop()
        self._link, self._is_silent = link, may_be_silent
        self._schedule()

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._link = self._unanswered = None

    def answered(self, message_id: str) -> None:
        """Take the id of a ping that the server answered, with whatever response."""
        self.confirm()
        if message_id == self._unanswered:
            self._unanswered = None

    def confirm(self) -> None:
        """Note that the server answers pings, and go on with them."""
        if self._is_silent:
            self._is_silent, self._unanswered = False, None

    def _schedule(self) -> None:
        if self._interval:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._beat)

    def _beat(self) -> None:
        link, unanswered = self._link, self._unanswered
        if link is None:
            return
        if unanswered is not None:
            if self._is_silent:
                self._schedule()
            else:
                link.after_reading(lambda: self._judge(link, unanswered))
            return
        try:
            self._unanswered = self._ping(link)
        except ClientError as error:
            link.fail(error)
            return
        self._schedule()

    def _judge(self, link: Link, unanswered: str) -> None:
        if self._link is not link:
            return
        if self._unanswered == unanswered:
            link.fail(ClientError("heartbeat_timeout", f"a ping was not answered within {self._interval:g} s"))
        else:
            self._beat()
