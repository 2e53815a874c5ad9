"""DSC: which services there are."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.cases.server.discovery.helpers import (
    INSTANCES,
    LONGEST,
    PROFILE,
    SERVICES,
    Registry,
    ask,
    discovery_case,
    event_of,
    expect_instances,
    expect_service,
    instance,
    name_in,
    services_named,
)
from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.server_context import ServerContext
from conformance.protocol import codec

MANY = 300


@discovery_case("service-is-listed", "DSC-001", "DSC-002")
def service_is_listed(context: ServerContext) -> None:
    """A service is listed once however many instances it has, and no more when the last has gone."""
    registry = Registry(context)
    registry.put(instance("one"), instance("two"), instance("three"))
    expect_service(registry.asker, registry.service, healthy=True)
    for name in ("one", "two", "three"):
        registry.change(remove=name)
    if found := services_named(registry.asker, registry.service):
        raise Violation("a service without instances is listed", received=codec.shorten(found))


@discovery_case("instances-are-listed", "DSC-004")
def instances_are_listed(context: ServerContext) -> None:
    """Each instance is listed once, with its channel, its health and its connections."""
    registry = Registry(context)
    made = [instance("one"), instance("two", healthy=False, connections=7), instance("three", channel="elsewhere")]
    registry.put(*made)
    expect_instances(registry.asker, registry.service, *made)


@discovery_case("service-is-as-healthy-as-its-best-instance", "DSC-002")
def health_of_a_service(context: ServerContext) -> None:
    """A service is healthy while one of its instances is, and not before or behind."""
    registry = Registry(context)
    sick = [instance("one", healthy=False), instance("two", healthy=False)]
    registry.put(*sick)
    expect_service(registry.asker, registry.service, healthy=False)
    registry.put(instance("two"))
    expect_service(registry.asker, registry.service, healthy=True)
    registry.put(*sick)
    expect_service(registry.asker, registry.service, healthy=False)


@discovery_case("instance-of-another-service-is-not-shown", "DSC-004")
def services_are_apart(context: ServerContext) -> None:
    """Instances of the same id in two services are two instances."""
    registry, other = Registry(context), Registry(context)
    registry.put(instance("same", connections=1))
    other.put(instance("same", connections=2))
    expect_instances(registry.asker, registry.service, instance("same", connections=1))
    other.change(remove="same")
    expect_instances(registry.asker, registry.service, instance("same", connections=1))
    expect_instances(registry.asker, other.service)


@discovery_case("unknown-service-has-no-instances", "DSC-005")
def unknown_service(context: ServerContext) -> None:
    """A service that does not exist has no instances, and a service that has gone has none."""
    registry = Registry(context)
    expect_instances(registry.asker, registry.service)
    registry.put(instance("one"))
    registry.change(remove="one")
    expect_instances(registry.asker, registry.service)
    expect_instances(registry.asker, "x" * LONGEST)


@discovery_case("further-members-are-ignored", "SYS-005")
def further_members(context: ServerContext) -> None:
    """Members that the actions do not define change nothing."""
    registry = Registry(context)
    registry.put(instance("one"))
    ask(registry.asker, "list_services", "services", service_type=7, filter=None)
    payload = ask(
        registry.asker, "get_service_instances", "service-instances", service_type=registry.service, healthy=False
    )
    if not codec.same(payload["instances"], [instance("one")]):
        raise Violation("a member that the action does not define changed its answer", received=codec.shorten(payload))


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


def bad_type(context: ServerContext, members: dict[str, Any]) -> None:
    """Ask for the instances of no service behind a question that is right."""
    peer = context.connect()
    expect_instances(peer, context.name("nothing"))
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
def other_application(context: ServerContext) -> None:
    """A service for one application shows in no answer and no event of another."""
    registry = Registry(context)
    stranger = context.connect(app=context.name("app"))
    asker = context.connect(app=stranger.app_id)
    for channel in (SERVICES, INSTANCES):
        stranger.subscribe(channel)
    registry.put(instance("one"))
    registry.change(remove="one")
    registry.put(instance("two"))
    told = [event for event in map(event_of, stranger.barrier()) if name_in(event) == registry.service]
    if told or services_named(asker, registry.service):
        raise Violation("a service was shown to another application", received=codec.shorten(told))
    expect_instances(asker, registry.service)


@discovery_case("names-are-compared-as-they-are", "DSC-001", "DSC-004")
def as_they_are(context: ServerContext) -> None:
    """Services and instances whose names differ in case or blanks alone are different ones, and names may be long."""
    registry = Registry(context)
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
def many(context: ServerContext) -> None:
    """Hundreds of services, and hundreds of instances of one, are all shown."""
    registry = Registry(context)
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
