"""A client that sends very many messages at once: others get their turn, and nothing is lost or reordered."""

import asyncio
import threading

import pytest
from refserver_peer import connect, frame, message, messages_in, ping, running

from reference_server import ReferenceServer

MANY = 5000


def test_others_get_their_turn_between_the_messages_of_one_client():
    begun, largest = 0, 0

    async def handler(_request):
        nonlocal begun
        begun += 1

    async def main():
        nonlocal largest
        server = ReferenceServer(port=0)
        server.handler("c", kind="notification")(handler)
        async with server:
            _, writer = await asyncio.open_connection("localhost", server.port)
            writer.write(frame(connect()) + frame(message("notification", "c")) * MANY)
            while begun < MANY:
                seen = begun
                await asyncio.sleep(0)
                largest = max(largest, begun - seen)
            writer.close()

    asyncio.run(asyncio.wait_for(main(), 20))
    # As many slices as fit into the time of a turn.
    assert largest <= MANY // 4


@pytest.mark.parametrize("end", [b"", b"\x7f\xff\xff\xff"], ids=["end of the stream", "fatal error"])
def test_every_message_before_the_end_is_answered_in_order(end):
    with running() as run:
        client = run.client("a")
        pings = [ping() for _ in range(MANY)]
        sending = threading.Thread(
            target=lambda: (client.socket.sendall(frame(*pings) + end), client.socket.shutdown(1))
        )
        sending.start()
        octets = b"".join(iter(lambda: client.socket.recv(1 << 20), b""))
        sending.join()
    answers = messages_in(octets)
    assert [answer["reply_to"] for answer in answers[:MANY]] == [each["message_id"] for each in pings]
    assert len(answers) == MANY + bool(end)
