"""The public interface of the asyncio client: requests, publishes, subscriptions, handlers, callbacks, the end."""

import asyncio
import contextlib
import logging
import time

import pytest
from client_peer import connected, make, peer, run, until

from reference_server.client import Client, ClientError

LOCAL = "127.0.0.1"


def code_of(result):
    assert isinstance(result, ClientError), result
    return result.code


def test_request_returns_the_whole_response():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            asked = asyncio.create_task(client.request("api", {"a": 1}))
            request = await end.read()
            assert request["payload"] == {"a": 1, "connection_id": client.connection_id}
            end.respond(request, [1, None])
            response = await asked
            assert (response.payload, response.channel_id, response.error) == ([1, None], "api", None)
            assert response.raise_for_error() is response
            await client.close()

    run(scenario())


def test_error_answer_is_a_response_that_raises_when_asked():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            asked = asyncio.create_task(client.request("api"))
            end.fail("no_handler", await end.read())
            response = await asked
            with pytest.raises(ClientError, match="no_handler on channel 'api': because") as raised:
                response.raise_for_error()
            assert raised.value.code == "no_handler"
            await client.close()

    run(scenario())


def test_request_without_response_times_out_and_its_late_response_is_ignored():
    errors = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)
            (late,) = await asyncio.gather(client.request("slow", timeout=0.02), return_exceptions=True)
            assert code_of(late) == "timeout"
            request = await end.read()
            end.fail("handler_failed", request)
            end.respond(request, 1)
            asked = asyncio.create_task(client.request("api"))
            end.respond(await end.read(), 2)
            assert (await asked).payload == 2
            assert client.info.pending_requests == 0
            await client.close()

    run(scenario())
    assert errors == []


def test_response_that_arrived_while_the_loop_was_blocked_is_no_timeout():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            asked = asyncio.create_task(client.request("api", timeout=0.3))
            request = await end.read()
            # More than one read of a socket brings, and the response is at its end.
            many = [end.message("publish", "other", "x" * 1000)] * 700
            end.send(*many, end.message("response", "api", "there", reply_to=request["message_id"]))
            time.sleep(0.5)  # noqa: ASYNC251 - as a user's own code would
            assert (await asked).payload == "there"
            await client.close()

    run(scenario())


def test_cancelled_request_leaves_nothing():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            asked = asyncio.create_task(client.request("slow", timeout=None))
            request = await end.read()
            asked.cancel()
            await asyncio.wait({asked})
            assert asked.cancelled()
            assert client.info.pending_requests == 0
            end.respond(request, 1)
            await client.close()

    run(scenario())


@pytest.mark.parametrize("how", ["close", "reset"])
def test_requests_in_flight_fail_when_the_connection_is_lost(how):
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            asked = [asyncio.create_task(client.request("slow", n, timeout=None)) for n in range(3)]
            for _ in asked:
                await end.read()
            getattr(end, how)()
            results = await asyncio.gather(*asked, return_exceptions=True)
            assert [code_of(each) for each in results] == ["connection_lost"] * 3
            assert len({id(each) for each in results}) == 3  # each has its own traceback
            (later,) = await asyncio.gather(client.request("api"), return_exceptions=True)
            assert code_of(later) == "not_connected"
            await client.close()

    run(scenario())


def test_requests_in_flight_fail_at_close():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            asked = asyncio.create_task(client.request("slow", timeout=None))
            await end.read()
            closing = asyncio.create_task(client.close())
            (result,) = await asyncio.gather(asked, return_exceptions=True)
            assert code_of(result) == "connection_lost"
            await end.ended()
            end.close()
            await closing

    run(scenario())


def test_response_that_cannot_be_read_fails_its_request():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            for payload, code in ((b'"\\ud800"', "invalid_message"), (b"[" * 100_000 + b"]" * 100_000, "too_deep")):
                asked = asyncio.create_task(client.request("api", timeout=None))
                request = await end.read()
                body = b'{"message_id":"s","app_id":"demo","channel_id":"api","message_type":"response","payload":%b,'
                end.send_body(body % payload + b'"timestamp":1,"reply_to":"%b"}' % request["message_id"].encode())
                (result,) = await asyncio.gather(asked, return_exceptions=True)
                assert code_of(result) == code
            assert client.connected
            await client.close()

    run(scenario())


def test_publish_and_notify_send_one_message_each():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            await client.publish("news", {"a": 1})
            await client.notify("log", None)
            first, second = await end.read(), await end.read()
            assert (first["message_type"], first["channel_id"], first["payload"]) == ("publish", "news", {"a": 1})
            assert (second["message_type"], second["channel_id"], second["payload"]) == ("notification", "log", None)
            await client.close()

    run(scenario())


