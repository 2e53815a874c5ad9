"""Whose fault it is: the recording shows which side did not do what a requirement demands of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.core.roles import Role
from conformance.core.verdicts import Unsupported
from conformance.interop.outcome import Broken
from conformance.protocol import requirements, schemas
from conformance.protocol.codec import Message, same
from conformance.protocol.error_answers import error_code
from conformance.protocol.responder import RESPONDER_PREFIX
from conformance.proxy.recorder import Finding, RecordedLink

REFUSALS = frozenset(
    {
        "frame_too_large",
        "malformed_frame",
        "handshake_required",
        "invalid_message",
        "app_mismatch",
        "forbidden",
        "reserved_channel",
        "already_connected",
        "unknown_action",
    }
)
"""The codes of errors about what a client sent (spec, chapter ERR)."""
TURNED_AWAY = frozenset({"too_many_connections", "shutting_down"})
"""The codes with which a server refuses a connection although it should have room for it."""
NOT_FOR_THIS_CLIENT = frozenset({"unauthorized", "unsupported_protocol"})
"""The codes with which a server says that it wants a token or a protocol that no client of the matrix has."""
MAJOR = "1"
"""The major number of the protocol, also of a connect message that states none."""
HANDSHAKE_SECONDS = 1.0
"""The shortest time that a server may wait for a connect message (HSK-017)."""
CLOCKS_SECONDS = 0.1
"""How far the times of the recording may be from those of the server, or of another connection."""
ON_TIME = 0.9
"""The part of its patience after which a client may no longer take an answer: the recording and it differ."""
RIGHT_ENDS = frozenset({"session_replaced", "slow_consumer", "handshake_timeout"})
"""The codes of errors after which a server rightly ends a connection, although no frame of the client is wrong."""
DELIVERED = ("publish", "notification")
Place = tuple[int, ...]
"""A place among the messages of a client: how many were sent on each of its connections."""
START: Place = ()


def judged(
    problem: Broken, links: Sequence[RecordedLink], newest: Sequence[RecordedLink], unreached: str = ""
) -> Broken:
    """Return why a story is broken, given what it found: it does not look at refusals or ends of connections.

    Args:
        problem: what the story found.
        links: all connections.
        newest: the newest connection of each client.
        unreached: why a client's newest connection did not get through to the server; empty if it did.
    """
    if refused := _refused(*links):
        return refused
    if problem.cause.party == "server":
        return problem
    if unreached:
        return Broken("server", "", "the server did not accept a connection", unreached)
    if any(map(_is_dropped, newest)):
        return Broken("server", "", "the server ended the connection", problem.detail)
    return next(filter(None, map(_why_left, newest)), problem)


def _why_left(link: RecordedLink) -> Broken | None:
    """Return the frame for which a client had to end its connection (ERR-014); None if it did not, or had not."""
    return _breached("server", link.unreadable) if link.ended[:1] == ["client"] else None


def _is_dropped(link: RecordedLink) -> bool:
    """Return true if the server ended a connection first, and nothing that was recorded gives it a reason."""
    has_reason = any(each.party == "client" for each in list(link.breaches)) or not RIGHT_ENDS.isdisjoint(link.errors)
    return link.ended[:1] == ["server"] and not has_reason


def failed_connect(
    link: RecordedLink | None, detail: str, patience: float = 0.0, *, was_accepted: bool = False
) -> Broken | Unsupported:
    """Return whose fault it is that a client is not connected.

    Args:
        link: the connection; None if there is none.
        detail: what the client says.
        patience: seconds that the client was told to wait for the acknowledgement; 0 if that is not known.
        was_accepted: whether the server has acknowledged an earlier connection of the client.
    """
    if link is None:
        return Broken("client", "", "the client did not connect", detail)
    errors = list(link.errors)
    if code := next((each for each in errors if each in NOT_FOR_THIS_CLIENT), None):
        return _refused_kind(link, code, detail, was_accepted=was_accepted)
    if code := next((each for each in errors if each in TURNED_AWAY), None):
        return Broken("server", "", f"the server refused the connection: {code}", detail)
    if not link.sent or schemas.problem("connect-message", link.sent[0]):
        return _breached("client", link.breaches) or _no_connect_message(link, detail)
    if "handshake_timeout" in errors:
        return _timed_out(link, detail)
    return _not_acknowledged(link, detail, patience)


def _refused_kind(link: RecordedLink, code: str, detail: str, *, was_accepted: bool) -> Broken | Unsupported:
    """Return that a server wants another kind of client; or its fault, if it must take this one, or has taken it."""
    refused = f"the server refused the connection: {code}"
    if code == "unsupported_protocol" and any(map(_has_its_major, link.sent[:1])):
        return Broken("server", "HSK-015", refused, detail)
    return Broken("server", "", refused, detail) if was_accepted else Unsupported(refused)


def _has_its_major(connect: Message) -> bool:
    if schemas.problem("connect-message", connect):
        return False
    stated: str = connect["payload"].get("protocol", MAJOR)
    return stated.partition(".")[0] == MAJOR


def _no_connect_message(link: RecordedLink, detail: str) -> Broken:
    if "handshake_timeout" in link.errors:
        return _gave_up(link, detail)
    if link.ended[:1] == ["server"] and link.seconds_open < HANDSHAKE_SECONDS:
        return Broken("server", "", "the server ended the connection before a connect message came", detail)
    return Broken("client", "HSK-001", "the client sent no connect message", detail)


def _timed_out(link: RecordedLink, detail: str) -> Broken:
    """Return whose fault it is that a server did not wait for a connect message, by which of the two came first."""
    came, gave_up = link.seconds_until(link.sent[0]), link.seconds_until_error("handshake_timeout")
    margin = CLOCKS_SECONDS if _is_hurried(link) else -CLOCKS_SECONDS
    if came < gave_up + margin:
        return Broken("server", "HSK-004", "the server did not take a connect message that came in time", detail)
    return _gave_up(link, detail)


def _gave_up(link: RecordedLink, detail: str) -> Broken:
    """Return whose fault it is that a server gave up waiting for a connect message."""
    if _is_hurried(link):
        return Broken("server", "HSK-017", "the server did not wait long enough for a connect message", detail)
    return Broken("client", "HSK-001", "the client did not send its connect message in time", detail)


def _is_hurried(link: RecordedLink) -> bool:
    """Return true if a server that sent a handshake_timeout waited too short a time before."""
    return link.seconds_until_error("handshake_timeout") < HANDSHAKE_SECONDS - CLOCKS_SECONDS


def _not_acknowledged(link: RecordedLink, detail: str, patience: float) -> Broken:
    acknowledgement = link.acknowledgement
    if acknowledgement and not _is_late(link, link.sent[0], acknowledgement, patience):
        return _unused_acknowledgement(link, acknowledgement, detail)
    if _left_early(link, link.sent[0], patience):
        return Broken("client", "", "the client ended its connection before it was acknowledged", detail)
    return Broken("server", "HSK-004", "the server did not acknowledge a connect message", detail)


def _unused_acknowledgement(link: RecordedLink, acknowledgement: Message, detail: str) -> Broken:
    if invalid := _invalid(link, [acknowledgement]):
        return invalid
    if acknowledgement.get("reply_to") is not None:
        return Broken("server", "HSK-005", "the server sent an acknowledgement with a reply_to", detail)
    if wrong := schemas.problem("acknowledgement-message", acknowledgement):
        return Broken("server", "HSK-004", "the server sent an acknowledgement that is not valid", f"{detail} {wrong}")
    if _identity(acknowledgement) != _identity(link.sent[0]):
        return Broken("server", "HSK-004", "the server sent an acknowledgement for another client", detail)
    return Broken("client", "", "the client did not take the acknowledgement", detail)


def _identity(message: Message) -> tuple[Any, Any]:
    return message["app_id"], message["payload"]["connection_id"]


def unanswered(
    links: Sequence[RecordedLink],
    channel: str,
    payload: Any,
    detail: str,
    *,
    patience: float = 0.0,
    is_changed: bool = False,
    since: Place = START,
) -> Broken | Unsupported:
    """Return whose fault it is that a request did not get its response.

    Args:
        links: the connections of the client.
        channel: the channel of the request.
        payload: the payload of the request.
        detail: what the client says.
        patience: seconds that the client was told to wait for the response.
        is_changed: whether the client handed over something else.
        since: the place of the client's last message before it was told to send the request.
    """
    link, request = find_request(links, channel, payload, since)
    if link is None or request is None:
        return not_requested(links, channel, detail, since)
    response = link.response_to(request)
    if response is None or (not is_changed and _is_late(link, request, response, patience)):
        return _no_response(link, request, patience, detail)
    if lacks_handler(channel, response):
        return without_handler(channel)
    if error_code(response) is not None:
        return Broken("server", "", "the server answered a request with an error", detail)
    if is_changed and not same(response.get("payload"), request.get("payload")):
        return Broken("server", "", "the server answered something else", detail)
    return _invalid(link, [response]) or Broken(
        "client", "REQ-016", "the client did not hand over the response to a request", detail
    )


def _no_response(link: RecordedLink, request: Message, patience: float, detail: str) -> Broken:
    if _left_early(link, request, patience):
        return Broken("client", "", "the client ended its connection before it was answered", detail)
    return Broken("server", "REQ-001", "the server did not answer a request", detail)


def _left_early(link: RecordedLink, message: Message, patience: float) -> bool:
    """Return true if a client ended its connection long before the answer to a message was due."""
    return link.ended[:1] == ["client"] and link.seconds_after(message) < patience / 2


def _is_late(link: RecordedLink, request: Message, response: Message, patience: float) -> bool:
    """Return true if a response came when the client no longer waited, or perhaps no longer."""
    return 0 < ON_TIME * patience < link.seconds_between(request, response)


def not_requested(links: Sequence[RecordedLink], channel: str, detail: str = "", since: Place = START) -> Broken:
    """Return that a client did not send a request that it was told to send, or not in a form that can be taken."""
    if _requests(links, channel, since):
        return Broken("client", "", "the client sent another request than it was told to", detail)
    return Broken("client", "", "the client did not send a request", detail)


def find_request(
    links: Sequence[RecordedLink], channel: str, payload: Any, since: Place = START
) -> tuple[RecordedLink, Message] | tuple[None, None]:
    """Return the client's last request with that channel and payload, and its connection; None if there is none."""
    for link, request in reversed(_requests(links, channel, since)):
        if same(request.get("payload"), payload):
            return link, request
    return None, None


