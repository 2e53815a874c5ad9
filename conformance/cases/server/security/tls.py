"""TLS: what is done outside of it, and how a stream inside of it ends (SEC-007 to SEC-010).

These cases need what a client needs: the token (``--token-file``), and the certificates to trust (``--tls-ca``).
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from conformance.core.verdicts import Unsupported, Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.base import Ended
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.transport.tls import TlsSocket

MEBIBYTE = 1024 * 1024
DELAY_MS = 300
ARRIVAL_SECONDS = 0.1
"""For a request to be in flight before the connection is cut off."""
SUFFIX = "x"


def tls_of(context: ServerContext) -> ssl.SSLContext:
    """Return what the server's certificate is checked against.

    Raises:
        Unsupported: the kit was given no certificates to trust.
    """
    if context.target.credentials.tls is None:
        raise Unsupported("needs a server that speaks TLS, and certificates to trust (--tls-ca)")
    return context.target.credentials.tls


def plain(context: ServerContext) -> ClientPeer:
    """Return a connection without TLS to a server that speaks it.

    Raises:
        Unsupported: the server does not.
    """
    tls_of(context)
    return context.open(credentials=replace(context.target.credentials, tls=None))


def expect_no_frame(peer: ClientPeer, what: str) -> None:
    """See the server close the connection without a frame; an alert of TLS is none."""
    rest = peer.receive_octets_until_end()
    if len(rest) > codec.HEADER_BYTES and rest[codec.HEADER_BYTES : codec.HEADER_BYTES + 1] == b"{":
        raise Violation(f"the server sent a frame outside of TLS after {what}", received=repr(rest[:100]))


PLAIN: dict[str, Callable[[ClientPeer], bytes]] = {
    "connect": lambda peer: codec.frame(codec.encode(peer.connect_message())),
    "connect-and-ping": lambda peer: b"".join(
        codec.frame(codec.encode(message)) for message in (peer.connect_message(), peer.ping_message())
    ),
    "http": lambda _peer: b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
    "noise": lambda _peer: bytes(range(256)) * 4,
    "long-header": lambda _peer: b"\xff\xff\xff\xff" + bytes(100),
}


def outside_of_tls(context: ServerContext, octets: Callable[[ClientPeer], bytes]) -> None:
    """Speak without TLS."""
    peer = plain(context)
    peer.send_octets(octets(peer))
    expect_no_frame(peer, "octets outside of TLS")
    context.check_alive()


for _name, _octets in PLAIN.items():
    add(
        Case(
            f"security/plaintext-{_name}",
            ("SEC-007", "ISO-006"),
            f"Where TLS is demanded, {_name.replace('-', ' ')} without it gets no frame and is closed.",
            partial(outside_of_tls, octets=_octets),
            profile="security",
        )
    )


@case("security/plaintext-does-nothing", "SEC-007", profile="security")
def plaintext_does_nothing(context: ServerContext) -> None:
    """A connect message without TLS takes nobody's place, and what comes behind it is not delivered."""
    channel = context.name("channel")
    live = context.connect()
    live.subscribe(channel)
    peer = plain(context)
    peer.connection_id = live.connection_id
    peer.send(peer.connect_message(), peer.message("publish", channel, "forged"))
    expect_no_frame(peer, "a connect message outside of TLS")
    live.publish_and_get(channel, "still here")


