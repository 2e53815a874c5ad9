"""DSC: which services there are, and how clients learn of changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance import schemas, wire
from conformance.case import Case, add, case
from conformance.connection import Connection
from conformance.scene import Scene
from conformance.verdicts import Violation
from conformance.wire import Message

PROFILE = "discovery"
SERVICES, INSTANCES = "service_discovery", "service_instances"
CHANGES = 60
ROUNDS = 20
MANY = 300
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

    def __init__(self, scene: Scene) -> None:
        self.service = scene.name("service")
        self.owner = scene.connect()
        self.watcher = scene.connect()
        self.asker = scene.connect()
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
            if not wire.same(came, wanted):
                raise Violation(
                    f"the events on {channel} are not those of the changes",
                    expected=wire.shorten(wanted),
                    received=wire.shorten(came),
                )


def event_of(message: Message) -> Event:
    """Return channel and payload of a message, which has to be an event."""
    channel, payload = message["channel_id"], message["payload"]
    schema = {SERVICES: "service-event", INSTANCES: "instance-event"}.get(channel)
    problem = schemas.problem(schema, payload) if schema else "nothing else was subscribed to"
    if problem or message["message_type"] != "publish":
        raise Violation("what came is no event", expected=str(schema), received=f"{wire.shorten(message)} {problem}")
    return channel, payload


def name_in(event: Event) -> str:
    """Return the name of the service that an event is about."""
    channel, payload = event
    return str(payload["service"]["name"] if channel == SERVICES else payload["service_type"])


def ask(peer: Connection, action: str, schema: str, **members: Any) -> Any:
    """Ask for services or instances and return the answer's payload, which has to be valid."""
    payload = peer.request("system", {"action": action} | members)["payload"]
    if problem := schemas.problem(schema, payload):
        raise Violation(f"the answer to {action} is not valid", received=f"{wire.shorten(payload)} {problem}")
    return payload


def services_named(peer: Connection, name: str) -> list[Any]:
    """Return what a connection is told of services of a name."""
    found = ask(peer, "list_services", "services")["services"]
    return [service for service in found if service["name"] == name]


def expect_service(peer: Connection, name: str, *, healthy: bool) -> None:
    """See a service listed once, with its health."""
    found = services_named(peer, name)
    if [service["healthy"] for service in found] != [healthy]:
        raise Violation(
            "list_services does not show the service once and with its health",
            expected=wire.shorten([{"name": name, "healthy": healthy}]),
            received=wire.shorten(found),
        )


def expect_instances(peer: Connection, name: str, *wanted: dict[str, Any]) -> None:
    """See exactly these instances of a service, in any order."""
    payload = ask(peer, "get_service_instances", "service-instances", service_type=name)
    found = sorted(payload["instances"], key=lambda each: str(each["id"]))
    if payload["service_type"] != name or not wire.same(found, sorted(wanted, key=lambda each: str(each["id"]))):
        raise Violation(
            "get_service_instances does not show each instance of the service once",
            expected=wire.shorten(list(wanted)),
            received=wire.shorten(payload),
        )


def discovery_case(
    name: str, *requirements: str, **options: Any
) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Register a case of this profile that needs the responder's services."""
    return case(f"discovery/{name}", *requirements, profile=PROFILE, needs=("services",), **options)


@discovery_case("service-is-listed", "DSC-001", "DSC-002")
def service_is_listed(scene: Scene) -> None:
    """A service is listed once however many instances it has, and no more when the last has gone."""
    registry = Registry(scene)
    registry.put(instance("one"), instance("two"), instance("three"))
    expect_service(registry.asker, registry.service, healthy=True)
    for name in ("one", "two", "three"):
        registry.change(remove=name)
    if found := services_named(registry.asker, registry.service):
        raise Violation("a service without instances is listed", received=wire.shorten(found))


@discovery_case("instances-are-listed", "DSC-004")
def instances_are_listed(scene: Scene) -> None:
    """Each instance is listed once, with its channel, its health and its connections."""
    registry = Registry(scene)
    made = [instance("one"), instance("two", healthy=False, connections=7), instance("three", channel="elsewhere")]
    registry.put(*made)
    expect_instances(registry.asker, registry.service, *made)


@discovery_case("service-is-as-healthy-as-its-best-instance", "DSC-002")
def health_of_a_service(scene: Scene) -> None:
    """A service is healthy while one of its instances is, and not before or behind."""
    registry = Registry(scene)
    sick = [instance("one", healthy=False), instance("two", healthy=False)]
    registry.put(*sick)
    expect_service(registry.asker, registry.service, healthy=False)
    registry.put(instance("two"))
    expect_service(registry.asker, registry.service, healthy=True)
    registry.put(*sick)
    expect_service(registry.asker, registry.service, healthy=False)


