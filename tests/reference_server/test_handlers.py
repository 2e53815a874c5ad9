"""What users of the library write: handlers."""

import asyncio
import contextvars
import logging
import queue
import socket
import threading
import time

import pytest
from refserver_peer import SECONDS, code_of, frame, message, octets_until_blocked, ping, running, subscribe

from reference_server import ReferenceServer
from reference_server.network.handler_threads import KEPT_THREADS


def serve(**handlers):
    """Return a function that registers handlers of requests by the names of their channels."""

    def register(server):
        for channel, function in handlers.items():
            server.handler(channel)(function)

    return register


async def echo(request):
    return request.payload


# Registering


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"channel_id": "system"}, "belongs to the server"),
        ({"channel_id": ""}, "channel_id '' is not valid"),
        ({"channel_id": "a\x00"}, "is not valid"),
        ({"channel_id": "a", "app": "x" * 256}, "app_id .* is not valid"),
        ({"channel_id": "a", "kind": "publish"}, "kind is 'publish', allowed are 'request' and 'notification'"),
        ({"channel_id": "taken"}, "has a handler for requests already"),
    ],
)
def test_wrong_registration_is_refused(arguments, text):
    server = ReferenceServer()
    server.handler("taken")(echo)
    with pytest.raises(ValueError, match=text):
        server.handler(**arguments)(echo)


def test_decorated_function_stays_what_it_is():
    assert ReferenceServer().handler("a")(echo) is echo


def test_handler_of_an_application_goes_before_that_of_all():
    def register(server):
        server.handler("who")(lambda _: "all")
        server.handler("who", app="shop")(lambda _: "shop")
        server.handler("only", app="shop")(lambda _: "shop")

    with running(register) as run:
        demo, shop = run.client("c", "demo"), run.client("c", "shop")
        assert (demo.ask("who")["payload"], shop.ask("who")["payload"]) == ("all", "shop")
        assert code_of(demo.ask("only")) == "no_handler"
        assert shop.ask("only")["payload"] == "shop"


def test_notification_and_request_have_handlers_of_their_own():
    with running(serve(api=echo)) as run:
        client = run.client("c")
        client.send(message("notification", "api", 1))
        assert client.ping_barrier() == []
        assert client.ask("api", 2)["payload"] == 2


# What handlers get and give


def test_handler_receives_the_message_and_where_it_came_from():
    async def describe(request):
        return [request.payload, request.app_id, request.channel_id, request.message_id, request.connection_id]

    with running(serve(api=describe)) as run:
        client = run.client("me", "shop")
        request = message("request", "api", {"connection_id": "somebody else"}, app_id="shop")
        client.send(request)
        assert client.receive()["payload"] == [request["payload"], "shop", "api", request["message_id"], "me"]


class Callable:
    async def __call__(self, request):
        await asyncio.sleep(0)
        return ["object", request.payload]


@pytest.mark.parametrize("function", [echo, lambda request: request.payload], ids=["async", "plain"])
def test_every_kind_of_handler_gives_back_every_kind_of_payload(function):
    with running(serve(api=function)) as run:
        client = run.client("c")
        for payload in (None, True, 0, -(2**53), 1.5e300, "a\x00\U0001f600", [[]], {"a": {"b": [1]}}):
            assert client.ask("api", payload)["payload"] == payload


def test_object_with_an_async_call_runs_in_the_loop():
    with running(serve(api=Callable())) as run:
        assert run.client("c").ask("api", 1)["payload"] == ["object", 1]


class OwnError(BaseException):
    pass


def raise_it(error):
    def plain(_request):
        raise error

    async def later(_request):
        await asyncio.sleep(0)
        raise error

    return {"plain": plain, "async": later}


FAILING = {
    **raise_it(ValueError("/secret/path")),
    **{f"exit {kind}": function for kind, function in raise_it(SystemExit("secret")).items()},
    **{f"cancelled {kind}": function for kind, function in raise_it(asyncio.CancelledError("secret")).items()},
    "plain stop": raise_it(StopIteration("secret"))["plain"],
    "plain interrupt": raise_it(KeyboardInterrupt("secret"))["plain"],
    **{f"generator exit {kind}": function for kind, function in raise_it(GeneratorExit("secret")).items()},
    **{f"of its own {kind}": function for kind, function in raise_it(OwnError("secret")).items()},
    "unencodable": lambda _: {"secret": object()},
    "too long": lambda _: "secret" * 2**20,
}