@case("security/handshake-that-stops", "HSK-016", "HSK-018", "SEC-007", profile="security", seconds=10.0)
def handshake_that_stops(context: ServerContext) -> None:
    """Who begins no handshake of TLS, or stops in it, is closed when the handshake timeout is over."""
    announced = context.target.acknowledgement.get("limits", {}).get("handshake_timeout_ms")
    peers = [plain(context), plain(context)]
    peers[1].send_octets(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    context.connect().expect_silence()
    for peer in peers:
        peer.patience = (announced / 1000 if announced else 30.0) + 3.0 * context.time_scale
        expect_no_frame(peer, "a handshake of TLS that never ended")


def only(context: ServerContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a context that speaks one version of TLS alone, however old.

    Raises:
        Unsupported: the system's TLS does not speak it any more.
    """
    tls_of(context)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE  # the version is what matters here
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            tls.set_ciphers("ALL:@SECLEVEL=0")
            tls.minimum_version = tls.maximum_version = version
    except (ssl.SSLError, ValueError) as error:
        raise Unsupported(f"this system does not speak {version.name}: {error}") from None
    return tls


@case("security/old-versions-of-tls-are-refused", "SEC-008", profile="security")
def old_versions(context: ServerContext) -> None:
    """TLS 1.1 is refused, and TLS 1.2 is not."""
    new = only(context, ssl.TLSVersion.TLSv1_2)
    context.open(credentials=replace(context.target.credentials, tls=new)).handshake()
    old = only(context, ssl.TLSVersion.TLSv1_1)
    try:
        peer = context.open(credentials=replace(context.target.credentials, tls=old))
    except Violation:
        context.check_alive()
        return
    raise Violation("the server speaks TLS 1.1", received=str(inside(peer).version()))


def inside(peer: ClientPeer) -> TlsSocket:
    """Return the socket of a connection, which has to be one with TLS."""
    assert isinstance(peer._socket, TlsSocket), "the target speaks TLS"  # noqa: S101 - for the type checker
    return peer._socket


@case("security/end-is-announced", "SEC-009", "ERR-012", profile="security")
def end_is_announced(context: ServerContext) -> None:
    """Behind a fatal error comes close_notify, and so it does when the client has ended its stream."""
    tls_of(context)
    refused = context.open()
    refused.send(refused.ping_message())
    refused.receive("the error handshake_required")
    left = context.connect()
    left.end_sending()
    for peer, when in ((refused, "a fatal error"), (left, "the client's end of stream")):
        try:
            peer.receive("the end of the stream")
        except Ended as end:
            if "close_notify" in str(end):
                raise Violation(f"the stream ended without close_notify after {when}", received=str(end)) from None
        else:
            raise Violation(f"something came after {when}")


@case("security/answers-after-close-notify", "SEC-010", "LIM-011", needs=("delay",), profile="security", seconds=0.4)
def answers_after_close_notify(context: ServerContext) -> None:
    """A client that says close_notify still gets the answers that it is owed."""
    tls_of(context)
    peer = context.connect()
    request = delayed(context, peer)
    peer.send(request)
    peer.end_sending()
    peer.expect_payload(request, {"value": 1}, "after close_notify an answer that was owed did not come")
    peer.expect_end()


@case("security/cut-off-stream-is-lost", "SEC-010", needs=("delay",), profile="security", seconds=0.5)
def cut_off(context: ServerContext) -> None:
    """A stream that ends without close_notify is a lost connection: nothing more is sent on it."""
    tls_of(context)

    def attempt(seconds: float) -> None:
        peer, witness = context.connect(), context.connect()
        peer.patience += 3 * seconds
        peer.send(peer.request_message("conformance.delay", {"delay_ms": int(3000 * seconds), "value": 1}))
        context.wait(seconds)  # a ping would show that it is in flight, but may wait for its handler (REQ-011)
        inside(peer).cut_off()
        try:
            message = peer.receive("the end of the connection")
        except Ended:
            witness.expect_silence()
            return
        raise Violation("an answer was sent on a connection that was cut off", received=codec.shorten(message))

    context.with_more_time(attempt, ARRIVAL_SECONDS)


def delayed(context: ServerContext, peer: ClientPeer) -> Message:
    """Return a request whose answer takes a while."""
    return peer.request_message("conformance.delay", {"delay_ms": int(DELAY_MS * context.time_scale), "value": 1})


@case("security/long-frames", "FRM-009", "REQ-001", needs=("echo",), profile="security", seconds=0.3)
def long_frames(context: ServerContext) -> None:
    """A frame of many records of TLS comes through both ways, and so do many frames in one record."""
    tls_of(context)
    peer = context.connect()
    request = peer.request_message("conformance.echo", {"text": "x" * (MEBIBYTE - 2000)})
    peer.send(request)
    peer.expect_payload(request, request["payload"], "a long payload came back otherwise")
    pings = [peer.ping_message() for _ in range(100)]
    peer.send(*pings)
    for ping in pings:
        if peer.receive_through_pong(ping):
            raise Violation("something else than a pong came")


@case("security/broken-record", "ISO-006", "SEC-007", profile="security")
def broken_record(context: ServerContext) -> None:
    """Octets that are no record of TLS, amid a connection, end it and no other."""
    tls_of(context)
    live, peer = context.connect(), context.connect()
    inside(peer).send_outside(b"\x17\x03\x03\x00\x20" + bytes(32))
    try:
        while True:
            peer.receive("the end of the connection")
    except Ended:
        live.expect_silence()
        context.check_alive()
