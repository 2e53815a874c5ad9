"""SUB-019, on a client: handlers that change subscriptions, wait for a response, disconnect or fail while they run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from conformance.cases.client.publish_subscribe import handed
from conformance.core.verdicts import Late, Unsupported, Violation
from conformance.harness.client_context import ClientContext
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol import codec

Pair = tuple[str, Any]
"""A handler's name, and the payload that it is given."""
MANY = 30
WAIT_MS = 2000
LOOK_SECONDS = 0.3
"""Long enough for a client that reads to send a request and to take its response; much less than `WAIT_MS`."""


def publish(context: ClientContext, end: ServerPeer, number: int, needed: str, allowed: Collection[Pair] = ()) -> None:
    """Publish a number on channel "news", and show that these handlers were given it, each once.

    Args:
        context: of the case.
        end: the connection.
        number: the payload.
        needed: names of the handlers, with blanks between them.
        allowed: further calls that may come, too: a client may call its handlers in other threads.
    """
    names = needed.split()
    wanted = Counter((name, number) for name in names)
    end.send(end.message("publish", "news", number))
    events = context.handed_over(end, len(names))
    while (lacking := (wanted - _counted(events)).total()) and (more := context.driver.gather("message", lacking)):
        events += more
    beyond = _counted(events) - wanted - Counter(allowed)
    if lacking or beyond:
        raise (Violation if beyond else Late)(
            "the client's handlers were not given exactly what they had to get",
            expected=needed,
            received=codec.shorten([[event["handler"], event["message"]["payload"]] for event in events]),
        )


def _counted(events: list[dict[str, Any]]) -> Counter[Pair]:
    return Counter((event["handler"], _comparable(event["message"]["payload"])) for event in events)


def _comparable(payload: Any) -> Any:
    return payload if isinstance(payload, int) else codec.shorten(payload)


def expect_done(context: ClientContext) -> None:
    """Wait until a handler has done what it was told to.

    Raises:
        Violation: it failed.
    """
    outcome = context.reaction()
    if "error" in outcome:
        raise Violation("the client failed at what a handler told it to do", received=outcome["error"]["message"])


@client_case("client-handlers/one-that-removes-itself", "SUB-019")
def removes_itself(context: ClientContext) -> None:
    """A handler that removes itself keeps the ones behind it from nothing, and is called no more."""
    end = context.connect()
    context.subscribe(end, "news", handler="first")
    context.react("news", "leaving", "unsubscribe", channel="news", handler="leaving")
    for name in ("third", "last"):
        context.driver.ask("subscribe", channel="news", handler=name)
    publish(context, end, 1, "first leaving third last")
    expect_done(context)
    publish(context, end, 2, "first third last")


def _removes(context: ClientContext, order: tuple[str, ...], removed: str) -> None:
    """Have the handler ``remover`` remove another one, which may or may not be given the message in hand."""
    end = context.connect()
    for name in order:
        if name == "remover":
            context.react("news", name, "unsubscribe", channel="news", handler=removed)
        else:
            context.driver.ask("subscribe", channel="news", handler=name)
    left = " ".join(name for name in order if name != removed)
    context.settle(end)
    publish(context, end, 1, left, allowed=[(removed, 1)])
    expect_done(context)
    publish(context, end, 2, left, allowed=[(removed, 1)])


@client_case("client-handlers/one-that-removes-an-earlier-one", "SUB-019")
def removes_an_earlier_one(context: ClientContext) -> None:
    """A handler that removes one that was called before it keeps the ones behind it from nothing."""
    _removes(context, ("gone", "remover", "third", "last"), "gone")


@client_case("client-handlers/one-that-removes-a-later-one", "SUB-019")
def removes_a_later_one(context: ClientContext) -> None:
    """A handler that removes one behind it keeps the ones behind that from nothing."""
    _removes(context, ("first", "remover", "gone", "last"), "gone")


