"""What a client makes of a loss: what it was asked, what is answered late, and what it subscribes to again."""

from __future__ import annotations

from conformance.cases.client.connection_loss import expect_renewed
from conformance.cases.client.lifecycle import HELD_SECONDS, acknowledge_late, ask, ask_many, expect_answer, leave
from conformance.cases.client.publish_subscribe import handed
from conformance.core.verdicts import Violation
from conformance.harness.client_context import ClientContext
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol import codec

DELAY_MS = 300
SHORT_CONNECTIONS = 2
REQUESTS = 5
FURTHER_REQUESTS = 20
"""Whether another thread of the client takes one of their answers, is chance; it gets none of so many seldom."""


@client_case("client-delivery/requests-fail-though-the-client-comes-back", "REQ-018", seconds=0.3)
def requests_fail(context: ClientContext) -> None:
    """Requests in flight fail when their connection is lost, also if the client is about to have another one."""
    end = context.connect(reconnect_attempts=5)
    asked = ask_many(context, end, REQUESTS)
    end.end_sending()
    for each, _ in asked:
        context.driver.failure(each)


@client_case("client-delivery/late-answers-on-the-next-connection", "REQ-017", "REQ-016", seconds=0.3)
def late_answers(context: ClientContext) -> None:
    """The response to a request that failed with its connection is ignored when it comes on the next one."""
    end = context.connect(reconnect_attempts=5)
    failed, old = ask(context, end)
    end.end_sending()
    context.driver.failure(failed)
    again = context.welcome_back()
    asked, request = ask(context, again)
    if request["message_id"] != old["message_id"]:  # ids need not be fresh beyond their connection
        again.respond(old, "late")
        again.send(again.error("handler_failed", old))
    again.respond(request, "mine")
    expect_answer(context, asked)


@client_case("client-delivery/late-answers-on-the-old-connection", "REQ-017", "REQ-016", seconds=0.5)
def late_answers_on_the_old_connection(context: ClientContext) -> None:
    """What a server still sends on a connection that the client has left answers no request of the next one."""
    old = context.connect()
    context.settle(old)
    _, before = ask(context, old)
    told = leave(context, old)
    asked = context.driver.begin("connect")
    end = context.accept_within(HELD_SECONDS * context.time_scale)
    if end is None:  # a client may wait for the end of the old one, and has forgotten the request by then
        old.respond(before, "late")
        old.end_sending()
        end = context.accept_again(asked)
    end.shake_hands()
    context.expect_connected(asked)
    context.settle(end)
    asked, request = ask(context, end)
    if not old.was_reset:
        old.respond(before, "late")
        old.end_sending()
    context.driver.answer(told)
    context.wait(HELD_SECONDS * context.time_scale)
    end.respond(request, "mine")
    expect_answer(context, asked)
    for _ in range(FURTHER_REQUESTS):  # and nothing is left that reads the new connection beside the client
        asked, request = ask(context, end)
        end.respond(request, "mine")
        expect_answer(context, asked)


@client_case("client-delivery/nothing-ahead-of-the-acknowledgement-after-a-loss", "HSK-002", "HSK-032", seconds=0.4)
def nothing_ahead(context: ClientContext) -> None:
    """After a loss, too, the client waits for the acknowledgement with subscriptions and with what it is told."""
    end = context.connect(reconnect_attempts=5)
    context.subscribe(end, "old")
    end.end_sending()
    again = context.accept_back()
    again.take_connect()
    context.driver.begin("publish", channel="early", payload=1)
    context.driver.begin("notify", channel="early", payload=1)
    context.driver.begin("send_request", channel="early", payload=1, timeout_ms=50)
    acknowledge_late(context, again)
    context.await_connected(True, "the client does not say that it is connected again")
    context.settle(again)  # what becomes of what it was told, is for other cases (HSK-033)


