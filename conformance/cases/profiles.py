"""PRF: optional features are announced, and only what is announced is special."""

from __future__ import annotations

from conformance.case import case
from conformance.scene import Scene
from conformance.verdicts import Violation

KNOWN = frozenset({"batch"})
"""The profiles that this version of the protocol defines."""
CHANNELS = {"discovery": ("service_discovery", "service_instances"), "queue": ("queue_manager",)}
ACTIONS = {"discovery": ("list_services", "get_service_instances")}


@case("profiles/only-defined-ones-are-announced", "PRF-001")
def only_defined_ones(scene: Scene) -> None:
    """The acknowledgement names no profile that this version of the protocol does not define."""
    payload = (scene.connect().acknowledgement or {})["payload"]
    unknown = set(payload.get("profiles", ())) - KNOWN
    if unknown:
        raise Violation("the server announces profiles that are not defined", received=str(sorted(unknown)))


@case("profiles/without-a-profile-its-channels-are-ordinary", "PRF-003")
def channels_are_ordinary(scene: Scene) -> None:
    """On channels of profiles that the server does not announce, clients publish as on any other."""
    peer = scene.connect()
    for profile, channels in CHANNELS.items():
        for channel in () if profile in scene.target.profiles else channels:
            peer.subscribe(channel)
            peer.publish_and_get(channel, {"action": "service_registered"})
            peer.unsubscribe(channel)


@case("profiles/without-a-profile-its-actions-are-unknown", "PRF-003")
def actions_are_unknown(scene: Scene) -> None:
    """Actions of profiles that the server does not announce are unknown."""
    peer = scene.connect()
    for profile, actions in ACTIONS.items():
        for action in () if profile in scene.target.profiles else actions:
            request = peer.request_message("system", {"action": action})
            peer.send(request)
            peer.expect_error("unknown_action", request)
