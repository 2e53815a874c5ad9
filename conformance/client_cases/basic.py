"""The first duties of a client: connect, ask, be asked, hear, come back."""

from __future__ import annotations

from conformance import wire
from conformance.case import client_case
from conformance.client_scene import ClientScene
from conformance.verdicts import Violation


@client_case("client/handshake", "HSK-001", "HSK-009")
def handshake(scene: ClientScene) -> None:
    """The client sends a valid connect message first, and is connected by the acknowledgement."""
    identity = scene.connect_client()
    scene.driver.expect("connected")
    info = scene.driver.ask("connection_info")
    first = scene.link.sent[0]
    if first["payload"]["connection_id"] != identity or not info["connected"] or info["connection_id"] != identity:
        raise Violation("the client connected under another id than its own", received=wire.shorten([first, info]))
    scene.check_frames()


@client_case(
    "client/request", "REQ-016", "ENC-001", "ENC-002", "ENV-001", "ENV-002", "FRM-001", "FRM-002", needs=("echo",)
)
def request(scene: ClientScene) -> None:
    """Requests of every JSON shape resolve to their own responses."""
    scene.connect_client()
    payloads = [{"a": [1, None, "äöü€😀"]}, [1, 2], "text", 0, -1.5, True, None, {}]
    asked = [scene.driver.begin("send_request", channel="conformance.echo", payload=payload) for payload in payloads]
    for identity, payload in zip(asked, payloads, strict=True):
        answer = scene.driver.finish(identity)["response"]["payload"]
        if isinstance(payload, dict):
            answer.pop("connection_id", None)
        if not wire.same(answer, payload):
            raise Violation(
                "a request resolved to another response", expected=wire.shorten(payload), received=wire.shorten(answer)
            )
    scene.check_frames()


@client_case("client/request-adds-the-connection-id", "REQ-006", needs=("echo",))
def request_adds_the_connection_id(scene: ClientScene) -> None:
    """An object payload gets the client's connection_id unless it has such a member; others stay as they are."""
    identity = scene.connect_client()
    for payload, wanted in (
        ({"a": 1}, {"a": 1, "connection_id": identity}),
        ({"connection_id": "mine"}, {"connection_id": "mine"}),
        ([1], [1]),
    ):
        scene.driver.ask("send_request", channel="conformance.echo", payload=payload)
        sent = scene.link.sent[-1]["payload"]
        if not wire.same(sent, wanted):
            raise Violation(
                "the payload of a request is not completed as it should",
                expected=wire.shorten(wanted),
                received=wire.shorten(sent),
            )


@client_case("client/fresh-message-ids", "ENV-004", "LIM-002")
def fresh_message_ids(scene: ClientScene) -> None:
    """Fifty messages of every kind have fifty ids."""
    scene.connect_client()
    channel = scene.name("channel")
    for number in range(10):
        scene.driver.ask("subscribe", channel=f"{channel}-{number}")
        scene.driver.ask("publish", channel=channel, payload=number)
        scene.driver.ask("notify", channel=channel, payload=number)
        scene.driver.ask("health_check")
        scene.driver.ask("unsubscribe", channel=f"{channel}-{number}")
    scene.check_frames()


@client_case("client/ping", "REQ-016")
def ping(scene: ClientScene) -> None:
    """A health check pings the server and is true when the pong comes."""
    scene.connect_client()
    if scene.driver.ask("health_check") != {"healthy": True}:
        raise Violation("a health check on a healthy link is not true")
    pings = [
        message
        for message in scene.link.sent
        if message["channel_id"] == "system" and message["payload"]["action"] == "ping"
    ]
    if not pings:
        raise Violation("a health check did not ping the server")
    scene.check_frames()


