"""Properties: how failing examples are shrunk, remembered and shown, and that no server keeps the kit for long."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import time
from pathlib import Path
from shlex import quote

import pytest
from hypothesis import strategies as st
from kit_commands import REFERENCE, mini, run_on

from conformance.cases.server.properties.programs import Machine, Step
from conformance.core.settings import Settings
from conformance.core.trace import SHOWN_OCTETS, Trace
from conformance.core.verdicts import SERVER_ENDED, Late, Violation
from conformance.harness import property_testing, strategies
from conformance.harness.property_testing import for_all
from conformance.harness.server_context import ServerContext
from conformance.protocol.server_model import ServerModel
from conformance.reports.replay_script import as_script
from conformance.targets.config import TargetConfig
from conformance.targets.process import ServerProcess
from conformance.targets.server import ServerTarget

LISTS = st.lists(st.integers(0, 9), max_size=8)
SERVE_MUTANT = Path(__file__).parents[2] / "mutants" / "serve.py"


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> ServerContext:
    """A context whose target is only said to serve, for properties that do not connect."""
    target = ServerTarget(TargetConfig(server="127.0.0.1:1"), Settings(examples=200))
    monkeypatch.setattr(target, "is_serving", lambda: True)
    return ServerContext(target, seed=1)


def test_as_many_examples_are_tried_as_the_settings_say(context: ServerContext) -> None:
    tried: list[object] = []
    for_all(context, st.integers(), tried.append)
    assert len(tried) == 200


def test_server_that_fails_only_now_and_then_has_failed(context: ServerContext) -> None:
    calls, fresh = itertools.count(), itertools.count()

    def holds(example: object) -> None:
        del example
        if next(calls) == 20:
            raise Violation("now and then")

    with pytest.raises(Violation, match="now and then"):
        for_all(context, st.integers().map(lambda each: (each, next(fresh))), holds)  # none is like an earlier one


def test_examples_depend_on_the_seed_alone() -> None:
    def drawn(seed: int) -> list[object]:
        found: list[object] = []
        for_all(ServerContext(ServerTarget(TargetConfig(server="127.0.0.1:1")), seed=seed), LISTS, found.append)
        return found

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_failing_example_is_shrunk_and_alone_in_the_trace(context: ServerContext) -> None:
    def holds(numbers: list[int]) -> None:
        context.trace.event("*", f"sum {sum(numbers)}")
        if sum(numbers) > 20:
            raise Violation("too much")

    with pytest.raises(Violation, match="too much"):
        for_all(context, LISTS, holds)
    example, total = [entry.text for entry in context.trace.entries]
    assert total == "sum 21"
    assert example.startswith("example [")


def test_server_that_fails_only_once_has_failed(context: ServerContext) -> None:
    failed: list[object] = []

    def holds(example: int) -> None:
        if example > 5 and not failed:
            failed.append(example)
            raise Violation("only once")

    with pytest.raises(Violation, match="only once"):
        for_all(context, st.integers(0, 100), holds)
    assert context.trace.entries[0].text == f"example {failed[0]}"


def test_shrinking_on_a_slow_server_ends_in_time(context: ServerContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(property_testing, "SHRINKING_SECONDS", 0.3)
    spent: list[float] = []

    def holds(example: list[int]) -> None:
        if len(example) > 2:
            time.sleep(0.05)
            spent.append(0.05)
            raise Violation("slow")

    with pytest.raises(Violation, match="slow"):
        for_all(context, st.lists(st.integers(), max_size=50), holds)
    assert sum(spent) < 1.0


@pytest.mark.parametrize(("kind", "seconds"), [(Late, "WAITING_SECONDS"), (Violation, "SHRINKING_SECONDS")])
def test_when_the_time_is_over_hypothesis_ends_and_the_smallest_example_counts(
    context: ServerContext, monkeypatch: pytest.MonkeyPatch, kind: type[Violation], seconds: str
) -> None:
    monkeypatch.setattr(property_testing, seconds, 0.0)
    tried: list[list[int]] = []

    def holds(example: list[int]) -> None:
        tried.append(example)
        if len(example) > 2:
            raise kind("wrong")

    with pytest.raises(kind, match="wrong"):
        for_all(context, LISTS, holds)
    assert len(tried[-1]) > 2  # nothing was tried after the first failure
    assert [each.text for each in context.trace.entries] == [f"example {tried[-1]!r}"]


def reboot(context: ServerContext, word: str) -> None:
    peer = context.connect()
    peer.send(peer.request_message("system", {"action": word}))
    peer.receive()


@pytest.mark.parametrize(("wrong", "message"), [("dies", SERVER_ENDED), ("hangs", "the server did not answer in time")])
def test_server_that_an_example_ends_or_hangs_is_replaced_and_the_example_found(wrong: str, message: str) -> None:
    with ServerTarget(TargetConfig(command=mini(wrong)), Settings(time_scale=0.3)) as target:
        context = ServerContext(target, seed=1)
        words = st.sampled_from(["ping", "get_time", "reboot"])
        with pytest.raises(Violation, match=message):
            for_all(context, words, lambda word: reboot(context, word))
        assert context.trace.entries[0].text == "example 'reboot'"
        assert target.is_serving()


def test_server_of_somebody_else_that_is_gone_is_not_tried_on() -> None:
    server = ServerProcess(mini("dies"))
    target = ServerTarget(TargetConfig(server=str(server.address)), Settings(time_scale=0.3))
    context, tried = ServerContext(target, seed=1), list[str]()

    def holds(words: list[str]) -> None:
        tried.append(repr(words))
        for word in words:
            reboot(context, word)

    try:
        with pytest.raises(Violation):
            for_all(context, st.lists(st.sampled_from(["ping", "reboot"]), max_size=5), holds)
    finally:
        server.stop()
    assert sum("reboot" in each for each in tried) == 1


def test_script_of_a_failing_program_shows_the_fault_without_the_kit(tmp_path: Path) -> None:
    """SUB-005: a second subscribe makes the server deliver twice."""
    wrong = f"{quote(sys.executable)} {quote(str(SERVE_MUTANT))} SUB-005 --port {{port}} --responder"
    options = ("--seed", "1", "--time-scale", "0.1", "--start-timeout", "60")
    done = run_on(wrong, "--case", "properties/any-program*", *options)
    assert done.returncode == 1, done.stdout
    assert re.search(r"^  example +\[connect\(", done.stdout, re.MULTILINE)
    lines = done.stdout.partition("  script ")[2].partition("\n  again ")[0].splitlines()[1:]
    (tmp_path / "replay.py").write_text("\n".join(line[4:] for line in lines))
    assert deliveries(tmp_path, wrong) > deliveries(tmp_path, REFERENCE) > 0


def deliveries(folder: Path, command: str) -> int:
    """Run the script on a server and count the publishes that came."""
    server = ServerProcess(command)
    try:
        replay = [sys.executable, str(folder / "replay.py"), *str(server.address).split(":")]
        done = subprocess.run(replay, capture_output=True, text=True, check=False, timeout=30)
    finally:
        server.stop()
    return done.stdout.count('"message_type":"publish"')


def test_trace_that_lacks_octets_gives_no_script() -> None:
    trace = Trace()
    trace.octets("A", "sent", b"\xff" * (SHOWN_OCTETS + 1))
    assert as_script(trace.as_json()) == []


def test_script_does_what_the_kit_did() -> None:
    trace = Trace()
    trace.event("A", "connected")
    trace.octets("A", "sent", b"\0\0\0\2{}")
    trace.event("A", "ends its sending side")
    trace.event("A", "resets the connection")
    trace.event("A", "end of stream")
    script = as_script(trace.as_json())
    assert script[-5:] == [
        "A = connect()",
        'A.sendall(bytes.fromhex("000000027b7d"))  # {}',
        "A.shutdown(socket.SHUT_WR)",
        "reset(A)",
        "# A: end of stream",
    ]


def test_model_replaces_forgets_and_owes() -> None:
    model = ServerModel()
    older, nobody = model.connect("app", "name")
    other, _ = model.connect("else", "name")
    for member in (older, other):
        member.channels.add("c")
    model.publish(older, "c", {"n": 1})
    assert (nobody, older.take_owed(), older.take_owed(), other.owed) == (None, [{"n": 1}], [], [])
    newer, replaced = model.connect("app", "name")
    model.publish(newer, "c", {"n": 2})
    assert (replaced, newer.owed, older.owed) == (older, [], [])
    model.leave(newer)
    assert model.connect("app", "name")[1] is None


def test_machine_and_reference_server_agree_on_a_program_with_every_verb() -> None:
    verbs = ("connect", "subscribe", "publish", "stray", "speak_for_another", "ask", "unsubscribe", "listen", "leave")
    with ServerTarget(TargetConfig(command=REFERENCE)) as target:
        context = ServerContext(target, seed=1)
        Machine(context).run(
            [Step("connect", n, n) for n in range(3)] + [Step(v, n, n) for n in range(4) for v in verbs]
        )
        context.close()


def test_almost_valid_bodies_are_often_valid_and_often_not() -> None:
    message = {"payload": {"action": "ping"}, "timestamp": 1}
    found: list[bytes] = []
    context = ServerContext(ServerTarget(TargetConfig(server="127.0.0.1:1"), Settings(examples=300)), seed=1)
    for_all(context, strategies.bodies(st.just(message)), found.append)
    assert b'{"payload":{"action":"ping"},"timestamp":1}' in found
    assert len(set(found)) > 100
    assert message == {"payload": {"action": "ping"}, "timestamp": 1}
