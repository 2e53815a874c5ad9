"""Whose fault it is, by what was recorded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from conformance.core.roles import Role
from conformance.core.trace import Trace
from conformance.core.verdicts import Unsupported
from conformance.interop.blame import (
    NOT_FOR_THIS_CLIENT,
    REFUSALS,
    TURNED_AWAY,
    are_reordered,
    failed_connect,
    is_delayed,
    judged,
    missing_messages,
    place,
    unanswered,
)
from conformance.interop.outcome import Broken
from conformance.protocol import codec, requirements, schemas
from conformance.protocol.codec import Message
from conformance.proxy import recorder
from conformance.proxy.recorder import RecordedLink

CONNECT = {"action": "connect", "connection_id": "me", "protocol": "1.0"}
CONNECTED = {"status": "connected", "connection_id": "me"}


class Clock:
    """The time of the recorder."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(recorder, "time", made)
    return made


def message(kind: str, channel: str, payload: Any, identity: str, reply_to: str | None = None) -> Message:
    return {
        "message_id": identity,
        "app_id": "conformance",
        "channel_id": channel,
        "message_type": kind,
        "payload": payload,
        "timestamp": time.time(),
    } | ({"reply_to": reply_to} if kind == "response" else {})


def error(code: Any) -> Any:
    return {"status": "error", "error": {"code": code, "message": "no"}}


class Recorded:
    """A connection whose both sides are told what to send."""

    def __init__(self, *, connected: bool = True) -> None:
        self.link = RecordedLink("A")
        self._trace = Trace()
        if connected:
            self.client("request", "system", CONNECT, "0").server("system", CONNECTED, "s0", None)

    def client(
        self, kind: str, channel: str, payload: Any, identity: str, changes: Mapping[str, Any] | None = None
    ) -> Recorded:
        sent = message(kind, channel, payload, identity) | dict(changes or {})
        self.link.take_from_client(codec.frame(codec.encode(sent)), self._trace)
        return self

    def server(
        self, channel: str, payload: Any, identity: str, reply_to: str | None, kind: str = "response"
    ) -> Recorded:
        sent = message(kind, channel, payload, identity, reply_to)
        self.link.take_from_server(codec.frame(codec.encode(sent)), self._trace)
        return self

    def ends(self, *sides: Role) -> Recorded:
        for side in sides:
            self.link.note_end(side)
        return self


def requested(answer: Any = None, **changed: Any) -> RecordedLink:
    """Return a connection with a request, and its answer if there is one."""
    recorded = Recorded().client("request", "echo", {"a": 1}, "1", changed)
    return (recorded if answer is None else recorded.server("echo", answer, "s1", "1")).link


def blame(found: Broken | Unsupported) -> tuple[str, str, str]:
    assert isinstance(found, Broken)
    assert found.cause.requirement in {"", *requirements.load()}
    return found.cause.party, found.cause.requirement, found.cause.message


def test_the_codes_are_those_of_the_specification() -> None:
    codes = {code for each in schemas.document("error-code")["oneOf"] for code in each["enum"]}
    assert codes >= REFUSALS | TURNED_AWAY | NOT_FOR_THIS_CLIENT
    assert len(REFUSALS | TURNED_AWAY | NOT_FOR_THIS_CLIENT) == sum(
        map(len, (REFUSALS, TURNED_AWAY, NOT_FOR_THIS_CLIENT))
    )


def refused_connect(code: str, connect: Mapping[str, Any] = CONNECT) -> RecordedLink:
    return (
        Recorded(connected=False)
        .client("request", "system", connect, "0")
        .server("system", error(code), "s", None)
        .link
    )


