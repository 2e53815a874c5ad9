"""Attacks on the queue."""

from __future__ import annotations

import time

import frames
from attack import ARENAS_KEPT, MEMORY_BUDGET, Finding, attack
from connections import BOUNDED
from scene import Scene, scene


@attack(
    "one connection enqueues jobs for three seconds, each in a queue of its own with a long name", kept=MEMORY_BUDGET
)
def queues_of_their_own() -> Finding:
    with scene(*BOUNDED, "--profile", "queue") as acting:
        link = acting.client("c0")
        for turn in range(3):
            numbers = range(turn * 2000, turn * 2000 + 2000)
            acting.flood([link], b"".join(_enqueue(f"q{each}-" + "n" * 200, each, None) for each in numbers), 1)
        acting.finding.facts["a dequeue afterwards"] = _dequeued(acting)
    return acting.finding


@attack("one connection enqueues jobs of 64 KiB until they are refused", kept=MEMORY_BUDGET)
def large_jobs() -> Finding:
    with scene(*BOUNDED, "--profile", "queue") as acting:
        link = acting.client("c0")
        for turn in range(100):
            numbers = range(turn * 100, turn * 100 + 100)
            link.sendall(b"".join(_enqueue("work", each, "x" * 65536) for each in numbers))
            if b'"error"' in link.recv(1 << 20):
                acting.finding.facts["jobs refused from about"] = turn * 100
                break
        acting.finding.facts["a dequeue afterwards"] = _dequeued(acting)
    return acting.finding


@attack(
    "three connections, one after the other, each dequeue from 5000 empty queues with long names",
    peak=64,
    kept=ARENAS_KEPT,
)
def empty_queues() -> Finding:
    with scene(*BOUNDED, "--profile", "queue") as acting:
        names = [f"q{each}-" + "n" * 200 for each in range(5000)]
        dequeues = b"".join(_manage(action="dequeue", queue=each) for each in names)
        for number in range(3):
            acting.flood([acting.client(f"c{number}")], dequeues, 1)
            acting.leave()
            time.sleep(1)
    return acting.finding


def _dequeued(acting: Scene) -> str:
    """Return whether another client gets a job; a server that refuses new jobs still hands out old ones."""
    link = acting.client("worker")
    link.sendall(_manage(action="dequeue", queue="work"))
    answered = b'"jobs"' in link.recv(1 << 20)
    if not answered:
        acting.finding.faults.append("a dequeue is not answered")
    return "answered" if answered else "not answered"


def _enqueue(queue: str, number: int, data: object) -> bytes:
    return _manage(action="enqueue", queue=queue, job={"id": f"j{number}", "data": data})


def _manage(**payload: object) -> bytes:
    return frames.message("request", "queue_manager", payload)
