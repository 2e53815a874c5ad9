"""Runs the stories of all pairs: those of a pair one after the other, several pairs at the same time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from conformance.core.verdicts import Unsupported, Violation
from conformance.interop.blame import judged
from conformance.interop.outcome import Broken, Outcome, Stopped, Verdict
from conformance.interop.stage import Server, Stage
from conformance.interop.stories import Story
from conformance.targets.config import TargetConfig
from conformance.targets.driver import DriverError

TRACE_LINES, LINE_LENGTH = 60, 240
"""How much of a recording is kept."""
DIED = "the server's process ended"
DIES_SECONDS = 0.5
"""How long the process of a server that ended its connections may take to end, too."""


@dataclass(frozen=True)
class Pair:
    """A client and a server."""

    client: TargetConfig
    server: TargetConfig


def run_pairs(
    pairs: Sequence[Pair],
    stories: Sequence[Story],
    jobs: int,
    told: Callable[[Outcome], None],
    scale: float = 1.0,
) -> list[Outcome]:
    """Run stories for pairs and return the outcomes, in that order.

    Args:
        pairs: the pairs.
        stories: the stories for each of them.
        jobs: how many pairs at the same time.
        told: called with each outcome, from several threads.
        scale: the factor of all deadlines.

    Raises:
        TargetError: a client or a server could not be started. As after Ctrl-C, the other pairs end soon.
    """
    ends = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        rows = [pool.submit(_run_pair, pair, stories, told, scale, ends) for pair in pairs]
        try:
            return [outcome for row in rows for outcome in row.result()]
        finally:
            ends.set()


def _run_pair(
    pair: Pair, stories: Sequence[Story], told: Callable[[Outcome], None], scale: float, ends: threading.Event
) -> list[Outcome]:
    """Run the stories of a pair until ``ends`` is set, and set it if they cannot go on."""
    server = Server(pair.server)
    outcomes: list[Outcome] = []
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill)
        kept = KeptStage(pair, server, scale, ends.is_set)
        stack.callback(kept.close)
        try:
            for story in stories:
                if ends.is_set():
                    break
                outcomes.append(run_story(story, pair, kept))
                told(outcomes[-1])
        except Stopped:
            pass
        except BaseException:
            ends.set()
            raise
    return outcomes


class KeptStage:
    """The stages of a pair: calm stories share one with its clients, each other story has its own."""

    def __init__(
        self, pair: Pair, server: Server, scale: float = 1.0, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._pair = pair
        self._server = server
        self._scale = scale
        self._stopped = stopped
        self._calm: Stage | None = None

    def enter(self, story: Story) -> Stage:
        """Return the stage for a story; the server runs.

        If the server has ended since the story before, it is started again for new clients, and that is noted.

        Raises:
            TargetError: the server does not start.
        """
        obituary = self._server.obituary()
        if obituary or not story.is_calm:
            self.close()
        self._server.start()
        stage = self._shared() if story.is_calm else self._new()
        if obituary:
            stage.trace.event("*", f"{DIED} after the story before: {obituary}")
            stage.note("server", "", DIED)
        return stage

    def _shared(self) -> Stage:
        if self._calm is None:
            self._calm = self._new()
        self._calm.next_story()
        return self._calm

    def leave(self, stage: Stage, verdict: Verdict) -> None:
        """Close a stage that no other story should use."""
        if stage is not self._calm:
            stage.close()
        elif verdict is not Verdict.WORKS:
            self.close()
        if verdict is Verdict.BROKEN:
            self._server.kill()  # it may still be busy with what went wrong; the next story starts another

    def obituary(self, stage: Stage) -> str:
        """Return how the server ended, if it did so by itself; else an empty text."""
        return self._server.obituary(DIES_SECONDS if stage.has_lost_server else 0.0)

    def close(self) -> None:
        """Close the stage of the calm stories."""
        if self._calm:
            self._calm.close()
            self._calm = None

    def _new(self) -> Stage:
        return Stage(self._pair.client, self._server, self._scale, self._stopped)


def run_story(story: Story, pair: Pair, stages: KeptStage) -> Outcome:
    """Run one story and return its outcome.

    Raises:
        TargetError: the client or the server could not be started.
    """
    stage = stages.enter(story)
    start = time.monotonic()
    verdict, detail = Verdict.BROKEN, ""
    problem: Broken | None = None
    try:
        story.play(stage)
        verdict = Verdict.WORKS
    except Broken as found:
        problem = found
    except Unsupported as reason:
        verdict, detail = Verdict.NOT_RUN, str(reason)
    except Violation as violation:
        problem = Broken("client", "", violation.message, violation.received)
    except DriverError as error:
        problem = Broken("client", "", "the client's driver wrote what is no event", str(error))
    finally:
        if obituary := stages.obituary(stage):
            problem, verdict = Broken("server", "", DIED, obituary), Verdict.BROKEN
        elif problem:
            problem = judged(problem, stage.links, stage.newest_links, stage.unreached)
        seconds = time.monotonic() - start
        broken = [problem.cause] if problem else []
        causes = tuple(dict.fromkeys((*broken, *stage.notes, *stage.breaches())))
        verdict = Verdict.NOTE if verdict is Verdict.WORKS and causes else verdict
        trace = () if verdict is Verdict.WORKS else _lines(stage)
        stages.leave(stage, verdict)
    return Outcome(
        client=pair.client.title,
        server=pair.server.title,
        story=story.name,
        verdict=verdict,
        causes=causes,
        detail=(problem.detail if problem else detail)[:1000],
        trace=trace,
        seconds=seconds,
    )


def _lines(stage: Stage) -> tuple[str, ...]:
    lines = [str(each)[:LINE_LENGTH] for each in list(stage.trace.entries)]
    half = TRACE_LINES // 2
    return tuple(lines if len(lines) <= TRACE_LINES else [*lines[:half], "...", *lines[-half:]])