@discovery_case("instance-of-another-service-is-not-shown", "DSC-004")
def services_are_apart(scene: Scene) -> None:
    """Instances of the same id in two services are two instances."""
    registry, other = Registry(scene), Registry(scene)
    registry.put(instance("same", connections=1))
    other.put(instance("same", connections=2))
    expect_instances(registry.asker, registry.service, instance("same", connections=1))
    other.change(remove="same")
    expect_instances(registry.asker, registry.service, instance("same", connections=1))
    expect_instances(registry.asker, other.service)


@discovery_case("unknown-service-has-no-instances", "DSC-005")
def unknown_service(scene: Scene) -> None:
    """A service that does not exist has no instances, and a service that has gone has none."""
    registry = Registry(scene)
    expect_instances(registry.asker, registry.service)
    registry.put(instance("one"))
    registry.change(remove="one")
    expect_instances(registry.asker, registry.service)
    expect_instances(registry.asker, "x" * LONGEST)


@discovery_case("further-members-are-ignored", "SYS-005")
def further_members(scene: Scene) -> None:
    """Members that the actions do not define change nothing."""
    registry = Registry(scene)
    registry.put(instance("one"))
    ask(registry.asker, "list_services", "services", service_type=7, filter=None)
    payload = ask(
        registry.asker, "get_service_instances", "service-instances", service_type=registry.service, healthy=False
    )
    if not wire.same(payload["instances"], [instance("one")]):
        raise Violation("a member that the action does not define changed its answer", received=wire.shorten(payload))


BAD_TYPES: dict[str, dict[str, Any]] = {
    "absent": {},
    "null": {"service_type": None},
    "a-number": {"service_type": 1},
    "an-array": {"service_type": ["x"]},
    "an-object": {"service_type": {"name": "x"}},
    "empty": {"service_type": ""},
    "too-long": {"service_type": "x" * (LONGEST + 1)},
    "in-another-member": {"service": "x"},
}


def bad_type(scene: Scene, members: dict[str, Any]) -> None:
    """Ask for the instances of no service behind a question that is right."""
    peer = scene.connect()
    expect_instances(peer, scene.name("nothing"))
    request = peer.request_message("system", {"action": "get_service_instances"} | members)
    peer.send(request)
    peer.expect_error("invalid_message", request)
    peer.expect_silence()


for _name, _members in BAD_TYPES.items():
    add(
        Case(
            f"discovery/service-type-{_name}",
            ("DSC-003",),
            f"A question for instances whose service_type is {_name.replace('-', ' ')} is refused.",
            partial(bad_type, members=_members),
            profile=PROFILE,
        )
    )


@discovery_case("service-of-one-application-is-not-shown-to-others", "DSC-006")
def other_application(scene: Scene) -> None:
    """A service for one application shows in no answer and no event of another."""
    registry = Registry(scene)
    stranger = scene.connect(app=scene.name("app"))
    asker = scene.connect(app=stranger.app_id)
    for channel in (SERVICES, INSTANCES):
        stranger.subscribe(channel)
    registry.put(instance("one"))
    registry.change(remove="one")
    registry.put(instance("two"))
    told = [event for event in map(event_of, stranger.barrier()) if name_in(event) == registry.service]
    if told or services_named(asker, registry.service):
        raise Violation("a service was shown to another application", received=wire.shorten(told))
    expect_instances(asker, registry.service)


@discovery_case("first-instance-registers-the-service", "DSC-007", "DSC-010", "DSC-013")
def first_instance(scene: Scene) -> None:
    """The first instance is an event on both channels, which show what an answer shows then."""
    registry = Registry(scene)
    made = instance("one", connections=3)
    registry.put(made)
    registry.expect(added(registry.service, made), service_event("registered", registry.service))
    expect_instances(registry.asker, registry.service, made)


@discovery_case("unhealthy-first-instance-registers-the-service", "DSC-010", "DSC-013")
def unhealthy_first(scene: Scene) -> None:
    """A service whose first instance is not healthy is registered all the same, as what it is."""
    registry = Registry(scene)
    made = instance("one", healthy=False)
    registry.put(made)
    registry.expect(added(registry.service, made), service_event("registered", registry.service, healthy=False))


@discovery_case("second-instance-is-an-event-of-its-own", "DSC-007", "DSC-014")
def second_instance(scene: Scene) -> None:
    """A second healthy instance is added, and the service is what it was."""
    registry = Registry(scene)
    registry.put(instance("one"))
    registry.events()
    registry.put(instance("two"))
    registry.expect(added(registry.service, instance("two")))


