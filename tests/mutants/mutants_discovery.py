"""Mistakes about services (chapter DSC)."""

from __future__ import annotations

import asyncio
from typing import Any

from mutation import around, mutant

from reference_server.broker import Broker
from reference_server.profiles.discovery import INSTANCES, SERVICES, ServiceRegistry
from reference_server.protocol.capabilities import Capabilities
from reference_server.protocol.errors import WireError

EVENTS = (SERVICES, INSTANCES)


def drop_events(action: str) -> None:
    """Let no event with that action be published."""

    @around(Broker, "announce")
    def announce(original: Any, self: Broker, scope: Any, channel: str, payload: Any) -> None:
        if payload["action"] != action:
            original(self, scope, channel, payload)


@mutant("DSC-001")
def listed_for_each_instance() -> None:
    """A service is listed once for each of its instances."""

    @around(ServiceRegistry, "list_services")
    def list_services(original: Any, self: ServiceRegistry, message: Any) -> Any:
        answer = original(self, message)
        counts = {key[1]: len(instances) for key, instances in self._services.items()}
        return {"services": [each for each in answer["services"] for _ in range(counts[each["name"]])]}


@mutant("DSC-001/gone")
def gone_but_listed() -> None:
    """A service is listed after it has lost its last instance."""
    gone: set[Any] = set()

    @around(ServiceRegistry, "_remove")
    def remove(original: Any, self: ServiceRegistry, key: Any, instance_id: str) -> None:
        original(self, key, instance_id)
        if key not in self._services:
            gone.add(key)

    @around(ServiceRegistry, "list_services")
    def list_services(original: Any, self: ServiceRegistry, message: Any) -> Any:
        answer = original(self, message)
        return {"services": answer["services"] + [{"name": key[1], "healthy": False} for key in gone]}


@mutant("DSC-002")
def all_have_to_be_healthy() -> None:
    """A service is healthy while all of its instances are."""

    @around(ServiceRegistry, "_is_healthy")
    def is_healthy(_original: Any, self: ServiceRegistry, key: Any) -> bool:
        return all(instance["healthy"] for instance in self._services[key].values())


@mutant("DSC-003")
def any_question_answered() -> None:
    """A question for the instances of no service gets no instances."""

    @around(ServiceRegistry, "get_service_instances")
    def get_service_instances(original: Any, self: ServiceRegistry, message: Any) -> Any:
        try:
            return original(self, message)
        except WireError:
            return {"service_type": "", "instances": []}


@mutant("DSC-004")
def healthy_ones_only() -> None:
    """Instances that are not healthy are not shown."""

    @around(ServiceRegistry, "get_service_instances")
    def get_service_instances(original: Any, self: ServiceRegistry, message: Any) -> Any:
        answer = original(self, message)
        return answer | {"instances": [each for each in answer["instances"] if each["healthy"]]}


@mutant("DSC-005")
def unknown_refused() -> None:
    """A service that nobody offers has no list of instances."""

    @around(ServiceRegistry, "get_service_instances")
    def get_service_instances(original: Any, self: ServiceRegistry, message: Any) -> Any:
        answer = original(self, message)
        return answer if answer["instances"] else answer | {"instances": None}


@mutant("DSC-006")
def shown_to_all() -> None:
    """Answers show every service to every application."""

    @around(ServiceRegistry, "list_services")
    def list_services(_original: Any, self: ServiceRegistry, _message: Any) -> Any:
        return {"services": [self._service(key) for key in self._services]}


@mutant("DSC-006/event")
def told_to_all() -> None:
    """Events go to every application."""

    @around(Broker, "announce")
    def announce(original: Any, self: Broker, _scope: Any, channel: str, payload: Any) -> None:
        original(self, None, channel, payload)


@mutant("DSC-007")
def no_added() -> None:
    """Nobody is told of a new instance."""
    drop_events("instance_added")


@mutant("DSC-008")
def no_removed() -> None:
    """Nobody is told that an instance was removed."""
    drop_events("instance_removed")


@mutant("DSC-008/moved")
def moved_in_place() -> None:
    """An instance that takes requests elsewhere from now on is changed without a word."""

    @around(ServiceRegistry, "_set")
    def put(original: Any, self: ServiceRegistry, key: Any, instance: Any) -> None:
        before = self._services.get(key, {}).get(instance["id"])
        if before:
            before["channel"] = instance["channel"]
        original(self, key, instance)


@mutant("DSC-009")
def no_health_of_instances() -> None:
    """Nobody is told that the health of an instance changed."""
    drop_events("instance_health_changed")