@pytest.mark.parametrize(
    ("link", "wanted"),
    [
        (None, ("client", "", "the client did not connect")),
        (RecordedLink("A"), ("client", "HSK-001", "the client sent no connect message")),
        (
            Recorded(connected=False).ends("server").link,
            ("server", "", "the server ended the connection before a connect message came"),
        ),
        (
            Recorded(connected=False).client("request", "system", CONNECT, "0").link,
            ("server", "HSK-004", "the server did not acknowledge a connect message"),
        ),
        (
            Recorded(connected=False).client("request", "system", CONNECT, "0").ends("client", "server").link,
            ("client", "", "the client ended its connection before it was acknowledged"),
        ),
        (
            Recorded(connected=False).client("request", "system", CONNECT, "0").ends("server", "client").link,
            ("server", "HSK-004", "the server did not acknowledge a connect message"),
        ),
        (Recorded().link, ("client", "", "the client did not take the acknowledgement")),
        (
            refused_connect("too_many_connections"),
            ("server", "", "the server refused the connection: too_many_connections"),
        ),
        (
            Recorded(connected=False).client("publish", "news", 1, "0").link,
            ("client", "HSK-001", "the client's first message is not a valid connect message (HSK-001)"),
        ),
        (
            Recorded(connected=False).client("request", "system", CONNECT | {"connection_id": 5}, "0").link,
            ("client", "HSK-001", "the client's first message is not a valid connect message (HSK-001)"),
        ),
        # A refusal without any fault of the client is the server's.
        (refused_connect("invalid_message"), ("server", "HSK-004", "the server did not acknowledge a connect message")),
    ],
)
def test_a_connection_that_fails(link: RecordedLink | None, wanted: tuple[str, str, str]) -> None:
    assert blame(failed_connect(link, "why", 60.0)) == wanted


def test_a_client_whose_first_frame_is_no_message_is_at_fault() -> None:
    """Also if the server only ends the connection."""
    link = Recorded(connected=False).link
    link.take_from_client(codec.frame(b"[]"), Trace())
    link.note_end("server")
    assert blame(failed_connect(link, "why"))[:2] == ("client", "ENC-001")


@pytest.mark.parametrize(("seconds", "party"), [(0.2, "server"), (5.0, "client")])
def test_a_server_may_end_a_connection_on_which_no_connect_message_comes(
    seconds: float, party: Role, clock: Clock
) -> None:
    recorded = Recorded(connected=False)
    clock.now += seconds
    assert blame(failed_connect(recorded.ends("server").link, "why"))[0] == party


@pytest.mark.parametrize(("seconds", "wanted"), [(10.0, ("client", "HSK-001")), (0.5, ("server", "HSK-017"))])
def test_a_server_waits_long_enough_for_a_connect_message(
    seconds: float, wanted: tuple[str, str], clock: Clock
) -> None:
    recorded = Recorded(connected=False)
    clock.now += seconds
    link = recorded.server("system", error("handshake_timeout"), "s", None).ends("server").link
    assert blame(failed_connect(link, "why"))[:2] == wanted


@pytest.mark.parametrize(
    ("seconds", "end", "wanted"),
    [
        (0.2, 10.0, ("server", "HSK-004")),
        (9.8, 10.0, ("server", "HSK-004")),
        (9.95, 10.0, ("client", "HSK-001")),
        (0.05, 0.1, ("server", "HSK-004")),
        (0.95, 1.0, ("client", "HSK-001")),
    ],
)
def test_a_connect_message_that_was_there_before_came_in_time(
    seconds: float, end: float, wanted: tuple[str, str], clock: Clock
) -> None:
    recorded = Recorded(connected=False)
    clock.now += seconds
    recorded.client("request", "system", CONNECT, "0")
    clock.now += end - seconds
    link = recorded.server("system", error("handshake_timeout"), "s", None).ends("server").link
    clock.now += 60.0
    assert blame(failed_connect(link, "why"))[:2] == wanted


@pytest.mark.parametrize("code", sorted(NOT_FOR_THIS_CLIENT))
def test_a_server_that_wants_another_kind_of_client_is_not_at_fault(code: str) -> None:
    link = refused_connect(code, CONNECT | {"protocol": "2.0"})
    found = failed_connect(link, "why")
    assert isinstance(found, Unsupported)
    assert code in str(found)
    accepted_before = failed_connect(link, "why", was_accepted=True)
    assert blame(accepted_before) == ("server", "", f"the server refused the connection: {code}")


@pytest.mark.parametrize("stated", [{}, {"protocol": "1.0"}, {"protocol": "1.7"}])
def test_a_server_must_take_its_own_major_number(stated: Mapping[str, Any]) -> None:
    connect = {"action": "connect", "connection_id": "me"} | dict(stated)
    assert blame(failed_connect(refused_connect("unsupported_protocol", connect), "why"))[:2] == ("server", "HSK-015")
    assert isinstance(failed_connect(refused_connect("unauthorized", connect), "why"), Unsupported)


