"""Subscriptions and handlers: every message once and in order, within bounds, whatever a consumer does."""

import asyncio
import contextlib

import pytest
from client_peer import connected, make, peer, run, until

from reference_server.client import Client, ClientError


async def barrier(end, client):
    """Wait until the client has read everything that was sent; return the messages that it sent before."""
    asked = asyncio.create_task(client.request("barrier"))
    before = []
    while (message := await end.read())["channel_id"] != "barrier":
        before.append(message)
    end.respond(message, "through")
    await asked
    return before


def kinds(messages):
    return [(each["message_type"], each["channel_id"]) for each in messages]


def test_loop_gets_publishes_and_notifications_of_its_channel_in_order():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            async with client.subscribe("news") as messages:
                told = await end.read()
                assert kinds([told]) == [("subscribe", "news")]
                assert told["payload"] == {"connection_id": client.connection_id}
                end.send(end.message("publish", "other", 0), end.message("publish", "news", 1))
                end.send(end.message("notification", "news", None))
                first, second = await anext(messages), await anext(messages)
                assert (first.message_type, first.payload) == ("publish", 1)
                assert (second.message_type, second.payload) == ("notification", None)
            assert kinds([await end.read()]) == [("unsubscribe", "news")]
            await client.close()

    run(scenario())


def test_two_subscriptions_are_one_to_the_server():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            async with client.subscribe("news") as first:
                async with client.subscribe("news") as second:
                    end.send(end.message("publish", "news", 1))
                    assert (await anext(first)).payload == (await anext(second)).payload == 1
                end.send(end.message("publish", "news", 2))
                assert (await anext(first)).payload == 2
            assert kinds(await barrier(end, client)) == [("subscribe", "news"), ("unsubscribe", "news")]
            await client.close()

    run(scenario())


def test_exception_in_a_loop_ends_the_subscription():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            with contextlib.suppress(KeyError):
                async with client.subscribe("news") as messages:
                    end.send(end.message("publish", "news", 1))
                    async for message in messages:
                        raise KeyError(message.payload)
            assert kinds(await barrier(end, client))[-1] == ("unsubscribe", "news")
            assert client.info.subscribed_channels == ()
            await client.close()

    run(scenario())


def test_cancelled_wait_loses_no_message():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            async with client.subscribe("news") as messages:
                for number in range(50):
                    waiting = asyncio.create_task(anext(messages))
                    await asyncio.sleep(0)
                    end.send(end.message("publish", "news", number))
                    await barrier(end, client) if number % 2 else await asyncio.sleep(0)
                    waiting.cancel()
                    await asyncio.wait({waiting})
                    got = (await anext(messages) if waiting.cancelled() else waiting.result()).payload
                    assert got == number
            await client.close()

    run(scenario())


def test_slow_loop_learns_how_many_messages_it_lost_and_goes_on():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            async with client.subscribe("news", max_waiting=3) as messages:
                end.send(*(end.message("publish", "news", number) for number in range(8)))
                await barrier(end, client)
                assert messages.waiting == 3
                assert [(await anext(messages)).payload for _ in range(3)] == [0, 1, 2]
                with pytest.raises(ClientError, match="5 messages of channel 'news' were dropped") as raised:
                    await anext(messages)
                assert raised.value.code == "buffer_full"
                end.send(end.message("publish", "news", 8))
                assert (await anext(messages)).payload == 8
            await client.close()

    run(scenario())


def test_gap_keeps_its_place_among_the_messages():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            async with client.subscribe("news", max_waiting=2) as messages:
                end.send(*(end.message("publish", "news", number) for number in range(4)))
                await barrier(end, client)
                assert (await anext(messages)).payload == 0
                assert (await anext(messages)).payload == 1
                end.send(end.message("publish", "news", 4))
                await barrier(end, client)
                with pytest.raises(ClientError, match="2 messages"):
                    await anext(messages)
                assert (await anext(messages)).payload == 4
            await client.close()

    run(scenario())


def test_octets_that_wait_are_bounded_too():
    async def scenario():
        async with peer() as server:
            client = make(server, max_buffered_bytes=1 << 16)
            end = await connected(server, client)
            async with client.subscribe("news") as messages:
                end.send(*(end.message("publish", "news", "x" * 30_000) for _ in range(4)))
                await barrier(end, client)
                assert messages.waiting == 2
                await anext(messages)
                await anext(messages)
                with pytest.raises(ClientError, match="2 messages"):
                    await anext(messages)
                # One that is longer than the bound is delivered all the same.
                end.send(end.message("publish", "news", "x" * 100_000))
                assert len((await anext(messages)).payload) == 100_000
                end.send(*(end.message("publish", "news", "x" * 30_000) for _ in range(2)))
                await barrier(end, client)
                assert messages.waiting == 2
            await client.close()

    run(scenario())


