"""PRF: optional features are announced, and only what is announced is special."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.core.verdicts import Violation
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol.profiles import PROFILES, Profile


def without(context: ServerContext, peer: ClientPeer) -> Iterator[Profile]:
    """Yield the profiles that the server does not announce on the connection, and that nobody says it has."""
    announced = (peer.acknowledgement or {})["payload"].get("profiles", ())
    for name, profile in PROFILES.items():
        if name not in {*announced, *context.target.options.profiles}:
            yield profile


@case("profiles/only-defined-ones-are-announced", "PRF-001")
def only_defined_ones(context: ServerContext) -> None:
    """The acknowledgement names no profile that this version of the protocol does not define."""
    payload = (context.connect().acknowledgement or {})["payload"]
    unknown = set(payload.get("profiles", ())) - PROFILES.keys()
    if unknown:
        raise Violation("the server announces profiles that are not defined", received=str(sorted(unknown)))


@case("profiles/without-a-profile-its-channels-are-ordinary", "PRF-003")
def channels_are_ordinary(context: ServerContext) -> None:
    """On channels of profiles that the server does not announce, clients publish as on any other."""
    peer = context.connect()
    families = (f"{profile.family}x" for profile in without(context, peer) if profile.family)
    for channel in (*families, *(channel for profile in without(context, peer) for channel in profile.channels)):
        peer.subscribe(channel)
        peer.publish_and_get(channel, {"action": "service_registered"})
        peer.unsubscribe(channel)


@case("profiles/without-a-profile-its-actions-are-unknown", "PRF-003")
def actions_are_unknown(context: ServerContext) -> None:
    """Actions of profiles that the server does not announce are unknown."""
    peer = context.connect()
    for action in (action for profile in without(context, peer) for action in profile.actions):
        request = peer.request_message("system", {"action": action})
        peer.send(request)
        peer.expect_error("unknown_action", request)
