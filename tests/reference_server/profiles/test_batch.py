"""The profile batch of the library: what handlers see, and what becomes of what they do."""

import asyncio
import logging
import socket
import threading

import pytest
from refserver_peer import code_of, frame, message, open_core, running

from reference_server import ReferenceServer
from reference_server.handlers import HandlerFailedError
from reference_server.network.handler_runner import TASK_BYTES
from reference_server.profiles.batch import AT_A_TIME, SLICE, BatchProfile


def batch(*payloads):
    return {"action": "batch_process", "requests": [{"payload": payload} for payload in payloads]}


def serve(function, **options):
    return running(lambda server: server.handler("c")(function), profiles=("batch",), **options)


def test_server_announces_its_profiles():
    with running(profiles=("batch",)) as run:
        assert run.client("a").acknowledgement["payload"]["profiles"] == ["batch"]
    with running() as run:
        assert run.client("a").acknowledgement["payload"]["profiles"] == []


def test_server_refuses_a_profile_that_there_is_not():
    with pytest.raises(ValueError, match="no profile 'telepathy'; there are batch"):
        ReferenceServer(profiles=["telepathy"])


def test_core_without_the_profile_sees_an_ordinary_request():
    core = open_core()
    core.feed(frame(message("request", "c", batch(1))))
    assert [type(event).__name__ for event in core.events] == ["RequestReceived"]


def test_handler_sees_each_payload_in_a_request_of_its_own():
    seen = []

    async def handler(request):
        seen.append((request.payload, request.channel_id, request.connection_id))
        return request.payload

    with serve(handler) as run:
        answer = run.client("alice").ask("c", batch(1, None, "x"))
    assert answer["payload"] == {"responses": [1, None, "x"]}
    assert seen == [(payload, "c", "alice") for payload in (1, None, "x")]


@pytest.mark.parametrize("plain", [True, False])
def test_items_start_in_order_and_run_side_by_side(plain):
    """The last item lets the first go on."""
    order, gate, event = [], threading.Event(), None

    def in_thread(request):
        order.append(request.payload)
        if request.payload == 2:
            gate.set()
        assert gate.wait(5)
        return request.payload

    async def in_loop(request):
        nonlocal event
        event = event or asyncio.Event()
        order.append(request.payload)
        if request.payload == 2:
            event.set()
        await asyncio.wait_for(event.wait(), 5)
        return request.payload

    with serve(in_thread if plain else in_loop) as run:
        assert run.client("a").ask("c", batch(0, 1, 2))["payload"] == {"responses": [0, 1, 2]}
    # Threads that were started in order still race to their first statement.
    assert (sorted(order) if plain else order) == [0, 1, 2]


def test_item_that_fails_is_logged_and_told_of_in_its_place(caplog):
    async def handler(request):
        if request.payload is None:
            raise GeneratorExit
        return 1 / request.payload

    with serve(handler) as run, caplog.at_level(logging.ERROR, "reference_server"):
        good, *bad = run.client("a").ask("c", batch(1, 0, "x", None))["payload"]["responses"]
    assert good == 1
    assert [each["error"] for each in bad] == [{"code": "handler_failed", "message": "the handler of 'c' failed"}] * 3
    assert "ZeroDivisionError" in caplog.text


def test_answer_that_has_no_json_form_fails_the_batch():
    async def handler(request):
        return {1, 2} if request.payload else object()

    with serve(handler) as run:
        client = run.client("a")
        assert code_of(client.ask("c", batch(0))) == "handler_failed"
        client.ping_barrier()


def test_handlers_of_a_batch_end_with_their_connection():
    begun, ended = threading.Semaphore(0), threading.Semaphore(0)

    async def handler(_request):
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            ended.release()

    with serve(handler) as run:
        client = run.client("a")
        client.send(message("request", "c", batch(1, 2)))
        assert all(begun.acquire(timeout=5) for _ in range(2))
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01" + b"\x00" * 7)  # a reset
        client.close()
        assert all(ended.acquire(timeout=5) for _ in range(2))


def test_invalid_batch_is_refused_ahead_of_its_handler():
    with running(profiles=("batch",)) as run:
        client = run.client("a")
        assert code_of(client.ask("nobody", {"action": "batch_process"})) == "invalid_message"
        assert code_of(client.ask("nobody", batch(1))) == "no_handler"


# Batches of many items


def answers_of(items, run_handler, beside=None):
    """Return the answers to a batch, while something else goes on beside it."""

    async def main():
        others = asyncio.create_task(beside()) if beside else None
        profile = BatchProfile.__new__(BatchProfile)  # needs no server for this
        made = await profile.answer(items, run_handler)
        if others:
            others.cancel()
        return made["responses"]

    return asyncio.run(main())


@pytest.mark.parametrize("fails", [False, True])
def test_others_get_their_turn_between_slices_of_a_batch(fails):
    begun, largest, seen = 0, 0, 0

    async def handler(payload):
        nonlocal begun
        begun += 1
        if fails:
            raise HandlerFailedError("c")
        return payload

    async def others():
        nonlocal largest, seen
        while True:
            await asyncio.sleep(0)
            largest, seen = max(largest, begun - seen), begun

    assert len(answers_of(list(range(5000)), handler, others)) == begun == 5000
    assert largest <= SLICE


def test_items_that_wait_for_something_are_bounded_and_keep_their_order():
    running, most, order = 0, 0, []

    async def handler(payload):
        nonlocal running, most
        order.append(payload)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.5)
        running -= 1
        return payload

    items = list(range(3 * AT_A_TIME))
    assert answers_of(items, handler) == items == order
    assert most == AT_A_TIME


def test_longest_batch_that_every_server_takes_runs_side_by_side():
    assert AT_A_TIME >= 1000


def test_batch_over_the_limit_of_items_is_refused_and_tells_the_limit():
    async def handler(request):
        return request.payload

    with serve(handler, max_batch_items=1000) as run:
        client = run.client("a")
        assert client.ask("c", batch(*range(1000)))["payload"]["responses"] == list(range(1000))
        refused = client.ask("c", batch(*range(1001)))
        assert code_of(refused) == "invalid_message"
        assert refused["payload"]["error"]["message"] == "the batch has 1001 items, the limit is 1000"


def test_failures_of_a_batch_are_one_record_that_counts_them_and_has_the_first(caplog):
    async def handler(request):
        raise ValueError(request.payload)

    with serve(handler) as run, caplog.at_level(logging.ERROR, "reference_server"):
        client = run.client("a")
        answers = client.ask("c", batch(*range(500)))["payload"]["responses"]
        client.ask("c", batch(1))
    assert len(answers) == 500
    many, one = caplog.records
    assert many.message.endswith("failed 500 times for one request")
    assert str(many.exc_info[1]) == "0"
    assert one.message.endswith("failed")
    assert str(one.exc_info[1]) == "1"


def test_waiting_items_count_for_what_a_connection_may_have_in_handlers():
    begun = []

    async def handler(request):
        begun.append(request.payload)
        await asyncio.Event().wait()

    with serve(handler, max_in_flight_bytes=100 * TASK_BYTES) as run:
        client = run.client("a")
        client.send(message("request", "c", batch(*range(200))))
        while len(begun) < 200:
            client.socket.settimeout(0.05)
            with pytest.raises(TimeoutError):
                client.socket.recv(1)
        client.send(message("request", "c", "later"))
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        assert begun == list(range(200))
