"""A relay that records the frames of both sides, checks both, and can break connections or take the server away."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.core.roles import Role
from conformance.core.trace import Trace
from conformance.core.verdicts import BrokenFrame, TargetError
from conformance.peers.frame_checks import ServerFrameChecks
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.protocol.error_answers import error_code
from conformance.proxy.relay import Link, Relay
from conformance.transport.address import Address, TcpAddress

REQUIREMENT = re.compile(r"\b[A-Z]{3}-[0-9]{3}\b")
PORTS_TRIED = 5


@dataclass(frozen=True)
class Finding:
    """A frame that is not as it should be.

    Attributes:
        party: the side that sent it.
        requirement: the id of the requirement; empty if none is known, as for a body that only the kit cannot read.
        message: what is wrong, in the same words each time.
        received: the frame, or the part of it that is wrong.
        number: how many messages of the server came before it.
        message_id: the id that the message has; None if it has none, or is no message.
    """

    party: Role
    requirement: str
    message: str
    received: str
    number: int = 0
    message_id: str | None = None

    @classmethod
    def of(cls, party: Role, problem: BrokenFrame, number: int, message_id: Any = None) -> Finding:
        """Return the finding for a problem of a frame that ``party`` sent, after some messages of the server."""
        named = REQUIREMENT.search(f"{problem.message} {problem.expected}") or REQUIREMENT.search(problem.received)
        identity = message_id if isinstance(message_id, str) else None
        return cls(party, named[0] if named else "", problem.message, problem.received, number, identity)


class RecordedLink(Link):
    """One connection of the client, with every message of both sides.

    Attributes:
        sent: the messages of the client, in order.
        received: the messages of the server, in order.
        breaches: the frames of both sides that break a requirement.
        ended: the sides that have ended their stream, in this order; none that the kit ended.
        is_cut: whether the kit has broken the connection.
    """

    is_cut = False

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.sent: list[Message] = []
        self.received: list[Message] = []
        self.breaches: list[Finding] = []
        self.ended: list[Role] = []
        self._wrong: list[tuple[Message, Finding]] = []
        self._times: list[float] = []
        self._arrivals: list[float] = []
        self._began = time.monotonic()
        self._left_at: float | None = None
        self._first_end: float | None = None
        self._server_checks = ServerFrameChecks()
        self._sent_id: Any = None

    def take_from_server(self, octets: bytes, trace: Trace) -> None:
        """Record octets of the server and check each complete frame (LIM-001, ENC, ENV, REQ-004)."""
        self._answers += octets
        for frame in self._frames(self._answers, self._server_checks, "server"):
            trace.octets(self.label, "received", frame)
            try:
                message = self._server_checks.message(frame[codec.HEADER_BYTES :])
            except BrokenFrame as problem:
                self.note_problem(problem, "server")
                continue
            for each in self._server_checks.problems(message):
                finding = Finding.of("server", each, len(self.received))
                self._wrong.append((message, finding))
                self.breaches.append(finding)
            self._arrivals.append(time.monotonic())
            self.received.append(message)

    def note_problem(self, problem: BrokenFrame, side: Role) -> None:
        """Keep the problem of a frame, of either side."""
        super().note_problem(problem, side)
        identity = self._sent_id if side == "client" else None
        self.breaches.append(Finding.of(side, problem, len(self.received), identity))

    def _problems(self, body: bytes) -> Iterator[BrokenFrame]:
        self._sent_id = None
        yield from super()._problems(body)
        self._sent_id = None

    def note_message(self, message: Message) -> None:
        """Keep a message of the client."""
        self._sent_id = message.get("message_id")
        self._times.append(time.monotonic())
        self.sent.append(message)

    def note_end(self, side: Role) -> None:
        """Keep that a side has ended its stream, unless the kit has broken it."""
        if self.is_cut:
            return
        now = time.monotonic()
        if side == "client":
            self._left_at = now
        self._first_end = self._first_end or now
        self.ended.append(side)

    @property
    def seconds_open(self) -> float:
        """How long it took until a side ended the connection, or up to now."""
        return (self._first_end or time.monotonic()) - self._began

    def seconds_until(self, message: Message) -> float:
        """Return how long after the client connected it sent a message."""
        return self.time_sent(message) - self._began

    def seconds_until_error(self, code: str) -> float:
        """Return how long after the client connected an error answer with a code came, which did."""
        pairs = zip(self._arrivals, self.received, strict=False)
        return next(at for at, each in pairs if _code_of(each) == code) - self._began

    def wrong_in(self, message: Message) -> list[Finding]:
        """Return what is wrong with a message of the server."""
        return [finding for each, finding in list(self._wrong) if each is message]

    @property
    def unreadable(self) -> list[Finding]:
        """The server's frames that are not messages."""
        wrong = [id(finding) for _, finding in list(self._wrong)]
        return [each for each in list(self.breaches) if each.party == "server" and id(each) not in wrong]

    def time_sent(self, message: Message) -> float:
        """Return when a message of the client came, by a clock that all connections share."""
        return _time_of(message, self.sent, self._times)

    def time_received(self, message: Message) -> float:
        """Return when a message of the server came, by the same clock."""
        return _time_of(message, self.received, self._arrivals)

    def seconds_after(self, message: Message) -> float:
        """Return how long the client has kept its connection after it sent a message, up to now."""
        return (self._left_at or time.monotonic()) - self.time_sent(message)

    def seconds_between(self, request: Message, response: Message) -> float:
        """Return how long after a request of the client a response came."""
        return self.time_received(response) - self.time_sent(request)

    def response_to(self, request: Message) -> Message | None:
        """Return the server's response to a request of the client, or None if there is none."""
        wanted = request.get("message_id")
        return next((each for each in self.received if wanted is not None and each.get("reply_to") == wanted), None)

    @property
    def acknowledgement(self) -> Message | None:
        """The server's acknowledgement, or None."""
        return next((each for each in self.received if _is_acknowledgement(each)), None)

    @property
    def errors(self) -> Iterator[str]:
        """The codes of the server's error answers, in order."""
        return (code for each in self.received if (code := _code_of(each)) is not None)

    def errors_about(self, finding: Finding) -> Iterator[str]:
        """Yield the codes of the later error answers that may be about a finding: to its message, or to none."""
        for message in self.received[finding.number :]:
            code, about = _code_of(message), message.get("reply_to")
            if code is not None and (about is None or about == finding.message_id):
                yield code


