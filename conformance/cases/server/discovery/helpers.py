"""Services as cases see them (spec, chapter DSC)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.core.verdicts import Violation
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec, schemas
from conformance.protocol.codec import Message

PROFILE = "discovery"
SERVICES, INSTANCES = "service_discovery", "service_instances"
LONGEST = 255

Event = tuple[str, Any]
"""The channel and the payload of an event."""


def instance(name: str, *, channel: str = "", healthy: bool = True, connections: int = 0) -> dict[str, Any]:
    """Return an instance as it stands in answers and events."""
    return {"id": name, "channel": channel or f"channel-{name}", "healthy": healthy, "connections": connections}


def added(service: str, made: dict[str, Any]) -> Event:
    """Return the event that an instance was added."""
    return INSTANCES, {"action": "instance_added", "service_type": service, "instance": made}


def removed(service: str, gone: dict[str, Any]) -> Event:
    """Return the event that an instance was removed."""
    return INSTANCES, {"action": "instance_removed", "service_type": service, "instance": gone}


def turned(service: str, changed: dict[str, Any]) -> Event:
    """Return the event that the health of an instance changed."""
    return INSTANCES, {"action": "instance_health_changed", "service_type": service, "instance": changed}


def service_event(action: str, service: str, *, healthy: bool = True) -> Event:
    """Return an event about a service as a whole."""
    return SERVICES, {"action": f"service_{action}", "service": {"name": service, "healthy": healthy}}


class Registry:
    """A service with a name of its own, a connection that changes it, one that watches, and one that asks.

    Cases run in parallel on one server, so what is said of other services is passed over.
    """

    def __init__(self, context: ServerContext) -> None:
        self.service = context.name("service")
        self.owner = context.connect()
        self.watcher = context.connect()
        self.asker = context.connect()
        for channel in (SERVICES, INSTANCES):
            self.watcher.subscribe(channel)

    def change_message(self, **change: Any) -> Message:
        """Return the request to the responder that sets or removes an instance."""
        return self.owner.request_message("conformance.services", {"service_type": self.service} | change)

    def change(self, **change: Any) -> None:
        """Set or remove an instance, and see the responder do it."""
        message = self.change_message(**change)
        self.owner.send(message)
        self.owner.expect_payload(message, {"status": "ok"}, "conformance.services did not answer as chapter 13 says")

    def put(self, *instances: dict[str, Any]) -> None:
        """Set instances, one after the other."""
        for each in instances:
            self.change(set=each)

    def events(self) -> list[Event]:
        """Return the events about the service that have come since the last call."""
        return [event for event in map(event_of, self.watcher.barrier()) if name_in(event) == self.service]

    def expect(self, *events: Event) -> None:
        """Compare the events since the last call; the two channels are ordered each for itself (DSC-015)."""
        found = self.events()
        for channel in (SERVICES, INSTANCES):
            wanted = [payload for where, payload in events if where == channel]
            came = [payload for where, payload in found if where == channel]
            if not codec.same(came, wanted):
                raise Violation(
                    f"the events on {channel} are not those of the changes",
                    expected=codec.shorten(wanted),
                    received=codec.shorten(came),
                )


def event_of(message: Message) -> Event:
    """Return channel and payload of a message, which has to be an event."""
    channel, payload = message["channel_id"], message["payload"]
    schema = {SERVICES: "service-event", INSTANCES: "instance-event"}.get(channel)
    problem = schemas.problem(schema, payload) if schema else "nothing else was subscribed to"
    if problem or message["message_type"] != "publish":
        raise Violation("what came is no event", expected=str(schema), received=f"{codec.shorten(message)} {problem}")
    return channel, payload


def name_in(event: Event) -> str:
    """Return the name of the service that an event is about."""
    channel, payload = event
    return str(payload["service"]["name"] if channel == SERVICES else payload["service_type"])


def ask(peer: ClientPeer, action: str, schema: str, **members: Any) -> Any:
    """Ask for services or instances and return the answer's payload, which has to be valid."""
    payload = peer.request("system", {"action": action} | members)["payload"]
    if problem := schemas.problem(schema, payload):
        raise Violation(f"the answer to {action} is not valid", received=f"{codec.shorten(payload)} {problem}")
    return payload


def services_named(peer: ClientPeer, name: str) -> list[Any]:
    """Return what a connection is told of services of a name."""
    found = ask(peer, "list_services", "services")["services"]
    return [service for service in found if service["name"] == name]


def expect_service(peer: ClientPeer, name: str, *, healthy: bool) -> None:
    """See a service listed once, with its health."""
    found = services_named(peer, name)
    if [service["healthy"] for service in found] != [healthy]:
        raise Violation(
            "list_services does not show the service once and with its health",
            expected=codec.shorten([{"name": name, "healthy": healthy}]),
            received=codec.shorten(found),
        )


def expect_instances(peer: ClientPeer, name: str, *wanted: dict[str, Any]) -> None:
    """See exactly these instances of a service, in any order."""
    payload = ask(peer, "get_service_instances", "service-instances", service_type=name)
    found = sorted(payload["instances"], key=lambda each: str(each["id"]))
    if payload["service_type"] != name or not codec.same(found, sorted(wanted, key=lambda each: str(each["id"]))):
        raise Violation(
            "get_service_instances does not show each instance of the service once",
            expected=codec.shorten(list(wanted)),
            received=codec.shorten(payload),
        )


def discovery_case(
    name: str, *requirements: str, **options: Any
) -> Callable[[Callable[[ServerContext], None]], Callable[[ServerContext], None]]:
    """Register a case of this profile that needs the responder's services."""
    return case(f"discovery/{name}", *requirements, profile=PROFILE, needs=("services",), **options)