@pytest.mark.parametrize("function", FAILING.values(), ids=FAILING)
def test_failure_is_answered_without_internals_and_serving_goes_on(function):
    with running(serve(fails=function, works=echo), max_frame_bytes=2**20) as run:
        client = run.client("c")
        answer = client.ask("fails")
        assert code_of(answer) == "handler_failed"
        assert "secret" not in str(answer)
        assert client.ask("works", 1)["payload"] == 1


def test_failure_is_logged_with_its_traceback_and_without_payload(caplog):
    with running(serve(fails=FAILING["async"])) as run, caplog.at_level(logging.INFO):
        run.client("c").ask("fails", "the payload")

    (record,) = caplog.records
    assert record.getMessage() == "handler of channel 'fails' in application 'demo' failed"
    assert "/secret/path" in caplog.text
    assert "the payload" not in caplog.text


@pytest.mark.parametrize("kind", ["async", "exit async", "generator exit async", "of its own async"])
def test_failing_notification_handler_is_logged_and_not_answered(kind, caplog):
    def register(server):
        server.handler("fails", kind="notification")(FAILING[kind])
        server.handler("api")(echo)

    with running(register) as run:
        client = run.client("c")
        client.send(message("notification", "fails"))
        assert client.ask("api", 1)["payload"] == 1

    assert "handler of channel 'fails'" in caplog.text


# Order


def test_handlers_start_in_the_order_of_arrival_though_plain_ones_wait_for_a_thread():
    started = queue.SimpleQueue()
    gate = threading.Event()

    def plain(request):
        started.put(request.payload)
        gate.wait(SECONDS)

    async def quick(request):
        started.put(request.payload)

    def begun(count):
        return {started.get(timeout=SECONDS) for _ in range(count)}

    with running(serve(plain=plain, quick=quick), handler_threads=2) as run:
        client, other = run.client("c"), run.client("other")
        channels = ["quick", "plain", "plain", "quick", "plain", "quick", "quick"]
        requests = [message("request", channel, number) for number, channel in enumerate(channels)]
        client.send(*requests, ping())
        answered = [client.receive()["reply_to"] for _ in range(3)]
        assert answered[1:] == [requests[0]["message_id"], requests[3]["message_id"]]  # the ping was first

        assert begun(4) == {0, 1, 2, 3}
        # The third plain one has no thread, so what came behind it has not started; other connections do not care.
        assert other.ask("quick", "other")["payload"] is None
        assert begun(1) == {"other"}
        assert started.empty()
        gate.set()
        assert begun(3) == {4, 5, 6}


def test_plain_handlers_of_one_connection_do_not_delay_those_of_another():
    gate, ended = threading.Event(), []

    def plain(_request):
        gate.wait(SECONDS)
        ended.append(1)

    def quick(_request):
        return "at once"

    with running(serve(plain=plain, quick=quick)) as run:
        clients, other = [run.client(f"c{number}") for number in range(3)], run.client("other")
        for client in clients:
            client.send(*(message("request", "plain", number) for number in range(33)))
            assert client.ping_barrier() == []
        assert other.ask("quick")["payload"] == "at once"
        assert not ended
        gate.set()
        for client in clients:
            assert sorted(client.receive()["payload"] is None for _ in range(33)) == [True] * 33


def threads_of(run):
    return run.server._running.threads._threads


def soon_has_threads(run, count):
    deadline = time.monotonic() + SECONDS
    while threads_of(run) != count and time.monotonic() < deadline:
        time.sleep(0.01)
    return threads_of(run) == count


def test_threads_of_a_crowd_end_but_for_some():
    gate = threading.Event()

    def plain(_request):
        gate.wait(SECONDS)

    with running(serve(plain=plain)) as run:
        clients = [run.client(f"c{number}") for number in range(3)]
        for client in clients:
            client.send(*(message("request", "plain", number) for number in range(32)))
            assert client.ping_barrier() == []
        assert soon_has_threads(run, 3 * 32)
        gate.set()
        for client in clients:
            for _ in range(32):
                client.receive()
        assert soon_has_threads(run, KEPT_THREADS)
        assert clients[0].ask("plain")["payload"] is None


