"""DSC: how clients learn that services change."""

from __future__ import annotations

from typing import Any

from conformance.cases.server.discovery.helpers import (
    INSTANCES,
    SERVICES,
    Event,
    Registry,
    added,
    discovery_case,
    event_of,
    expect_instances,
    instance,
    name_in,
    removed,
    service_event,
    turned,
)
from conformance.core.verdicts import Violation
from conformance.harness.server_context import ServerContext
from conformance.protocol import codec
from conformance.protocol.codec import Message

CHANGES = 60
ROUNDS = 20


@discovery_case("first-instance-registers-the-service", "DSC-007", "DSC-010", "DSC-013")
def first_instance(context: ServerContext) -> None:
    """The first instance is an event on both channels, which show what an answer shows then."""
    registry = Registry(context)
    made = instance("one", connections=3)
    registry.put(made)
    registry.expect(added(registry.service, made), service_event("registered", registry.service))
    expect_instances(registry.asker, registry.service, made)


@discovery_case("unhealthy-first-instance-registers-the-service", "DSC-010", "DSC-013")
def unhealthy_first(context: ServerContext) -> None:
    """A service whose first instance is not healthy is registered all the same, as what it is."""
    registry = Registry(context)
    made = instance("one", healthy=False)
    registry.put(made)
    registry.expect(added(registry.service, made), service_event("registered", registry.service, healthy=False))


@discovery_case("second-instance-is-an-event-of-its-own", "DSC-007", "DSC-014")
def second_instance(context: ServerContext) -> None:
    """A second healthy instance is added, and the service is what it was."""
    registry = Registry(context)
    registry.put(instance("one"))
    registry.events()
    registry.put(instance("two"))
    registry.expect(added(registry.service, instance("two")))


@discovery_case("healthy-second-instance-changes-the-service", "DSC-007", "DSC-012")
def healthy_second(context: ServerContext) -> None:
    """A healthy instance beside an unhealthy one makes the service healthy."""
    registry = Registry(context)
    registry.put(instance("one", healthy=False))
    registry.events()
    registry.put(instance("two"))
    registry.expect(added(registry.service, instance("two")), service_event("health_changed", registry.service))


@discovery_case("health-of-the-only-instance", "DSC-009", "DSC-012", "DSC-013")
def only_health(context: ServerContext) -> None:
    """When the only instance falls ill or recovers, so does the service."""
    registry = Registry(context)
    registry.put(instance("one"))
    registry.events()
    for healthy in (False, True):
        changed = instance("one", healthy=healthy)
        registry.put(changed)
        registry.expect(
            turned(registry.service, changed), service_event("health_changed", registry.service, healthy=healthy)
        )


@discovery_case("health-of-one-of-two-instances", "DSC-009", "DSC-014")
def one_of_two(context: ServerContext) -> None:
    """While another instance is healthy, the service stays what it is."""
    registry = Registry(context)
    registry.put(instance("one"), instance("two"))
    registry.events()
    sick = instance("one", healthy=False)
    registry.put(sick)
    registry.expect(turned(registry.service, sick))
    registry.put(instance("one"))
    registry.expect(turned(registry.service, instance("one")))


@discovery_case("removing-one-of-two-instances", "DSC-008", "DSC-014")
def removing_one(context: ServerContext) -> None:
    """An instance that is not the last is removed, and the service is what it was."""
    registry = Registry(context)
    registry.put(instance("one", connections=2), instance("two"))
    registry.events()
    registry.change(remove="one")
    registry.expect(removed(registry.service, instance("one", connections=2)))
    expect_instances(registry.asker, registry.service, instance("two"))


@discovery_case("removing-the-healthy-instance-changes-the-service", "DSC-008", "DSC-012")
def removing_the_healthy(context: ServerContext) -> None:
    """A service that loses its only healthy instance is not healthy any more."""
    registry = Registry(context)
    registry.put(instance("one"), instance("two", healthy=False))
    registry.events()
    registry.change(remove="one")
    registry.expect(
        removed(registry.service, instance("one")), service_event("health_changed", registry.service, healthy=False)
    )


