"""The broker with connections that have no sockets."""

import tracemalloc

from refserver_peer import Recorder, code_of, connect, frame, message, messages_in, ping

from reference_server import Limits
from reference_server.broker import Broker
from reference_server.protocol.capabilities import Capabilities
from reference_server.protocol.connection import Connection
from reference_server.protocol.events import ConnectReceived, PublishReceived, SubscribeReceived, UnsubscribeReceived
from reference_server.protocol.states import State


class Member(Recorder):
    """A connection of a broker."""

    def __init__(self, broker, name, app="demo"):
        super().__init__()
        self.broker = broker
        self.connection = Connection(Limits(), self, Capabilities())
        self.feed(connect(name, app))
        self.greeting = self.received()

    def state_changed(self, before):
        self.broker.state_changed(self.connection, before)

    def feed(self, *messages):
        self.connection.receive_data(frame(*messages))
        for event in self.connection.events():
            match event:
                case ConnectReceived():
                    self.broker.connect(self.connection, event)
                case SubscribeReceived(channel_id):
                    self.broker.subscribe(self.connection, channel_id)
                case UnsubscribeReceived(channel_id):
                    self.broker.unsubscribe(self.connection, channel_id)
                case PublishReceived(channel_id, octets):
                    self.broker.publish(self.connection.app_id, channel_id, octets)

    def subscribe(self, channel, kind="subscribe"):
        payload = {"connection_id": self.connection.connection_id}
        self.feed(message(kind, channel, payload, app_id=self.connection.app_id))

    def publish(self, channel, payload):
        self.feed(message("publish", channel, payload, app_id=self.connection.app_id))

    def received(self):
        return messages_in(self.connection.data_to_send(0))

    def payloads(self):
        return [each["payload"] for each in self.received()]


def make_broker():
    return Broker(Limits().max_frame_bytes)


def test_publish_reaches_the_subscribers_of_its_channel_once_and_in_order():
    broker = make_broker()
    alice, bob, carol = (Member(broker, name) for name in ("alice", "bob", "carol"))
    alice.subscribe("news")
    alice.subscribe("news")
    bob.subscribe("news")
    carol.subscribe("other")
    for number in range(3):
        alice.publish("news", number)

    assert (alice.payloads(), bob.payloads(), carol.payloads()) == ([0, 1, 2], [0, 1, 2], [])


def test_unsubscribe_ends_delivery_and_is_harmless_without_a_subscribe():
    broker = make_broker()
    alice, bob = Member(broker, "alice"), Member(broker, "bob")
    bob.subscribe("news", kind="unsubscribe")
    alice.subscribe("news")
    bob.subscribe("news")
    bob.subscribe("news", kind="unsubscribe")
    alice.publish("news", 1)

    assert (alice.payloads(), bob.payloads()) == ([1], [])


def test_channels_of_the_same_name_are_apart_in_two_applications():
    broker = make_broker()
    here, there = Member(broker, "same", "here"), Member(broker, "same", "there")
    here.subscribe("news")
    there.subscribe("news")
    here.publish("news", 1)

    assert (here.payloads(), there.payloads()) == ([1], [])
    assert here.connection.state is there.connection.state is State.OPEN


def test_newer_connection_takes_the_name_and_none_of_the_subscriptions():
    broker = make_broker()
    older, other = Member(broker, "alice"), Member(broker, "bob")
    older.subscribe("news")
    newer = Member(broker, "alice")
    other.publish("news", 1)

    assert newer.greeting[0]["payload"]["status"] == "connected"
    assert [code_of(each) for each in older.received()] == ["session_replaced"]
    assert older.connection.state is State.CLOSING
    assert newer.payloads() == []
    newer.subscribe("news")
    older.connection.receive_eof()
    other.publish("news", 2)
    assert newer.payloads() == [2]


def test_draining_connection_is_live_and_can_be_taken_over():
    broker = make_broker()
    older = Member(broker, "alice")
    older.feed(message("request", "api"))
    older.connection.receive_eof()
    older.connection.owed = 1  # the request that no handler answers here
    newer = Member(broker, "alice")

    assert newer.connection.state is State.OPEN
    assert [code_of(each) for each in older.received()] == ["session_replaced"]


def test_connection_that_ended_is_no_subscriber_and_leaves_nothing_behind():
    broker = make_broker()
    alice, bob = Member(broker, "alice"), Member(broker, "bob")
    for channel in ("a", "b"):
        bob.subscribe(channel)
    bob.connection.transport_lost()
    alice.publish("a", 1)
    assert bob.payloads() == []
    alice.connection.receive_eof()

    assert not broker._applications


def test_channel_without_subscribers_takes_no_memory():
    broker = make_broker()
    alice = Member(broker, "alice")
    tracemalloc.start()
    try:
        for number in range(2000):
            alice.subscribe(f"channel {number}")
            alice.subscribe(f"channel {number}", kind="unsubscribe")
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert taken < 200_000


def test_publish_precedes_the_answer_to_a_later_ping_of_its_subscriber():
    broker = make_broker()
    alice = Member(broker, "alice")
    alice.subscribe("news")
    barrier = ping()
    alice.feed(message("publish", "news", 1), barrier, message("publish", "news", 2))

    assert [each["reply_to"] if "status" in str(each["payload"]) else each["payload"] for each in alice.received()] == [
        1,
        barrier["message_id"],
        2,
    ]


def test_message_of_the_servers_own_reaches_subscribers():
    broker = make_broker()
    alice = Member(broker, "alice")
    alice.subscribe("news")
    broker.publish("demo", "news", broker.originate("notification", "demo", "news", {"n": 1}))
    broker.publish("nobody", "news", broker.originate("publish", "nobody", "news", 2))

    (received,) = alice.received()
    assert (received["message_type"], received["payload"], received["app_id"]) == ("notification", {"n": 1}, "demo")
