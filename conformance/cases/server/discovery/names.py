"""DSC: names of services and ids of instances are compared code point by code point."""

from __future__ import annotations

from conformance.cases.server.alike import LONGEST_NAME, pairs
from conformance.cases.server.discovery.helpers import Registry, ask, discovery_case, expect_instances, instance
from conformance.core.verdicts import Violation
from conformance.harness.server_context import ServerContext


@discovery_case("alike-services-are-apart", "DSC-001", "DSC-004", "DSC-005", seconds=0.2)
def alike_services(context: ServerContext) -> None:
    """Of two services whose names are alike, one can exist and the other not."""
    registry = Registry(context)
    found = list(pairs(registry.service, LONGEST_NAME, controls=True))
    names = {pair.one for pair in found}
    for name in names:
        registry.service = name
        registry.put(instance("x", channel="c"))
    for pair in found:
        expect_instances(registry.asker, pair.other)
    listed = {service["name"] for service in ask(registry.asker, "list_services", "services")["services"]}
    if missing := names - listed:
        raise Violation("a service whose name is like that of others is not listed", received=ascii(min(missing)))


@discovery_case("alike-instances-are-apart", "DSC-004", seconds=0.2)
def alike_instances(context: ServerContext) -> None:
    """Instances of a service whose ids are alike are different ones."""
    registry = Registry(context)
    names = {each for pair in pairs("i", LONGEST_NAME, controls=True) for each in (pair.one, pair.other)}
    made = [instance(name, channel="c") for name in sorted(names)]
    registry.put(*made)
    expect_instances(registry.asker, registry.service, *made)