BAD_PAYLOADS = [
    (float("nan"), ValueError),
    (float("inf"), ValueError),
    (10**400, ValueError),
    ({1: "a", "1": "b"}, ValueError),
    ("a\ud800", ValueError),
    (object(), TypeError),
    ({"a": b"octets"}, TypeError),
]


@pytest.mark.parametrize(("payload", "error"), BAD_PAYLOADS, ids=lambda each: repr(each)[:20])
def test_payload_that_must_not_be_sent_is_refused(payload, error):
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            for send in (client.publish, client.notify, client.request):
                with pytest.raises(error):
                    await send("news", payload)
            await client.publish("news", "good")
            assert (await end.read())["payload"] == "good"
            await client.close()

    run(scenario())


def test_announced_limits_are_kept():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client, limits={"max_frame_bytes": 1000, "max_depth": 64})
            nested = []
            for _ in range(80):
                nested = [nested]
            for payload, code in (
                ("x" * 1000, "frame_too_large"),
                ("é" * 600, "frame_too_large"),
                (nested, "too_deep"),
            ):
                (result,) = await asyncio.gather(client.publish("news", payload), return_exceptions=True)
                assert code_of(result) == code
            await client.publish("news", "x" * 700)
            assert (await end.read())["payload"] == "x" * 700
            await client.close()

    run(scenario())


def test_payload_nested_beyond_python_is_refused():
    async def scenario():
        async with peer() as server:
            client = make(server)
            await connected(server, client)
            nested = []
            for _ in range(100_000):
                nested = [nested]
            (result,) = await asyncio.gather(client.publish("news", nested), return_exceptions=True)
            assert code_of(result) == "too_deep"
            while nested:  # freed without recursion
                nested = nested[0]
            await client.close()

    run(scenario())


@pytest.mark.parametrize("channel", ["", "a\n", "c" * 256, "a\ud800", 5])
def test_channel_that_cannot_be_is_refused(channel):
    async def scenario():
        client = Client("demo")
        for send in (client.publish, client.notify, client.request):
            with pytest.raises(ValueError, match="channel must be"):
                await send(channel, 1)
        with pytest.raises(ValueError, match="channel must be"):
            client.subscribe(channel)

    run(scenario())


def test_publisher_waits_for_a_server_that_does_not_read():
    async def scenario():
        async with peer() as server:
            client = make(server, max_buffered_bytes=1 << 16)
            end = await connected(server, client)
            end.writer.transport.pause_reading()
            sent = []

            async def flood():
                for number in range(1000):
                    await client.publish("news", "x" * 50_000)
                    sent.append(number)

            flooding = asyncio.create_task(flood())
            before = -1
            while len(sent) != before:
                before = len(sent)
                await asyncio.sleep(0.1)
            assert not flooding.done()
            # The system holds some, the client at most the bound and one message.
            assert client._connection.link._transport.get_write_buffer_size() <= (1 << 16) + 50_300
            (late,) = await asyncio.gather(client.request("api", timeout=0.02), return_exceptions=True)
            assert code_of(late) == "timeout"
            assert "does not read" in str(late)
            flooding.cancel()
            await asyncio.wait({flooding})
            end.writer.transport.resume_reading()
            arrived = 0
            ending = asyncio.create_task(client.publish("news", "end"))
            while (await end.read())["payload"] != "end":
                arrived += 1
            assert arrived == len(sent)  # nothing of the cancelled ones
            await ending
            await client.close()

    run(scenario())


def test_publisher_that_waits_learns_of_the_loss():
    async def scenario():
        async with peer() as server:
            client = make(server, max_buffered_bytes=1 << 16)
            end = await connected(server, client)
            end.writer.transport.pause_reading()

            async def flood():
                while True:
                    await client.publish("news", "x" * 50_000)

            floods = [asyncio.create_task(flood()) for _ in range(3)]
            link = client._connection.link
            await until(lambda: not link._room.is_set())
            end.reset()
            results = await asyncio.gather(*floods, return_exceptions=True)
            assert {code_of(each) for each in results} <= {"connection_lost", "not_connected"}
            await client.close()

    run(scenario())


def test_publishers_leave_others_their_turn():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            reading = asyncio.create_task(end.ended())
            turns = 0

            async def other():
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            counting = asyncio.create_task(other())
            for _ in range(1000):
                await client.publish("news", 1)
            assert turns > 10
            counting.cancel()
            closing = asyncio.create_task(client.close())
            await reading
            end.close()
            await asyncio.wait({closing, counting})

    run(scenario())


def test_error_about_a_one_way_message_is_reported():
    errors = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)
            await client.publish("conformance.services", 1)
            end.fail("reserved_channel", await end.read())
            end.fail("invalid_message")
            await until(lambda: len(errors) == 2)
            assert client.connected
            await client.close()

    run(scenario())
    assert [each.code for each in errors] == ["reserved_channel", "invalid_message"]