def place(links: Sequence[RecordedLink]) -> Place:
    """Return the place after the last message that was recorded."""
    return tuple(len(each.sent) for each in links)


def _requests(links: Sequence[RecordedLink], channel: str, since: Place) -> list[tuple[RecordedLink, Message]]:
    known = (*since, *(0 for _ in links[len(since) :]))
    new = [(link, each) for link, count in zip(links, known, strict=True) for each in link.sent[count:]]
    return [(link, each) for link, each in new if _is(each, channel, ("request",))]


def is_delayed(slow: tuple[RecordedLink, Message], quick: tuple[RecordedLink, Message], seconds: float) -> bool:
    """Return true if a quick request waited for a slow one of another client, by when their responses came.

    Args:
        slow: the slow request, and its connection.
        quick: the quick one; it counts only if it was sent long before the slow one was due.
        seconds: how long the handler of the slow one takes.
    """
    (slow_link, slow_request), (link, request) = slow, quick
    slow_response, response = slow_link.response_to(slow_request), link.response_to(request)
    if slow_response is None or response is None:
        return False
    had_time = link.time_sent(request) < slow_link.time_sent(slow_request) + seconds / 2
    return had_time and slow_link.time_received(slow_response) - CLOCKS_SECONDS < link.time_received(response)


def lacks_handler(channel: str, response: Message) -> bool:
    """Return true if a response says that the server does not have a handler of the responder, which is optional."""
    return channel.startswith(RESPONDER_PREFIX) and error_code(response) == "no_handler"


