"""Connecting, refusals, and connecting again: attempts, delays, subscriptions, and servers that are deployed."""

import asyncio
import itertools
import time
from functools import partial

import pytest
from client_peer import coming_back, connected, failure, peer, run, until
from client_peer import make as make_client

from reference_server.client import Client
from reference_server.client.connection import Connection
from reference_server.version import PROTOCOL

make = partial(make_client, reconnect_attempts=3)


def test_connect_message_comes_first_and_alone():
    async def scenario():
        async with peer() as server:
            client = make(server, token="t")  # noqa: S106
            connecting = asyncio.create_task(client.connect())
            end = await server.accept_only()
            hello = await end.read()
            assert hello["payload"] == {
                "action": "connect",
                "connection_id": client.connection_id,
                "protocol": PROTOCOL,
                "client": hello["payload"]["client"],
                "token": "t",
            }
            assert client.info.status == "connecting"
            for send in (client.publish("news", 1), client.request("api")):
                assert (await failure(send)).code == "not_connected"
            end.close()
            assert (await failure(connecting)).code == "connection_failed"

    run(scenario())


@pytest.mark.parametrize("code", ["unauthorized", "too_many_connections", "a_code_of_the_future"])
def test_refusal_is_raised_with_its_code(code):
    async def scenario():
        async with peer() as server:
            client = make(server)
            connecting = asyncio.create_task(client.connect())
            end = await server.accept_only()
            end.fail(code, await end.read())
            assert (await failure(connecting)).code == code
            await asyncio.sleep(0.05)
            assert server.waiting == 0  # the first attempt is one attempt

    run(scenario())


def test_silent_server_is_a_timeout():
    async def scenario():
        async with peer() as server:
            error = await failure(make(server, connect_timeout=0.05).connect())
            assert error.code == "timeout"
            assert "within 0.05 s" in str(error)

    run(scenario())


def test_nobody_listens():
    async def scenario():
        async with peer() as server:
            port = server.port
        error = await failure(Client("demo", "127.0.0.1", port).connect())
        assert error.code == "connection_failed"
        assert f"127.0.0.1:{port}" in str(error)

    run(scenario())


def test_acknowledgement_that_arrived_while_the_loop_was_blocked_is_no_timeout():
    async def scenario():
        async with peer() as server:
            client = make(server, connect_timeout=0.2)
            connecting = asyncio.create_task(client.connect())
            await server.accept(ahead=700_000)  # more than one read of a socket brings
            time.sleep(0.4)  # noqa: ASYNC251 - as a user's own code would
            await connecting
            await client.close()

    run(scenario())


def test_host_that_can_be_none():
    async def scenario():
        error = await failure(Client("demo", "a" * 70 + ".example").connect())
        assert error.code == "connection_failed"

    run(scenario())


def test_http_server_is_named_as_the_likely_mistake():
    async def scenario():
        async with peer() as server:
            connecting = asyncio.create_task(make(server).connect())
            end = await server.accept_only()
            end.writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            error = await failure(connecting)
            assert error.code == "frame_too_large"
            assert "Check that an IPC server listens there" in str(error)

    run(scenario())


def test_concurrent_connects_are_one_connection():
    async def scenario():
        async with peer() as server:
            client = make(server)
            connecting = [asyncio.create_task(client.connect()) for _ in range(3)]
            await server.accept()
            await asyncio.gather(*connecting)
            assert server.waiting == 0
            await client.close()

    run(scenario())


def test_close_ends_every_connect_under_way():
    async def scenario():
        async with peer() as server:
            client = make(server)
            connecting = [asyncio.create_task(client.connect()) for _ in range(2)]
            end = await server.accept_only()
            await end.read()
            await client.close()
            assert [(await failure(each)).code for each in connecting] == ["aborted", "aborted"]
            await end.ended()

    run(scenario())


@pytest.mark.parametrize("turns", range(12))
def test_cancelled_connect_leaves_no_connection(turns):
    async def scenario():
        async with peer() as server:
            client = make(server)
            connecting = asyncio.create_task(client.connect())
            end = await server.accept_only()
            await end.acknowledge()
            for _ in range(turns):
                await asyncio.sleep(0)
            connecting.cancel()
            await asyncio.wait({connecting})
            if connecting.cancelled():
                assert not client.connected
                await end.ended()
            await client.close()

    run(scenario())


