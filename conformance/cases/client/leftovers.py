"""What must not remain of requests, attempts and pauses that have ended: timers and sockets keep a program running.

Every request waits for a minute, and every pause lasts as long, so that what remains shows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from conformance.cases.client.heartbeat import in_time
from conformance.cases.client.lifecycle import ask, ask_many, refuse
from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.client_context import ClientContext
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol.codec import Message

MANY = 12
ATTEMPTS = 2
CONNECTION_TIMEOUT_MS = 300
LONG_MS = 60_000


def _ended(context: ClientContext, end: ServerPeer) -> None:
    """Have the client disconnect, and show that its process ends by itself."""
    context.driver.ask("disconnect")
    end.expect_gone()
    context.expect_exit()


def after_answers(context: ClientContext, answer: Callable[[ServerPeer, Message], Message]) -> None:
    """Answer requests, and have the client disconnect."""
    end = context.connect()
    for _ in range(MANY):
        asked, request = ask(context, end)
        end.send(answer(end, request))
        context.driver.answer(asked)
    _ended(context, end)


ANSWERS: dict[str, tuple[str, Callable[[ServerPeer, Message], Message]]] = {
    "responses": ("answered", lambda end, request: end.response(request, "mine")),
    "errors": ("answered with an error", lambda end, request: end.error("handler_failed", request)),
}
for _name, (_what, _answer) in ANSWERS.items():
    add(
        Case(
            f"client-leftovers/process-ends-after-{_name}",
            ("HSK-029",),
            f"A client whose requests were {_what} lets its process end.",
            partial(after_answers, answer=_answer),
            role="client",
        )
    )


@client_case("client-leftovers/process-ends-after-requests-that-were-lost", "HSK-029")
def after_loss(context: ClientContext) -> None:
    """A client whose requests failed with their connection lets its process end."""
    end = context.connect()
    asked = ask_many(context, end, MANY)
    end.end_sending()
    for each, _ in asked:
        context.driver.failure(each)
    context.expect_exit()


def _break_off(end: ServerPeer) -> None:
    end.take_connect()
    end.reset()


FAILURES: dict[str, tuple[int, Callable[[ServerPeer], object]]] = {
    "were-refused": (LONG_MS, refuse),
    "were-broken-off": (LONG_MS, _break_off),
    "were-not-acknowledged": (CONNECTION_TIMEOUT_MS, ServerPeer.take_connect),
}


def after_attempts(context: ClientContext, timeout: int, fail: Callable[[ServerPeer], object]) -> None:
    """Fail attempts to connect, and let the client go."""
    context.create(connection_timeout_ms=timeout * max(1.0, context.time_scale))
    for number in range(ATTEMPTS):
        asked = context.driver.begin("connect")
        end = context.accept_again(asked) if number else context.accept()
        with in_time():
            fail(end)
        context.expect_not_connected(asked)
    context.expect_exit()


for _name, (_timeout, _fail) in FAILURES.items():
    add(
        Case(
            f"client-leftovers/process-ends-after-attempts-that-{_name}",
            ("HSK-029",),
            f"Attempts to connect that {_name.replace('-', ' ')} leave nothing that keeps the process alive.",
            partial(after_attempts, timeout=_timeout, fail=_fail),
            role="client",
            seconds=1.0 if _timeout < LONG_MS else 0.2,
        )
    )


@client_case("client-leftovers/process-ends-in-the-pause-ahead-of-an-attempt", "HSK-029", seconds=0.3)
def in_the_pause(context: ClientContext) -> None:
    """A client that is told to disconnect while it waits for a minute to come back lets its process end."""
    context.connect(reconnect_attempts=5, reconnect_delay_ms=LONG_MS).end_sending()
    context.await_loss()
    context.driver.ask("disconnect")
    context.expect_exit()


@client_case("client-leftovers/every-connection-is-ended", "HSK-028", "HSK-029", seconds=1.0)
def every_connection(context: ClientContext) -> None:
    """Of many connections, one after the other, each with requests and a subscription, the client ends each."""
    end = context.connect()
    for number in range(MANY):
        context.subscribe(end, f"channel-{number}")
        asked, request = ask(context, end)
        end.respond(request, "mine")
        context.driver.finish(asked)
        ask(context, end)  # and no answer
        context.driver.ask("unsubscribe", channel=f"channel-{number}")  # or it may be renewed at any later time
        context.driver.ask("disconnect")
        end.expect_gone()
        if end.was_reset:
            raise Violation("the client reset a connection in place of ending it", received=f"connection {number + 1}")
        told = context.driver.begin("connect")
        end = context.accept_again(told)
        end.shake_hands()
        context.expect_connected(told)
        context.settle(end)
    _ended(context, end)
