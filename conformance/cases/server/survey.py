"""The survey: what a server can do at all. These cases run first and together, and rest on nothing but each other.

The name behind ``survey/``, with underscores, is the name of the ability; causes of failures are named after it. A case
here uses no barrier, since the survey is what chooses one.
"""

from __future__ import annotations

from functools import partial

from conformance.core.verdicts import Late, Unsupported, Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.base import Ended
from conformance.peers.client import ClientPeer
from conformance.peers.markers import Marker
from conformance.protocol import codec
from conformance.protocol.codec import Message

MALFORMED = b'{"message_id": '
SETTLING_SECONDS = 0.1
"""For a subscription to be in force, when nothing shows that it is."""
OVER_ANY_LIMIT = 0x7FFF_FFFF


@case("survey/acknowledgement", "HSK-004", "HSK-005", ability="acknowledges a connect message")
def acknowledgement(context: ServerContext) -> None:
    """A connect message is answered with a valid acknowledgement."""
    context.connect()


@case("survey/many-connections", "LIM-008", ability="serves several connections at once")
def many_connections(context: ServerContext) -> None:
    """With three connections open, a fourth gets its acknowledgement, too."""
    for _ in range(4):
        context.connect()


@case("survey/ping", "SYS-003", ability="answers pings")
def ping(context: ServerContext) -> None:
    """A ping gets a pong."""
    peer = context.connect()
    message = peer.ping_message()
    peer.send(message)
    peer.receive_through_pong(message)


@case("survey/time", "SYS-004", ability="answers get_time")
def get_time(context: ServerContext) -> None:
    """A request for the time is answered."""
    context.connect().request("system", {"action": "get_time"})


@case("survey/echo", "REQ-001", needs=("echo",), ability="answers requests to a handler")
def echo(context: ServerContext) -> None:
    """The handler of the responder that echoes answers with the payload."""
    payload = {"text": "echo"}
    answer = context.connect().request("conformance.echo", payload)["payload"]
    if not isinstance(answer, dict) or answer.get("text") != "echo":
        raise Violation("an echo did not give the payload back", received=codec.shorten(answer))


@case("survey/no-connection-id", "ENV-010", needs=("echo",), ability="answers requests without a connection_id")
def no_connection_id(context: ServerContext) -> None:
    """A request whose payload is no object, and has no connection_id, is answered."""
    peer = context.connect()
    request = peer.message("request", "conformance.echo", [1])
    peer.send(request)
    peer.expect_payload(request, [1], "an echo did not give the payload back")


@case("survey/delivery", "SUB-010", ability="delivers what another connection publishes")
def delivery(context: ServerContext) -> None:
    """A publish reaches another connection that subscribed to the channel."""
    context.with_more_time(
        lambda seconds: _deliver(context, context.connect(), context.connect(), seconds), SETTLING_SECONDS
    )


@case("survey/own-delivery", "SUB-010", ability="delivers what the subscriber itself publishes")
def own_delivery(context: ServerContext) -> None:
    """A publish reaches the connection that sent it, if that is subscribed to the channel."""
    peer = context.connect()
    _deliver(context, peer, peer, 0.0)


def _deliver(context: ServerContext, subscriber: ClientPeer, publisher: ClientPeer, settling_seconds: float) -> None:
    channel = context.name("survey")
    subscriber.send(subscriber.message("subscribe", channel, {"connection_id": subscriber.connection_id}))
    context.wait(settling_seconds)
    message = publisher.message("publish", channel, "hello")
    publisher.send(message)
    arrived = subscriber.receive("a publish")
    subscriber.check_deliveries([arrived], [message], "a subscriber did not get what was published")


@case("survey/pipelining", "FRM-006", ability="answers several messages of one write")
def pipelining(context: ServerContext) -> None:
    """Three messages in one write get three answers."""
    peer = _connected(context)
    messages = [peer.marker_message() for _ in range(3)]
    peer.send(*messages)
    for _ in messages:
        peer.receive("the answers to three messages")


@case("survey/half-close", "LIM-011", ability="answers a client that has ended its sending side")
def half_close(context: ServerContext) -> None:
    """A message ahead of the end of the stream is answered, and the connection then ends."""
    peer = _connected(context)
    peer.send(peer.marker_message())
    peer.end_sending()
    if not peer.receive_until_end():
        raise Violation("after the client's end of stream an answer that was owed did not come", expected="an answer")