@discovery_case("healthy-second-instance-changes-the-service", "DSC-007", "DSC-012")
def healthy_second(scene: Scene) -> None:
    """A healthy instance beside an unhealthy one makes the service healthy."""
    registry = Registry(scene)
    registry.put(instance("one", healthy=False))
    registry.events()
    registry.put(instance("two"))
    registry.expect(added(registry.service, instance("two")), service_event("health_changed", registry.service))


@discovery_case("health-of-the-only-instance", "DSC-009", "DSC-012", "DSC-013")
def only_health(scene: Scene) -> None:
    """When the only instance falls ill or recovers, so does the service."""
    registry = Registry(scene)
    registry.put(instance("one"))
    registry.events()
    for healthy in (False, True):
        changed = instance("one", healthy=healthy)
        registry.put(changed)
        registry.expect(
            turned(registry.service, changed), service_event("health_changed", registry.service, healthy=healthy)
        )


@discovery_case("health-of-one-of-two-instances", "DSC-009", "DSC-014")
def one_of_two(scene: Scene) -> None:
    """While another instance is healthy, the service stays what it is."""
    registry = Registry(scene)
    registry.put(instance("one"), instance("two"))
    registry.events()
    sick = instance("one", healthy=False)
    registry.put(sick)
    registry.expect(turned(registry.service, sick))
    registry.put(instance("one"))
    registry.expect(turned(registry.service, instance("one")))


@discovery_case("removing-one-of-two-instances", "DSC-008", "DSC-014")
def removing_one(scene: Scene) -> None:
    """An instance that is not the last is removed, and the service is what it was."""
    registry = Registry(scene)
    registry.put(instance("one", connections=2), instance("two"))
    registry.events()
    registry.change(remove="one")
    registry.expect(removed(registry.service, instance("one", connections=2)))
    expect_instances(registry.asker, registry.service, instance("two"))


@discovery_case("removing-the-healthy-instance-changes-the-service", "DSC-008", "DSC-012")
def removing_the_healthy(scene: Scene) -> None:
    """A service that loses its only healthy instance is not healthy any more."""
    registry = Registry(scene)
    registry.put(instance("one"), instance("two", healthy=False))
    registry.events()
    registry.change(remove="one")
    registry.expect(
        removed(registry.service, instance("one")), service_event("health_changed", registry.service, healthy=False)
    )


@discovery_case("removing-the-last-instance-unregisters-the-service", "DSC-008", "DSC-011", "DSC-013")
def removing_the_last(scene: Scene) -> None:
    """With its last instance a service goes, and both are told of as they were."""
    for healthy in (True, False):
        registry = Registry(scene)
        made = instance("one", healthy=healthy, connections=1)
        registry.put(made)
        registry.events()
        registry.change(remove="one")
        registry.expect(
            removed(registry.service, made), service_event("unregistered", registry.service, healthy=healthy)
        )


@discovery_case("service-comes-back", "DSC-010", "DSC-011")
def comes_back(scene: Scene) -> None:
    """A service that has gone and comes back is registered again."""
    registry = Registry(scene)
    for _ in range(3):
        registry.put(instance("one"))
        registry.expect(added(registry.service, instance("one")), service_event("registered", registry.service))
        registry.change(remove="one")
        registry.expect(removed(registry.service, instance("one")), service_event("unregistered", registry.service))


@discovery_case("no-change-no-event", "DSC-014")
def no_change(scene: Scene) -> None:
    """An instance that is set to what it is, or gets more connections, is no event; answers show the connections."""
    registry = Registry(scene)
    registry.put(instance("one"))
    registry.events()
    registry.put(instance("one"), instance("one", connections=5))
    registry.expect()
    expect_instances(registry.asker, registry.service, instance("one", connections=5))


@discovery_case("moved-instance-is-removed-and-added", "DSC-007", "DSC-008", "DSC-015")
def moved(scene: Scene) -> None:
    """An instance that takes requests on another channel from now on is another instance of the same id."""
    registry = Registry(scene)
    registry.put(instance("one"), instance("two"))
    registry.events()
    elsewhere = instance("one", channel="elsewhere")
    registry.put(elsewhere)
    registry.expect(removed(registry.service, instance("one")), added(registry.service, elsewhere))


@discovery_case("moved-only-instance-registers-anew", "DSC-010", "DSC-011", "DSC-014", "DSC-015")
def moved_alone(scene: Scene) -> None:
    """When the only instance moves, and falls ill on the way, the service goes and comes back."""
    registry = Registry(scene)
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
def removing_nothing(scene: Scene) -> None:
    """An instance that is not there cannot be removed, and nobody is told that it was."""
    registry = Registry(scene)
    registry.put(instance("one"))
    registry.events()
    message = registry.change_message(remove="two")
    registry.owner.send(message)
    registry.owner.expect_error("handler_failed", message)
    registry.expect()
    expect_instances(registry.asker, registry.service, instance("one"))


