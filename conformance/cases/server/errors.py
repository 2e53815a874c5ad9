"""ERR: what happens around an error. Which error a message gets is in the golden vectors too."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec

MALFORMED = b'{"message_id": '
PROMISED_SECONDS = 1.0
LINGER_SECONDS = 0.4
"""Well within the second that ERR-009 gives, and longer than a server that does not linger lives."""


@case("errors/fatal-error-then-end", "ERR-001", "ERR-006", "ERR-007", "ERR-012")
def fatal_error_then_end(context: ServerContext) -> None:
    """Behind a malformed frame nothing is processed or answered, and the connection is closed."""
    bystander, peer = context.connect(), context.connect()
    channel = context.name("channel")
    bystander.subscribe(channel)
    late = peer.message("publish", channel, "late")
    peer.send_octets(
        codec.frame(MALFORMED) + codec.frame(codec.encode(late)) + codec.frame(codec.encode(peer.marker_message()))
    )
    peer.expect_error("malformed_frame", None)
    bystander.expect_silence("a message behind a fatal error was processed")
    context.check_alive()


@case("errors/what-came-first-is-processed", "ERR-008", "ERR-013")
def what_came_first_is_processed(context: ServerContext) -> None:
    """Ahead of a malformed frame in the same write, a publish is delivered and pings are answered before the error."""
    bystander, peer = context.connect(), context.connect()
    channel = context.name("channel")
    bystander.subscribe(channel)
    first, publish, second = peer.marker_message(), peer.message("publish", channel, "in time"), peer.marker_message()
    whole = b"".join(codec.frame(codec.encode(message)) for message in (first, publish, second))
    peer.send_octets(whole + codec.frame(MALFORMED))
    for ping in (first, second):
        if peer.receive_through(ping):
            raise Violation("something else arrived ahead of a pong")
    peer.expect_error("malformed_frame", None)
    bystander.expect_deliveries([publish])


@case("errors/subscriptions-end-with-a-fatal-error", "SUB-009", "ERR-006")
def subscriptions_end(context: ServerContext) -> None:
    """A connection that got a fatal error hears nothing more of what it subscribed to."""
    peer, publisher = context.connect(), context.connect()
    channel = context.name("channel")
    peer.subscribe(channel)
    peer.send_body(MALFORMED)
    error = peer.receive_error("malformed_frame")
    publisher.publish(channel, 1)
    peer.check_error(error, "malformed_frame", None)
    peer.expect_end()


@case("errors/server-discards-for-a-while", "ERR-009", seconds=0.5)
def server_discards_for_a_while(context: ServerContext) -> None:
    """After a fatal error the server goes on taking octets for a second, so that no reset destroys the error."""
    peer = context.connect()
    start = time.monotonic()
    peer.send_body(MALFORMED)
    peer.expect_error("malformed_frame", None)
    for _ in range(12):
        peer.send_octets(bytes(100))
        context.wait(LINGER_SECONDS / 12)
        if peer.was_reset:
            break
    if peer.was_reset and time.monotonic() - start < PROMISED_SECONDS:  # else this machine was too busy to tell
        raise Violation("the connection was reset although the client could still be reading the error")


@case("errors/peer-that-never-closes", "ERR-012", "ISO-006")
def peer_that_never_closes(context: ServerContext) -> None:
    """The server ends its side after a fatal error although the client keeps its own open, and serves others."""
    peers = [context.connect() for _ in range(10)]
    for peer in peers:
        peer.send_body(b"[]")
        peer.expect_error("malformed_frame", None)
    context.check_alive()


NOT_FATAL: dict[str, Callable[[ClientPeer], codec.Message]] = {
    "invalid_message": lambda peer: peer.message("publish", "some-channel", 1, extra=1),
    "app_mismatch": lambda peer: peer.message("publish", "some-channel", 1, app_id="elsewhere"),
    "forbidden": lambda peer: peer.message("subscribe", "some-channel", {"connection_id": "somebody"}),
    "reserved_channel": lambda peer: peer.message("publish", "system", 1),
    "already_connected": lambda peer: peer.connect_message(),
    "unknown_action": lambda peer: peer.request_message("system", {"action": "no-such-action"}),
    "no_handler": lambda peer: peer.request_message("no-such-channel", 1),
}


def not_fatal(context: ServerContext, code: str) -> None:
    """Cause an error that is not fatal, twice, and use the connection afterwards."""
    peer = context.connect()
    channel = context.name("channel")
    peer.subscribe(channel)
    for _ in range(2):
        message = NOT_FATAL[code](peer)
        peer.send(message)
        peer.expect_error(code, message)
    peer.publish_and_get(channel, "still here")


for _code in NOT_FATAL:
    add(
        Case(
            f"errors/{_code.replace('_', '-')}-is-not-fatal",
            ("ERR-005",),
            f"After {_code} the connection works as before, subscriptions included.",
            partial(not_fatal, code=_code),
        )
    )


ADDRESSES: dict[str, dict[str, Any]] = {
    "channel-that-is-not-valid": {"channel_id": "a\x07"},
    "channel-missing": {"channel_id": ...},
    "message-id-that-is-not-valid": {"message_id": "m" * 129},
    "message-id-a-number": {"message_id": 12},
    "message-id-missing": {"message_id": ...},
    "everything-valid-but-a-member-too-many": {"extra": None},
    "foreign-application": {"app_id": "elsewhere", "extra": 1},
}


def addressed(context: ServerContext, members: dict[str, Any]) -> None:
    """Send a message with a bad envelope and look at the address of the error answer."""
    peer = context.connect()
    whole = peer.message("publish", "some-channel", 1) | members
    message = {name: value for name, value in whole.items() if value is not ...}
    peer.send(message)
    peer.expect_error("invalid_message", message)


for _name, _members in ADDRESSES.items():
    add(
        Case(
            f"errors/address-with-{_name}",
            ("ERR-002", "ERR-003", "ERR-004"),
            f"The error about a message with {_name.replace('-', ' ')} is addressed as it has to be.",
            partial(addressed, members=_members),
        )
    )
