"""Mistakes about the handshake and the takeover (chapter HSK)."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from mutation import around, mutant, replace
from patches import (
    act_in_spite_of,
    broker_of,
    change_acknowledgement,
    is_acknowledgement,
    refuse_connect,
    session_of,
)

from reference_server.network.session import Session
from reference_server.protocol import connection, validation
from reference_server.protocol.capabilities import Capabilities
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.events import ActionReceived, ConnectReceived, Message
from reference_server.protocol.frames import FrameDecoder
from reference_server.protocol.states import State


@mutant("HSK-004")
def protocol_required() -> None:
    """A connect message without `protocol` is refused."""
    refuse_connect(lambda message: "protocol" not in message["payload"])


@mutant("HSK-004/trimmed")
def connection_id_trimmed() -> None:
    """The acknowledgement has the client's connection_id without blanks around it."""
    change_acknowledgement(lambda payload: payload.update(connection_id=payload["connection_id"].strip()))


@mutant("HSK-004/octets")
def connection_id_in_octets() -> None:
    """A connection_id may have 128 octets."""
    refuse_connect(lambda message: len(message["payload"]["connection_id"].encode()) > 128)


@mutant("HSK-004/client")
def client_is_closed() -> None:
    """A client may say nothing of itself but name and version."""
    refuse_connect(lambda message: not message["payload"].get("client", {}).keys() <= {"name", "version"})


@mutant("HSK-005", harms=("*",), because="no connection of the kit gets an acknowledgement that it takes for one")
def acknowledgement_is_a_reply() -> None:
    """The acknowledgement has the message_id of the connect message as reply_to."""
    asked: list[str] = []

    @around(connection, "read_connect")
    def read(original: Any, message: Message, capabilities: Any) -> Any:
        event = original(message, capabilities)
        asked[:] = [message["message_id"]]
        return event

    @around(Connection, "_respond")
    def respond(original: Any, self: Connection, payload: Any, channel_id: str, reply_to: str | None) -> None:
        original(self, payload, channel_id, asked[0] if is_acknowledgement(payload) else reply_to)


@mutant("HSK-006")
def acknowledged_later() -> None:
    """The acknowledgement is sent after what the messages in the same segment are answered with."""

    @around(Connection, "_respond")
    def respond(original: Any, self: Connection, payload: Any, *address: Any, **named: Any) -> None:
        send = functools.partial(original, self, payload, *address, **named)
        if is_acknowledgement(payload):
            asyncio.get_running_loop().call_soon(send)
        else:
            send()


@mutant("HSK-007")
def limits_not_stated() -> None:
    """The acknowledgement does not state the limits."""
    change_acknowledgement(lambda payload: payload.pop("limits"))


@mutant("HSK-030")
def profiles_not_stated() -> None:
    """The acknowledgement does not state the profiles."""
    change_acknowledgement(lambda payload: payload.pop("profiles"))


@mutant("HSK-008")
def connect_is_closed() -> None:
    """A connect payload with a member that the server does not know is refused."""
    known = {"action", "connection_id", "protocol", "token", "client"}
    refuse_connect(lambda message: not message["payload"].keys() <= known)


@mutant("HSK-010")
def ascii_applications() -> None:
    """An application's name has to be in ASCII."""
    refuse_connect(lambda message: not message["app_id"].isascii())


@mutant("HSK-010/configured")
def system_is_no_application() -> None:
    """The application `system` is refused, as if the name were reserved."""
    refuse_connect(lambda message: message["app_id"] == "system")


@mutant("HSK-011")
def same_segment_lost() -> None:
    """What arrives in the same segment as the connect message is lost."""

    @around(Connection, "accept")
    def accept(original: Any, self: Connection, event: ConnectReceived) -> None:
        original(self, event)
        self._frames = FrameDecoder(self._limits.max_frame_bytes)