def test_handler_for_which_the_system_has_no_thread_fails_alone(monkeypatch):
    def plain(_request):
        return "done"

    def refuse(_self):
        raise RuntimeError("can't start new thread")

    with running(serve(plain=plain), handler_threads=1) as run:
        client = run.client("c")
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            assert client.ask("plain")["payload"]["error"]["code"] == "handler_failed"
        assert client.ask("plain")["payload"] == "done"


def test_plain_notifications_are_handled_in_order_and_before_a_later_request():
    seen = []

    def note(request):
        # A thread that is slow to do what it does must not be overtaken.
        threading.Event().wait(0.002 if request.payload % 2 else 0)
        seen.append(request.payload)

    async def read(_request):
        return list(seen)

    def register(server):
        server.handler("note", kind="notification")(note)
        server.handler("read")(read)

    with running(register) as run:
        client = run.client("c")
        client.send(*(message("notification", "note", number) for number in range(20)))
        assert client.ask("read")["payload"] == list(range(20))


def test_slow_handlers_delay_neither_pings_nor_requests_nor_other_connections():
    release = threading.Event()

    def plain(_request):
        release.wait(SECONDS)
        return "late"

    async def forever(_request):
        await asyncio.Event().wait()

    with running(serve(plain=plain, forever=forever, api=echo)) as run:
        client, other = run.client("c"), run.client("other")
        client.send(message("request", "plain"), message("request", "forever"))
        assert client.ping_barrier() == []
        assert client.ask("api", 1)["payload"] == 1
        assert other.ask("api", 2)["payload"] == 2
        release.set()
        assert client.receive()["payload"] == "late"


def test_handlers_have_a_context_of_their_own_and_a_task_for_timeouts():
    variable = contextvars.ContextVar("variable", default=0)

    async def count(_request):
        variable.set(variable.get() + 1)
        async with asyncio.timeout(SECONDS):
            await asyncio.sleep(0)
        return [variable.get()]

    def count_in_thread(_request):
        variable.set(variable.get() + 1)
        return [variable.get()]

    with running(serve(count=count, thread=count_in_thread)) as run:
        client = run.client("c")
        answers = [client.ask(channel)["payload"][0] for channel in ("count", "count", "thread", "thread")]
        assert answers == [1, 1, 1, 1]


def test_work_in_flight_is_bounded_by_reading_no_further():
    with running(serve(forever=lambda _: threading.Event().wait(SECONDS * 3)), max_in_flight_bytes=2**16) as run:
        client, other = run.client("c"), run.client("other")
        client.socket.settimeout(0.2)
        one = message("request", "forever", "x" * 100_000)
        assert octets_until_blocked(client.socket, frame(one)) < 2**26

        assert other.ping_barrier() == []
        # One was read, what follows stays with the operating system.
        assert run.tasks() < 20


# Connections that end


def test_handlers_of_a_connection_that_ended_are_cancelled_and_leave_nothing():
    cancelled = queue.SimpleQueue()

    async def forever(request):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.put(request.payload)

    with running(serve(forever=forever)) as run:
        assert run.tasks() == 0
        for number, end in enumerate(("fatal", "reset", "takeover", "dropped")):
            client = run.client("c")
            client.send(message("request", "forever", number))
            assert client.ping_barrier() == []
            if end == "fatal":
                client.send(b"{")
            elif end == "takeover":
                run.client("c")
            else:
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger if end == "reset" else b"\x00" * 8)
                client.close()
                if end == "dropped":
                    break  # a plain close: the server still waits for the handler to end
            assert cancelled.get(timeout=SECONDS) == number
        run.client("c")  # takes over from the one that drains
        assert cancelled.get(timeout=SECONDS) == 3
        assert run.tasks() == 0


def test_draining_connection_is_given_up_after_its_time():
    async def forever(_request):
        await asyncio.Event().wait()

    with running(serve(forever=forever), drain_timeout=0.1) as run:
        client = run.client("c")
        client.send(message("request", "forever"))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.ends()
        assert run.tasks() == 0