@client_case("client-delivery/subscriptions-ended-and-begun-during-the-loss", "SUB-020", seconds=0.5)
def ended_and_begun(context: ClientContext) -> None:
    """Of what was ended and begun again while the client had no connection, the latest counts."""
    end = context.connect(reconnect_attempts=5, reconnect_delay_ms=DELAY_MS)
    for channel in ("a", "b"):
        context.subscribe(end, channel)
    end.end_sending()
    context.await_loss()
    changes = (("unsubscribe", "a"), ("subscribe", "a"), ("subscribe", "c"), ("unsubscribe", "c"))
    early = [context.begin_early(command, channel) for command, channel in changes]
    context.expect_prompt(*early)
    again = context.welcome_back()
    context.expect_taken(*early)
    expect_renewed(context, again, "a", "b")
    again.send(*(again.message("publish", channel, 1) for channel in "abc"))
    handed(context, again, [("a", "default", 1), ("b", "default", 1)])


@client_case("client-delivery/lost-while-subscriptions-are-renewed", "SUB-020", seconds=0.8)
def lost_while_renewed(context: ClientContext) -> None:
    """A connection that is lost right behind its acknowledgement does not make the client forget subscriptions."""
    end = context.connect(reconnect_attempts=9)
    for channel in ("a", "b", "c"):
        context.subscribe(end, channel)
    context.settle(end)
    for _ in range(SHORT_CONNECTIONS):
        end.end_sending()
        end = context.accept_back()
        end.shake_hands()
        end.take("subscribe")
    end.end_sending()
    end = context.welcome_back()
    expect_renewed(context, end, "a", "b", "c")
    end.send(*(end.message("publish", channel, 1) for channel in "abc"))
    handed(context, end, [(channel, "default", 1) for channel in "abc"])


@client_case("client-delivery/handlers-removed-one-by-one", "SUB-020", "SUB-019", seconds=0.3)
def one_by_one(context: ClientContext) -> None:
    """A channel is renewed while it has a handler; nothing is handed to those that were removed one after the other."""
    end = context.connect(reconnect_attempts=5)
    for channel in ("left", "gone"):
        for handler in ("first", "second"):
            context.driver.ask("subscribe", channel=channel, handler=handler)
    context.driver.ask("unsubscribe", channel="left", handler="first")
    for handler in ("first", "second"):
        context.driver.ask("unsubscribe", channel="gone", handler=handler)
    context.settle(end)
    end.end_sending()
    again = context.welcome_back()
    expect_renewed(context, again, "left")
    again.send(again.message("publish", "gone", 1), again.message("publish", "left", 1))
    handed(context, again, [("left", "second", 1)])


def _back_under_another_id(context: ClientContext, end: ServerPeer) -> ServerPeer:
    """Lose a connection, and acknowledge the next one like a server that knows no takeover: clients may change ids."""
    end.end_sending()
    again = context.accept_back()
    again.shake_hands(protocol=..., profiles=...)
    context.await_connected(True, "the client does not say that it is connected again")
    return again


@client_case("client-delivery/renewed-under-the-id-of-the-connection", "SUB-001", seconds=0.3)
def renewed_under_the_id(context: ClientContext) -> None:
    """If a client takes another connection_id when it comes back, its subscribes have that one, too."""
    end = context.connect(reconnect_attempts=5)
    context.subscribe(end, "news")
    for _ in range(2):
        end = _back_under_another_id(context, end)
        expect_renewed(context, end, "news")


@client_case("client-delivery/requests-under-the-id-of-the-connection", "REQ-006", seconds=0.3)
def requests_under_the_id(context: ClientContext) -> None:
    """If a client takes another connection_id when it comes back, its requests have that one, too."""
    end = context.connect(reconnect_attempts=5)
    for _ in range(2):
        end = _back_under_another_id(context, end)
        context.settle(end)
    asked = context.driver.begin("send_request", channel="completed", payload={})
    request = end.take("request", "completed")
    if request["payload"].get("connection_id") != end.connection_id:
        raise Violation(
            "the payload of a request is not completed as it should",
            expected=end.connection_id,
            received=codec.shorten(request["payload"]),
        )
    end.respond(request, "mine")
    expect_answer(context, asked)