@pytest.mark.parametrize(
    ("payload", "reply_to", "requirement"),
    [
        ({"status": "connected"}, None, "HSK-004"),
        ({"status": "connected", "connection_id": "you"}, None, "HSK-004"),
        (CONNECTED, "0", "HSK-005"),
        (CONNECTED, 5, "ENV-001"),
    ],
)
def test_an_acknowledgement_that_is_not_valid_is_the_servers_fault(
    payload: Any, reply_to: Any, requirement: str
) -> None:
    recorded = Recorded(connected=False).client("request", "system", CONNECT, "0")
    link = recorded.server("system", payload, "s0", reply_to).link
    assert blame(failed_connect(link, "why"))[:2] == ("server", requirement)


def test_an_answer_that_comes_too_late_is_the_servers_fault(clock: Clock) -> None:
    recorded = Recorded(connected=False).client("request", "system", CONNECT, "0")
    clock.now += 3.0
    link = recorded.server("system", CONNECTED, "s0", None).client("request", "echo", {"a": 1}, "1").link
    assert blame(failed_connect(link, "why", patience=2.5))[:2] == ("server", "HSK-004")
    assert blame(failed_connect(link, "why", patience=25.0))[0] == "client"
    clock.now += 3.0
    recorded.server("echo", {"a": 1}, "s1", "1")
    assert blame(unanswered([link], "echo", {"a": 1}, "why", patience=2.5))[:2] == ("server", "REQ-001")
    assert blame(unanswered([link], "echo", {"a": 1}, "why", patience=25.0))[:2] == ("client", "REQ-016")


def test_a_client_that_handed_over_something_else_had_waited(clock: Clock) -> None:
    recorded = Recorded().client("request", "echo", {"a": 1}, "1")
    clock.now += 2.4
    link = recorded.server("echo", {"a": 2}, "s1", "1").link
    wanted = ("server", "", "the server answered something else")
    assert blame(unanswered([link], "echo", {"a": 1}, "why", patience=2.5, is_changed=True)) == wanted


@pytest.mark.parametrize(
    ("link", "wanted"),
    [
        (requested(), ("server", "REQ-001", "the server did not answer a request")),
        (requested(error("handler_failed")), ("server", "", "the server answered a request with an error")),
        (requested({"a": 2}), ("server", "", "the server answered something else")),
        (requested({"a": 1.0}), ("client", "REQ-016", "the client did not hand over the response to a request")),
        (requested(priority=1), ("server", "REQ-001", "the server did not answer a request")),
        (requested(channel_id="other"), ("client", "", "the client did not send a request")),
        (requested(payload=2), ("client", "", "the client sent another request than it was told to")),
        (requested(message_id=5), ("server", "REQ-001", "the server did not answer a request")),
    ],
)
def test_a_request_without_its_response(link: RecordedLink, wanted: tuple[str, str, str]) -> None:
    assert blame(unanswered([link], "echo", {"a": 1}, "why", is_changed=True)) == wanted


@pytest.mark.parametrize("party", ["client", "server"])
def test_a_refusal_of_a_wrong_frame_is_the_clients_fault(party: Role) -> None:
    found = Broken(party, "", "what the story found")
    refused = requested(error("invalid_message"), priority=1)
    assert blame(judged(found, [refused, Recorded().link], []))[:2] == ("client", "ENV-001")
    for nobodys in (requested(error("invalid_message")), requested(priority=1)):
        assert judged(found, [nobodys], []) is found


def test_a_refusal_that_came_before_a_wrong_frame_is_not_about_it() -> None:
    recorded = Recorded().client("request", "echo", {"a": 1}, "1").server("echo", error("invalid_message"), "s1", "1")
    link = recorded.client("publish", "news", 1, "2", {"priority": 1}).link
    found = Broken("server", "", "the server answered a request with an error")
    assert judged(found, [link], [link]) is found
    recorded.server("news", error("invalid_message"), "s2", "2")
    assert blame(judged(found, [link], [link]))[:2] == ("client", "ENV-001")


def test_a_refusal_of_another_message_is_not_about_a_wrong_frame() -> None:
    found = Broken("server", "", "the server answered a request with an error")
    recorded = Recorded().client("publish", "news", 1, "1", {"priority": 1}).client("request", "echo", {"a": 1}, "2")
    recorded.server("echo", error("invalid_message"), "s1", "2")
    assert judged(found, [recorded.link], []) is found
    recorded.server("system", error("invalid_message"), "s2", None)
    assert blame(judged(found, [recorded.link], []))[:2] == ("client", "ENV-001")


