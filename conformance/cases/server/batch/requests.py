"""BAT: several requests in one message."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.cases.server.handling import INTERNALS, check_order
from conformance.core.verdicts import Unsupported, Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec, schemas
from conformance.protocol.codec import Message

PROFILE = "batch"
MANY = 1000
SHAPES: list[Any] = [{"a": {"b": [1]}}, [1, [2]], "äöü€😀\x00", -12.5, 0, True, False, None, {}, [], ""]


def batch_of(peer: ClientPeer, channel: str, payloads: list[Any], **members: Any) -> Message:
    """Return a batch whose items have their place as id, as deployed clients send it."""
    items = [{"id": place, "payload": payload} for place, payload in enumerate(payloads)]
    return peer.message("request", channel, {"action": "batch_process", "requests": items} | members)


def answers_to(peer: ClientPeer, batch: Message) -> list[Any]:
    """Send a batch and return the answers to its items.

    Raises:
        Violation: the response is not that of a batch, or has another number of answers.
    """
    peer.send(batch)
    payload = peer.expect_response(batch)["payload"]
    wrong = schemas.problem("batch-response", payload)
    if wrong or len(payload["responses"]) != len(batch["payload"]["requests"]):
        raise Violation(
            "the response to a batch does not have an answer for each item",
            expected=f"{len(batch['payload']['requests'])} answers",
            received=f"{codec.shorten(payload)} {wrong or ''}",
        )
    answers: list[Any] = payload["responses"]
    return answers


def expect_answers(peer: ClientPeer, batch: Message, wanted: list[Any]) -> None:
    """Send a batch and compare the answers, and see nothing come behind the response."""
    found = answers_to(peer, batch)
    if not codec.same(found, wanted):
        raise Violation(
            "the answers of a batch are not those to its items, in their order",
            expected=codec.shorten(wanted),
            received=codec.shorten(found),
        )
    peer.expect_silence("a batch got more than one response")


def check_item_error(answer: Any, code: str) -> None:
    """Check the answer of an item that has to be an error."""
    wrong = schemas.problem("error", answer)
    if wrong or answer["error"]["code"] != code:
        raise Violation(
            f"an item of a batch did not get the error {code} in its place",
            expected=code,
            received=f"{codec.shorten(answer)} {wrong or ''}",
        )


@case("batch/answers-in-order", "BAT-002", "BAT-009", profile=PROFILE, needs=("echo",))
def answers_in_order(context: ServerContext) -> None:
    """Items of every JSON shape are answered in one response, each in its place."""
    peer = context.connect()
    expect_answers(peer, batch_of(peer, "conformance.echo", SHAPES), SHAPES)


@case("batch/without-items", "BAT-002", profile=PROFILE, needs=("echo",))
def without_items(context: ServerContext) -> None:
    """A batch without items gets a response without answers."""
    peer = context.connect()
    expect_answers(peer, batch_of(peer, "conformance.echo", []), [])


@case("batch/one-item", "BAT-002", profile=PROFILE, needs=("echo",))
def one_item(context: ServerContext) -> None:
    """A batch of one item gets a response with one answer, and an ordinary request beside it an ordinary response."""
    peer = context.connect()
    expect_answers(peer, batch_of(peer, "conformance.echo", ["only"]), ["only"])
    request = peer.message("request", "conformance.echo", {"action": "batch"})
    peer.send(request)
    peer.expect_payload(request, {"action": "batch"}, "a request that is no batch was not answered like one")


@case("batch/thousand-items", "BAT-008", "BAT-002", profile=PROFILE, needs=("echo",), seconds=0.2)
def thousand_items(context: ServerContext) -> None:
    """A batch of a thousand items is answered."""
    peer = context.connect()
    expect_answers(peer, batch_of(peer, "conformance.echo", list(range(MANY))), list(range(MANY)))


@case("batch/slow-items-keep-their-places", "BAT-002", profile=PROFILE, needs=("delay",), seconds=0.2)
def slow_items(context: ServerContext) -> None:
    """Answers stand in the order of the items, whichever of them is done first."""
    peer = context.connect()
    payloads = [{"delay_ms": delay, "value": delay} for delay in (120, 0, 60, 0)]
    expect_answers(peer, batch_of(peer, "conformance.delay", payloads), [{"value": n} for n in (120, 0, 60, 0)])


@case("batch/items-that-fail", "BAT-003", profile=PROFILE, needs=("delay",))
def items_that_fail(context: ServerContext) -> None:
    """Where the handler fails stands handler_failed, and the other items have their answers."""
    peer = context.connect()
    good = {"delay_ms": 0, "value": "good"}
    answers = answers_to(peer, batch_of(peer, "conformance.delay", [good, "bad", good, {"delay_ms": None}, good]))
    for place in (1, 3):
        check_item_error(answers[place], "handler_failed")
    if [answers[place] for place in (0, 2, 4)] != [{"value": "good"}] * 3:
        raise Violation("an item that failed changed the answers of others", received=codec.shorten(answers))
    peer.expect_silence()


@case("batch/failure-tells-no-internals", "BAT-003", "BAT-004", profile=PROFILE, needs=("fail",))
def no_internals(context: ServerContext) -> None:
    """The error in an item's place has neither the exception's text nor a stack trace nor a path."""
    peer = context.connect()
    secret = context.name("secret")
    answers = answers_to(peer, batch_of(peer, "conformance.fail", [{"detail": secret}] * 2))
    text = codec.encode(answers).decode()
    if secret in text or INTERNALS.search(text):
        raise Violation("the answer to an item that failed tells internals", received=codec.shorten(answers))
    for answer in answers:
        check_item_error(answer, "handler_failed")


@case("batch/each-item-is-handled-once-in-order", "BAT-005", "BAT-006", profile=PROFILE, needs=("emit",))
def handled_once_in_order(context: ServerContext) -> None:
    """A handler that acts at once has acted once for each item, in their order as far as threads let it show."""
    watcher, peer = context.connect(), context.connect()
    channel = context.name("order")
    watcher.subscribe(channel)
    items = [{"channel": channel, "count": 1, "message_type": "publish", "payload": number} for number in range(50)]

    def act() -> list[Any]:
        expect_answers(peer, batch_of(peer, "conformance.emit", items), [{"emitted": 1}] * 50)
        return [message["payload"] for message in watcher.barrier()]

    check_order(act, 50, "the items of a batch were not handled once each and in order")


@case("batch/equal-items-are-handled-each", "BAT-005", profile=PROFILE, needs=("emit",))
def equal_items(context: ServerContext) -> None:
    """Items with the same payload are handled as often as they are there."""
    watcher, peer = context.connect(), context.connect()
    channel = context.name("again")
    watcher.subscribe(channel)
    emit = {"channel": channel, "count": 1, "message_type": "publish", "payload": "same"}
    expect_answers(peer, batch_of(peer, "conformance.emit", [emit] * 5), [{"emitted": 1}] * 5)
    times = len(watcher.barrier())
    if times != 5:
        raise Violation("equal items of a batch were not handled once each", expected="5", received=str(times))


@case("batch/thousand-slow-items", "BAT-008", "BAT-002", profile=PROFILE, needs=("delay",), seconds=0.4)
def thousand_slow_items(context: ServerContext) -> None:
    """A thousand items whose handlers take a while are answered."""
    peer = context.connect()
    payloads = [{"delay_ms": 20, "value": number} for number in range(MANY)]
    peer.patience = max(peer.patience, 25 * context.time_scale)  # a server may do one after the other
    expect_answers(peer, batch_of(peer, "conformance.delay", payloads), [{"value": n} for n in range(MANY)])


@case("batch/batch-in-a-batch", "BAT-007", profile=PROFILE, needs=("echo",))
def batch_in_a_batch(context: ServerContext) -> None:
    """An item that is a batch, valid or not, is refused in its place, and the others are answered."""
    peer = context.connect()
    inner = [batch_of(peer, "x", [1, 2])["payload"], {"action": "batch_process"}]
    answers = answers_to(peer, batch_of(peer, "conformance.echo", ["before", *inner, "behind"]))
    for place in (1, 2):
        check_item_error(answers[place], "invalid_message")
    if [answers[0], answers[3]] != ["before", "behind"]:
        raise Violation("a batch in a batch changed the answers of others", received=codec.shorten(answers))


ODD_IDS: dict[str, list[Any]] = {
    "absent": [{"payload": 1}, {"payload": 2}],
    "equal": [{"id": 7, "payload": 1}, {"id": 7, "payload": 2}],
    "backwards": [{"id": 1, "payload": 1}, {"id": 0, "payload": 2}],
    "of-any-type": [{"id": None, "payload": 1}, {"id": {"a": []}, "payload": 2}],
    "beside-other-members": [
        {"id": 0, "payload": 1, "channel_id": "x", "timeout": "y"},
        {"payload": 2, "__proto__": 1},
    ],
}


def odd_ids(context: ServerContext, items: list[Any]) -> None:
    """Send items with such ids."""
    peer = context.connect()
    expect_answers(peer, batch_of(peer, "conformance.echo", [], requests=items, further={"a": 1}), [1, 2])


for _name, _items in ODD_IDS.items():
    add(
        Case(
            f"batch/ids-{_name}",
            ("BAT-009",),
            f"Ids that are {_name.replace('-', ' ')} change nothing.",
            partial(odd_ids, items=_items),
            profile=PROFILE,
            needs=("echo",),
        )
    )


INVALID: dict[str, dict[str, Any]] = {
    "requests-absent": {},
    "requests-null": {"requests": None},
    "requests-an-object": {"requests": {"0": {"payload": 1}}},
    "requests-a-string": {"requests": "[]"},
    "item-null": {"requests": [{"payload": 1}, None]},
    "item-a-number": {"requests": [1]},
    "item-an-array": {"requests": [[{"payload": 1}]]},
    "item-without-payload": {"requests": [{"payload": 1}, {"id": 1}]},
    "item-with-payload-in-capitals": {"requests": [{"Payload": 1}]},
}


def invalid(context: ServerContext, members: dict[str, Any]) -> None:
    """Send a batch that breaks a rule behind one that does not, where there is a handler and where there is none."""
    peer = context.connect()
    expect_answers(peer, batch_of(peer, "conformance.echo", [1]), [1])
    for channel in ("conformance.echo", context.name("nobody")):
        batch = peer.message("request", channel, {"action": "batch_process"} | members)
        peer.send(batch)
        peer.expect_error("invalid_message", batch)
    peer.expect_silence()


for _name, _members in INVALID.items():
    add(
        Case(
            f"batch/{_name}",
            ("BAT-001", "ERR-011"),
            f"A batch with {_name.replace('-', ' ')} is refused as a whole, ahead of the question for its handler.",
            partial(invalid, members=_members),
            profile=PROFILE,
            needs=("echo",),
        )
    )


@case("batch/without-a-handler", "REQ-012", profile=PROFILE)
def without_a_handler(context: ServerContext) -> None:
    """A batch on a channel without a handler gets no_handler, once."""
    peer = context.connect()
    batch = batch_of(peer, context.name("nobody"), [1, 2])
    peer.send(batch)
    peer.expect_error("no_handler", batch)
    peer.expect_silence()


@case("batch/on-the-system-channel", "SYS-002", profile=PROFILE)
def on_the_system_channel(context: ServerContext) -> None:
    """On the system channel batch_process is an unknown action."""
    peer = context.connect()
    batch = batch_of(peer, "system", [{"action": "ping"}])
    peer.send(batch)
    peer.expect_error("unknown_action", batch)


@case("batch/notification-is-not-answered", "NTF-001", "NTF-002", profile=PROFILE, needs=("seen",))
def notification(context: ServerContext) -> None:
    """A notification with the payload of a batch is one notification, handed over as it is and not answered."""
    peer = context.connect()
    token = context.name("token")
    payload = batch_of(peer, "conformance.note", [1])["payload"] | {"token": token}
    peer.send(peer.message("notification", "conformance.note", payload))
    peer.expect_silence("a notification with the payload of a batch was answered")
    notes = peer.request("conformance.seen", {})["payload"]["seen"]
    if [note for note in notes if isinstance(note, dict) and note.get("token") == token] != [payload]:
        raise Violation("a notification with the payload of a batch was not handed over once and as it is")


@case("batch/does-not-delay-others", "REQ-010", "REQ-011", profile=PROFILE, needs=("delay",), seconds=0.4)
def does_not_delay(context: ServerContext) -> None:
    """While a batch takes its time, another connection and a ping of its own are answered."""

    def attempt(seconds: float) -> None:
        peer, other = context.connect(), context.connect()
        batch = batch_of(peer, "conformance.delay", [{"delay_ms": int(1000 * seconds), "value": 1}] * 3)
        ping = peer.marker_message()
        peer.patience += 3 * seconds  # a server may do one after the other
        peer.send(batch, ping)
        other.expect_silence()
        if peer.receive_through(ping):
            raise Violation("a ping waited for a batch of its own connection")
        peer.expect_payload(batch, {"responses": [{"value": 1}] * 3}, "a slow batch's answer is wrong")

    context.with_more_time(attempt, 0.35)


@case("profiles/without-batch-a-batch-is-a-payload", "PRF-003", needs=("echo",))
def without_the_profile(context: ServerContext) -> None:
    """Where the profile is not announced, the payload of a batch is any payload."""
    if PROFILE in context.target.profiles:
        raise Unsupported("is about servers without the profile batch")
    peer = context.connect()
    batch = batch_of(peer, "conformance.echo", [1, 2], connection_id=peer.connection_id)
    peer.send(batch)
    peer.expect_payload(batch, batch["payload"], "a server without the profile batch changed the payload of a batch")