def _code_of(message: Message) -> str | None:
    """Return the code of an error answer; None if a message is none."""
    code = error_code(message) if message.get("message_type") == "response" else None
    return None if code is None else str(code)


def _time_of(message: Message, messages: list[Message], times: list[float]) -> float:
    return next(at for at, each in zip(times, messages, strict=False) if each is message)


def _is_acknowledgement(message: Message) -> bool:
    payload = message.get("payload")
    is_greeting = message.get("message_type") == "response" and message.get("channel_id") == "system"
    return is_greeting and isinstance(payload, dict) and payload.get("status") == "connected"


class Recorder(Relay[RecordedLink]):
    """A relay for one client, which it records; use it as a context manager.

    Args:
        upstream: where the server listens.
        trace: records everything.
        name: the prefix of the labels of its connections in the trace.

    Attributes:
        unreached: why the server did not accept the newest connection; empty if it did, or if the kit had killed it.
    """

    def __init__(self, upstream: Address, trace: Trace, name: str = "") -> None:
        self.unreached = ""
        self._held: socket.socket | None = None
        problem: OSError | None = None
        for _ in range(PORTS_TRIED):
            try:
                # Not a port that the system gives to connections: while the server is gone, no other may take it.
                port = TcpAddress.free(Path()).port
                super().__init__(upstream, trace, link=lambda label: RecordedLink(name + label), port=port)
            except OSError as error:  # another process may have taken the port in between
                problem = error
            else:
                return
        raise TargetError(f"the proxy cannot listen: {problem}")

    def __exit__(self, *given: object) -> None:
        if self._held:
            self._held.close()
        super().__exit__(*given)

    def note_unreached(self, reason: str) -> None:
        """Keep that the server did not accept a connection."""
        self.unreached = reason

    @property
    def breaches(self) -> list[Finding]:
        """The frames of both sides, on all connections, that break a requirement."""
        return [finding for link in self.links for finding in link.breaches]

    def forget_breaches(self) -> None:
        """Forget them, before something else begins."""
        for link in self.links:
            link.breaches.clear()

    def cut(self) -> None:
        """Break every connection; new ones are accepted."""
        self._trace.event("*", "the connection is broken on its way")
        self._cut_links()

    def vanish(self) -> None:
        """Break every connection, and refuse new ones until :meth:`come_back`.

        Raises:
            TargetError: another process has taken the port.
        """
        self._trace.event("*", "the server is gone")
        self._stop_listening()
        try:
            self._held = _bound(self.address)
        except OSError as error:
            raise TargetError(f"the proxy has lost its port: {error}") from None
        self._cut_links()
        self.unreached = ""

    def come_back(self, upstream: Address) -> None:
        """Accept connections again, at the same address, for a server at ``upstream``.

        Raises:
            TargetError: the port cannot be used.
        """
        self._trace.event("*", "the server is back")
        self._upstream = upstream
        held, self._held = self._held, None
        assert held, "come_back() follows vanish()"  # noqa: S101 - the kit's own fault
        try:
            _share(held, is_shared=True)
            self._listen_with(held)
        except OSError as error:
            held.close()
            raise TargetError(f"the proxy cannot listen: {error}") from None

    def ignore_ends(self) -> None:
        """Take the ends of the present connections, from now on, as the work of the kit."""
        for link in self.links:
            link.is_cut = True

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        self.unreached = ""
        super()._join(client, server)

    def _cut_links(self) -> None:
        with self._joining:
            self.ignore_ends()
            self._end_connections()


def _bound(address: Address) -> socket.socket:
    """Return a socket that has an address alone and refuses connections, as it does not listen."""
    assert isinstance(address, TcpAddress)  # noqa: S101 - a relay listens on a port
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        _share(held, is_shared=True)
        held.bind((address.host, address.port))
        _share(held, is_shared=False)
    except OSError:
        held.close()
        raise
    return held


def _share(bound: socket.socket, *, is_shared: bool) -> None:
    """Choose whether a socket shares its port, with connections that ended but also with other processes."""
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(is_shared))