def without_handler(channel: str) -> Unsupported:
    """Return that a story needs a handler that the server does not have."""
    return Unsupported(f"the server has no handler for {channel}")


def missing_messages(
    links: Sequence[RecordedLink], channel: str, wanted: list[Any], found: list[Any], publishers: list[RecordedLink]
) -> Broken:
    """Return whose fault it is that a client did not hand over what was published.

    Args:
        links: the connections of the subscriber, the newest last.
        channel: the channel.
        wanted: the payloads that were published.
        found: the payloads that the client handed over.
        publishers: the connections of the clients that published, in this order; none if the server did.
    """
    link = links[-1]
    detail = f"{len(found)} of {len(wanted)} on {channel}: {str(found)[:200]}"
    sent = [payload for each in publishers for payload in payloads(each.sent, channel, ("publish",))]
    if publishers and not same(sent, wanted):
        return Broken("client", "", "the client did not send what it was told to publish", detail)
    if not payloads(link.sent, channel, ("subscribe",)):
        if any(payloads(each.sent, channel, ("subscribe",)) for each in links):
            return Broken("client", "SUB-020", "the client did not subscribe on its new connection", detail)
        return Broken("client", "", "the client did not send a subscribe", detail)
    arrived = payloads(link.received, channel, DELIVERED)
    if not same(arrived, wanted):
        return _undelivered(arrived, wanted, f"{detail}; arrived: {len(arrived)}")
    delivered = [each for each in link.received if _is(each, channel, DELIVERED)]
    return _invalid(link, delivered) or Broken(
        "client", "SUB-019", "the client did not hand over exactly what arrived", detail
    )