@mutant("HSK-013")
def ping_before_connect() -> None:
    """A ping is answered before the handshake."""

    @around(connection, "read_connect")
    def read(original: Any, message: Message, capabilities: Any) -> Any:
        if isinstance(payload := message.get("payload"), dict) and payload.get("action") == "ping":
            return validation._read_action(message, Capabilities())
        return original(message, capabilities)


@mutant("HSK-013/type")
def connect_by_notification() -> None:
    """A connect message may be of any type."""

    @around(connection, "read_connect")
    def read(original: Any, message: Message, capabilities: Any) -> Any:
        return original(message | {"message_type": "request"} if "message_type" in message else message, capabilities)


@mutant("HSK-013/application")
def default_application() -> None:
    """A connect message without app_id joins the application `default`."""

    @around(connection, "read_connect")
    def read(original: Any, message: Message, capabilities: Any) -> Any:
        return original({"app_id": "default"} | message, capabilities)


@mutant("HSK-014")
def protocol_ignored() -> None:
    """The protocol that a client asks for is not looked at."""
    replace(validation, "_MAJOR", _Anything())


class _Anything:
    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]  # it is only compared


@mutant("HSK-015")
def exact_protocol() -> None:
    """Only the very version of the server is accepted."""
    refuse_connect(lambda message: message["payload"].get("protocol", "1.0") != "1.0", ErrorCode.UNSUPPORTED_PROTOCOL)


@mutant("HSK-016")
def timeout_without_a_word() -> None:
    """A connection that runs into the handshake timeout is dropped without an error."""

    @around(Connection, "fail")
    def fail(original: Any, self: Connection, code: ErrorCode, *arguments: Any) -> None:
        if code is ErrorCode.HANDSHAKE_TIMEOUT:
            session_of(self)._transport.abort()
        else:
            original(self, code, *arguments)


@mutant("HSK-017")
def impatient() -> None:
    """The handshake timeout is 400 ms."""

    @around(Session, "connection_made")
    def connection_made(original: Any, self: Session, transport: Any) -> None:
        original(self, transport)
        if self._connection.state is State.AWAITING_CONNECT:
            self._set_timer(0.4, functools.partial(self._connection.fail, ErrorCode.HANDSHAKE_TIMEOUT))


@mutant("HSK-018")
def timeout_starts_again() -> None:
    """Every octet that arrives starts the handshake timeout again."""

    @around(Session, "data_received")
    def data_received(original: Any, self: Session, data: bytes) -> None:
        original(self, data)
        if self._connection.state is State.AWAITING_CONNECT:
            timed_out = functools.partial(self._connection.fail, ErrorCode.HANDSHAKE_TIMEOUT)
            self._set_timer(self._limits.handshake_timeout, timed_out)


@mutant("HSK-019")
def connect_twice() -> None:
    """A second connect message is answered like the first."""

    @around(validation, "_read_action")
    def read(original: Any, message: Message, capabilities: Any) -> Any:
        payload = message["payload"]
        if isinstance(payload, dict) and payload.get("action") == "connect":
            return ActionReceived(message["message_id"], {"status": "connected"})
        return original(message, capabilities)


@mutant("HSK-025")
def renamed() -> None:
    """A second connect message is refused, and still changes the connection_id."""

    def rename(of: Connection, message: Any) -> None:
        wanted = message["payload"].get("connection_id")
        if isinstance(wanted, str):
            connections = broker_of(of)._applications[of.app_id].connections
            del connections[of.connection_id]
            of.connection_id = wanted
            connections[wanted] = of

    act_in_spite_of(ErrorCode.ALREADY_CONNECTED, rename)


@mutant("HSK-025/subscriptions")
def subscriptions_forgotten() -> None:
    """A second connect message is refused, and still ends the subscriptions."""
    act_in_spite_of(ErrorCode.ALREADY_CONNECTED, lambda of, _message: broker_of(of)._end_subscriptions(of))
