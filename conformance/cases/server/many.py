"""Limits that no server announces: what works once works a thousand times, and for all connections together."""

from __future__ import annotations

from conformance.cases.server.names import subscribe_all
from conformance.cases.server.notifications import seen
from conformance.cases.server.queue.helpers import Queue, answer_of, ids, job, queue_case
from conformance.core.verdicts import Violation
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec

HANDLERS, OWNERS = 200, 8
"""Handlers that run at a time, and the connections that they belong to."""
ARRIVAL_SECONDS = 0.1
"""For requests to be in their handlers; a ping behind them would find out, but may wait for them (REQ-011)."""
SILENT = 70
"""Requests that are never answered, of each of some connections; more could exhaust a server with a thread for each."""
SUBSCRIPTIONS = 1000
MESSAGES = 6000
CONNECTIONS, SHARED = 80, 10
"""Connections at the same time, and those that other workers may hold on a shared server."""
NOTES = 700
QUEUES = 150
TAKEOVERS = 110
ELEMENTS = 20_000


def connections(context: ServerContext) -> int:
    """Return how many connections a case may hold: every server serves a hundred (LIM-008)."""
    return CONNECTIONS if context.target.process else CONNECTIONS - SHARED


@case("many/running-handlers", "REQ-010", needs=("delay",), seconds=1.0)
def running_handlers(context: ServerContext) -> None:
    """While two hundred handlers of some connections take their time, the handler of another connection starts."""

    def attempt(seconds: float) -> None:
        owners, other = [context.connect() for _ in range(OWNERS)], context.connect()
        each = {"delay_ms": int(1000 * seconds), "value": 1}
        for owner in owners:
            owner.patience += seconds
            owner.send(*(owner.request_message("conformance.delay", each) for _ in range(HANDLERS // OWNERS)))
        other.patience += seconds
        context.wait(ARRIVAL_SECONDS)
        other.request("conformance.delay", {"delay_ms": 0, "value": 2})
        if any(owner.has_arrived() for owner in owners):
            raise Violation("the request of a connection waited for handlers of others")
        for owner in owners:
            for _ in range(HANDLERS // OWNERS):
                owner.receive()

    context.with_more_time(attempt, 0.5)


@case("many/handlers-that-never-finish", "REQ-010", "REQ-001", "ISO-006", needs=("silent", "echo"), seconds=0.3)
def handlers_that_never_finish(context: ServerContext) -> None:
    """Behind many requests of some connections whose handlers never finish, others get their answers."""
    for _ in range(3):
        peer = context.connect()
        peer.send(*(peer.message("request", "conformance.silent", number) for number in range(SILENT)))
    context.wait(ARRIVAL_SECONDS)
    other = context.connect()
    for _ in range(3):
        request = other.request_message("conformance.echo", {"n": 1})
        other.send(request)
        other.expect_payload(request, request["payload"], "an echo did not give the payload back")
        other.expect_silence()


@case("many/subscriptions-of-several-connections", "SUB-008", "SUB-010", seconds=0.5)
def subscriptions_of_several(context: ServerContext) -> None:
    """Several connections subscribe to a thousand channels each, and hear all of them."""
    app = context.name("app")
    publisher, first = context.connect(app=app), context.name("channel")
    for owner in range(3):
        peer = context.connect(app=app)
        channels = [f"{first}-{owner}-{number}" for number in range(SUBSCRIPTIONS)]
        subscribe_all(peer, channels)
        messages = [publisher.message("publish", channel, None) for channel in channels[:: SUBSCRIPTIONS // 10]]
        messages.append(publisher.message("publish", channels[-1], None))
        publisher.send(*messages)
        publisher.expect_silence()
        peer.expect_deliveries(messages, "one of several connections did not hear all that it subscribed to")


@case("many/applications-at-the-same-time", "HSK-010", "LIM-008", seconds=0.3)
def applications_at_the_same_time(context: ServerContext) -> None:
    """Many applications exist at the same time, one for each connection."""
    peers = [context.connect(app=context.name("app")) for _ in range(connections(context))]
    for peer in peers:
        peer.send(peer.message("subscribe", "channel", {"connection_id": peer.connection_id}))
    for number, peer in enumerate(peers):
        message = peer.message("publish", "channel", number)
        peer.send(message)
        peer.expect_deliveries([message], "one of many applications did not deliver its publish, and nothing else")


@case("many/subscribers-of-a-channel", "SUB-010", "LIM-008", seconds=0.3)
def subscribers_of_a_channel(context: ServerContext) -> None:
    """Nearly as many subscribers of a channel as there may be connections each get a publish once."""
    publisher, channel = context.connect(), context.name("channel")
    subscribers = [context.connect() for _ in range(connections(context) - 1)]
    for subscriber in subscribers:
        subscriber.send(subscriber.message("subscribe", channel, {"connection_id": subscriber.connection_id}))
    for subscriber in subscribers:
        subscriber.expect_silence()
    message = publisher.publish(channel, "all")
    for subscriber in subscribers:
        subscriber.expect_deliveries([message])


@case("many/messages-of-a-connection", "SUB-010", "ERR-005", "REQ-001", seconds=0.4)
def messages_of_a_connection(context: ServerContext) -> None:
    """A connection still does what it did after thousands of messages (with --soak, after more than 16 bits count)."""
    peer, channel = context.connect(), context.name("channel")
    count = 12 * MESSAGES if context.settings.soak_seconds else MESSAGES
    octets = codec.frame(codec.encode(peer.message("publish", context.name("nobody"), None)))
    peer.send_octets(octets * count)
    peer.expect_silence()
    peer.subscribe(channel)
    peer.publish_and_get(channel, "still here")
    request = peer.request_message(context.name("nobody"), 1)
    peer.send(request)
    peer.receive_error("no_handler")  # whether it is that error, is for other cases (REQ-012)


@case("many/channels-of-an-application", "SUB-010", "SUB-011", seconds=0.4)
def channels_of_an_application(context: ServerContext) -> None:
    """After thousands of channels were used once, a new one of that application works as the first did."""
    app, first = context.name("app"), context.name("channel")
    publisher, subscriber = context.connect(app=app), context.connect(app=app)
    head, _, tail = codec.encode(publisher.message("publish", "@", None)).partition(b'"@"')
    names = (f'"{first}-{number}"'.encode() for number in range(MESSAGES))
    publisher.send_octets(b"".join(codec.frame(head + name + tail) for name in names))
    publisher.expect_silence()
    for number in range(3):
        subscriber.subscribe(f"{first}-new-{number}")
        message = publisher.publish(f"{first}-new-{number}", number)
        subscriber.expect_deliveries([message])


@case("many/takeovers-of-a-name", "HSK-020", seconds=0.3)
def takeovers_of_a_name(context: ServerContext) -> None:
    """A name is taken over more than a hundred times as it was the first time."""
    name = context.name("connection")
    older = context.connect(connection_id=name)
    for _ in range(TAKEOVERS):
        newer = context.connect(connection_id=name)
        older.expect_error("session_replaced", None)
        older.discard()
        older = newer
    older.expect_silence()


@case("many/notifications-at-once", "NTF-002", needs=("seen",), seconds=0.2)
def notifications_at_once(context: ServerContext) -> None:
    """Hundreds of notifications in one write each reach their handler once."""
    peer, token = context.connect(), context.name("token")
    notes = [peer.message("notification", "conformance.note", {"token": token, "value": n}) for n in range(NOTES)]
    peer.send(*notes)
    remembered = seen(peer, token)
    if sorted(remembered) != list(range(NOTES)):
        raise Violation(
            "of many notifications not each reached its handler once",
            expected=f"{NOTES} notes",
            received=f"{len(remembered)} notes, {len(set(remembered))} different ones",
        )


@case("many/elements-of-an-array", "ENC-015", "SUB-012", needs=("echo",), seconds=0.1)
def elements_of_an_array(context: ServerContext) -> None:
    """An array of thousands of elements comes back whole, by a publish and by a response."""
    peer, channel = context.connect(), context.name("channel")
    value = list(range(ELEMENTS))
    peer.subscribe(channel)
    peer.publish_and_get(channel, value)
    request = peer.message("request", "conformance.echo", value)
    peer.send(request)
    peer.expect_payload(request, value, "an echo did not give a long array back")


@queue_case("many-queues", "QUE-004", "QUE-009", seconds=0.3)
def many_queues(context: ServerContext) -> None:
    """An application has many queues, each with its own job."""
    peer: ClientPeer = context.connect(app=context.name("app"))
    names = ids(context, QUEUES)
    queues = [Queue(context, peer, f"queue-of-{name}") for name in names]
    messages = [queue.message("enqueue", job=job(name)) for queue, name in zip(queues, names, strict=True)]
    peer.send(*messages)
    for _ in messages:
        answer_of(peer.receive(), "queue-ok", "enqueue")
    messages = [queue.message("dequeue") for queue in queues]
    peer.send(*messages)
    answers = {each["reply_to"]: answer_of(each, "queue-jobs", "dequeue") for each in (peer.receive() for _ in queues)}
    found = [[each["id"] for each in answers[message["message_id"]]["jobs"]] for message in messages]
    if found != [[name] for name in names]:
        missing = sum(not each for each in found)
        raise Violation("one of many queues did not hand out its job", received=f"{missing} of {QUEUES} are empty")
