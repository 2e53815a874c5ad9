"""The profile discovery: which services there are, and how that changes (chapter DSC)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from reference_server.profiles.profile import Announce, Profile, ProfileContext
from reference_server.profiles.profile_set import ProfileSet
from reference_server.protocol.errors import ErrorCode, WireError
from reference_server.protocol.events import Message
from reference_server.protocol.schemas import check, check_name, explain, validator

SERVICES: Final = "service_discovery"
INSTANCES: Final = "service_instances"

_REQUEST: Final = validator("service-instances-request")

Instance = dict[str, Any]
Scope = str | None
"""The application that a service is offered to; None for all of them."""


class DiscoveryProfile(Profile):
    """Answers which services there are, and announces how that changes."""

    name = "discovery"
    channels = (SERVICES, INSTANCES)

    def __init__(self, context: ProfileContext) -> None:
        super().__init__(context)
        self.services = ServiceRegistry(context.announce, context.in_loop)
        self.actions = {
            "list_services": self.services.list_services,
            "get_service_instances": self.services.get_service_instances,
        }


class DiscoveryAttributes:
    """What the profile adds to `ReferenceServer`."""

    _profiles: ProfileSet

    @property
    def services(self) -> ServiceRegistry:
        """The services that clients can discover.

        Raises:
            RuntimeError: The server does not offer the profile discovery.
        """
        return self._profiles.get(DiscoveryProfile).services


class ServiceRegistry:
    """The services of one server.

    Example::

        server = ReferenceServer(profiles=["discovery"])
        server.services.set("thumbnails", "worker-1", channel="thumbnails-1")

    Args:
        announce: What events are sent with.
        in_loop: Calls a function with arguments in the thread of the event loop, and returns what it returns.
    """

    def __init__(self, announce: Announce, in_loop: Callable[..., Any]) -> None:
        self._announce = announce
        self._in_loop = in_loop
        self._services: dict[tuple[Scope, str], dict[str, Instance]] = {}

    def set(
        self,
        service_type: str,
        instance_id: str,
        *,
        channel: str,
        healthy: bool = True,
        connections: int = 0,
        app: Scope = None,
    ) -> None:
        """Add an instance to a service, or change the one of that id. Works in handlers and in any thread.

        Args:
            service_type: The service.
            instance_id: The instance's name inside it.
            channel: Where the instance takes requests; register its handler there.
            healthy: Whether it can be expected to answer.
            connections: How much it has to do.
            app: The only application that is offered the service, None for every application.

        Raises:
            ValueError: A value is none that the specification allows, or the service exists for other applications.
        """
        instance = {"id": instance_id, "channel": channel, "healthy": healthy, "connections": connections}
        _check_names(service_type, app)
        check("service-instances#/$defs/instance", instance, "instance")
        self._in_loop(self._set, (app, service_type), instance)

    def remove(self, service_type: str, instance_id: str, *, app: Scope = None) -> None:
        """Remove an instance, the service too when it is the last one. Works in handlers and in any thread.

        Raises:
            ValueError: There is no such instance.
        """
        self._in_loop(self._remove, (app, service_type), instance_id)

    def list_services(self, message: Message) -> dict[str, Any]:
        """Answer with the services that the application is offered (DSC-001, DSC-006)."""
        offered = [key for key in self._services if key[0] in (None, message["app_id"])]
        return {"services": [self._service(key) for key in offered]}

    def get_service_instances(self, message: Message) -> dict[str, Any]:
        """Answer with the instances of a service (DSC-004).

        Raises:
            WireError: The request names none (DSC-003).
        """
        payload = message["payload"]
        if not _REQUEST.is_valid(payload):
            raise WireError(ErrorCode.INVALID_MESSAGE, f"payload: {explain(_REQUEST, payload)}", message)
        name = payload["service_type"]
        found = self._services.get((message["app_id"], name)) or self._services.get((None, name)) or {}
        return {"service_type": name, "instances": list(found.values())}

    def _set(self, key: tuple[Scope, str], instance: Instance) -> None:
        self._check_scope(key)
        instances = self._services.setdefault(key, {})
        before = instances.get(instance["id"])
        if before and before["channel"] != instance["channel"]:
            self._remove(key, instance["id"])
            self._set(key, instance)
            return
        was_healthy = self._is_healthy(key)
        instances[instance["id"]] = instance
        if not before:
            self._tell_of_instance("instance_added", key, instance)
        elif before["healthy"] != instance["healthy"]:
            self._tell_of_instance("instance_health_changed", key, instance)
        if len(instances) == 1 and not before:
            self._tell_of_service("service_registered", key)
        elif was_healthy != self._is_healthy(key):
            self._tell_of_service("service_health_changed", key)

    def _remove(self, key: tuple[Scope, str], instance_id: str) -> None:
        instances = self._services.get(key, {})
        if instance_id not in instances:
            raise ValueError(f"service {key[1]!r} has no instance {instance_id!r}")
        before = self._service(key)
        self._tell_of_instance("instance_removed", key, instances.pop(instance_id))
        if not instances:
            del self._services[key]
            self._announce(key[0], SERVICES, {"action": "service_unregistered", "service": before})
        elif before != self._service(key):
            self._tell_of_service("service_health_changed", key)

    def _check_scope(self, key: tuple[Scope, str]) -> None:
        # A service for one application beside one of the same name for all would be two services to the former.
        scope, name = key
        for other in self._services:
            if other[1] == name and other[0] != scope and None in (scope, other[0]):
                offered = "every application" if other[0] is None else f"application {other[0]!r}"
                raise ValueError(f"there is a service {name!r} for {offered} already")

    def _is_healthy(self, key: tuple[Scope, str]) -> bool:
        return any(instance["healthy"] for instance in self._services[key].values())

    def _service(self, key: tuple[Scope, str]) -> dict[str, Any]:
        return {"name": key[1], "healthy": self._is_healthy(key)}

    def _tell_of_service(self, action: str, key: tuple[Scope, str]) -> None:
        self._announce(key[0], SERVICES, {"action": action, "service": self._service(key)})

    def _tell_of_instance(self, action: str, key: tuple[Scope, str], instance: Instance) -> None:
        self._announce(key[0], INSTANCES, {"action": action, "service_type": key[1], "instance": instance})


def _check_names(service_type: str, app: Scope) -> None:
    check_name("service_type", service_type)
    if app is not None:
        check_name("app_id", app)