@discovery_case("names-are-compared-as-they-are", "DSC-001", "DSC-004")
def as_they_are(scene: Scene) -> None:
    """Services and instances whose names differ in case or blanks alone are different ones, and names may be long."""
    registry = Registry(scene)
    first = registry.service
    names = [f"{first}a", f"{first}A", f"{first}a ", f" {first}a", first + "ü" * (LONGEST - len(first))]
    instances = [instance("x"), instance("X"), instance("x "), instance("ü" * LONGEST, channel="c")]
    for number, name in enumerate(names):
        registry.service = name
        registry.put(*instances[number % 2 :])
    for number, name in enumerate(names):
        expect_service(registry.asker, name, healthy=True)
        expect_instances(registry.asker, name, *instances[number % 2 :])


@discovery_case("many-services-and-instances", "DSC-001", "DSC-004", seconds=0.3)
def many(scene: Scene) -> None:
    """Hundreds of services, and hundreds of instances of one, are all shown."""
    registry = Registry(scene)
    first = registry.service
    made = [instance(f"i{number:03d}") for number in range(MANY)]
    messages = [registry.change_message(set=each) for each in made]
    names = [f"{first}-{number}" for number in range(MANY)]
    for name in names:
        registry.service = name
        messages.append(registry.change_message(set=instance("one")))
    registry.owner.send(*messages)
    for _ in messages:
        registry.owner.receive()
    expect_instances(registry.asker, first, *made)
    shown = {each["name"] for each in ask(registry.asker, "list_services", "services")["services"]}
    if missing := set(names) - shown:
        raise Violation("services are not listed", expected="none missing", received=f"{len(missing)} missing")


@discovery_case("each-channel-has-its-events-alone", "DSC-007", "DSC-010", "SUB-004")
def one_channel(scene: Scene) -> None:
    """Who subscribes to one of the channels gets the events of that channel."""
    registry = Registry(scene)
    listeners = {channel: scene.connect() for channel in (SERVICES, INSTANCES)}
    for channel, listener in listeners.items():
        listener.subscribe(channel)
    registry.put(instance("one"))
    for channel, listener in listeners.items():
        told = [event for event in map(event_of, listener.barrier()) if name_in(event) == registry.service]
        if [where for where, _ in told] != [channel]:
            raise Violation(f"a subscriber of {channel} did not get its event alone", received=wire.shorten(told))


@discovery_case("long-history", "DSC-014", "DSC-015", "DSC-012", "DSC-004")
def long_history(scene: Scene) -> None:
    """Sixty changes at random, sent at once, are told of in their order, and lead to what the answers show."""
    registry = Registry(scene)
    current: dict[str, dict[str, Any]] = {}
    messages, events = [], []
    for _ in range(CHANGES):
        name = scene.random.choice("abc")
        if name in current and scene.random.random() < 1 / 3:
            events += _after(registry.service, current, name, None)
            messages.append(registry.change_message(remove=name))
        else:
            made = instance(name, healthy=scene.random.random() < 1 / 2, connections=scene.random.randrange(3))
            events += _after(registry.service, current, name, made)
            messages.append(registry.change_message(set=made))
    registry.owner.send(*messages)
    for _ in messages:
        registry.owner.receive()
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
def event_first(scene: Scene) -> None:
    """Whoever is subscribed has got the event before an answer shows the change, whenever it asks."""
    registry = Registry(scene)
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
def own_change(scene: Scene) -> None:
    """A connection that changes a service and is subscribed gets the events ahead of the answer that it did so."""
    registry = Registry(scene)
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
            raise Violation("an answer came before the events that belong to it", received=wire.shorten(received))


@discovery_case("clients-do-not-publish-events", "ISO-004", "ISO-008")
def reserved(scene: Scene) -> None:
    """A client that publishes on the profile's channels is refused, and nobody gets it."""
    registry = Registry(scene)
    ordinary = scene.name("channel")
    registry.owner.subscribe(ordinary)
    registry.owner.publish_and_get(ordinary, 1)
    forged = {SERVICES: service_event("registered", registry.service), INSTANCES: added("x", instance("one"))}
    for channel, (_, payload) in forged.items():
        message = registry.owner.message("publish", channel, payload)
        registry.owner.send(message)
        registry.owner.expect_error("reserved_channel", message)
    registry.expect()