def test_burst_is_no_loss_for_a_loop_that_waits():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            async with client.subscribe("n") as messages:
                sending = asyncio.create_task(asyncio.to_thread(lambda: None))
                end.send(*(end.message("publish", "n", number) for number in range(30_000)))
                for number in range(30_000):
                    assert (await anext(messages)).payload == number
                await sending
            await client.close()

    run(scenario())


def test_close_ends_loops_after_what_has_arrived():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            got = []

            async def consume():
                async with client.subscribe("news") as messages:
                    async for message in messages:
                        got.append(message.payload)
                        await asyncio.sleep(0.01)

            consuming = asyncio.create_task(consume())
            await end.read()
            end.send(*(end.message("publish", "news", number) for number in range(3)))
            await barrier(end, client)
            await client.close()
            await consuming
            assert got == [0, 1, 2]

    run(scenario())


def test_loop_raises_when_the_client_gives_up_and_goes_on_when_it_connects():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            async with client.subscribe("news") as messages, client.subscribe("other"):
                end.reset()
                with pytest.raises(ClientError) as raised:
                    await anext(messages)
                assert raised.value.code == "connection_lost"
                async with client.subscribe("late") as late:
                    with pytest.raises(ClientError, match="connection lost"):
                        await anext(late)
                end = await connected(server, client)
                assert kinds([await end.read(), await end.read()]) == [("subscribe", "news"), ("subscribe", "other")]
                end.send(end.message("publish", "news", 1))
                assert (await anext(messages)).payload == 1
            await client.close()

    run(scenario())


def test_subscription_can_begin_before_the_connection():
    async def scenario():
        async with peer() as server:
            client = make(server)
            async with client.subscribe("news") as messages:
                end = await connected(server, client)
                assert kinds([await end.read()]) == [("subscribe", "news")]
                end.send(end.message("publish", "news", 1))
                assert (await anext(messages)).payload == 1
            await client.close()

    run(scenario())


def test_subscription_is_used_with_a_block_and_once():
    async def scenario():
        client = Client("demo")
        subscription = client.subscribe("news")
        with pytest.raises(RuntimeError, match="async with"):
            await anext(subscription)
        async with subscription:
            with pytest.raises(RuntimeError, match="only once"):
                await subscription.__aenter__()
        with pytest.raises(RuntimeError, match="only once"):
            await subscription.__aenter__()
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)
        with pytest.raises(ValueError, match="max_waiting must be 1"):
            client.subscribe("news", max_waiting=0)

    run(scenario())


def test_handlers_get_every_message_although_some_fail():
    errors, got = [], []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)

            def plain(message):
                got.append(("plain", message.payload))
                raise KeyError(message.payload)

            async def slow(message):
                await asyncio.sleep(0.001)
                got.append(("slow", message.payload))
                raise ValueError(message.payload)

            async def cancelled(message):
                got.append(("cancelled", message.payload))
                raise asyncio.CancelledError

            for handler in (plain, slow, cancelled, plain):
                await client.add_handler("news", handler)
            end.send(*(end.message("publish", "news", number) for number in range(3)))
            await until(lambda: len(got) == 9 and len(errors) == 9)
            await client.close()

    run(scenario())
    for name in ("plain", "slow", "cancelled"):
        assert [number for each, number in got if each == name] == [0, 1, 2]
    assert (
        sorted(type(each).__name__ for each in errors) == ["KeyError"] * 3 + ["RuntimeError"] * 3 + ["ValueError"] * 3
    )


def test_removed_handler_is_called_no_more():
    got = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            first, second = got.append, lambda message: got.append(message.payload)
            await client.add_handler("news", first)
            await client.add_handler("news", second)
            client.remove_handler("news", first)
            end.send(end.message("publish", "news", 1))
            await until(lambda: got)
            assert got == [1]
            client.remove_handler("news")
            end.send(end.message("publish", "news", 2))
            assert kinds(await barrier(end, client)) == [("subscribe", "news"), ("unsubscribe", "news")]
            client.remove_handler("news", first)  # has no effect
            await client.close()

    run(scenario())
    assert got == [1]


def test_slow_handler_is_told_of_its_gap_and_goes_on():
    errors, got = [], []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)
            going = asyncio.Event()

            async def handler(message):
                got.append(message.payload)
                await going.wait()

            await client.add_handler("news", handler, max_waiting=2)
            end.send(end.message("publish", "news", 0))
            await until(lambda: got)
            end.send(*(end.message("publish", "news", number) for number in range(1, 6)))
            await barrier(end, client)
            going.set()
            await until(lambda: errors)
            end.send(end.message("publish", "news", 6))
            await until(lambda: 6 in got)
            await client.close()

    run(scenario())
    assert got == [0, 1, 2, 6]
    assert [each.code for each in errors] == ["buffer_full"]


