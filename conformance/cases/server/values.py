"""Values come back as they were, through every place that they pass: handlers, deliveries, batches, jobs, restarts."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.cases.server.discovery.helpers import Registry, discovery_case, expect_instances, instance
from conformance.cases.server.notifications import seen
from conformance.cases.server.queue.helpers import Queue, ids, job, queue_case
from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.protocol import codec

LARGE_INTEGERS = [
    2**53,
    2**53 + 2,
    2**63,
    -(2**63),
    2**63 + 2048,
    2**64,
    2**64 - 2048,
    19_500_000_000_000_000_000,
    -19_500_000_000_000_000_000,
    2**65,
    2**70,
    10**22,
    10**15,
    2**200,
]
"""Each is a binary64 number, so it is kept however it is written."""
FRACTIONS = [
    0.1 + 0.2,
    1.0000000000000002,
    9007199254740991.5 / 2,
    4.35,
    1e21,
    1.5e300,
    2.5e-5,
    1e-7,
    123456789.12345679,
    5e-324,
    2.225073858507201e-308,
    1.7976931348623157e308,
]
WRITTEN = ["1e2", "1E+2", "100.0", "-0.0", "-0", "0e5", "1e-400", "0.1e1", "19500000000000000000.0", "1.95E19", "5e-1"]
"""Numbers in forms that a kit's encoder does not choose."""
EQUAL = [100, 100, 100, 0, 0, 0, 0, 1, 19_500_000_000_000_000_000, 19_500_000_000_000_000_000, 0.5]
DEEP = 59
"""In a batch, five more levels are above it, and a server may refuse more than 64 (ENC-009)."""
LONG_NAME_CHARACTERS = 5000


def nested(levels: int) -> Any:
    """Return arrays and objects in each other."""
    value: Any = "bottom"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


VALUES: dict[str, tuple[str, Any]] = {
    "large-integers": ("ENC-016", LARGE_INTEGERS),
    "more-fractions": ("ENC-016", FRACTIONS),
    "deep-values": ("ENC-015", nested(DEEP)),
    "long-member-names": (
        "ENC-015",
        {"n" * LONG_NAME_CHARACTERS + end: end for end in ("a", "b", "\0")} | {"é": 1, "e\u0301": 2, "A": 3, "a": 4},
    ),
    "strings-like-other-values": ("ENC-015", ["1e2", "null", "true", "-0", "NaN", "2026-01-01", " 1 ", "\0", "0x10"]),
}


def through_publish(context: ServerContext, value: Any) -> None:
    """Publish a value."""
    peer, channel = context.connect(), context.name("kept")
    peer.subscribe(channel)
    peer.publish_and_get(channel, value)


def through_handler(context: ServerContext, value: Any) -> None:
    """Let a value wait in a handler."""
    peer = context.connect()
    request = peer.request_message("conformance.delay", {"delay_ms": 0, "value": value})
    peer.send(request)
    peer.expect_payload(request, {"value": value}, "a value did not come back as it was")


def through_emit(context: ServerContext, value: Any) -> None:
    """Have a value sent by the server."""
    peer, channel = context.connect(), context.name("kept")
    peer.subscribe(channel)
    emitted = {"channel": channel, "count": 1, "message_type": "publish", "payload": value}
    peer.send(peer.request_message("conformance.emit", emitted))
    arrived = peer.receive()
    if not codec.same(arrived["payload"], value):
        raise Violation(
            "a value did not come as it was, in a message of the server",
            expected=codec.shorten(value),
            received=codec.shorten(arrived["payload"]),
        )


def through_note(context: ServerContext, value: Any) -> None:
    """Have a value remembered."""
    peer, token = context.connect(), context.name("token")
    peer.send(peer.message("notification", "conformance.note", {"token": token, "value": value}))
    remembered = seen(peer, token)
    if not codec.same(remembered, [value]):
        raise Violation(
            "a value was not remembered as it was",
            expected=codec.shorten([value]),
            received=codec.shorten(remembered),
        )


def through_batch(context: ServerContext, value: Any) -> None:
    """Have a value echoed in a batch."""
    peer = context.connect()
    batch = {"action": "batch_process", "requests": [{"payload": {"value": value}}, {"payload": value}]}
    request = peer.message("request", "conformance.echo", batch)
    peer.send(request)
    wanted = {"responses": [{"value": value}, value]}
    peer.expect_payload(request, wanted, "a value did not come back as it was, in a batch")


