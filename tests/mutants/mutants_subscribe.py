"""Mistakes about subscriptions (chapter SUB, and ISO-005)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from mutation import around, instead_of_entry, mutant, replace
from patches import act_in_spite_of, broker_of

from reference_server.broker import Broker
from reference_server.network import session as session_module
from reference_server.network.session import Session
from reference_server.protocol import validation
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode, WireError
from reference_server.protocol.events import ConnectReceived, Message, SubscribeReceived, UnsubscribeReceived
from reference_server.protocol.states import State

DELIVERY = ("publish/subscriber-gets-it-once-unchanged",)
FATAL = "errors/fatal-error-then-end"


@mutant("SUB-002")
def payload_not_checked() -> None:
    """A subscription whose payload does not name a connection is taken for the sender's own."""

    def check(message: Message, connection_id: str) -> None:
        named = message["payload"].get("connection_id") if isinstance(message["payload"], dict) else None
        if isinstance(named, str) and named not in ("", connection_id):
            raise WireError(ErrorCode.FORBIDDEN, "", message)

    replace(validation, "_check_subscription", check)


@mutant("SUB-003")
def name_not_checked() -> None:
    """Whom a subscription names is not looked at."""
    replace(
        validation,
        "_check_subscription",
        lambda message, _connection_id: validation._check_payload(validation._SUBSCRIPTION, message),
    )


@mutant("SUB-021")
def forbidden_but_done() -> None:
    """A subscribe or unsubscribe for another connection is forbidden, and takes effect for the sender."""
    act_in_spite_of(ErrorCode.FORBIDDEN, _apply)


@mutant("SUB-021/invalid")
def invalid_but_done() -> None:
    """A subscribe or unsubscribe with an invalid payload is refused, and takes effect."""
    act_in_spite_of(ErrorCode.INVALID_MESSAGE, _apply)


def _apply(of: Connection, message: Mapping[str, Any]) -> None:
    if message.get("message_type") in ("subscribe", "unsubscribe"):
        getattr(broker_of(of), message["message_type"])(of, message["channel_id"])


@mutant("ISO-005")
def done_for_the_other() -> None:
    """A subscribe or unsubscribe for another connection is forbidden, and takes effect for that one."""

    def apply(of: Connection, message: Mapping[str, Any]) -> None:
        other = broker_of(of)._applications[of.app_id].connections.get(message["payload"]["connection_id"])
        if other:
            _apply(other, message)

    act_in_spite_of(ErrorCode.FORBIDDEN, apply)


@mutant("SUB-004")
def case_folded() -> None:
    """The names of channels are compared without regard to case."""

    def fold(original: Any, self: Broker, owner: Any, channel_id: str, *frame: bytes) -> None:
        original(self, owner, channel_id.casefold(), *frame)

    for name in ("subscribe", "unsubscribe", "publish"):
        around(Broker, name)(fold)


@mutant("SUB-004/closed")
def subscription_is_closed() -> None:
    """A subscribe whose payload has a further member is ignored."""

    @around(validation, "_check_subscription")
    def check(original: Any, message: Message, connection_id: str) -> None:
        original(message, connection_id)
        if len(message["payload"]) > 1:
            message["channel_id"] += "?"


