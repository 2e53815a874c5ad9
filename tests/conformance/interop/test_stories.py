"""Stories with clients and servers that are right, and with ones that are wrong in one way: who is at fault."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from conformance.interop.outcome import Outcome, Verdict
from conformance.interop.run import Pair, run_pairs
from conformance.interop.stories import STORIES
from conformance.targets.config import TargetConfig

ROOT = Path(__file__).parents[3]
SCALE = 2.0
PYTHON = shlex.quote(sys.executable)
SERVER = f"{PYTHON} -m reference_server --port {{port}} --responder"
CLIENT = f"{PYTHON} -m reference_server.client.driver"
MUTANT = f"{PYTHON} {shlex.quote(str(ROOT / 'tests' / 'mutants' / 'serve.py'))} {{}} --port {{{{port}}}} --responder"

HERE = Path(__file__).parent
MUTANTS = [
    ("REQ-001", "payload-no-object", "REQ-001"),
    ("REQ-001/long", "mebibyte", "REQ-001"),
    ("REQ-012", "no-handler", "REQ-012"),
    ("REQ-013", "failing-handler", "REQ-013"),
    ("SUB-010", "publish", "SUB-010"),
    ("HSK-020", "same-id", "HSK-020"),
    ("REQ-010", "slow-handler-and-others", "REQ-010"),
    ("NTF-002", "notify", "NTF-002"),
]
"""Mistakes of the reference server, by requirement."""
BROKEN_SERVERS = [
    ("never acknowledges", "connect", "HSK-004", "did not acknowledge"),
    ("is full", "connect", "", "refused the connection: too_many_connections"),
    ("says that it waited", "connect", "HSK-004", "came in time"),
    ("accepts one connection", "publish", "", "did not accept a connection"),
    ("answers no pings", "idle", "SYS-003", "does not answer pings"),
    ("mixes up numbers", "crossing", "", "answered something else"),
    ("swaps publishes", "burst", "SUB-014", "in another order"),
    ("ignores unsubscribe", "unsubscribe", "SUB-018", "after an unsubscribe"),
    ("numbers responses", "crossing", "ENV-001", "envelope rules"),
    ("sends no JSON", "request", "ENC-001", "encoding rules"),
    ("delays nothing", "slow-handler", "", "before the delay was over"),
    ("delays nothing", "slow-handler-and-others", "", "before the delay was over"),
    ("dies", "request", "", "process ended"),
    ("dies of a loss", "client-killed", "", "process ended"),
    ("writes ASCII", "unicode", "", "answered something else"),
]
"""Mistakes of ``broken_server.py``, and a part of what is said about them."""
BROKEN_CLIENTS = [
    ("sends no requests", "request", "", "did not send a request"),
    ("sends one request", "request", "", "did not send a request"),
    ("loses responses", "request", "REQ-016", "did not hand over the response"),
    ("leaves at once", "slow-handler", "", "did not send a request"),
    ("sends a wrong member", "request", "ENV-001", "envelope rules"),
    ("sends no JSON", "request", "ENC-001", "encoding rules"),
    ("omits message_id", "request", "ENV-001", "envelope rules"),
    ("omits channel_id", "request", "ENV-001", "envelope rules"),
    ("omits message_type", "request", "ENV-001", "envelope rules"),
    ("omits payload", "publish", "ENV-001", "envelope rules"),
    ("waits longer", "slow-handler", "", "did not fail after its timeout"),
    ("adds to notification", "notify", "ENV-001", "envelope rules"),
    ("adds to unsubscribe", "unsubscribe", "ENV-001", "envelope rules"),
    ("adds to request", "no-handler", "ENV-001", "envelope rules"),
    ("adds to request", "failing-handler", "ENV-001", "envelope rules"),
    ("adds to request", "slow-handler", "ENV-001", "envelope rules"),
    ("publishes nothing", "publish", "", "was told to publish"),
    ("writes rubbish", "publish", "", "driver wrote what is no event"),
    ("subscribes to nothing", "publish", "", "did not send a subscribe"),
    ("never unsubscribes", "unsubscribe", "", "what it had unsubscribed from"),
    ("hands over once", "publish", "SUB-019", "exactly what arrived"),
    ("hands over nothing", "crossing", "REQ-016", "did not hand over the response"),
    ("crashes when it is replaced", "same-id", "", "the client's process ended"),
    ("notifies nothing", "notify", "", "was told to notify"),
    ("hands over once", "server-notification", "SUB-019", "exactly what arrived"),
    ("subscribes once", "server-restarts", "SUB-020", "did not subscribe on its new connection"),
    ("subscribes once", "connection-breaks", "SUB-020", "did not subscribe on its new connection"),
    ("connects once", "disconnect-and-connect", "", "the client did not connect"),
    ("ends with an error", "process-ends", "", "process ended with an error"),
]
"""Mistakes of ``broken_client.py``, and a part of what is said about them."""


def client(wrong: str) -> str:
    return shlex.join([sys.executable, str(HERE / "broken_client.py"), wrong])


def server(wrong: str) -> str:
    return f"{PYTHON} {shlex.quote(str(HERE / 'broken_server.py'))} --port {{port}} {shlex.quote(wrong)}"


def outcome(story: str, *, client: str = CLIENT, server: str = SERVER) -> Outcome:
    pair = Pair(TargetConfig(client=client, name="client"), TargetConfig(command=server, name="server"))
    (found,) = run_pairs([pair], [STORIES[story]], 1, lambda _: None, SCALE)
    return found


def blame(found: Outcome) -> tuple[Verdict, str, str]:
    return found.verdict, found.causes[0].party, found.causes[0].requirement


def test_every_story_works_with_the_reference_server_and_its_client() -> None:
    pair = Pair(TargetConfig(client=CLIENT), TargetConfig(command=SERVER))
    outcomes = run_pairs([pair], list(STORIES.values()), 1, lambda _: None, SCALE)
    surprises = [STORIES[each.story] for each in outcomes if each.verdict is not Verdict.WORKS]
    again = run_pairs([pair], surprises, 1, lambda _: None, 4 * SCALE)  # as the command does, for a busy machine
    assert [(each.story, each.causes, each.detail) for each in again if each.verdict is not Verdict.WORKS] == []
    assert [each.story for each in outcomes] == list(STORIES)


def test_every_story_is_broken_by_a_mistake() -> None:
    assert {each[1] for table in (MUTANTS, BROKEN_SERVERS, BROKEN_CLIENTS) for each in table} == set(STORIES)


def test_the_server_without_its_mistakes_works() -> None:
    assert outcome("payload-no-object", server=MUTANT.format("none")).verdict is Verdict.WORKS


@pytest.mark.parametrize(("mutant", "story", "requirement"), MUTANTS)
def test_a_broken_server_is_at_fault(mutant: str, story: str, requirement: str) -> None:
    found = outcome(story, server=MUTANT.format(shlex.quote(mutant)))
    assert blame(found) == (Verdict.BROKEN, "server", requirement)
    assert found.trace


@pytest.mark.parametrize(("wrong", "story", "requirement", "what"), BROKEN_SERVERS)
def test_a_small_broken_server_is_at_fault(wrong: str, story: str, requirement: str, what: str) -> None:
    found = outcome(story, server=server(wrong))
    assert blame(found) == (Verdict.BROKEN, "server", requirement)
    assert what in found.causes[0].message


@pytest.mark.parametrize(
    ("kind", "story"), [("subscribe", "publish"), ("publish", "burst"), ("unsubscribe", "unsubscribe")]
)
def test_a_server_that_drops_a_client_is_at_fault(kind: str, story: str) -> None:
    """What the client sends next may come before it knows of the end, or not be sent at all."""
    assert blame(outcome(story, server=server(f"drops on {kind}")))[:2] == (Verdict.BROKEN, "server")


@pytest.mark.parametrize(("wrong", "story", "requirement", "what"), BROKEN_CLIENTS)
def test_a_broken_client_is_at_fault(wrong: str, story: str, requirement: str, what: str) -> None:
    found = outcome(story, client=client(wrong))
    assert blame(found) == (Verdict.BROKEN, "client", requirement)
    assert what in found.causes[0].message


@pytest.mark.parametrize(
    ("wrong", "story", "requirement"),
    [("stays connected", "connect", "HSK-028"), ("comes back after it was replaced", "same-id", "HSK-026")],
)
def test_what_disturbs_no_story_is_a_note(wrong: str, story: str, requirement: str) -> None:
    assert blame(outcome(story, client=client(wrong))) == (Verdict.NOTE, "client", requirement)


@pytest.mark.parametrize(
    "story", ["slow-handler", "slow-handler-and-others", "failing-handler", "server-notification", "notify"]
)
def test_a_story_whose_handler_the_server_lacks_is_not_run(story: str) -> None:
    found = outcome(story, server=server("nothing"))
    assert (found.verdict, found.causes) == (Verdict.NOT_RUN, ())
    assert "the server has no handler for conformance." in found.detail


def test_a_server_that_wants_a_token_runs_no_story() -> None:
    found = outcome("connect", server=server("wants a token"))
    assert (found.verdict, found.causes) == (Verdict.NOT_RUN, ())
    assert found.detail == "the server refused the connection: unauthorized"


def test_a_lost_connection_needs_no_handler() -> None:
    """The error may arrive before or after the connection is broken."""
    assert outcome("connection-breaks", server=server("nothing")).verdict in (Verdict.NOT_RUN, Verdict.WORKS)
