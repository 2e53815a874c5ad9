"""Memory that all connections share: long frames wait for each other, and clients that do not read are ended."""

import socket
import struct
import threading

from refserver_peer import Client, code_of, frame, message, ping, publish, running, subscribe

from reference_server.network.memory import BASE_BYTES, CONNECTION_BYTES, Memory
from reference_server.protocol.limits import MIB, RANGES, Limits
from reference_server.protocol.outbox import HeldFrames, Outbox

LIMITS = Limits(max_frame_bytes=MIB, max_memory=128 * MIB)
CLAIMABLE = LIMITS.max_memory // 16


class Someone:
    """A connection that records what the memory tells it."""

    def __init__(self, memory, address=None, waits=()):
        self.address = address
        self.told = 0
        self.ended = False
        self.outbox = Outbox(memory.held)
        self.outbox.extend(waits)
        memory.add_connection()

    def memory_freed(self):
        self.told += 1

    def unsent(self):
        return self.outbox.octets

    def end_slow(self):
        self.ended = True
        self.outbox.clear()


def test_claims_are_granted_in_order_while_there_is_memory():
    memory = Memory(LIMITS)
    first, second, third, small = (Someone(memory) for _ in range(4))
    assert memory.claim(first, CLAIMABLE)
    assert not memory.claim(second, CLAIMABLE - 1)
    assert not memory.claim(third, 2)
    assert not memory.claim(small, 1)
    memory.release(first)
    assert (second.told, third.told, small.told) == (1, 0, 0)
    memory.forget(second)
    assert (third.told, small.told) == (1, 1)


def test_the_longest_frame_gets_its_claim_when_there_is_no_other():
    memory = Memory(LIMITS)
    assert memory.claim(Someone(memory, "a"), CLAIMABLE * 10)


def test_an_address_has_at_most_half_of_the_claims():
    memory = Memory(LIMITS)
    assert memory.claim(Someone(memory, "a"), CLAIMABLE // 2)
    more = Someone(memory, "a")
    assert not memory.claim(more, 1)
    other = Someone(memory, "b")
    assert memory.claim(other, CLAIMABLE // 2)
    memory.forget(more)
    memory.forget(other)
    assert more.told == 0


def test_a_message_waits_to_be_decoded_while_handlers_have_the_memory():
    memory = Memory(LIMITS)
    someone, next_one = Someone(memory), Someone(memory)
    assert memory.may_decode(someone, 1000 * MIB)  # nothing to wait for
    memory.change_load(50 * MIB)
    assert not memory.may_decode(someone, 30 * MIB)
    assert not memory.may_decode(next_one, 1)  # nor may it be overtaken
    assert memory.is_short
    memory.change_load(-40 * MIB)
    assert not memory.is_short
    assert (someone.told, next_one.told) == (1, 1)


def test_clients_for_which_most_waits_are_ended_first():
    memory = Memory(LIMITS)
    free = LIMITS.max_memory - BASE_BYTES - 3 * CONNECTION_BYTES
    much, little = Someone(memory, waits=[b"m" * (free // 2)]), Someone(memory, waits=[b"l" * (free // 8)])
    memory.is_slow(much)
    memory.is_slow(little)
    assert not much.ended
    assert memory.may_decode(Someone(memory), free * 3 // 4)
    assert (much.ended, little.ended) == (True, False)
    memory.is_slow(Someone(memory, waits=[b"x" * free]))


def test_what_waits_for_several_clients_counts_once():
    held = HeldFrames()
    long, short = b"x" * 5000, b"s"
    boxes = [Outbox(held) for _ in range(3)]
    for box in boxes:
        box.extend([long])
    once = held.octets
    assert 5000 <= once < 6000
    boxes[0].extend([short])
    boxes[1].clear()
    assert boxes[0].take(3000) == long[:3000]
    boxes[0].drop()  # keeps the frame that was begun
    assert held.octets == once
    assert boxes[0].take(3000) == long[3000:]
    boxes[2].clear()
    assert (held.octets, [box.octets for box in boxes]) == (0, [0, 0, 0])


def test_outbox_returns_whole_frames_or_a_part_of_one():
    box = Outbox(HeldFrames())
    box.extend([b"ab", b"cd", b"efghij"])
    assert [bytes(box.take(5)) for _ in range(4)] == [b"abcd", b"efghi", b"j", b""]


def test_long_frames_wait_for_each_other_and_all_arrive():
    with running(max_frame_bytes=MIB, max_memory=128 * MIB) as run:
        stuck = [run.client(f"stuck{n}") for n in range(5)]
        for each in stuck:  # more than the memory for frames that are arriving
            threading.Thread(target=each.socket.sendall, args=(struct.pack(">I", MIB) + b" " * 900_000,)).start()
        quick = run.client("quick")
        quick.send(ping())
        assert quick.receive()["payload"]["status"] == "pong"
        for each in stuck:
            threading.Thread(target=each.socket.sendall, args=(b" " * (MIB - 900_000),)).start()
        for each in stuck:  # spaces are no message: whole, the frame is refused
            assert code_of(each.receive()) == "malformed_frame"


def test_clients_that_do_not_read_are_ended_before_the_memory_is_used_up():
    with running(max_frame_bytes=MIB, max_memory=128 * MIB) as run:
        publisher = run.client("publisher")
        slow = []
        for number in range(6):
            client = run.client(f"slow{number}")
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.send(subscribe(f"channel{number}", client.name))
            assert client.ping_barrier() == []
            slow.append(client)
        for number in range(6):
            for _ in range(30):
                publisher.send(publish(f"channel{number}", "x" * 1_000_000))
            assert publisher.ping_barrier() == []
        codes = [last_of(client) for client in slow]
        assert "slow_consumer" in codes
        assert run.server._running.memory.held.octets < 128 * MIB


def last_of(client: Client) -> str:
    client.socket.settimeout(0.5)
    answer = None
    try:
        while True:
            answer = client.receive()
    except (TimeoutError, EOFError, ConnectionError):
        return "" if answer is None or answer["message_type"] == "publish" else code_of(answer)


def test_a_frame_that_does_not_arrive_ends_its_connection(monkeypatch):
    monkeypatch.setitem(RANGES, "frame_timeout", (0, 9))
    with running(frame_timeout=0.2) as run:
        client = run.client("slow")
        client.socket.sendall(struct.pack(">I", MIB) + b"x")
        assert client.ends()
        client = run.client("quick")
        client.socket.sendall(frame(message("notification", "c", "x" * 100_000)))
        assert client.ping_barrier() == []
