"""The profile queue of the library: what it announces, what becomes of leases, and what happens when the disk fails."""

import logging
import sqlite3
import time

import pytest
from refserver_peer import code_of, message, running

from reference_server import ReferenceServer
from reference_server.profiles.queue.job_store import JobStore


def serving(**options):
    return running(profiles=("queue",), **options)


def ask(client, action, **members):
    return client.ask("queue_manager", {"action": action, "queue": "q"} | members)["payload"]


def test_server_says_whether_jobs_are_kept(tmp_path):
    with serving() as run:
        assert run.client("a").acknowledgement["payload"]["queue"] == {"durable": False}
    with serving(state=tmp_path / "jobs.db") as run:
        assert run.client("a").acknowledgement["payload"]["queue"] == {"durable": True}
    with running() as run:
        assert "queue" not in run.client("a").acknowledgement["payload"]


def test_jobs_outlive_a_server_with_a_state_file(tmp_path):
    for expected in ([], ["a"]):
        with serving(state=tmp_path / "jobs.db") as run:
            client = run.client("a")
            assert [job["id"] for job in ask(client, "dequeue")["jobs"]] == expected
            assert ask(client, "enqueue", job={"id": "a"}) == {"status": "ok", "job_id": "a"}


def test_server_can_start_again(tmp_path):
    with serving(state=tmp_path / "jobs.db") as run:
        ask(run.client("a"), "enqueue", job={"id": "a"})
        run.wait(run.server.close())
        run.wait(run.server.start())
        run.port = run.server.port
        assert [job["id"] for job in ask(run.client("a"), "dequeue")["jobs"]] == ["a"]


def test_state_file_needs_the_profile():
    with pytest.raises(ValueError, match="a state file is for the profile 'queue'"):
        ReferenceServer(state="jobs.db")


def test_channels_of_the_profile_take_no_handlers():
    server = ReferenceServer(profiles=["queue"])
    for channel in ("queue_manager", "queue:", "queue:email"):
        with pytest.raises(ValueError, match="belongs to the server"):
            server.handler(channel)(print)
    ReferenceServer().handler("queue_manager")(print)


def test_handler_in_a_queue_of_handlers_gives_its_jobs_back():
    def slow(_request):
        time.sleep(0.2)

    with running(lambda server: server.handler("slow")(slow), profiles=("queue",)) as run:
        client, other = run.client("a"), run.client("b")
        ask(client, "enqueue", job={"id": "x"})
        client.send(
            message("request", "slow"),
            message("request", "queue_manager", {"action": "dequeue", "queue": "q", "lease_ms": 60_000}),
        )
        client.close()
        deadline = time.monotonic() + 10
        while not (jobs := ask(other, "dequeue")["jobs"]):
            assert time.monotonic() < deadline
        assert jobs[0]["id"] == "x"


def test_disk_that_fails_fails_the_request_and_not_the_server(monkeypatch, caplog):
    perform = JobStore.perform

    def full(self, operations, *moment):
        if any("enqueue" in operation.__code__.co_names for operation in operations):
            raise sqlite3.OperationalError("database or disk is full")
        return perform(self, operations, *moment)

    with serving() as run, caplog.at_level(logging.ERROR):
        client = run.client("a")
        monkeypatch.setattr(JobStore, "perform", full)
        answer = client.ask("queue_manager", {"action": "enqueue", "queue": "q", "job": {"id": "a"}})
        assert code_of(answer) == "handler_failed"
        assert "disk" not in answer["payload"]["error"]["message"]
        assert "the jobs of memory could not be changed: database or disk is full" in caplog.text
        monkeypatch.undo()
        assert ask(client, "enqueue", job={"id": "a"})["status"] == "ok"


def test_request_that_fails_does_not_fail_those_beside_it(monkeypatch):
    perform, enqueue, groups = JobStore.perform, JobStore.enqueue, []

    def slow(self, operations, *moment):
        groups.append(len(operations))
        time.sleep(0.1)
        return perform(self, operations, *moment)

    def fail_one(self, queue, job, room):
        if job["id"] == "bad":
            raise ValueError("not foreseen")
        return enqueue(self, queue, job, room)

    with serving() as run:
        monkeypatch.setattr(JobStore, "perform", slow)
        monkeypatch.setattr(JobStore, "enqueue", fail_one)
        names = ["first", "good", "bad", "better"]
        clients = [run.client(name) for name in names]
        for client, name in zip(clients, names, strict=True):
            client.send(message("request", "queue_manager", {"action": "enqueue", "queue": "q", "job": {"id": name}}))
        answers = [client.receive() for client in clients]
        assert code_of(answers.pop(2)) == "handler_failed"
        assert [answer["payload"]["status"] for answer in answers] == ["ok"] * 3
        assert [job["id"] for job in ask(clients[0], "dequeue", count=9)["jobs"]] == ["first", "good", "better"]
    assert max(groups) > 1


def test_batch_of_jobs_is_enqueued_in_order():
    with running(profiles=("batch", "queue")) as run:
        client = run.client("a")
        requests = [{"payload": {"action": "enqueue", "queue": "q", "job": {"id": name}}} for name in "abc"]
        answer = client.ask("queue_manager", {"action": "batch_process", "requests": requests})["payload"]
        assert [each["job_id"] for each in answer["responses"]] == ["a", "b", "c"]
        assert [job["id"] for job in ask(client, "dequeue", count=9)["jobs"]] == ["a", "b", "c"]


def test_refusals_say_what_is_wrong():
    with serving() as run:
        client = run.client("a")
        assert "no object with an action" in client.ask("queue_manager", [])["payload"]["error"]["message"]
        assert "known are enqueue, dequeue" in ask(client, "peek")["error"]["message"]
        assert "job.priority" in ask(client, "enqueue", job={"id": "a", "priority": "high"})["error"]["message"]
        assert "the job 'a' is not leased" in ask(client, "job_failed", job_id="a")["error"]["message"]