@client_case("client-handlers/one-that-adds-another", "SUB-019")
def adds_another(context: ClientContext) -> None:
    """A handler that is added while a message is handed out is given the next one."""
    end = context.connect()
    context.react("news", "adder", "subscribe", channel="news", handler="added")
    context.driver.ask("subscribe", channel="news", handler="last")
    context.settle(end)
    publish(context, end, 1, "adder last", allowed=[("added", 1)])
    expect_done(context)
    publish(context, end, 2, "adder last added", allowed=[("added", 1)])


@client_case("client-handlers/one-that-subscribes-elsewhere", "SUB-001", "SUB-019")
def subscribes_elsewhere(context: ClientContext) -> None:
    """What a handler subscribes to is subscribed to, and handed over."""
    end = context.connect()
    context.react("news", "default", "subscribe", channel="other")
    end.take("subscribe", "news")
    end.send(end.message("publish", "news", 1))
    end.expect_own_id(end.take("subscribe", "other"))
    expect_done(context)
    end.send(end.message("publish", "other", 2))
    handed(context, end, [("news", "default", 1), ("other", "default", 2)])


def _reads(context: ClientContext, end: ServerPeer) -> bool:
    """Return true if another request of the client gets its response while a handler waits for one."""
    seconds = LOOK_SECONDS * context.time_scale
    timeout = 2 * 1000 * seconds  # it is soon over for a client that sends one request after another
    asked = context.driver.begin("send_request", channel="beside", payload=1, timeout_ms=timeout)
    if not end.has_arrived(seconds):
        return False
    end.respond(end.take("request", "beside"), "beside")
    return context.driver.is_answered(asked, seconds) and "result" in context.driver.answer(asked)


@client_case("client-handlers/one-that-waits-for-a-response", "REQ-016", "SUB-019", seconds=0.2)
def waits_for_a_response(context: ClientContext) -> None:
    """A request that a handler makes gets its response, and messages that come meanwhile are handed over."""
    end = context.connect()
    timeout = WAIT_MS * max(1.0, context.time_scale)
    context.react("news", "default", "send_request", channel="asked", payload=1, timeout_ms=timeout)
    end.take("subscribe", "news")
    end.send(end.message("publish", "news", 1))
    request = end.take("request", "asked")
    end.send(end.message("publish", "news", 2))
    is_reading = _reads(context, end)
    end.respond(request, "mine")
    outcome = context.reaction()
    if "error" in outcome and not is_reading:  # no rule says that a handler may wait for a response
        handed(context, end, [("news", "default", 1), ("news", "default", 2)])
        raise Unsupported("a handler of the client holds up what it reads")
    if "error" in outcome or outcome["result"].get("response", {}).get("payload") != "mine":
        raise Violation("a request did not resolve to its response", expected='"mine"', received=codec.shorten(outcome))
    handed(context, end, [("news", "default", 1), ("news", "default", 2)])


@client_case("client-handlers/one-that-disconnects", "HSK-028", "HSK-029", seconds=0.2)
def disconnects(context: ClientContext) -> None:
    """A handler may tell the client to disconnect: it ends the connection in order, and lets its process end."""
    end = context.connect()
    context.driver.ask("subscribe", channel="news", handler="first")
    context.react("news", "leaver", "disconnect")
    context.driver.ask("subscribe", channel="news", handler="last")
    context.settle(end)
    end.send(end.message("publish", "news", 1))
    end.expect_gone()
    if end.was_reset:
        raise Violation("the client reset a connection in place of ending it")
    expect_done(context)
    context.expect_exit()


@client_case("client-handlers/one-that-fails-many-times", "SUB-019", seconds=0.2)
def fails_many_times(context: ClientContext) -> None:
    """A handler that fails at every message is given the next one all the same, and so are those around it."""
    end = context.connect()
    for name in ("first", "fails", "last"):
        context.driver.ask("subscribe", channel="news", handler=name, fails=name == "fails")
    context.settle(end)
    for number in range(MANY):
        end.send(end.message(("publish", "notification")[number % 2], "news", number))
    names = ("first", "fails", "last")
    handed(context, end, [("news", name, number) for number in range(MANY) for name in names])
