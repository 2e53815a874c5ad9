"""QUE: what connections say became of their jobs, and the statistics."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from conformance.cases.server.queue.helpers import FAR_FUTURE, PROFILE, ZERO, Queue, ids, in_state, job, queue_case
from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.server_context import ServerContext
from conformance.protocol import codec


def finished(context: ServerContext, state: str, reason: dict[str, Any]) -> None:
    """Finish a job, and see it counted once and never handed out again."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    queue.enqueue(job(name))
    holder = queue.other_peer()
    holder.expect_jobs(name)
    holder.report(f"job_{state}", name, **reason)
    queue.expect_stats(**{state: 1})
    holder.peer.end_sending()
    holder.peer.expect_end()
    queue.expect_jobs()
    queue.expect_stats(**{state: 1})


ENDED: dict[str, tuple[str, dict[str, Any]]] = {
    "completed": ("QUE-018", {"result": {"any": ["thing"]}}),
    "failed": ("QUE-019", {"error": "no reason"}),
}

for _state, (_requirement, _reason) in ENDED.items():
    add(
        Case(
            f"queue/{_state}-job",
            (_requirement, "QUE-022"),
            f"A job that is reported as {_state} is counted so, and not handed out again when its connection ends.",
            partial(finished, state=_state, reason=_reason),
            profile=PROFILE,
        )
    )


@queue_case("job-is-tried-again", "QUE-020", "QUE-012")
def tried_again(context: ServerContext) -> None:
    """Each retry adds one to attempts and is due at once without a delay; all else stays."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    made = job(name, attempts=1, maxAttempts=2, createdAt=1_600_000_000_000, further=[1])
    queue.enqueue(made)
    for attempts in range(1, 5):
        (found,) = queue.expect_jobs(name)
        if not codec.same({member: found.get(member) for member in made}, made | {"attempts": attempts}):
            raise Violation(
                "a job that is tried again did not come back as it was, with one more attempt",
                expected=codec.shorten(made | {"attempts": attempts}),
                received=codec.shorten(found),
            )
        queue.report("retry_job", name, **({"delay": 0} if attempts % 2 else {}))
    queue.expect_stats(pending=1)


@queue_case("job-is-tried-again-later", "QUE-020", "QUE-011", "QUE-027", seconds=0.4)
def tried_again_later(context: ServerContext) -> None:
    """A retry with a delay is delayed for so long and no longer, and says until when."""

    def attempt(seconds: float) -> None:
        queue = Queue(context)
        (name,) = ids(context, 1)
        queue.enqueue(job(name, scheduledFor=0))
        (first,) = queue.expect_jobs(name)
        delay = int(1000 * seconds)
        begun = time.monotonic()
        queue.report("retry_job", name, delay=delay)
        queue.expect_stats(delayed=1)
        (found,) = queue.await_jobs(name, seconds=seconds, why="a job is not handed out when its delay is over")
        passed = (time.monotonic() - begun) * 1000
        if passed < delay or found["scheduledFor"] <= first["scheduledFor"] or found["attempts"] != 1:
            raise Violation(
                "a job that was to be tried again later was not delayed for so long",
                expected=f"{delay} ms",
                received=f"{passed:.0f} ms, {codec.shorten(found)}",
            )

    context.with_more_time(attempt, 0.3)


@queue_case("delays-of-every-length", "QUE-020", "QUE-011")
def delays(context: ServerContext) -> None:
    """A delay may be a fraction of a millisecond, or longer than 32 bits can say."""
    queue = Queue(context)
    short, long, longest = ids(context, 3)
    queue.enqueue(job(short), job(long), job(longest))
    queue.expect_jobs(short, long, longest)
    queue.report("retry_job", short, delay=0.5)
    queue.report("retry_job", long, delay=2**31 + 1000)
    queue.report("retry_job", longest, delay=31_536_000_000)
    queue.await_jobs(short, seconds=0, why="a job that was delayed by half a millisecond is not pending")
    queue.expect_stats(in_flight=1, delayed=2)


@queue_case("attempts-are-counted-to-the-end", "QUE-020")
def attempts_to_the_end(context: ServerContext) -> None:
    """A retry adds one to attempts however many they are, and none to the largest number; it says when it was."""
    queue = Queue(context)
    most = 2_147_483_647
    counts = {50: 51, most - 1: most, most: most}
    names = dict(zip(ids(context, len(counts)), counts, strict=True))
    queue.enqueue(*(job(name, attempts=count, scheduledFor=1) for name, count in names.items()))
    queue.expect_jobs(*names)
    for name in names:
        queue.report("retry_job", name)
    for each in queue.expect_jobs(*names):
        if each["attempts"] != counts[names[each["id"]]] or each["scheduledFor"] == 1:
            raise Violation("a retry did not count, or did not set scheduledFor", received=codec.shorten(each))


@queue_case("delayed-job-waits", "QUE-011", "QUE-022")
def delayed_job(context: ServerContext) -> None:
    """A job that is scheduled for the future is not handed out, one that is scheduled for the past is."""
    queue = Queue(context)
    late, now = ids(context, 2)
    queue.enqueue(job(late, scheduledFor=FAR_FUTURE, priority=9), job(now, scheduledFor=1))
    queue.expect_jobs(now)
    queue.expect_stats(delayed=1, in_flight=1)


NOT_LEASED = ("unknown", "pending", "delayed", "completed", "failed", "of-another-connection", "given-back")


def not_leased(context: ServerContext, state: str) -> None:
    """Report on a job that is not leased to the connection, in every way, and see nothing change."""
    queue = Queue(context)
    worker = queue.other_peer()
    (name,) = ids(context, 1)
    if state == "of-another-connection":
        queue.enqueue(job(name))
        queue.expect_jobs(name)
    elif state == "given-back":
        queue.enqueue(job(name))
        worker.expect_jobs(name)
        worker.report("retry_job", name, delay=1_000_000)
    elif state != "unknown":
        in_state(worker, state, name)
    before = queue.ask("queue-stats", "get_queue_stats")
    for action in ("job_completed", "job_failed", "retry_job"):
        worker.expect_refused("not_leased", action, job_id=name)
    counts = {member: before[member] for member in ZERO}
    queue.expect_stats(**counts)
    if state == "pending" and queue.expect_jobs(name)[0]["attempts"]:
        raise Violation("a retry that was refused counted as an attempt", expected="0 attempts")


for _state in NOT_LEASED:
    add(
        Case(
            f"queue/not-leased-{_state}",
            ("QUE-021",),
            f"Who reports on a job that is {_state.replace('-', ' ')} is refused, and nothing changes.",
            partial(not_leased, state=_state),
            profile=PROFILE,
        )
    )


@queue_case("statistics-add-up", "QUE-022")
def statistics(context: ServerContext) -> None:
    """The statistics count each job in the state that it is in, and those that were finished."""
    queue = Queue(context)
    queue.expect_stats()
    names = ids(context, 15)
    queue.enqueue(*(job(name) for name in names[:10]), *(job(name, scheduledFor=FAR_FUTURE) for name in names[10:]))
    queue.expect_stats(pending=10, delayed=5)
    queue.expect_jobs(*names[:7], count=7)
    queue.expect_stats(pending=3, delayed=5, in_flight=7)
    for name in names[:3]:
        queue.report("job_completed", name)
    queue.report("job_failed", names[3])
    queue.report("retry_job", names[4])
    queue.report("retry_job", names[5], delay=1_000_000)
    queue.expect_stats(pending=4, delayed=6, in_flight=1, completed=3, failed=1)