def test_comes_back_under_the_same_name_with_the_subscriptions_it_has():
    events = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_connected(lambda: events.append("connected"))
            client.on_disconnected(lambda reason: events.append(reason and reason.code))
            client.on_error(lambda _: None)
            end = await connected(server, client)
            name = client.connection_id
            async with client.subscribe("a") as kept:
                async with client.subscribe("b"):
                    assert [(await end.read())["channel_id"] for _ in range(2)] == ["a", "b"]
                    end.reset()
                    await until(lambda: not client.connected)
                    assert client.info.status == "reconnecting"
                async with client.subscribe("c"):
                    end = await server.accept()
                    assert end.hello["payload"]["connection_id"] == name
                    assert [(await end.read())["channel_id"] for _ in range(2)] == ["a", "c"]
                    end.send(end.message("publish", "a", 1))
                    assert (await anext(kept)).payload == 1
            await client.close()

    run(scenario())
    assert events == ["connected", "connection_lost", "connected", None]


@pytest.mark.parametrize("code", ["session_replaced", "unauthorized", "unsupported_protocol"])
@pytest.mark.parametrize("when", ["open", "coming back"])
def test_stays_away_when_coming_back_would_do_harm(code, when):
    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(lambda _: None)
            end = await connected(server, client)
            if when == "coming back":
                end.reset()
                end = await server.accept_only()
                await end.read()
            async with client.subscribe("news") as messages:
                end.fail(code)
                assert (await failure(anext(messages))).code == code
            await asyncio.sleep(0.1)
            assert (server.waiting, client.info.status) == (0, "disconnected")
            await client.close()

    run(scenario())


def test_attempts_end_and_say_so():
    errors = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)
            async with client.subscribe("news") as messages:
                end.reset()
                for _ in range(3):
                    (await server.accept_only()).reset()
                assert (await failure(anext(messages))).code == "reconnect_failed"
            assert client.info.status == "disconnected"
            await asyncio.sleep(0.1)
            assert server.waiting == 0
            await client.close()

    run(scenario())
    assert [each.code for each in errors] == ["connection_lost", *["connection_failed"] * 3, "reconnect_failed"]


@pytest.mark.parametrize("delay", [0, 0.05])
def test_server_that_acknowledges_and_ends_at_once_has_not_come_back(delay):
    errors = []

    async def scenario():
        async with peer() as server:
            client = make(server, reconnect_delay=delay)
            client.on_error(errors.append)
            end = await connected(server, client)
            end.reset()
            for _ in range(3):
                (await server.accept()).close()
            await until(lambda: client.info.status == "disconnected" or server.waiting)
            await client.close()

    run(scenario())
    assert errors[-1].code == "reconnect_failed"


def test_connection_that_lasted_begins_a_new_series(monkeypatch):
    monkeypatch.setattr("reference_server.client.connection._LEAST_OPEN", 0.02)

    async def scenario():
        async with peer() as server:
            client = make(server, reconnect_attempts=1)
            client.on_error(lambda _: None)
            end = await connected(server, client)
            for _ in range(4):
                await asyncio.sleep(0.03)
                end.reset()
                end = await server.accept()
                await until(lambda: client.connected)
            await client.close()

    run(scenario())


def test_delays_double_up_to_the_longest_and_vary(monkeypatch):
    waited = []
    monkeypatch.setattr(Connection, "_delay", watched(Connection._delay, waited))

    async def scenario():
        async with peer() as server:
            client = make(server, reconnect_attempts=6, reconnect_delay=0.002, reconnect_max_delay=0.016)
            client.on_error(lambda _: None)
            end = await connected(server, client)
            end.reset()
            for _ in range(6):
                (await server.accept_only()).reset()
            await until(lambda: client.info.status == "disconnected")
            await client.close()

    run(scenario())
    least = [0.002, 0.004, 0.008, 0.008, 0.008, 0.008]
    assert all(low <= each <= 2 * low for low, each in zip(least, waited, strict=True))
    assert len({each / low for low, each in zip(least, waited, strict=True)}) > 1


def test_delays_vary_also_if_the_first_is_the_longest():
    def delay(attempt):
        options = Client("demo", reconnect_delay=60, reconnect_max_delay=30)._options
        connection = Connection(options, None, None, None)
        connection._failures = attempt
        return connection._delay()

    delays = {delay(attempt) for attempt in range(20)}
    assert len(delays) > 1
    assert all(60 <= each <= 120 for each in delays)


def watched(function, values):
    def stand_in(*arguments):
        values.append(function(*arguments))
        return values[-1]

    return stand_in


def test_close_ends_the_attempts():
    async def scenario():
        async with peer() as server:
            client = make(server, reconnect_delay=0.05)
            await coming_back(server, client)
            await client.close()
            await asyncio.sleep(0.15)
            assert (server.waiting, client.info.status) == (0, "disconnected")

    run(scenario())


def test_connect_takes_the_place_of_the_attempts():
    async def scenario():
        async with peer() as server:
            client = make(server, reconnect_delay=60)
            await coming_back(server, client)
            await connected(server, client)
            assert client.connected
            await client.close()

    run(scenario())


