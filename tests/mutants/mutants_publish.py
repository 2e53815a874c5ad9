"""Mistakes about publications and their delivery (chapter SUB)."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from mutation import around, instead_of_entry, mutant

from reference_server.broker import Broker
from reference_server.network import session as session_module
from reference_server.network.session import Session
from reference_server.protocol.connection import Connection
from reference_server.protocol.events import PublishReceived, SubscribeReceived
from reference_server.protocol.frames import HEADER, encode_frame
from reference_server.server import ReferenceServer

DELIVERY = ("publish/subscriber-gets-it-once-unchanged",)


@mutant("SUB-010")
def publisher_left_out() -> None:
    """A publisher that is subscribed does not get its own messages."""

    @instead_of_entry(session_module._ACTIONS, PublishReceived)
    def publish(original: Any, self: Session, event: PublishReceived) -> None:
        channel = self._server.broker._applications[self._connection.app_id].channels.get(event.channel_id, {})
        subscribed = self._connection in channel
        channel.pop(self._connection, None)
        original(self, event)
        if subscribed:
            channel[self._connection] = None


@mutant("SUB-010/many")
def fifty_subscribers() -> None:
    """Only the first fifty subscribers of a channel get a publish."""

    @around(Broker, "publish")
    def publish(_original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        application = self._applications.get(app_id)
        for subscriber in list(application.channels.get(channel_id, ()))[:50] if application else ():
            subscriber.deliver(frame)


@mutant("SUB-011")
def last_message_retained() -> None:
    """The last message of a channel is delivered to who subscribes later."""
    last: dict[tuple[str, str], bytes] = {}

    @around(Broker, "publish")
    def publish(original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        original(self, app_id, channel_id, frame)
        last[app_id, channel_id] = frame

    @around(Broker, "subscribe")
    def subscribe(original: Any, self: Broker, connection: Connection, channel_id: str) -> None:
        original(self, connection, channel_id)
        if retained := last.get((connection.app_id, channel_id)):
            connection.deliver(retained)


@mutant("SUB-011/publisher", harms=DELIVERY, because="its publisher is not subscribed either")
def publisher_hears_itself() -> None:
    """A publisher gets its messages back whether it is subscribed or not."""

    @instead_of_entry(session_module._ACTIONS, PublishReceived)
    def publish(original: Any, self: Session, event: PublishReceived) -> None:
        original(self, event)
        channel = self._server.broker._applications[self._connection.app_id].channels.get(event.channel_id, {})
        if self._connection not in channel:
            self._connection.deliver(event.frame)


@mutant("SUB-011/prefix")
def prefix_matches() -> None:
    """Who is subscribed to a channel gets also what is published on channels whose names begin with its name."""

    @around(Broker, "publish")
    def publish(original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        application = self._applications.get(app_id)
        for channel in list(application.channels) if application else ():
            if channel_id.startswith(channel):
                original(self, app_id, channel, frame)


def _deliver_changed(**members: Any) -> None:
    @around(Broker, "publish")
    def publish(original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        message = json.loads(frame[HEADER.size :]) | members
        original(self, app_id, channel_id, encode_frame(json.dumps(message).encode()))


@mutant("SUB-012")
def stamped_again() -> None:
    """A publish is delivered with the time at which the server was started."""
    _deliver_changed(timestamp=time.time())


@mutant("SUB-012/reply-to")
def reply_to_cleared() -> None:
    """A publish is delivered with reply_to null."""
    _deliver_changed(reply_to=None)


@mutant("SUB-013", harms=DELIVERY, because="the publisher takes the answer for a delivery")
def publish_answered() -> None:
    """A publish is answered with `published`."""

    @instead_of_entry(session_module._ACTIONS, PublishReceived)
    def publish(original: Any, self: Session, event: PublishReceived) -> None:
        original(self, event)
        self._connection._respond({"status": "published"}, event.channel_id, None)


@mutant("SUB-014")
def stack_of_publishes() -> None:
    """Publishes that arrive behind one another in one segment are delivered the last one first."""
    stack: list[tuple[Any, ...]] = []

    @around(Broker, "publish")
    def publish(original: Any, *arguments: Any) -> None:
        stack.append((original, *arguments))

    def unstack() -> None:
        while stack:
            original, *arguments = stack.pop()
            original(*arguments)

    @around(Connection, "_respond")
    def respond(original: Any, *arguments: Any, **named: Any) -> None:
        unstack()
        original(*arguments, **named)

    @around(Session, "data_received")
    def data_received(original: Any, *arguments: Any) -> None:
        original(*arguments)
        unstack()


@mutant("SUB-015")
def subscribed_later() -> None:
    """A subscribe is processed when everything else that arrived with it has been."""

    @instead_of_entry(session_module._ACTIONS, SubscribeReceived)
    def subscribe(original: Any, self: Session, event: SubscribeReceived) -> None:
        asyncio.get_running_loop().call_soon(original, self, event)


@mutant("SUB-016", harms=DELIVERY, because="a delivery that comes late is what that case must not find")
def delivered_later() -> None:
    """A publish is delivered a moment later, behind the answer to a ping."""

    @around(Broker, "publish")
    def publish(original: Any, *arguments: Any) -> None:
        asyncio.get_running_loop().call_later(0.05, original, *arguments)


@mutant("SUB-016/priority")
def answers_first() -> None:
    """Answers overtake the deliveries that wait to be sent."""

    @around(Connection, "_respond")
    def respond(original: Any, self: Connection, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self._outbox.insert(0, self._outbox.pop())


@mutant("SUB-018")
def sent_to_all() -> None:
    """What a handler publishes goes to every connection of the application."""

    @around(ReferenceServer, "_originate")
    def originate(_original: Any, self: ReferenceServer, kind: str, app_id: str, channel_id: str, payload: Any) -> None:
        frame = self._broker.originate(kind, app_id, channel_id, payload)
        for connection in self._broker._applications[app_id].connections.values():
            connection.deliver(frame)