def test_fatal_error_ends_the_connection():
    errors = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)
            end.fail("slow_consumer")
            await end.ended()
            assert not client.connected
            await client.close()

    run(scenario())
    assert [each.code for each in errors] == ["slow_consumer"]


def test_errors_without_a_callback_are_logged(caplog):
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            end.fail("forbidden")
            asked = asyncio.create_task(client.request("api"))
            end.respond(await end.read(), 1)
            await asked
            await client.close()

    with caplog.at_level(logging.WARNING, "reference_server.client"):
        run(scenario())
    assert "forbidden: the server reported forbidden" in caplog.text


def test_callbacks_that_fail_are_logged_and_keep_none_from_being_called(caplog):
    told = []

    def fail(*_):
        raise RuntimeError("my own fault")

    async def scenario():
        async with peer() as server:
            client = make(server)
            for register, name in (
                (client.on_connected, "connected"),
                (client.on_disconnected, "disconnected"),
                (client.on_error, "error"),
            ):
                register(fail)
                register(lambda *values, name=name: told.append((name, *values)))
            end = await connected(server, client)
            end.reset()
            await until(lambda: not client.connected)
            await client.close()

    run(scenario())
    assert [each[0] for each in told] == ["connected", "error", "disconnected"]
    assert told[1][1] is told[2][1]
    assert caplog.text.count("RuntimeError: my own fault") == 3


def test_callback_must_be_a_plain_function():
    client = Client("demo")

    async def never_awaited():
        """Do nothing."""

    for register in (client.on_connected, client.on_disconnected, client.on_error):
        with pytest.raises(TypeError, match="plain function"):
            register(never_awaited)


def test_health_check_tells_what_the_server_answers():
    async def scenario():
        async with peer() as server:
            client = make(server)
            assert await client.health_check() is False
            end = await connected(server, client)
            for answer, healthy in (({"status": "pong"}, True), ({"status": "well"}, False)):
                asked = asyncio.create_task(client.health_check())
                end.respond(await end.read(), answer)
                assert await asked is healthy
            assert await client.health_check(0.02) is False
            await client.close()

    run(scenario())


def test_close_delivers_what_was_sent_to_a_slow_server():
    errors = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)
            end.writer.transport.pause_reading()
            for _ in range(20):
                await client.publish("news", "x" * 500_000)
            closing = asyncio.create_task(client.close())
            await asyncio.sleep(0.1)
            end.writer.transport.resume_reading()
            for _ in range(20):
                assert len((await end.read())["payload"]) == 500_000
            await end.ended()
            end.close()
            await closing

    run(scenario())
    assert errors == []


def test_close_says_what_was_not_delivered(monkeypatch):
    errors = []
    monkeypatch.setattr("reference_server.client.link._LINGER", 0.1)

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)
            end.writer.transport.pause_reading()
            for _ in range(40):
                await client.publish("news", "x" * 500_000)
            await client.close()

    run(scenario())
    (error,) = errors
    assert error.code == "connection_lost"
    assert "octets were not delivered" in str(error)


def test_cancelled_close_leaves_nothing():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            async with client.subscribe("news"):
                await end.read()
                closing = asyncio.create_task(client.close())
                await asyncio.sleep(0.01)
                closing.cancel()
                await asyncio.wait({closing})
                assert closing.cancelled()
            assert not client.connected
            await end.ended()

    run(scenario())


def test_client_can_be_closed_twice_and_connected_again():
    async def scenario():
        async with peer() as server:
            client = make(server)
            await client.close()
            for _ in range(2):
                end = await connected(server, client)
                end.close()
                await client.close()
                await client.close()
                assert client.info.status == "disconnected"

    run(scenario())


def test_block_connects_and_closes():
    async def scenario():
        async with peer() as server:
            accepting = asyncio.create_task(server.accept())
            with contextlib.suppress(KeyError):
                async with make(server) as client:
                    assert client.connected
                    raise KeyError("mine")
            end = await accepting
            await end.ended()
            assert not client.connected

    run(scenario())


def test_info_shows_the_connection_and_no_token():
    async def scenario():
        async with peer() as server:
            client = make(server, token="s3cret")  # noqa: S106
            assert client.info.status == "disconnected"
            end = await connected(server, client, motd="hello")
            assert end.hello["payload"]["token"] == "s3cret"  # noqa: S105
            async with client.subscribe("news"):
                info = client.info
            assert (info.connected, info.address) == (True, f"{LOCAL}:{server.port}")
            assert (info.subscribed_channels, info.server["motd"]) == (("news",), "hello")
            assert "s3cret" not in repr(info) + repr(client._options)
            await client.close()

    run(scenario())