@discovery_case("removing-the-last-instance-unregisters-the-service", "DSC-008", "DSC-011", "DSC-013")
def removing_the_last(context: ServerContext) -> None:
    """With its last instance a service goes, and both are told of as they were."""
    for healthy in (True, False):
        registry = Registry(context)
        made = instance("one", healthy=healthy, connections=1)
        registry.put(made)
        registry.events()
        registry.change(remove="one")
        registry.expect(
            removed(registry.service, made), service_event("unregistered", registry.service, healthy=healthy)
        )


@discovery_case("service-comes-back", "DSC-010", "DSC-011")
def comes_back(context: ServerContext) -> None:
    """A service that has gone and comes back is registered again."""
    registry = Registry(context)
    for _ in range(3):
        registry.put(instance("one"))
        registry.expect(added(registry.service, instance("one")), service_event("registered", registry.service))
        registry.change(remove="one")
        registry.expect(removed(registry.service, instance("one")), service_event("unregistered", registry.service))


@discovery_case("no-change-no-event", "DSC-014")
def no_change(context: ServerContext) -> None:
    """An instance that is set to what it is, or gets more connections, is no event; answers show the connections."""
    registry = Registry(context)
    registry.put(instance("one"))
    registry.events()
    registry.put(instance("one"), instance("one", connections=5))
    registry.expect()
    expect_instances(registry.asker, registry.service, instance("one", connections=5))


@discovery_case("moved-instance-is-removed-and-added", "DSC-007", "DSC-008", "DSC-015")
def moved(context: ServerContext) -> None:
    """An instance that takes requests on another channel from now on is another instance of the same id."""
    registry = Registry(context)
    registry.put(instance("one"), instance("two"))
    registry.events()
    elsewhere = instance("one", channel="elsewhere")
    registry.put(elsewhere)
    registry.expect(removed(registry.service, instance("one")), added(registry.service, elsewhere))


@discovery_case("moved-only-instance-registers-anew", "DSC-010", "DSC-011", "DSC-014", "DSC-015")
def moved_alone(context: ServerContext) -> None:
    """When the only instance moves, and falls ill on the way, the service goes and comes back."""
    registry = Registry(context)
    registry.put(instance("one"))
    registry.events()
    elsewhere = instance("one", channel="elsewhere", healthy=False)
    registry.put(elsewhere)
    registry.expect(
        removed(registry.service, instance("one")),
        service_event("unregistered", registry.service),
        added(registry.service, elsewhere),
        service_event("registered", registry.service, healthy=False),
    )


@discovery_case("removing-nothing-is-no-event", "DSC-014", "REQ-013")
def removing_nothing(context: ServerContext) -> None:
    """An instance that is not there cannot be removed, and nobody is told that it was."""
    registry = Registry(context)
    registry.put(instance("one"))
    registry.events()
    message = registry.change_message(remove="two")
    registry.owner.send(message)
    registry.owner.expect_error("handler_failed", message)
    registry.expect()
    expect_instances(registry.asker, registry.service, instance("one"))


@discovery_case("each-channel-has-its-events-alone", "DSC-007", "DSC-010", "SUB-004")
def one_channel(context: ServerContext) -> None:
    """Who subscribes to one of the channels gets the events of that channel."""
    registry = Registry(context)
    listeners = {channel: context.connect() for channel in (SERVICES, INSTANCES)}
    for channel, listener in listeners.items():
        listener.subscribe(channel)
    registry.put(instance("one"))
    for channel, listener in listeners.items():
        told = [event for event in map(event_of, listener.barrier()) if name_in(event) == registry.service]
        if [where for where, _ in told] != [channel]:
            raise Violation(f"a subscriber of {channel} did not get its event alone", received=codec.shorten(told))


@discovery_case("long-history", "DSC-014", "DSC-015", "DSC-012", "DSC-004")
def long_history(context: ServerContext) -> None:
    """Sixty changes at random are told of in their order, and lead to what the answers show."""
    registry = Registry(context)
    current: dict[str, dict[str, Any]] = {}
    events = []
    for _ in range(CHANGES):
        name = context.random.choice("abc")
        if name in current and context.random.random() < 1 / 3:
            events += _after(registry.service, current, name, None)
            registry.change(remove=name)
        else:
            made = instance(name, healthy=context.random.random() < 1 / 2, connections=context.random.randrange(3))
            events += _after(registry.service, current, name, made)
            registry.put(made)
    registry.expect(*events)
    expect_instances(registry.asker, registry.service, *current.values())


