"""QUE: names of queues and ids of jobs are compared code point by code point."""

from __future__ import annotations

from conformance.cases.server.alike import LONGEST_NAME, joined, pairs
from conformance.cases.server.queue.helpers import MANY, Queue, answer_of, job, queue_case
from conformance.core.verdicts import Violation
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec

LONGEST_QUEUE = 249


@queue_case("alike-queues-are-apart", "QUE-009", "QUE-004", seconds=0.2)
def alike_queues(context: ServerContext) -> None:
    """A job in one of two queues whose names are alike is not in the other."""
    found = list(pairs(context.name("queue"), LONGEST_QUEUE))
    peer = context.connect()
    first = context.name("job")
    for number, pair in enumerate(found):
        Queue(context, peer, pair.one).enqueue(job(f"{first}-{number}"))
    messages = [Queue(context, peer, pair.other).message("dequeue", count=MANY) for pair in found]
    peer.send(*messages)
    answers = {each["reply_to"]: answer_of(each, "queue-jobs", "dequeue") for each in (peer.receive() for _ in found)}
    wrong = [pair for pair, message in zip(found, messages, strict=True) if answers[message["message_id"]]["jobs"]]
    if wrong:
        raise Violation(
            "a queue handed out a job of one whose name is like its own",
            expected="no job",
            received=f"from {wrong[0].other!a}: alike in {wrong[0].how}",
        )
    Queue(context, peer, found[0].one).expect_jobs(f"{first}-0")


@queue_case("alike-jobs-are-apart", "QUE-004", "QUE-022", "QUE-009", seconds=0.2)
def alike_jobs(context: ServerContext) -> None:
    """Jobs whose ids are alike are different jobs, and what becomes of one is nothing to the other."""
    queue = Queue(context)
    found = list(pairs(context.name("job"), LONGEST_NAME, controls=True))
    names = [name for pair in found for name in (pair.one, pair.other)]
    queue.enqueue(*map(job, names))
    queue.expect_stats(pending=len(names))
    handed_out = [each["id"] for each in queue.dequeue(MANY)]
    if sorted(handed_out) != sorted(names):
        missing = [ascii(name) for name in names if name not in handed_out]
        raise Violation(
            "jobs whose ids are alike were not each handed out",
            expected=f"{len(names)} jobs",
            received=f"{len(handed_out)} jobs, without {codec.shorten(missing)}",
        )
    for pair in found:
        queue.report("job_completed", pair.one)
    queue.expect_stats(in_flight=len(found), completed=len(found))


@queue_case("application-and-queue-are-not-joined", "QUE-023", "QUE-009")
def not_joined(context: ServerContext) -> None:
    """An application and a queue are two names, even where a separator would join them to the same text."""
    for app, name, other_app, other_name in joined(lambda: context.name("n")):
        one, other = (context.connect(app=each) for each in (app, other_app))
        Queue(context, one, name).enqueue(job(context.name("job")))
        if dequeued(context, other, other_name):
            raise Violation("application and queue were joined to one name", expected="no job", received="a job")
        one.discard()
        other.discard()


def dequeued(context: ServerContext, peer: ClientPeer, name: str) -> list[object]:
    """Return what a queue hands out."""
    message = Queue(context, peer, name).message("dequeue", count=MANY)
    peer.send(message)
    found: list[object] = answer_of(peer.expect_response(message), "queue-jobs", "dequeue")["jobs"]
    return found