def test_a_server_may_end_a_connection_for_what_no_requirement_names() -> None:
    recorded = Recorded()
    recorded.link.take_from_client(codec.frame(b'{"a":' + b"[" * 100_000), Trace())
    found = Broken("client", "", "what the story found")
    assert judged(found, [], [recorded.ends("server").link]) is found


def test_what_only_the_kit_cannot_read_is_nobodys_fault() -> None:
    link = requested(error("malformed_frame"))
    link.take_from_client(codec.frame(b'{"a":' + b"[" * 100_000), Trace())
    assert [each.requirement for each in link.breaches] == [""]
    found = Broken("server", "REQ-001", "what the story found")
    assert judged(found, [link], [link]) is found


def test_a_connection_that_the_server_does_not_accept_is_its_fault() -> None:
    assert blame(judged(Broken("client", "", "the client did not connect"), [], [], "refused")) == (
        *("server", "", "the server did not accept a connection"),
    )
    found = Broken("server", "REQ-001", "what the story found")
    assert judged(found, [], [], "refused") is found


def test_an_earlier_request_is_judged_too() -> None:
    recorded = Recorded().client("request", "echo", {"a": 1}, "1").client("request", "echo", {"a": 2}, "2")
    link = recorded.server("echo", {"a": 2}, "s1", "2").link
    assert blame(unanswered([link], "echo", {"a": 1}, "why"))[:2] == ("server", "REQ-001")
    assert blame(unanswered([link], "echo", {"a": 2}, "why"))[:2] == ("client", "REQ-016")


def test_a_client_that_left_at_once_was_not_waiting() -> None:
    link = Recorded().client("request", "echo", {"a": 1}, "1").ends("client", "server").link
    assert blame(unanswered([link], "echo", {"a": 1}, "why", patience=60.0))[0] == "client"
    assert blame(unanswered([link], "echo", {"a": 1}, "why", patience=0.0))[0] == "server"


@pytest.mark.parametrize(
    ("link", "party"),
    [
        (Recorded().link, "client"),
        (Recorded().ends("client", "server").link, "client"),
        (Recorded().ends("server", "client").link, "server"),
        (Recorded().server("system", error("session_replaced"), "s", None).ends("server").link, "client"),
        (Recorded().client("request", "echo", 1, "1", {"priority": 1}).ends("server").link, "client"),
    ],
)
def test_a_client_that_the_server_dropped_is_not_at_fault(link: RecordedLink, party: Role) -> None:
    found = judged(Broken("client", "", "what the story found"), [link], [Recorded().link, link]).cause
    assert found.party == party
    assert found.message == ("what the story found" if party == "client" else "the server ended the connection")


def test_a_response_that_is_not_valid_is_the_servers_fault() -> None:
    recorded = Recorded().client("request", "echo", {"a": 1}, "1").server("echo", {"a": 1}, "1", "1")
    assert blame(unanswered([recorded.link], "echo", {"a": 1}, "why"))[:2] == ("server", "REQ-004")


def test_a_client_that_ends_its_connection_after_a_frame_that_is_no_message_is_not_at_fault() -> None:
    """It must (ERR-014)."""
    recorded = Recorded()
    recorded.link.take_from_server(codec.frame(b"[]"), Trace())
    found = Broken("client", "", "what the story found")
    assert judged(found, [], [recorded.link]) is found
    assert blame(judged(found, [], [recorded.ends("client").link]))[:2] == ("server", "ENC-001")


def test_a_request_is_found_among_what_was_sent_after_the_client_was_told_to() -> None:
    recorded = Recorded().client("request", "echo", {"a": 1}, "1").server("echo", {"a": 1}, "s1", "1")
    since = place([recorded.link])
    not_sent = ("client", "", "the client did not send a request")
    assert blame(unanswered([recorded.link], "echo", {"a": 1}, "why", since=since)) == not_sent
    again = Recorded().client("request", "echo", {"a": 1}, "1").link
    assert blame(unanswered([recorded.link, again], "echo", {"a": 1}, "why", since=since))[:2] == ("server", "REQ-001")
    recorded.client("request", "echo", {"a": 1}, "2")
    assert blame(unanswered([recorded.link], "echo", {"a": 1}, "why", since=since))[:2] == ("server", "REQ-001")