@mutant("SUB-005")
def subscribed_twice() -> None:
    """Who subscribes twice gets everything twice."""
    times = _count_subscribes()

    @around(Broker, "publish")
    def publish(original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        original(self, app_id, channel_id, frame)
        for (subscriber, channel), number in times.items():
            if channel == channel_id and subscriber.app_id == app_id and number > 1:
                subscriber.deliver(frame)


@mutant("SUB-005/counted")
def subscribes_counted() -> None:
    """Who subscribes twice has to unsubscribe twice."""
    times = _count_subscribes()

    @around(Broker, "unsubscribe")
    def unsubscribe(original: Any, self: Broker, connection: Connection, channel_id: str) -> None:
        times[connection, channel_id] -= 1
        if times[connection, channel_id] < 1:
            original(self, connection, channel_id)


def _count_subscribes() -> Counter[tuple[Connection, str]]:
    times: Counter[tuple[Connection, str]] = Counter()

    @around(Broker, "subscribe")
    def subscribe(original: Any, self: Broker, connection: Connection, channel_id: str) -> None:
        original(self, connection, channel_id)
        times[connection, channel_id] += 1

    return times


@mutant("SUB-006")
def unknown_unsubscribe_is_an_error() -> None:
    """An unsubscribe from a channel that is not subscribed to breaks the connection."""

    @instead_of_entry(session_module._ACTIONS, UnsubscribeReceived)
    def unsubscribe(original: Any, self: Session, event: UnsubscribeReceived) -> None:
        application = self._server.broker._applications[self._connection.app_id]
        if event.channel_id not in application.subscriptions.get(self._connection, ()):
            self._connection.drop()
        original(self, event)


@mutant("SUB-006/all")
def unknown_unsubscribe_ends_all() -> None:
    """An unsubscribe from a channel that is not subscribed to ends every subscription."""

    @instead_of_entry(session_module._ACTIONS, UnsubscribeReceived)
    def unsubscribe(original: Any, self: Session, event: UnsubscribeReceived) -> None:
        application = self._server.broker._applications[self._connection.app_id]
        if event.channel_id not in application.subscriptions.get(self._connection, ()):
            self._server.broker._end_subscriptions(self._connection)
        original(self, event)


@mutant("SUB-007", harms=(*DELIVERY, FATAL), because="the subscriber takes the answer for a delivery")
def subscribe_answered() -> None:
    """A subscribe is answered with `subscribed`."""

    @instead_of_entry(session_module._ACTIONS, SubscribeReceived)
    def subscribe(original: Any, self: Session, event: SubscribeReceived) -> None:
        original(self, event)
        self._connection._respond({"status": "subscribed"}, event.channel_id, None)


@mutant("SUB-007/unsubscribe")
def unsubscribe_answered() -> None:
    """An unsubscribe is answered with `unsubscribed`."""

    @instead_of_entry(session_module._ACTIONS, UnsubscribeReceived)
    def unsubscribe(original: Any, self: Session, event: UnsubscribeReceived) -> None:
        original(self, event)
        self._connection._respond({"status": "unsubscribed"}, event.channel_id, None)


@mutant("SUB-008")
def too_few_subscriptions() -> None:
    """A connection has at most 999 subscriptions."""

    @around(Broker, "subscribe")
    def subscribe(original: Any, self: Broker, connection: Connection, channel_id: str) -> None:
        if len(self._applications[connection.app_id].subscriptions.get(connection, ())) < 999:
            original(self, connection, channel_id)


@mutant("SUB-009")
def subscriptions_by_name() -> None:
    """Subscriptions belong to the connection_id and are there again when it comes back."""
    kept: dict[tuple[str, str], list[str]] = {}

    @around(Broker, "_end_subscriptions")
    def end(original: Any, self: Broker, connection: Connection) -> None:
        channels = self._applications[connection.app_id].subscriptions.get(connection, ())
        kept[connection.app_id, connection.connection_id] = list(channels)
        original(self, connection)

    @around(Broker, "connect")
    def connect(original: Any, self: Broker, connection: Connection, event: ConnectReceived) -> None:
        original(self, connection, event)
        for channel_id in kept.pop((event.app_id, event.connection_id), ()):
            self.subscribe(connection, channel_id)


@mutant("SUB-009/draining")
def draining_is_listening() -> None:
    """A client that ended its sending side hears what it is subscribed to until its last answer."""

    @around(Broker, "state_changed")
    def state_changed(original: Any, self: Broker, connection: Connection, before: State) -> None:
        if connection.state is not State.DRAINING:
            original(self, connection, State.OPEN if before is State.DRAINING else before)