def _connected(context: ServerContext) -> ClientPeer:
    """Return a connection to a server that answers something.

    Raises:
        Unsupported: it answers nothing that it could be asked.
    """
    peer = context.connect()
    if peer.expectations.marker is Marker.SILENCE:
        raise Unsupported("the server answers no message that the survey knows")
    return peer


@case("survey/limits", "HSK-007", ability="announces its limits")
def limits(context: ServerContext) -> None:
    """The acknowledgement states the largest frame."""
    if context.connect().limit("max_frame_bytes") is None:
        raise Violation("the acknowledgement does not state limits.max_frame_bytes")


@case("survey/profiles", "HSK-007", ability="announces its profiles")
def profiles(context: ServerContext) -> None:
    """The acknowledgement states protocol and profiles."""
    payload = (context.connect().acknowledgement or {}).get("payload", {})
    missing = [name for name in ("protocol", "profiles") if name not in payload]
    if missing:
        raise Violation(f"the acknowledgement does not state {' and '.join(missing)}", received=codec.shorten(payload))


def answered_with(context: ServerContext, code: str) -> None:
    """Send a message that must get the error ``code``."""
    peer = context.connect()
    message = _offence(peer, code)
    peer.send(message)
    peer.expect_error(code, message)


def _offence(peer: ClientPeer, code: str) -> Message:
    match code:
        case "no_handler":
            return peer.request_message("survey-nobody", {})
        case "unknown_action":
            return peer.request_message("system", {"action": "survey"})
        case "handler_failed":
            return peer.request_message("conformance.fail", {"detail": "survey"})
        case _:
            return peer.message("publish", "survey", 1, extra=1)


for _code, _rule, _needs, _title in (
    ("no_handler", "REQ-012", (), "a request that has no handler"),
    ("unknown_action", "SYS-002", (), "an unknown system action"),
    ("invalid_message", "ENV-005", (), "an envelope that breaks the rules"),
    ("handler_failed", "REQ-013", ("fail",), "a request whose handler fails"),
):
    add(
        Case(
            f"survey/error.{_code.replace('_', '-')}",
            (_rule,),
            f"A message gets the error {_code}: {_title}.",
            partial(answered_with, code=_code),
            needs=_needs,
            ability=f"answers {_title} with an error",
        )
    )


def refused_at_first(context: ServerContext, code: str) -> None:
    """Send a first message that must get a fatal error."""
    peer = context.open()
    is_version = code == "unsupported_protocol"
    message = peer.connect_message(protocol="999.0") if is_version else peer.message("publish", "survey", 1)
    peer.send(message)
    _expect_fatal(peer, code, message)


for _code, _rule, _title in (
    ("handshake_required", "HSK-013", "a first message that is no connect message"),
    ("unsupported_protocol", "HSK-014", "a protocol version that it does not speak"),
):
    add(
        Case(
            f"survey/error.{_code.replace('_', '-')}",
            (_rule,),
            f"A message gets the fatal error {_code}: {_title}.",
            partial(refused_at_first, code=_code),
            ability=f"answers {_title} with an error",
        )
    )


@case("survey/error.malformed-frame", "ENC-005", ability="answers a body that is no JSON with an error")
def malformed_frame(context: ServerContext) -> None:
    """A body that is no JSON text gets the fatal error malformed_frame."""
    peer = context.connect()
    peer.send_body(MALFORMED)
    _expect_fatal(peer, "malformed_frame", None)


@case("survey/error.frame-too-large", "FRM-010", ability="answers a header over its limit with an error")
def frame_too_large(context: ServerContext) -> None:
    """A header that states two gibibytes gets the fatal error frame_too_large."""
    peer = context.connect()
    peer.send_octets(codec.header(OVER_ANY_LIMIT))
    _expect_fatal(peer, "frame_too_large", None)


def _expect_fatal(peer: ClientPeer, code: str, about: Message | None) -> None:
    """Expect a fatal error; whether the connection then ends is another ability."""
    peer.check_error(peer.receive_error(code), code, about)


@case("survey/end", "ERR-012", ability="ends a connection after a body that is no JSON")
def end(context: ServerContext) -> None:
    """After a body that is no JSON text the server ends the connection."""
    peer = context.connect()
    peer.send_body(MALFORMED)
    try:
        while True:
            peer.receive("the end of the stream")
    except Ended:
        pass
    except Late:
        raise Violation("the server did not end the connection after a body that is no JSON text") from None


@case("survey/survives", "ISO-006", ability="goes on serving after such messages")
def survives(context: ServerContext) -> None:
    """After all of this a new connection is served."""
    context.connect()
