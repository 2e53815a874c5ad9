"""The heartbeat: pings at an interval, and the loss that a missing answer means."""

import asyncio
import time
from functools import partial

from client_peer import connected, peer, run, until
from client_peer import make as make_client

make = partial(make_client, heartbeat_interval=0.1)


def test_pings_are_sent_while_they_are_answered():
    async def scenario():
        async with peer() as server:
            client = make(server, heartbeat_interval=0.01)
            end = await connected(server, client)
            ids = set()
            for _ in range(5):
                ping = await end.read()
                assert (ping["channel_id"], ping["message_type"]) == ("system", "request")
                assert ping["payload"] == {"action": "ping", "connection_id": client.connection_id}
                ids.add(ping["message_id"])
                end.fail("unknown_action", ping)  # any response is an answer
            assert len(ids) == 5
            assert client.connected
            await client.close()

    run(scenario())


def test_unanswered_ping_is_a_loss_and_other_messages_are_no_answer():
    errors = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)
            await end.read()
            end.send(end.message("publish", "news", 1), end.message("response", "news", 1, reply_to="ping-other"))
            await end.ended()
            assert not client.connected
            await client.close()

    run(scenario())
    assert [each.code for each in errors] == ["heartbeat_timeout"]


def test_pong_that_arrived_while_the_loop_was_blocked_is_no_loss():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            ping = await end.read()
            # More than one read of a socket brings, and the pong is at its end.
            many = [end.message("publish", "other", "x" * 1000)] * 700
            end.send(*many, end.message("response", "system", {"status": "pong"}, reply_to=ping["message_id"]))
            time.sleep(0.3)  # noqa: ASYNC251 - as a user's own code would
            end.respond(await end.read(), {"status": "pong"})
            assert client.connected
            await client.close()

    run(scenario())


def test_no_pings_are_sent_when_they_are_off_or_the_client_is_closed():
    async def scenario():
        async with peer() as server:
            client = make(server, heartbeat_interval=0)
            end = await connected(server, client)
            await asyncio.sleep(0.05)
            await client.publish("news", 1)
            assert (await end.read())["message_type"] == "publish"
            await client.close()
            client = make(server, heartbeat_interval=0.02)
            end = await connected(server, client)
            await client.close()
            await asyncio.sleep(0.05)
            assert await end.reader.read() == b""

    run(scenario())


def test_ping_that_cannot_be_sent_is_a_loss():
    errors = []

    async def scenario():
        async with peer() as server:
            client = make(server, heartbeat_interval=0.01)
            client.on_error(errors.append)
            connecting = asyncio.create_task(client.connect())
            await server.accept(limits={"max_frame_bytes": 100})
            await connecting
            await until(lambda: not client.connected)
            await client.close()

    run(scenario())
    assert [each.code for each in errors] == ["frame_too_large"]