@pytest.mark.parametrize("turns", range(12))
def test_connect_at_the_moment_of_coming_back_leaves_a_connection_that_works(turns):
    async def scenario():
        async with peer() as server:
            client = make(server)
            events = []
            client.on_connected(lambda: events.append("begin"))
            client.on_disconnected(lambda _: events.append("end"))
            client.on_error(lambda _: None)
            end = await connected(server, client)
            end.reset()
            end = await server.accept_only()
            await end.acknowledge()
            for _ in range(turns):
                await asyncio.sleep(0)
            accepting = asyncio.create_task(server.accept())
            await client.connect()
            await client.publish("news", 1)
            accepting.cancel()
            await asyncio.wait({accepting})
            await client.close()
            assert events == ["begin", "end"] * (len(events) // 2)

    run(scenario())


def test_connect_that_takes_the_place_of_the_attempts_and_fails_ends_the_loops():
    async def scenario():
        async with peer() as server:
            client = make(server, reconnect_delay=60)
            client.on_error(lambda _: None)
            end = await connected(server, client)
            async with client.subscribe("news") as messages:
                end.reset()
                await until(lambda: client.info.status == "reconnecting")
                connecting = asyncio.create_task(client.connect())
                (await server.accept_only()).reset()
                error = await failure(connecting)
                async with asyncio.timeout(10):
                    assert (await failure(anext(messages))).code == error.code == "connection_failed"
                assert client.info.status == "disconnected"
                end = await connected(server, client)  # begins again
                assert (await end.read())["channel_id"] == "news"
                end.send(end.message("publish", "news", 1))
                assert (await anext(messages)).payload == 1
            await client.close()

    run(scenario())


@pytest.mark.parametrize("turns", range(6))
def test_connect_that_takes_the_place_of_the_attempts_and_is_cancelled_ends_the_loops(turns):
    async def scenario():
        async with peer() as server:
            client = make(server, reconnect_delay=60)
            client.on_error(lambda _: None)
            end = await connected(server, client)
            async with client.subscribe("news") as messages:
                end.reset()
                await until(lambda: client.info.status == "reconnecting")
                connecting = asyncio.create_task(client.connect())
                for _ in range(turns):
                    await asyncio.sleep(0)
                connecting.cancel()
                await asyncio.wait({connecting})
                if client.info.status == "reconnecting":
                    assert turns == 0  # it had not begun
                else:
                    async with asyncio.timeout(10):
                        assert (await failure(anext(messages))).code == "aborted"
            await client.close()

    run(scenario())


def test_connect_that_close_ends_gives_later_subscriptions_no_error():
    async def scenario():
        async with peer() as server:
            client = make(server, reconnect_delay=60)
            await coming_back(server, client)
            connecting = asyncio.create_task(client.connect())
            await (await server.accept_only()).read()
            await client.close()
            assert (await failure(connecting)).code == "aborted"
            async with client.subscribe("news") as messages:
                end = await connected(server, client)
                assert (await end.read())["channel_id"] == "news"
                end.send(end.message("publish", "news", 1))
                assert (await anext(messages)).payload == 1
            await client.close()

    run(scenario())


@pytest.mark.parametrize("when", ["first", "coming back"])
@pytest.mark.parametrize("turns", range(4))
def test_close_in_the_turns_after_connecting_delivers_what_was_sent(turns, when):
    errors = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            if when == "coming back":
                (await connected(server, client)).reset()
                await until(lambda: not client.connected)
            client.on_error(errors.append)
            tasks = []

            async def use():
                for _ in range(20):
                    await client.publish("news", "x" * 400_000)
                for _ in range(turns):
                    await asyncio.sleep(0)
                await client.close()

            client.on_connected(lambda: tasks.append(asyncio.create_task(use())))
            accepting = asyncio.create_task(server.accept())
            if when == "first":
                await client.connect()
            end = await accepting
            for _ in range(20):
                assert (await end.read())["channel_id"] == "news"
            await end.ended()
            end.close()
            await asyncio.gather(*tasks)

    run(scenario())
    assert errors == []


@pytest.mark.parametrize("turns", range(6))
def test_connect_in_the_turns_after_coming_back_keeps_the_connection(turns):
    events = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_disconnected(lambda reason: events.append(reason and reason.code))
            client.on_error(lambda _: None)
            end = await connected(server, client)
            tasks = []

            async def use():
                for _ in range(turns):
                    await asyncio.sleep(0)
                await client.connect()

            client.on_connected(lambda: tasks.append(asyncio.create_task(use())))
            end.reset()
            await server.accept()
            await until(lambda: tasks)
            accepting = asyncio.create_task(server.accept())  # of a connection that there should not be
            await asyncio.gather(*tasks)
            assert client.connected
            assert server.waiting == 0
            accepting.cancel()
            await asyncio.wait({accepting})
            await client.close()

    run(scenario())
    assert events == ["connection_lost", None]


def test_connect_that_is_cancelled_when_it_succeeds_ends_the_loops():
    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(lambda _: None)
            async with client.subscribe("news") as messages:
                connecting = asyncio.create_task(client.connect())
                client.on_connected(connecting.cancel)
                await server.accept()
                await asyncio.wait({connecting})
                assert connecting.cancelled()
                assert client.info.status == "disconnected"
                async with asyncio.timeout(10):
                    assert (await failure(anext(messages))).code == "aborted"
                async with client.subscribe("later") as later, asyncio.timeout(10):
                    assert (await failure(anext(later))).code == "aborted"
            await client.close()

    run(scenario())


def test_unexpected_exception_in_the_attempts_is_not_lost(monkeypatch):
    async def scenario():
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        async with peer() as server:
            client = make(server)
            client.on_error(lambda _: None)
            end = await connected(server, client)
            monkeypatch.setattr(Connection, "_attempt", None)
            end.reset()
            await until(lambda: told)
            assert isinstance(told[0]["exception"], TypeError)
            await client.close()

    run(scenario())


def test_deployed_server_that_answers_no_pings_is_not_lost():
    async def scenario():
        async with peer() as server:
            client = make(server, heartbeat_interval=0.02)
            end = await connected(server, client, deployed=True)
            assert end.hello["payload"]["connection_id"] == client.connection_id
            assert (await end.read())["payload"]["action"] == "ping"
            assert await client.health_check(0.05) is None
            assert client.connected
            end.reset()
            again = await server.accept(deployed=True)
            assert again.hello["payload"]["connection_id"] != end.hello["payload"]["connection_id"]
            await until(lambda: client.connected)
            assert client.connection_id == again.hello["payload"]["connection_id"]
            await client.close()

    run(scenario())


def test_silent_server_gets_one_ping_so_that_keepalive_can_work():
    """The system probes only connections on which nothing is sent."""

    async def scenario():
        async with peer() as server:
            client = make(server, heartbeat_interval=0.02)
            end = await connected(server, client, deployed=True)
            assert (await end.read())["payload"]["action"] == "ping"
            await asyncio.sleep(0.2)
            await client.publish("news", 1)
            assert (await end.read())["message_type"] == "publish"
            await client.close()

    run(scenario())


def test_pings_go_on_when_a_silent_server_answers_another_ping():
    async def scenario():
        async with peer() as server:
            client = make(server, heartbeat_interval=0.2)
            end = await connected(server, client, deployed=True)
            await end.read()
            checking = asyncio.create_task(client.health_check())
            end.respond(await end.read(), {"status": "pong"})
            assert await checking is True
            for _ in range(2):
                end.respond(await end.read(), {"status": "pong"})
            assert client.connected
            await client.close()

    run(scenario())


def test_server_without_protocol_that_has_answered_a_ping_is_lost_when_it_stops():
    async def scenario():
        async with peer() as server:
            client = make(server, heartbeat_interval=0.02, reconnect_attempts=0)
            client.on_error(lambda _: None)
            end = await connected(server, client, deployed=True)
            late = await end.read()
            await asyncio.sleep(0.1)
            end.respond(late, {"status": "pong"})
            await end.read()
            await end.ended()
            assert await client.health_check() is False
            await client.close()

    run(scenario())


def test_thousand_reconnects_leave_nothing():
    """No task, no descriptor, no subscription and no message is left over or lost."""
    import gc  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    def descriptors():
        folder = Path("/proc/self/fd")
        return len(list(folder.iterdir())) if folder.exists() else 0

    async def scenario():
        async with peer() as server:
            client = make(server, reconnect_attempts=None, reconnect_delay=0, reconnect_max_delay=0)
            client.on_error(lambda _: None)
            got = []
            await client.add_handler("news", lambda message: got.append(message.payload))
            end = await connected(server, client)
            tasks = held = 0
            for number in itertools.count():
                assert (await end.read())["message_type"] == "subscribe"
                end.send(end.message("publish", "news", number))
                await until(lambda: len(got) == number + 1)  # noqa: B023
                if number == 10:
                    tasks, held = len(asyncio.all_tasks()), descriptors()
                if number == 1000:
                    break
                (end.reset if number % 2 else end.close)()
                server.all.clear()
                end = await server.accept()
            gc.collect()
            assert got == list(range(1001))
            assert len(asyncio.all_tasks()) <= tasks
            assert descriptors() <= held + 2
            assert client.info.pending_requests == 0
            await client.close()

    run(scenario())