@mutant("DSC-010")
def no_registered() -> None:
    """Nobody is told of a new service."""
    drop_events("service_registered")


@mutant("DSC-011")
def no_unregistered() -> None:
    """Nobody is told that a service has gone."""
    drop_events("service_unregistered")


@mutant("DSC-012")
def no_health_of_services() -> None:
    """Nobody is told that the health of a service changed."""
    drop_events("service_health_changed")


@mutant("DSC-013")
def always_healthy() -> None:
    """An event about a service calls it healthy."""

    @around(Broker, "announce")
    def announce(original: Any, self: Broker, scope: Any, channel: str, payload: Any) -> None:
        if channel == SERVICES:
            payload = payload | {"service": payload["service"] | {"healthy": True}}
        original(self, scope, channel, payload)


@mutant("DSC-014")
def told_of_connections() -> None:
    """A change of connections alone is told as one of health."""

    @around(ServiceRegistry, "_set")
    def put(original: Any, self: ServiceRegistry, key: Any, instance: Any) -> None:
        before = self._services.get(key, {}).get(instance["id"])
        original(self, key, instance)
        if before and before["connections"] != instance["connections"]:
            self._tell_of_instance("instance_health_changed", key, instance)


@mutant("DSC-014/each")
def registered_for_each() -> None:
    """A service is registered anew with each of its instances."""

    @around(ServiceRegistry, "_tell_of_instance")
    def tell(original: Any, self: ServiceRegistry, action: str, key: Any, instance: Any) -> None:
        original(self, action, key, instance)
        if action == "instance_added" and len(self._services[key]) > 1:
            self._tell_of_service("service_registered", key)


@mutant("DSC-015")
def newest_first() -> None:
    """Every second event on a channel overtakes the one before."""
    held: dict[Any, Any] = {}

    @around(Broker, "announce")
    def announce(original: Any, self: Broker, scope: Any, channel: str, payload: Any) -> None:
        earlier = held.pop((scope, channel), None)
        if earlier is None:
            held[scope, channel] = payload
        else:
            original(self, scope, channel, payload)
            original(self, scope, channel, earlier)


@mutant("DSC-016")
def told_later() -> None:
    """Events are published a moment after the change."""

    @around(Broker, "publish")
    def publish(original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        if channel_id in EVENTS:
            asyncio.get_running_loop().call_later(0.005, original, self, app_id, channel_id, frame)
        else:
            original(self, app_id, channel_id, frame)


@mutant("ISO-004/discovery")
def events_from_clients() -> None:
    """Clients publish on the channels of service events."""

    @around(Capabilities, "reserves")
    def reserves(original: Any, self: Capabilities, channel_id: str) -> bool:
        return channel_id not in EVENTS and bool(original(self, channel_id))


@mutant("DSC-001/hundred")
def hundred_at_most() -> None:
    """No more than a hundred services are listed."""

    @around(ServiceRegistry, "list_services")
    def list_services(original: Any, self: ServiceRegistry, message: Any) -> Any:
        return {"services": original(self, message)["services"][:100]}


@mutant("DSC-004/trimmed")
def names_trimmed() -> None:
    """Blanks around the name of a service and its case do not count."""

    @around(ServiceRegistry, "get_service_instances")
    def get_service_instances(original: Any, self: ServiceRegistry, message: Any) -> Any:
        payload = message["payload"]
        if isinstance(name := payload.get("service_type"), str):
            message = message | {"payload": payload | {"service_type": name.strip().lower()}}
        return original(self, message) | {"service_type": name}


@mutant("DSC-011/moved")
def moved_at_once() -> None:
    """An instance that moves is removed and added, and its service has never been without one."""

    @around(ServiceRegistry, "_set")
    def put(original: Any, self: ServiceRegistry, key: Any, instance: Any) -> None:
        before = self._services.get(key, {}).get(instance["id"])
        if not before or before["channel"] == instance["channel"]:
            original(self, key, instance)
            return
        self._tell_of_instance("instance_removed", key, before)
        self._services[key][instance["id"]] = instance
        self._tell_of_instance("instance_added", key, instance)


@mutant("DSC-014/nothing")
def removal_of_nothing() -> None:
    """The removal of an instance that is not there is told of all the same."""

    @around(ServiceRegistry, "_remove")
    def remove(original: Any, self: ServiceRegistry, key: Any, instance_id: str) -> None:
        if instance_id not in self._services.get(key, {}):
            gone = {"id": instance_id, "channel": "x", "healthy": True, "connections": 0}
            self._tell_of_instance("instance_removed", key, gone)
        original(self, key, instance_id)