def _after(service: str, current: dict[str, dict[str, Any]], name: str, made: dict[str, Any] | None) -> list[Event]:
    """Make a change of the model and return the events that belong to it."""
    existed, was_healthy = bool(current), any(each["healthy"] for each in current.values())
    before = current.pop(name, None)
    if made:
        current[name] = made
    is_healthy = any(each["healthy"] for each in current.values())
    events = []
    if made is None and before:
        events.append(removed(service, before))
    elif made and not before:
        events.append(added(service, made))
    elif made and before and made["healthy"] != before["healthy"]:
        events.append(turned(service, made))
    if existed != bool(current):
        last = is_healthy if current else was_healthy
        events.append(service_event("registered" if current else "unregistered", service, healthy=last))
    elif was_healthy != is_healthy:
        events.append(service_event("health_changed", service, healthy=is_healthy))
    return events


@discovery_case("event-precedes-the-answer-that-shows-it", "DSC-016")
def event_first(context: ServerContext) -> None:
    """Whoever is subscribed has got the event before an answer shows the change, whenever it asks."""
    registry = Registry(context)
    known: set[str] = set()
    for number in range(ROUNDS):
        registry.owner.send(registry.change_message(set=instance(f"i{number}")))
        asked = registry.watcher.request_message(
            "system", {"action": "get_service_instances", "service_type": registry.service}
        )
        registry.watcher.send(asked)
        _watch_for_the_answer(registry, asked, known)
    registry.owner.barrier()


def _watch_for_the_answer(registry: Registry, asked: Message, known: set[str]) -> None:
    while True:
        message = registry.watcher.receive()
        if message["message_type"] == "response":
            break
        event = event_of(message)
        if event[0] == INSTANCES and name_in(event) == registry.service:
            known.add(event[1]["instance"]["id"])
    shown = {each["id"] for each in message["payload"]["instances"]}
    if message["reply_to"] != asked["message_id"] or not shown <= known:
        raise Violation(
            "an answer shows an instance before the event of it", expected=str(sorted(known)), received=str(shown)
        )


@discovery_case("events-precede-the-answer-on-one-connection", "DSC-016", "SUB-016")
def own_change(context: ServerContext) -> None:
    """A connection that changes a service and is subscribed gets the events ahead of the answer that it did so."""
    registry = Registry(context)
    for channel in (SERVICES, INSTANCES):
        registry.owner.subscribe(channel)
    message = registry.change_message(set=instance("one"))
    listed = registry.owner.request_message("system", {"action": "list_services"})
    registry.owner.send(message, listed)
    seen: set[str] = set()
    answers = 0
    while answers < 2:
        received = registry.owner.receive()
        if received["message_type"] != "response":
            event = event_of(received)
            seen |= {event[0]} if name_in(event) == registry.service else set()
            continue
        answers += 1
        names = [each["name"] for each in received["payload"].get("services", ())]
        if (received["reply_to"] == message["message_id"] or registry.service in names) and len(seen) != 2:
            raise Violation("an answer came before the events that belong to it", received=codec.shorten(received))


@discovery_case("clients-do-not-publish-events", "ISO-004", "ISO-008")
def reserved(context: ServerContext) -> None:
    """A client that publishes on the profile's channels is refused, and nobody gets it."""
    registry = Registry(context)
    ordinary = context.name("channel")
    registry.owner.subscribe(ordinary)
    registry.owner.publish_and_get(ordinary, 1)
    forged = {SERVICES: service_event("registered", registry.service), INSTANCES: added("x", instance("one"))}
    for channel, (_, payload) in forged.items():
        message = registry.owner.message("publish", channel, payload)
        registry.owner.send(message)
        registry.owner.expect_error("reserved_channel", message)
    registry.expect()
