"""Applications, who is connected to them, and who is subscribed to what (chapters SUB and ISO). Opens nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.events import ConnectReceived
from reference_server.protocol.messages import MessageIds, ServerMessage, encode_message
from reference_server.protocol.states import State


@dataclass
class _Application:
    connections: dict[str, Connection] = field(default_factory=dict)
    # Subscribers in the order of their subscribes: delivery has a reproducible order.
    channels: dict[str, dict[Connection, None]] = field(default_factory=dict)
    subscriptions: dict[Connection, set[str]] = field(default_factory=dict)


class Broker:
    """Keeps the connections that completed the handshake, by application.

    Args:
        max_frame_bytes: The longest body of a message that the server originates (LIM-001).
    """

    def __init__(self, max_frame_bytes: int) -> None:
        self._applications: dict[str, _Application] = {}
        self._max_frame_bytes = max_frame_bytes
        self._ids = MessageIds()

    def connect(self, connection: Connection, event: ConnectReceived) -> None:
        """Accept a connection in the place of the one that had its name (HSK-010, HSK-020)."""
        application = self._applications.get(event.app_id)
        older = application.connections.get(event.connection_id) if application else None
        if older:
            older.fail(ErrorCode.SESSION_REPLACED)
        # Looked up again: an application ends with its last connection.
        application = self._applications.setdefault(event.app_id, _Application())
        application.connections[event.connection_id] = connection
        connection.accept(event)

    def state_changed(self, connection: Connection, before: State) -> None:
        """Forget what a connection loses when it leaves a state."""
        if before is State.OPEN:
            self._end_subscriptions(connection)
        ended = connection.state is State.CLOSING or connection.state is State.CLOSED
        if ended and (before is State.OPEN or before is State.DRAINING):
            self._forget(connection)

    def subscribe(self, connection: Connection, channel_id: str) -> None:
        """Subscribe a connection to a channel of its application (SUB-004, SUB-005)."""
        application = self._applications[connection.app_id]
        application.channels.setdefault(channel_id, {})[connection] = None
        application.subscriptions.setdefault(connection, set()).add(channel_id)

    def unsubscribe(self, connection: Connection, channel_id: str) -> None:
        """End the subscription of a connection to a channel, if there is one (SUB-006)."""
        application = self._applications[connection.app_id]
        application.subscriptions.get(connection, set()).discard(channel_id)
        subscribers = application.channels.get(channel_id, {})
        subscribers.pop(connection, None)
        if not subscribers:
            application.channels.pop(channel_id, None)

    def applications(self) -> list[str]:
        """Return the applications that have connections now."""
        return list(self._applications)

    def publish(self, app_id: str, channel_id: str, frame: bytes) -> None:
        """Deliver a frame to the subscribers that a channel has now (SUB-010, SUB-011)."""
        application = self._applications.get(app_id)
        if application:
            for subscriber in application.channels.get(channel_id, ()):
                subscriber.deliver(frame)

    def announce(self, app_id: str | None, channel_id: str, payload: object) -> None:
        """Publish a message of the server's own in an application, or in every one for None (SUB-017).

        Raises:
            UnsendableError: The payload has no JSON form, or the message would be too long.
        """
        for each in self.applications() if app_id is None else [app_id]:
            self.publish(each, channel_id, self.originate("publish", each, channel_id, payload))

    def originate(self, message_type: str, app_id: str, channel_id: str, payload: object) -> bytes:
        """Return the frame of a message of the server's own, for `publish` (SUB-017). Safe in any thread.

        Raises:
            UnsendableError: The payload has no JSON form, or the message would be too long.
        """
        message = ServerMessage(self._ids.next(), app_id, channel_id, message_type, payload, time.time(), None)
        return encode_message(message, self._max_frame_bytes)

    def _end_subscriptions(self, connection: Connection) -> None:
        application = self._applications[connection.app_id]
        for channel_id in list(application.subscriptions.pop(connection, ())):
            self.unsubscribe(connection, channel_id)

    def _forget(self, connection: Connection) -> None:
        application = self._applications[connection.app_id]
        del application.connections[connection.connection_id]
        if not application.connections:
            del self._applications[connection.app_id]