def _undelivered(arrived: list[Any], wanted: list[Any], detail: str) -> Broken:
    if are_reordered(arrived, wanted):
        return Broken("server", "SUB-014", "the server delivered what was published in another order", detail)
    return Broken("server", "SUB-010", "the server did not deliver exactly what was published", detail)


def are_reordered(found: list[Any], wanted: list[Any]) -> bool:
    """Return true if two lists have the same JSON values, in another order."""
    left = list(found)
    for each in wanted:
        place = next((index for index, other in enumerate(left) if same(other, each)), None)
        if place is None:
            return False
        del left[place]
    return not left and not same(found, wanted)


def payloads(messages: Sequence[Message], channel: str, kinds: tuple[str, ...]) -> list[Any]:
    """Return the payloads of the messages of some types on a channel."""
    return [each.get("payload") for each in list(messages) if _is(each, channel, kinds)]


def _is(message: Message, channel: str, kinds: tuple[str, ...]) -> bool:
    return message.get("channel_id") == channel and message.get("message_type") in kinds


def _refused(*links: RecordedLink) -> Broken | None:
    """Return that a message of the client was refused, rightly; None if none was."""
    for link in links:
        refused = [each for each in list(link.breaches) if not REFUSALS.isdisjoint(link.errors_about(each))]
        if found := _breached("client", refused):
            return found
    return None


def _invalid(link: RecordedLink, messages: Sequence[Message]) -> Broken | None:
    """Return that one of the server's messages is not valid, which a client ignores (ENV-013); None if all are."""
    return _breached("server", [finding for each in messages for finding in link.wrong_in(each)])


def _breached(party: Role, findings: Sequence[Finding]) -> Broken | None:
    """Return the first of some findings that breaks a requirement that a party has to follow; None if none does."""
    for each in list(findings):
        if each.party == party and _is_must(each):
            return Broken(party, each.requirement, each.message, each.received[:300])
    return None


def _is_must(finding: Finding) -> bool:
    found = requirements.load().get(finding.requirement)
    return found is not None and found.is_must