def test_messages_ahead_of_a_fatal_error_reach_their_handlers():
    seen = queue.SimpleQueue()

    def register(server):
        @server.handler("note", kind="notification")
        async def note(request):
            await asyncio.sleep(0.01)
            seen.put(request.payload)

        @server.handler("api")
        async def api(request):
            seen.put(request.payload)

    with running(register) as run:
        client = run.client("c")
        client.send(message("request", "api", 1), message("notification", "note", 2), b"{")
        assert [seen.get(timeout=SECONDS), seen.get(timeout=SECONDS)] == [1, 2]


@pytest.mark.parametrize("in_thread", [True, False])
def test_handler_can_drop_its_connection(in_thread):
    def plain(request):
        request.drop_connection()
        return "never sent"

    async def in_loop(request):
        return plain(request)

    with running(serve(drop=plain if in_thread else in_loop)) as run:
        client = run.client("c")
        client.send(ping())
        client.send(message("request", "drop"))
        assert client.receive()["payload"]["status"] == "pong"
        assert client.ends()


# Messages of the server's own


@pytest.mark.parametrize("in_thread", [True, False])
def test_handler_publishes_to_subscribers_ahead_of_its_answer(in_thread):
    def register(server):
        def plain(request):
            server.publish(request.app_id, "news", {"n": 1})
            server.notify(request.app_id, "news", {"n": 2})
            return "done"

        async def in_loop(request):
            return plain(request)

        server.handler("tell")(plain if in_thread else in_loop)

    with running(register) as run:
        client = run.client("c")
        client.send(subscribe("news", "c"), message("request", "tell"))
        arrived = [client.receive() for _ in range(3)]

    assert [(each["message_type"], each["payload"]) for each in arrived] == [
        ("publish", {"n": 1}),
        ("notification", {"n": 2}),
        ("response", "done"),
    ]
    assert len({each["message_id"] for each in arrived}) == 3


def test_any_thread_may_publish():
    with running() as run:
        client = run.client("c")
        client.send(subscribe("news", "c"))
        assert client.ping_barrier() == []
        run.server.publish("demo", "news", "from outside")
        assert client.receive()["payload"] == "from outside"


def test_wrong_message_of_the_servers_own_is_an_error_for_the_caller():
    with running(max_frame_bytes=2**20) as run:
        for arguments, text in (
            (("demo", "system", 1), "reserved"),
            (("demo", "", 1), "channel_id"),
            (("", "news", 1), "app_id"),
            (("demo", "news", object()), "no JSON form"),
            (("demo", "news", "x" * 2**20), "the limit is"),
        ):
            with pytest.raises(ValueError, match=text):
                run.server.publish(*arguments)


# Shutdown


def test_shutdown_waits_for_handlers_within_its_grace():
    release = asyncio.Event()

    async def slow(_request):
        await release.wait()
        return "answered"

    async def free(_request):
        release.set()

    with running(serve(slow=slow, free=free), shutdown_grace=SECONDS) as run:
        busy, idle = run.client("busy"), run.client("idle")
        busy.send(message("request", "slow"))
        assert busy.ping_barrier() == []
        closing = run.begin(run.server.close())
        assert code_of(idle.receive()) == "shutting_down"
        # What arrives meanwhile is processed as ever.
        busy.send(message("request", "free"))
        answers = [busy.receive() for _ in range(3)]
        assert {answers[0]["payload"], answers[1]["payload"]} == {None, "answered"}
        assert code_of(answers[2]) == "shutting_down"
        assert busy.ends()
        busy.close()
        idle.close()
        closing.result(SECONDS)


def test_shutdown_does_not_wait_longer_than_its_grace():
    async def forever(_request):
        await asyncio.Event().wait()

    with running(serve(forever=forever, stuck=lambda _: threading.Event().wait(3)), shutdown_grace=0.1) as run:
        client = run.client("c")
        client.send(message("request", "forever"), message("request", "stuck"))
        assert client.ping_barrier() == []
        closing = run.begin(run.server.close())
        assert code_of(client.receive()) == "shutting_down"
        client.close()
        closing.result(SECONDS)
        assert run.tasks() == 0