def test_gap_is_told_before_the_loss_that_followed_it():
    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(lambda _: None)
            end = await connected(server, client)
            async with client.subscribe("news", max_waiting=1) as messages:
                end.send(*(end.message("publish", "news", number) for number in range(3)))
                await barrier(end, client)
                end.reset()
                await until(lambda: not client.connected)
                end = await connected(server, client)
                end.send(end.message("publish", "news", 3))
                assert (await anext(messages)).payload == 0
                codes = []
                for _ in range(2):
                    with pytest.raises(ClientError) as raised:
                        await anext(messages)
                    codes.append(raised.value.code)
                assert codes == ["buffer_full", "connection_lost"]
                assert (await anext(messages)).payload == 3
            await client.close()

    run(scenario())


def test_handlers_get_what_has_arrived_before_close_returns():
    got = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)

            async def handler(message):
                await asyncio.sleep(0.01)
                got.append(message.payload)

            await client.add_handler("news", handler)
            end.send(*(end.message("publish", "news", number) for number in range(4)))
            await barrier(end, client)
            await client.close()

    run(scenario())
    assert got == [0, 1, 2, 3]


def test_handler_that_never_ends_is_ended_by_close_which_says_so(monkeypatch):
    monkeypatch.setattr("reference_server.client.client._HANDLER_GRACE", 0.05)
    errors, got = [], []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)

            async def handler(message):
                got.append(message.payload)
                await asyncio.Event().wait()

            await client.add_handler("news", handler)
            end.send(*(end.message("publish", "news", number) for number in range(4)))
            await until(lambda: got)
            await client.close()

    run(scenario())
    assert got == [0]
    assert "1 handlers did not end after close(); 3 messages were not handled" in str(errors[-1])


def test_handler_that_is_added_while_close_goes_on_belongs_to_the_next_connection(monkeypatch):
    monkeypatch.setattr("reference_server.client.client._HANDLER_GRACE", 0.05)
    errors, got = [], []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            await connected(server, client)
            closing = asyncio.create_task(client.close())
            await until(lambda: not client.connected)
            assert not closing.done()
            await client.add_handler("news", lambda message: got.append(message.payload))
            await closing
            end = await connected(server, client)
            assert kinds([await end.read()]) == [("subscribe", "news")]
            end.send(end.message("publish", "news", 1))
            await barrier(end, client)
            await asyncio.sleep(0)
            assert got == [1]
            await client.close()

    run(scenario())
    assert errors == []


def test_subscriptions_may_change_while_they_are_renewed():
    """A subscribe that the server's limit forbids is an error, and a callback ends the subscription for it."""

    async def scenario():
        async with peer() as server:
            client = make(server)
            long = "x" * 250
            client.on_error(lambda _: client.remove_handler(long))
            for channel in ("a", long, "b"):
                await client.add_handler(channel, print)
            end = await connected(server, client, limits={"max_frame_bytes": 400})
            assert kinds(await barrier(end, client)) == [("subscribe", "a"), ("subscribe", "b")]
            assert client.info.subscribed_channels == ("a", "b")
            await client.close()

    run(scenario())


def test_subscriptions_that_a_callback_ended_are_not_renewed():
    async def scenario():
        async with peer() as server:
            client = make(server)
            long = "x" * 250
            client.on_error(lambda _: client.remove_handler("b"))
            for channel in (long, "a", "b"):
                await client.add_handler(channel, print)
            end = await connected(server, client, limits={"max_frame_bytes": 400})
            told = kinds(await barrier(end, client))
            assert ("subscribe", "a") in told
            assert ("subscribe", "b") not in told
            await client.close()

    run(scenario())


def test_handler_can_close_its_client():
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            closed = asyncio.Event()

            async def handler(_):
                await client.close()
                closed.set()

            await client.add_handler("news", handler)
            end.send(end.message("publish", "news", 1))
            await closed.wait()
            assert not client.connected

    run(scenario())


def test_close_ends_who_waits_to_subscribe():
    async def scenario():
        async with peer() as server:
            client = make(server, max_buffered_bytes=1 << 16)
            end = await connected(server, client)
            end.writer.transport.pause_reading()

            async def flood():
                while True:
                    await client.publish("news", "x" * 50_000)

            flooding = asyncio.create_task(flood())
            await asyncio.sleep(0.1)
            waiting = [
                asyncio.create_task(client.add_handler("news", print)),
                asyncio.create_task(client.subscribe("news").__aenter__()),
            ]
            await asyncio.sleep(0.01)
            end.writer.transport.resume_reading()
            reading = asyncio.create_task(end.ended())
            flooding.cancel()
            await client.close()
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert [each.code for each in results] == ["aborted", "aborted"]
            assert client.info.subscribed_channels == ()
            await reading
            await asyncio.wait({flooding})

    run(scenario())


def test_handler_must_be_callable():
    async def scenario():
        with pytest.raises(TypeError, match="handler must be"):
            await Client("demo").add_handler("news", "print")

    run(scenario())
