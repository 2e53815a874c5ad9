"""FRM, on a client: whole frames, however the stream is cut, and nothing else."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import time
from collections.abc import Callable
from functools import partial

from conformance.core.verdicts import Late, Violation
from conformance.harness.case import Case, add
from conformance.harness.client_context import ClientContext, missing
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol import codec

PAUSE_SECONDS = 0.002
"""Between pieces of a frame, so that they travel in segments of their own."""
ROUND_TRIPS = 15
DELAYED_SECONDS = 0.03
"""Delayed acknowledgements cost 40 ms."""
MANY = 1000

Cut = Callable[[bytes], list[int]]
CUTS: dict[str, tuple[str, Cut]] = {
    "octet-by-octet": ("octet by octet", lambda octets: list(range(1, len(octets)))),
    "cut-after-header-octet-1": ("with a cut after the first octet of the header", lambda _: [1]),
    "cut-after-header-octet-2": ("with a cut in the middle of the header", lambda _: [2]),
    "cut-after-header-octet-3": ("with a cut before the last octet of the header", lambda _: [3]),
    "header-then-body": ("header first, body later", lambda _: [4]),
    "cut-inside-a-character": ("with a cut inside a UTF-8 sequence", lambda octets: [octets.index("€".encode()) + 1]),
    "cut-before-the-last-octet": ("with the last octet alone", lambda octets: [len(octets) - 1]),
}


def send_cut(context: ClientContext, end: ServerPeer, octets: bytes, cut: Cut) -> None:
    """Send ``octets`` in pieces, each in a segment of its own."""
    edges = [0, *cut(octets), len(octets)]
    for start, stop in itertools.pairwise(edges):
        end.send_octets(octets[start:stop])
        context.wait(PAUSE_SECONDS)


def cut_response(context: ClientContext, cut: Cut) -> None:
    """Cut the response to a request."""
    end = context.connect()
    asked = context.driver.begin("send_request", channel="cut", payload=None)
    response = end.response(end.take("request"), "äöü€😀")
    send_cut(context, end, codec.frame(codec.encode(response)), cut)
    answer = context.driver.finish(asked)["response"]
    if answer["payload"] != "äöü€😀":
        raise Violation("a response that was cut is not what it was", received=codec.shorten(answer))
    context.settle(end)


def cut_acknowledgement(context: ClientContext, cut: Cut) -> None:
    """Cut the acknowledgement."""
    asked = context.begin_connecting()
    end = context.accept()
    end.take_connect()
    send_cut(context, end, codec.frame(codec.encode(end.acknowledgement(motto="äöü€😀"))), cut)
    context.expect_connected(asked)
    context.settle(end)


for _what, _try in {"a response": cut_response, "an acknowledgement": cut_acknowledgement}.items():
    for _name, (_how, _cut) in CUTS.items():
        add(
            Case(
                f"client-framing/{_what.split()[1]}-{_name}",
                ("FRM-005",),
                f"A frame, here {_what}, that arrives {_how} is processed like a whole one.",
                partial(_try, cut=_cut),
                role="client",
                seconds=0.6 if _name == "octet-by-octet" else 0.1,
            )
        )


@client_case("client-framing/frames-behind-the-acknowledgement", "FRM-006")
def behind_the_acknowledgement(context: ClientContext) -> None:
    """Frames in the same segment as the acknowledgement are processed behind it."""
    context.create()
    early = context.begin_early("subscribe", "news")
    context.expect_prompt(early)
    asked = context.driver.begin("connect")
    end = context.accept()
    end.take_connect()
    end.send(end.acknowledgement(), *(end.message("publish", "news", number) for number in range(3)))
    context.expect_connected(asked)
    context.expect_taken(early)
    payloads = [event["message"]["payload"] for event in context.handed_over(end, 3)]
    if sorted(payloads, key=repr) != [0, 1, 2]:
        raise missing(payloads, 3)(
            "frames behind the acknowledgement were lost", expected="0, 1, 2", received=str(payloads)
        )


@client_case("client-framing/complete-frame-does-not-wait-for-the-next", "FRM-006")
def complete_frame_does_not_wait(context: ClientContext) -> None:
    """A response is handed over although only a part of the next frame has arrived behind it."""
    end = context.connect()
    context.subscribe(end, "news")
    asked = context.driver.begin("send_request", channel="one", payload=None)
    answers = (end.response(end.take("request", "one"), None), end.message("publish", "news", 1))
    first, second = (codec.frame(codec.encode(each)) for each in answers)
    end.send_octets(first + second[:20])
    context.driver.finish(asked)
    end.send_octets(second[20:])
    payloads = [event["message"]["payload"] for event in context.handed_over(end, 1)]
    if payloads != [1]:
        raise missing(payloads, 1)("a frame that came in two parts was lost", expected="1", received=str(payloads))


@client_case("client-framing/thousand-frames-in-one-write", "FRM-006", seconds=0.3)
def thousand_frames(context: ClientContext) -> None:
    """A thousand publishes in one write are handed over one by one."""
    end = context.connect()
    context.subscribe(end, "flood")
    context.driver.patience *= 3  # a busy client answers behind what it makes of a thousand messages
    end.send(*(end.message("publish", "flood", number) for number in range(MANY)))
    payloads = [event["message"]["payload"] for event in context.handed_over(end, MANY)]
    if sorted(payloads, key=repr) != sorted(range(MANY), key=repr):
        raise missing(payloads, MANY)(
            "of a thousand frames in one write not all were handed over once",
            expected="0 to 999",
            received=codec.shorten(payloads),
        )


@client_case(
    "client-framing/every-kind-of-frame-keeps-the-rules", "ENV-001", "ENV-002", "ENV-003", "ENV-012", "FRM-003"
)
def every_kind_of_frame(context: ClientContext) -> None:
    """Whatever the client sends is a valid frame, body and envelope (the kit checks each)."""
    end = context.connect()
    context.subscribe(end, "äöü€😀")
    context.unsubscribe(end, "äöü€😀")
    for command, kind in {"publish": "publish", "notify": "notification"}.items():
        answer = context.driver.answer(context.driver.begin(command, channel="news", payload={"text": "äöü€😀\x00"}))
        if "error" not in answer:
            end.take(kind, "news")
    context.settle(end)
    context.driver.ask("disconnect")
    with contextlib.suppress(Violation):  # how it ends the connection is for another case (HSK-028)
        end.expect_gone()
    if end.has_arrived():
        raise Violation("behind its last frame the client sent something that is none")


@client_case("client-framing/requests-are-not-held-back", "FRM-004", seconds=0.8)
def not_held_back(context: ClientContext) -> None:
    """Between the first octet of a request and its last, no delayed acknowledgement of the transport passes."""
    end = context.connect()
    end.delay_acknowledgements()
    times = []
    for number in range(ROUND_TRIPS):
        asked = context.driver.begin("send_request", channel="timed", payload=number)
        end.wait_for_octets()
        start = time.monotonic()
        request = end.take("request")
        times.append(time.monotonic() - start)
        end.respond(request, None)
        context.driver.finish(asked)
    quick = statistics.quantiles(times)[0]
    if quick > DELAYED_SECONDS * max(1.0, context.time_scale):
        raise Late(
            "requests wait for the transport: header and body are written separately without TCP_NODELAY",
            expected=f"one in four below {DELAYED_SECONDS * 1000:.0f} ms",
            received=f"{quick * 1000:.1f} ms",
        )
