"""``FrameworkServer`` of the PyPI package ipc-framework with the responder of spec chapter 13.

It uses only the public interface of the package, like any server of a user: handlers find the connection to answer by
the ``connection_id`` in the payload. The server has the limits of the package: it does not answer a payload without a
connection, or a ``ping`` outside the application ``conformance``. It works with 1.0.0 to 1.1.2.
"""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ipc_framework import (  # type: ignore[import-not-found]  # installed beside this file's program only
    FrameworkServer,
    Message,
    MessageType,
)

Handler = Callable[[Message], None]
REMEMBERED_NOTES = 1000
HANDLERS = ("all", "no-system", "none")
"""The responder with answers to ``ping`` and ``get_time``, without them, or no handler at all."""


class Responder:
    """The handlers of one server's application ``conformance``.

    The package calls a handler on the connection's thread; a handler that raises is logged by the package.
    """

    def __init__(self, server: FrameworkServer) -> None:
        self._server = server
        self._app = server.create_application("conformance")
        self._notes: deque[Any] = deque(maxlen=REMEMBERED_NOTES)

    def install(self, *, answers_system: bool = True) -> None:
        """Register the handlers.

        Args:
            answers_system: whether to answer ``ping`` and ``get_time``; no handler in the package's documentation does.
        """
        requests: dict[str, Handler] = {
            "conformance.echo": self.echo,
            "conformance.delay": self.delay,
            "conformance.fail": self.fail,
            "conformance.silent": self.silent,
            "conformance.emit": self.emit,
            "conformance.seen": self.seen,
            "conformance.close": self.close,
        }
        if answers_system:
            requests["system"] = self.system
        for channel, handler in requests.items():
            self._app.create_channel(channel).set_handler(MessageType.REQUEST, handler)
        self._app.create_channel("conformance.note").set_handler(MessageType.NOTIFICATION, self.note)

    def system(self, message: Message) -> None:
        """Answer the actions that the package leaves to its users; it handles ``connect`` itself."""
        now = time.time()
        iso = datetime.fromtimestamp(now, UTC).isoformat()
        actions = {"ping": {"status": "pong"}, "get_time": {"timestamp": now, "iso": iso}}
        self._answer(message, actions[message.payload["action"]])

    def echo(self, message: Message) -> None:
        """Answer with the payload."""
        self._answer(message, message.payload)

    def delay(self, message: Message) -> None:
        """Answer later, and block like a handler that waits for a disk or another service."""
        time.sleep(message.payload["delay_ms"] / 1000)
        self._answer(message, {"value": message.payload["value"]})

    def fail(self, message: Message) -> None:
        """Raise an exception."""
        raise RuntimeError(message.payload["detail"])

    def silent(self, message: Message) -> None:  # noqa: ARG002 - the signature of a handler
        """Never finish."""
        threading.Event().wait()

    def emit(self, message: Message) -> None:
        """Send messages of the server to the subscribers of a channel."""
        wanted = message.payload
        if wanted["count"] < 0:
            raise ValueError("count is below 0")
        kinds = {"publish": MessageType.PUBLISH, "notification": MessageType.NOTIFICATION}
        channel = self._app.create_channel(wanted["channel"])
        for _ in range(wanted["count"]):
            own = Message("", message.app_id, channel.channel_id, kinds[wanted["message_type"]], wanted["payload"], 0)
            for subscriber in channel.get_subscribers():
                connection = self._server.connection_manager.get_connection(subscriber)
                if connection:
                    self._server.send_to_connection(connection, own)
        self._answer(message, {"emitted": wanted["count"]})

    def note(self, message: Message) -> None:
        """Remember the payload."""
        self._notes.append(message.payload)

    def seen(self, message: Message) -> None:
        """Answer with the remembered payload."""
        self._answer(message, {"seen": list(self._notes)})

    def close(self, message: Message) -> None:
        """Drop the connection."""
        self._connection(message).close()

    def _answer(self, message: Message, payload: Any) -> None:
        # 1.0.0 has no Message.create_response.
        own = ("", message.app_id, message.channel_id, MessageType.RESPONSE, payload, 0, message.message_id)
        self._server.send_to_connection(self._connection(message), Message(*own))

    def _connection(self, message: Message) -> Any:
        return self._server.connection_manager.get_connection(message.payload.get("connection_id"))


def main() -> None:
    """Serve on the port of the command line until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="ipc-framework's server with the conformance responder")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--handlers", choices=HANDLERS, default="all", help="which handlers to register (default: all)")
    options = parser.parse_args()
    server = FrameworkServer(port=options.port)
    if options.handlers != "none":
        Responder(server).install(answers_system=options.handlers == "all")
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # before any thread starts, so that no thread gets the signal
    server.start()
    signal.sigwait(stops)
    server.stop()


if __name__ == "__main__":
    main()