def through_job(context: ServerContext, value: Any) -> None:
    """Have a value handed out in a job."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    made = job(name, data=value, further=value)
    queue.enqueue(made)
    (found,) = queue.expect_jobs(name)
    _compare_job(made, found)


def _compare_job(made: dict[str, Any], found: dict[str, Any]) -> None:
    kept = {member: found.get(member) for member in made}
    if not codec.same(kept, made):
        raise Violation(
            "a job was not handed out with the values that it was enqueued with",
            expected=codec.shorten(made),
            received=codec.shorten(kept),
        )


PLACES: dict[str, tuple[Any, tuple[str, ...], str | None, str]] = {
    "publish": (through_publish, (), None, "A publish keeps"),
    "handler": (through_handler, ("delay",), None, "A handler that answers later keeps"),
    "emit": (through_emit, ("emit",), None, "A message from the server keeps"),
    "note": (through_note, ("seen",), None, "A notification keeps"),
    "batch": (through_batch, ("echo",), "batch", "A batch keeps"),
    "job": (through_job, (), "queue", "A job keeps"),
}
for _place, (_run, _needs, _profile, _begin) in PLACES.items():
    for _name, (_rule, _value) in VALUES.items():
        add(
            Case(
                f"{_profile or 'values'}/{_place}-keeps-{_name}",
                (_rule, *(("QUE-012",) if _place == "job" else ("SUB-012",) if _place == "publish" else ())),
                f"{_begin} {_name.replace('-', ' ')}.",
                partial(_run, value=_value),
                needs=_needs,
                profile=_profile,
            )
        )


@case("values/numbers-written-in-other-ways", "ENC-016", "SUB-012", needs=("echo",))
def written_in_other_ways(context: ServerContext) -> None:
    """Numbers with exponents, fractions of zero and signs of zero keep their values."""
    peer, channel = context.connect(), context.name("kept")
    peer.subscribe(channel)
    text = f"[{','.join(WRITTEN)}]".encode()
    peer.send_body(codec.encode(peer.message("publish", channel, "@")).replace(b'"@"', text))
    request = peer.message("request", "conformance.echo", "@")
    peer.send_body(codec.encode(request).replace(b'"@"', text))
    with peer.blaming("own_delivery", "echo"):
        both = peer.receive(), peer.receive()
    for arrived in both:
        if not codec.same(arrived["payload"], EQUAL):
            raise Violation(
                "numbers that are written in other ways did not keep their values",
                expected=codec.shorten(EQUAL),
                received=codec.shorten(arrived["payload"]),
            )


@case("values/timestamps-are-delivered-as-they-are", "SUB-012", "ENV-009")
def timestamps(context: ServerContext) -> None:
    """A publish is delivered with the number that its timestamp is, however large, small or long."""
    peer, channel = context.connect(), context.name("kept")
    peer.subscribe(channel)
    numbers = (*(each for each in LARGE_INTEGERS if each >= 0), *FRACTIONS)
    messages = [peer.message("publish", channel, 1, timestamp=number) for number in numbers]
    peer.send(*messages)
    peer.expect_deliveries(messages, "a publish was delivered with another timestamp")


@case("values/reply-to-is-delivered-as-it-is", "SUB-012")
def reply_to(context: ServerContext) -> None:
    """A publish is delivered with the reply_to that it has, code point by code point."""
    peer, channel = context.connect(), context.name("kept")
    peer.subscribe(channel)
    texts = (" a ", "a\0b", "e\u0301", "\u00e9", "007", "null", "😀" * 128, "\ufeffa", "A", "\\u0041")
    messages = [peer.message("publish", channel, 1, reply_to=text, message_id=text) for text in texts]
    peer.send(*messages)
    peer.expect_deliveries(messages, "a publish was delivered with another reply_to or message_id")


# Jobs

PRIORITIES = [
    9_007_199_254_740_991,
    9_007_199_254_740_990,
    9_007_199_254_740_989,
    4_294_967_297,
    4_294_967_296,
    2_147_483_648,
    2_147_483_647,
    16_777_217,
    16_777_216,
    65_536,
    1001,
    1000,
    256,
    127,
    10,
    9,
    2,
    1,
    0,
    -1,
    -2,
    -9,
    -10,
    -128,
    -1001,
    -32_769,
    -16_777_217,
    -2_147_483_649,
    -4_294_967_297,
    -9_007_199_254_740_990,
    -9_007_199_254_740_991,
]
"""Each is less urgent than the one before it."""


def prioritized(context: ServerContext) -> tuple[list[dict[str, Any]], list[str]]:
    """Return jobs of all priorities in another order, and their ids in the order of their urgency."""
    names = ids(context, len(PRIORITIES))
    jobs = [job(name, priority=priority) for name, priority in zip(names, PRIORITIES, strict=True)]
    return [*jobs[1::2], *jobs[::2]], names


@queue_case("priorities-of-every-size", "QUE-010", "QUE-012")
def priorities(context: ServerContext) -> None:
    """Jobs are handed out by their priorities, however large or small these are and however near to each other."""
    queue = Queue(context)
    jobs, names = prioritized(context)
    queue.enqueue(*jobs)
    found = queue.expect_jobs(*names)
    if [each["priority"] for each in found] != PRIORITIES:
        raise Violation("a job has another priority than it was enqueued with", received=codec.shorten(found))


TIMES = [0, 0.5, 1.5, 1_767_225_600_000.25, 9_007_199_254_740_991, 19_500_000_000_000_000_000, 1e300]


@queue_case("times-of-every-size", "QUE-012", "QUE-004")
def times(context: ServerContext) -> None:
    """A job keeps its times and its attempts, however large they are and whatever their fraction."""
    queue = Queue(context)
    names = ids(context, len(TIMES))
    jobs = [
        job(
            name,
            createdAt=time,
            attempts=2_147_483_647 - number,
            maxAttempts=9_007_199_254_740_991,
            scheduledFor=time % 7,
        )
        for number, (name, time) in enumerate(zip(names, TIMES, strict=True))
    ]
    queue.enqueue(*jobs)
    for made, found in zip(jobs, queue.expect_jobs(*names), strict=True):
        _compare_job(made, found)


@queue_case("integers-written-in-other-ways", "QUE-001", "QUE-009")
def integers_in_other_ways(context: ServerContext) -> None:
    """An integer that is written with a fraction of zero, or with an exponent, is an integer."""
    queue = Queue(context)
    names = ids(context, 3)
    queue.enqueue(*(job(name) for name in names))
    message = queue.message("dequeue", count="@1", lease_ms="@2")
    body = codec.encode(message).replace(b'"@1"', b"2.0").replace(b'"@2"', b"3e4")
    queue.peer.send_body(body)
    jobs = queue.peer.expect_response(message)["payload"].get("jobs", ())
    if [each["id"] for each in jobs] != names[:2]:
        raise Violation(
            "an integer that is written with a fraction or an exponent was not taken for one",
            expected="two jobs",
            received=codec.shorten(jobs),
        )
    message = queue.message("retry_job", job_id=names[0], delay="@")
    queue.peer.send_body(codec.encode(message).replace(b'"@"', b"0e0"))
    queue.peer.expect_payload(message, {"status": "ok"}, "a delay that is written with an exponent was refused")
    queue.expect_jobs(names[0], count=1)


@queue_case("values-survive-kill", "QUE-029", "QUE-012", "QUE-010", "ENC-016", spawned=True, seconds=1.0)
def values_survive(context: ServerContext) -> None:
    """Values, priorities and times of jobs are the same after a durable server was killed and started again."""
    name = context.name("queue")
    jobs, names = prioritized(context)
    values = {"numbers": [*LARGE_INTEGERS, *FRACTIONS], "deep": nested(DEEP - 5), "a\0b": "c\0d", "é": "e\u0301"}
    for made in jobs:
        made["data"] = values
        made["createdAt"] = 1_767_225_600_000.25
    with context.own_state() as state:
        with context.own_server(state) as process:
            queue = Queue(context, name=name)
            queue.require_durable()
            queue.enqueue(*jobs)
            process.kill()
        with context.own_server(state):
            found = Queue(context, name=name).expect_jobs(*names)
    wanted = {made["id"]: made for made in jobs}
    for each in found:
        _compare_job(wanted[each["id"]], each)


@discovery_case("connections-of-every-size", "DSC-004", "DSC-013")
def connections(context: ServerContext) -> None:
    """The connections of an instance are shown as they are, however many."""
    registry = Registry(context)
    numbers = (0, 127, 128, 65_536, 2**31 - 1, 2**31, 2**32, 2**53 - 1)
    made = [instance(f"i{number}", connections=number) for number in numbers]
    registry.put(*made)
    expect_instances(registry.asker, registry.service, *made)
