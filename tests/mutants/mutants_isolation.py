"""Mistakes about applications, the system channel and profiles (chapters ISO, SYS and PRF)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mutation import around, instead_of_entry, mutant, replace
from patches import act_in_spite_of, change_acknowledgement, publish, refuse_message

from reference_server.broker import Broker
from reference_server.profiles.discovery import DiscoveryProfile
from reference_server.protocol import connection, validation
from reference_server.protocol.capabilities import Capabilities
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode, WireError
from reference_server.protocol.events import Message, PublishReceived
from reference_server.protocol.states import State
from reference_server.protocol.system_actions import ACTIONS


@mutant("ISO-001")
def application_not_checked() -> None:
    """The app_id of a message is not looked at; every message is for the connection's own application."""

    @around(connection, "read_message")
    def read(original: Any, message: Message, frame: bytes, _app_id: str, *context: Any) -> Any:
        return original(message, frame, message.get("app_id"), *context)


@mutant("ISO-002")
def delivered_elsewhere() -> None:
    """A publish for another application is refused, and delivered there."""

    def act(of: Connection, message: Mapping[str, Any]) -> None:
        if message["message_type"] == "publish":
            publish(of, message)

    act_in_spite_of(ErrorCode.APP_MISMATCH, act)


@mutant("ISO-003")
def channels_are_global() -> None:
    """A channel of the same name is the same channel in every application."""

    @around(Broker, "publish")
    def publish(original: Any, self: Broker, _app_id: str, channel_id: str, frame: bytes) -> None:
        for each in list(self._applications):
            original(self, each, channel_id, frame)


@mutant("ISO-004")
def system_is_ordinary() -> None:
    """A publish on `system` is like any other."""
    validation._READERS["publish"] = lambda message, frame, *_: PublishReceived(message["channel_id"], frame)


@mutant("ISO-008")
def reserved_but_delivered() -> None:
    """A publish on `system` is refused, and delivered."""
    act_in_spite_of(ErrorCode.RESERVED_CHANNEL, publish)


@mutant("ISO-006/blocks")
def waits_for_the_rest() -> None:
    """The server waits for the rest of a frame and does nothing else meanwhile."""

    @around(Connection, "events")
    def events(original: Any, self: Connection, *most: int) -> Any:
        yield from original(self, *most)
        if self.state is State.OPEN and len(self._frames._buffer) > self._frames._start:
            time.sleep(10)


@mutant("ISO-007")
def dead_subscriber_ends_the_round() -> None:
    """A delivery ends at the first subscriber that is gone, and those behind it get nothing."""
    replace(Broker, "_end_subscriptions", lambda _self, _connection: None)

    @around(Broker, "publish")
    def publish(_original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        application = self._applications.get(app_id)
        for subscriber in application.channels.get(channel_id, ()) if application else ():
            if subscriber.state is not State.OPEN:
                return
            subscriber.deliver(frame)


@mutant("SYS-001")
def no_action_is_an_unknown_one() -> None:
    """A system request without an action is one with an unknown action."""

    @around(validation, "_read_action")
    def read(original: Any, message: Message, capabilities: Any) -> Any:
        if not validation._SYSTEM_REQUEST.is_valid(message["payload"]):
            raise WireError(ErrorCode.UNKNOWN_ACTION, "", message)
        return original(message, capabilities)


@mutant("SYS-002")
def action_by_prefix() -> None:
    """An unknown action is a request without a handler."""

    @around(validation, "_read_action")
    def read(original: Any, message: Message, capabilities: Any) -> Any:
        try:
            return original(message, capabilities)
        except WireError as error:
            if error.code is ErrorCode.UNKNOWN_ACTION:
                raise WireError(ErrorCode.NO_HANDLER, "", message) from None
            raise


@mutant("SYS-002/case")
def action_in_capitals() -> None:
    """Actions are compared without regard to case and to blanks around them."""

    @around(validation, "_read_action")
    def read(original: Any, message: Message, capabilities: Any) -> Any:
        payload = message["payload"]
        if isinstance(payload, dict) and isinstance(payload.get("action"), str):
            message = message | {"payload": payload | {"action": payload["action"].strip().lower()}}
        return original(message, capabilities)


@mutant("SYS-003", harms=("*",), because="every case waits for a pong to know that nothing else came")
def no_pong() -> None:
    """A ping is answered with status ok."""

    @instead_of_entry(ACTIONS, "ping")
    def ping(_original: Any, _message: Any) -> dict[str, Any]:
        return {"status": "ok"}


@mutant("SYS-004")
def milliseconds() -> None:
    """The timestamp of get_time is in milliseconds."""

    @instead_of_entry(ACTIONS, "get_time")
    def get_time(original: Any, message: Any) -> dict[str, Any]:
        payload: dict[str, Any] = original(message)
        return payload | {"timestamp": payload["timestamp"] * 1000}


@mutant("SYS-004/local")
def local_time() -> None:
    """The iso of get_time has no offset."""

    @instead_of_entry(ACTIONS, "get_time")
    def get_time(original: Any, message: Any) -> dict[str, Any]:
        payload: dict[str, Any] = original(message)
        return payload | {"iso": datetime.fromtimestamp(payload["timestamp"]).isoformat()}


@mutant("SYS-005")
def request_is_closed() -> None:
    """A system request with a member that its action does not define is refused."""

    def has_more(message: Message) -> bool:
        payload = message["payload"]
        known = {"action", "connection_id"}
        return message["channel_id"] == "system" and isinstance(payload, dict) and not payload.keys() <= known

    refuse_message(lambda message: has_more(message) and message["payload"].get("action") in ACTIONS)


@mutant("PRF-001")
def boast() -> None:
    """A profile is announced that is not there."""
    change_acknowledgement(lambda payload: payload.update(profiles=[*payload["profiles"], "telepathy"]))


@mutant("PRF-003")
def channel_of_a_profile() -> None:
    """The channels of a profile are reserved for the server although it does not announce the profile."""
    change_acknowledgement(lambda payload: payload.update(profiles=["batch"]))

    @around(DiscoveryProfile, "__init__")
    def init(original: Any, self: DiscoveryProfile, context: Any) -> None:
        original(self, context)
        self.actions = {}


@mutant("PRF-003/action")
def action_of_a_profile() -> None:
    """The actions of a profile are answered although the server does not announce it."""
    change_acknowledgement(lambda payload: payload.update(profiles=[]))

    @around(Capabilities, "reserves")
    def reserves(_original: Any, _self: Capabilities, channel_id: str) -> bool:
        return channel_id == "system"