@client_case("client/publish-and-subscribe", "SUB-001", "SUB-019", needs=("emit",))
def publish_and_subscribe(scene: ClientScene) -> None:
    """A subscriber is handed publish and notification alike, and what it publishes reaches others."""
    scene.connect_client()
    peer, channel = scene.connect(), scene.name("channel")
    peer.subscribe(channel)
    scene.driver.ask("subscribe", channel=channel)
    scene.driver.ask("health_check")
    sent = peer.publish_and_get(channel, {"from": "kit"})
    if scene.driver.expect("message")["message"]["payload"] != sent["payload"]:
        raise Violation("the client was handed another message than the one published")
    peer.send(
        peer.request_message(
            "conformance.emit", {"channel": channel, "count": 1, "message_type": "notification", "payload": 7}
        )
    )
    if scene.driver.expect("message")["message"]["payload"] != 7:
        raise Violation("the client was handed another message than the server's notification")
    peer.receive(), peer.receive()  # the notification, and the response to emit, in either order
    scene.driver.ask("publish", channel=channel, payload="from the client")
    if peer.receive()["payload"] != "from the client":
        raise Violation("what the client published did not arrive")
    scene.check_frames()


@client_case("client/unsubscribe", "SUB-001")
def unsubscribe(scene: ClientScene) -> None:
    """An unsubscribe reaches the server: a later publish is not delivered to the client's connection."""
    scene.connect_client()
    peer, channel = scene.connect(), scene.name("channel")
    scene.driver.ask("subscribe", channel=channel)
    scene.driver.ask("unsubscribe", channel=channel)
    scene.driver.ask("health_check")
    peer.publish(channel, "late")
    scene.driver.ask("health_check")
    if [message for message in scene.link.received if message["message_type"] == "publish"]:
        raise Violation("a publish was delivered behind the client's unsubscribe")
    scene.check_frames()


@client_case("client/error-answer", "ERR-010")
def error_answer(scene: ClientScene) -> None:
    """An error answer is handed to whoever asked, as the response of the request."""
    scene.connect_client()
    answer = scene.driver.ask("send_request", channel=scene.name("nobody"), payload={})["response"]
    if answer["payload"].get("error", {}).get("code") != "no_handler":
        raise Violation(
            "the error answer did not reach the caller", expected="no_handler", received=wire.shorten(answer)
        )
    scene.check_frames()


@client_case("client/pending-requests-fail-with-the-link", "REQ-018", needs=("silent",))
def pending_requests_fail(scene: ClientScene) -> None:
    """When the link breaks, a request in flight fails at once and its error says so."""
    scene.connect_client(reconnect_attempts=0)
    asked = scene.driver.begin("send_request", channel="conformance.silent", payload={}, timeout_ms=60_000)
    scene.wait_until(lambda: len(scene.link.sent) > 1, "the client's request")
    scene.relay.cut()
    message = scene.driver.failure(asked)
    if "connection" not in message.lower():
        raise Violation("the error of a request whose link broke does not name the connection", received=message)
    scene.driver.expect("disconnected")


@client_case("client/reconnects-and-subscribes-again", "SUB-020", "HSK-001", seconds=0.3)
def reconnects(scene: ClientScene) -> None:
    """After a broken link the client connects again and renews its subscriptions."""
    scene.connect_client(reconnect_attempts=5)
    scene.driver.expect("connected")
    peer, channel = scene.connect(), scene.name("channel")
    scene.driver.ask("subscribe", channel=channel)
    scene.driver.ask("health_check")
    scene.relay.cut()
    scene.driver.expect("disconnected")
    scene.driver.expect("connected")
    scene.driver.ask("health_check")
    peer.publish(channel, "after the loss")
    if scene.driver.expect("message")["message"]["payload"] != "after the loss":
        raise Violation("the client was handed another message than the one published")
    scene.check_frames()


@client_case("client/keeps-its-id", "HSK-003", seconds=0.3)
def keeps_its_id(scene: ClientScene) -> None:
    """After a broken link the client comes back under the same connection_id."""
    identity = scene.connect_client(reconnect_attempts=5)
    scene.driver.expect("connected")
    scene.relay.cut()
    scene.driver.expect("connected")
    again = scene.link.sent[0]["payload"]["connection_id"]
    if again != identity:
        raise Violation("the client came back under another id", expected=identity, received=again)


@client_case("client/disconnect-lets-the-process-end", "HSK-001")
def disconnect_lets_the_process_end(scene: ClientScene) -> None:
    """After disconnect nothing keeps the client's process alive."""
    scene.connect_client()
    scene.driver.ask("disconnect")
    status = scene.driver.exit_status()
    if status != 0:
        raise Violation(
            "the client's process did not end after disconnect", expected="exit status 0", received=str(status)
        )
