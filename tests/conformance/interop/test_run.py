"""How stories are run: what they share, what is kept of each, and what ends all of them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

import pytest

from conformance.core.verdicts import TargetError
from conformance.interop.outcome import Broken, Cause, Outcome, Verdict
from conformance.interop.run import KeptStage, Pair, run_pairs, run_story
from conformance.interop.stage import Server, Stage
from conformance.interop.stories import STORIES, Story
from conformance.targets.config import TargetConfig

PYTHON = shlex.quote(sys.executable)
PAIR = Pair(
    TargetConfig(client=f"{PYTHON} -m reference_server.client.driver", name="client"),
    TargetConfig(command=f"{PYTHON} -m reference_server --port {{port}} --responder", name="server"),
)
CALM, ALONE = STORIES["request"], STORIES["connect"]


class NoServer(Server):
    """A server that needs no process."""

    killed = 0

    def start(self) -> None:
        """Start nothing."""

    def kill(self) -> None:
        """Count."""
        self.killed += 1


@pytest.fixture
def server() -> NoServer:
    return NoServer(PAIR.server)


@pytest.fixture
def kept(server: NoServer) -> KeptStage:
    return KeptStage(PAIR, server)


def noting_its_end(stage: Stage, closed: list[Stage]) -> Stage:
    stage._stack.callback(closed.append, stage)
    return stage


def test_calm_stories_share_a_stage_which_ends_before_another_story_begins(kept: KeptStage) -> None:
    closed: list[Stage] = []
    calm = noting_its_end(kept.enter(CALM), closed)
    kept.leave(calm, Verdict.WORKS)
    assert kept.enter(CALM) is calm
    kept.leave(calm, Verdict.WORKS)
    assert closed == []
    alone = noting_its_end(kept.enter(ALONE), closed)
    assert closed == [calm]
    kept.leave(alone, Verdict.WORKS)
    assert closed == [calm, alone]
    assert kept.enter(CALM) not in closed


@pytest.mark.parametrize(("verdict", "killed"), [(Verdict.NOTE, 0), (Verdict.NOT_RUN, 0), (Verdict.BROKEN, 1)])
def test_a_stage_on_which_a_story_did_not_just_work_is_not_used_again(
    verdict: Verdict, killed: int, kept: KeptStage, server: NoServer
) -> None:
    closed: list[Stage] = []
    stage = noting_its_end(kept.enter(CALM), closed)
    kept.leave(stage, verdict)
    assert closed == [stage]
    assert server.killed == killed


def told(play: Callable[[Stage], None], kept: KeptStage) -> Outcome:
    return run_story(Story("story", "It works", play, is_calm=True), PAIR, kept)


def test_what_broke_a_story_is_its_first_cause_and_each_is_told_once(kept: KeptStage) -> None:
    def play(stage: Stage) -> None:
        for message in ("it is odd", "it is odd", "it is bad"):
            stage.note("client", "", message)
        raise Broken("client", "", "it is bad", "seen")

    outcome = told(play, kept)
    assert outcome.verdict is Verdict.BROKEN
    assert outcome.causes == (Cause("client", "", "it is bad"), Cause("client", "", "it is odd"))
    assert [outcome.verdict_of(each) for each in outcome.causes] == [Verdict.BROKEN, Verdict.NOTE]
    assert outcome.detail == "seen"


def test_a_note_alone_breaks_nothing_and_is_not_kept_for_the_next_story(kept: KeptStage) -> None:
    noted = told(lambda stage: stage.note("client", "", "it is odd"), kept)
    assert (noted.verdict, [noted.verdict_of(each) for each in noted.causes]) == (Verdict.NOTE, [Verdict.NOTE])
    assert told(lambda _: None, kept).verdict is Verdict.WORKS


class EndedServer(NoServer):
    """A server whose process has ended, until it is started again."""

    has_ended = False

    def start(self) -> None:
        """Start."""
        self.has_ended = False

    def obituary(self, seconds: float = 0.0) -> str:
        """Return how it ended."""
        assert seconds == 0
        return "status 7" if self.has_ended else ""


@pytest.mark.parametrize("story", [CALM, ALONE])
def test_a_server_that_ends_between_stories_is_noted_and_its_clients_are_not_used_again(story: Story) -> None:
    server = EndedServer(PAIR.server)
    kept = KeptStage(PAIR, server)
    calm = kept.enter(CALM)
    kept.leave(calm, Verdict.WORKS)
    server.has_ended = True
    stage = kept.enter(story)
    assert stage is not calm
    assert stage.notes == [Cause("server", "", "the server's process ended")]
    assert "status 7" in str(stage.trace.entries[-1])
    kept.leave(stage, Verdict.NOTE)
    assert kept.enter(CALM).notes == []


def test_stories_go_on_after_a_server_has_ended_between_them() -> None:
    server = Server(PAIR.server)
    kept = KeptStage(PAIR, server)
    stories = [STORIES["request"], STORIES["publish"]]
    try:
        first = run_story(stories[0], PAIR, kept)
        assert server._process
        server._process.kill()
        assert server._process.wait(10.0) is not None
        second = run_story(stories[1], PAIR, kept)
        third = run_story(stories[0], PAIR, kept)
    finally:
        kept.close()
        server.kill()
    assert [each.verdict for each in (first, second, third)] == [Verdict.WORKS, Verdict.NOTE, Verdict.WORKS]
    assert second.causes == (Cause("server", "", "the server's process ended"),)


def test_a_server_that_does_not_start_ends_the_other_pairs() -> None:
    dead = Pair(PAIR.client, TargetConfig(command=f"{PYTHON} -c pass {{port}}", name="dead"))
    ended: list[Outcome] = []
    with pytest.raises(TargetError):
        run_pairs([dead, PAIR], list(STORIES.values()), 2, ended.append)
    assert len(ended) < len(STORIES)