def test_a_request_on_an_older_connection_is_found() -> None:
    older, newer = Recorded(), Recorded()
    since = place([older.link, newer.link])
    older.client("request", "echo", {"a": 1}, "1")
    found = unanswered([older.link, newer.link], "echo", {"a": 1}, "why", since=since)
    assert blame(found)[:2] == ("server", "REQ-001")


@pytest.mark.parametrize(("sent", "answered", "delayed"), [(0.1, 1.1, True), (0.1, 0.9, False), (0.8, 1.1, False)])
def test_a_request_waits_for_a_slow_one_if_it_was_sent_long_before(
    sent: float, answered: float, clock: Clock, *, delayed: bool
) -> None:
    slow, other = Recorded().client("request", "delay", 1, "1"), Recorded()
    moments = {
        sent: lambda: other.client("request", "echo", 1, "1"),
        answered: lambda: other.server("echo", 1, "s1", "1"),
        1.0: lambda: slow.server("delay", 1, "s1", "1"),
    }
    began = clock.now
    for moment in sorted(moments):
        clock.now = began + moment
        moments[moment]()
    pairs = [(each.link, each.link.sent[-1]) for each in (slow, other)]
    assert is_delayed(pairs[0], pairs[1], 1.0) is delayed


def test_a_handler_that_is_optional_is_nobodys_fault() -> None:
    link = (
        Recorded()
        .client("request", "conformance.delay", 1, "1")
        .server("conformance.delay", error("no_handler"), "s", "1")
    )
    assert isinstance(unanswered([link.link], "conformance.delay", 1, "why"), Unsupported)


UNDELIVERED = ("server", "SUB-010", "the server did not deliver exactly what was published")
KEPT = ("client", "SUB-019", "the client did not hand over exactly what arrived")


def delivered(*payloads: Any, subscribes: bool = True) -> RecordedLink:
    recorded = Recorded()
    if subscribes:
        recorded.client("subscribe", "news", {}, "1")
    for number, payload in enumerate(payloads):
        recorded.server("news", payload, f"p{number}", None, "publish")
    return recorded.link


def test_publishes_that_are_not_valid_are_the_servers_fault() -> None:
    link = delivered(1)
    wrong = message("publish", "news", 2, "p1") | {"priority": 1}
    link.take_from_server(codec.frame(codec.encode(wrong)), Trace())
    assert blame(missing_messages([link], "news", [1, 2], [1], [published(1, 2)]))[:2] == ("server", "ENV-001")


def published(*payloads: Any) -> RecordedLink:
    recorded = Recorded()
    for number, payload in enumerate(payloads):
        recorded.client("publish", "news", payload, f"p{number}")
    return recorded.link


@pytest.mark.parametrize(
    ("links", "publisher", "wanted"),
    [
        ([delivered(1, 2)], published(1), ("client", "", "the client did not send what it was told to publish")),
        (
            [delivered(1)],
            published(1, 2),
            UNDELIVERED,
        ),
        (
            [delivered(1, 2, 2)],
            published(1, 2),
            UNDELIVERED,
        ),
        (
            [delivered(2, 1)],
            published(1, 2),
            ("server", "SUB-014", "the server delivered what was published in another order"),
        ),
        (
            [delivered(1, 2.0)],
            published(1, 2),
            KEPT,
        ),
        (
            [delivered(1, True)],
            published(1, 2),
            UNDELIVERED,
        ),
        ([delivered(subscribes=False)], published(1, 2), ("client", "", "the client did not send a subscribe")),
        (
            [delivered(), delivered(subscribes=False)],
            published(1, 2),
            ("client", "SUB-020", "the client did not subscribe on its new connection"),
        ),
    ],
)
def test_publishes_that_are_not_handed_over(
    links: list[RecordedLink], publisher: RecordedLink, wanted: tuple[str, str, str]
) -> None:
    assert blame(missing_messages(links, "news", [1, 2], [], [publisher])) == wanted


@pytest.mark.parametrize(
    ("found", "is_so"),
    [([2, 1], True), ([1, 2], False), ([1], False), ([2, 1, 1], False), ([True, 2], False), ([2.0, 1], True)],
)
def test_another_order_has_the_same_values(found: list[Any], *, is_so: bool) -> None:
    assert are_reordered(found, [1, 2]) is is_so
