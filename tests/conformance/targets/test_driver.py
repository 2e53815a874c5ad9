"""Client cases: drivers that are each wrong in one way, and what the relay finds in a client's frames."""

from __future__ import annotations

import json
import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
from kit_commands import invoke, wait_until
from kit_scripted import Link, serving

from conformance.core.settings import Settings
from conformance.core.trace import Trace
from conformance.core.verdicts import TargetError, Unsupported, Verdict, Violation
from conformance.harness.case import Case
from conformance.harness.client_context import ClientContext
from conformance.protocol import codec, schemas
from conformance.proxy.relay import Link as RelayLink
from conformance.proxy.relay import Relay
from conformance.results.case_result import CaseResult
from conformance.runner.case_runner import run_case
from conformance.targets.client import ClientTarget
from conformance.targets.config import TargetConfig
from conformance.targets.driver import COMMANDS, Driver
from conformance.targets.driver_faults import EVENTS
from conformance.targets.manual_driver import Console, ManualClientTarget
from conformance.targets.process import SupervisedProcess
from conformance.transport.address import TcpAddress

GOOD_DRIVER = """
import json, sys, time
for line in sys.stdin:
    command = json.loads(line)
    result = {}
    if command["command"] == "capabilities":
        result = {"name": "x", "version": "1", "language": "Python", "protocol": "1.0", "commands": []}
    elif command["command"] == "create":
        result = {"connection_id": "me"}
    event = {"id": command["id"], "result": result}
    WRONG
    print(json.dumps(event), flush=True)
    if command["command"] == "exit":
        break
"""
AT_CREATE = "if command['command'] == 'create': "


@pytest.fixture
def write_driver(tmp_path: Path) -> Callable[[str], str]:
    """Write a driver with one line more than the good one, and give its command."""

    def write(wrong: str) -> str:
        file = tmp_path / "driver.py"
        file.write_text(GOOD_DRIVER.replace("WRONG", wrong or "pass"))
        return f"{quote(sys.executable)} {quote(str(file))}"

    return write


def outcome(command: str, run: Callable[[ClientContext], Any], patience: float = 5.0) -> CaseResult:
    """Run a client case with a driver."""
    target = ClientTarget(TargetConfig(client=command), Settings(time_scale=patience / 3.0))
    return run_case(Case("made/up", ("HSK-001",), "Made up.", run, role="client"), target)


def process(command: str) -> SupervisedProcess:
    return SupervisedProcess(shlex.split(command), talks=True)


WRONG_DRIVERS: dict[str, tuple[str, Verdict, str, str]] = {
    "is good": ("", Verdict.PASS, "", ""),
    "skips": (
        AT_CREATE + "event = {'id': command['id'], 'skipped': 'no such thing'}",
        Verdict.UNSUPPORTED,
        "the driver skipped a command: no such thing",
        "",
    ),
    "fails": (
        AT_CREATE + "event = {'id': command['id'], 'error': {'message': 'no luck'}}",
        Verdict.FAIL,
        "the client failed at what it was told to do",
        "no luck",
    ),
    "writes no JSON": (
        AT_CREATE + "print('debug: here')",
        Verdict.ERROR,
        "the driver wrote a line that is not JSON: 'debug: here'",
        "",
    ),
    "writes another event": (
        AT_CREATE + "event = {'id': command['id'], 'outcome': 1}",
        Verdict.ERROR,
        "the driver breaks the driver protocol: an answer has one of result, error and skipped; the line is {",
        "",
    ),
    "hands over what is no message": (
        AT_CREATE + "print(json.dumps({'event': 'message', 'channel': 'a', 'handler': 'b', 'message': {'c': 1}}))",
        Verdict.FAIL,
        "the client handed over what is no message",
        '{"c": 1}',
    ),
    "crashes": (
        AT_CREATE + "event = {'event': 'crash', 'error': {'message': 'undefined is not a function'}}",
        Verdict.FAIL,
        "the client crashed",
        "undefined is not a function",
    ),
    "dies": (AT_CREATE + "sys.exit('out of tea')", Verdict.FAIL, "the client's process ended", "out of tea"),
}


@pytest.mark.parametrize("name", WRONG_DRIVERS)
def test_verdict_when_the_driver(name: str, write_driver: Callable[[str], str]) -> None:
    wrong, verdict, message, received = WRONG_DRIVERS[name]
    result = outcome(write_driver(wrong), ClientContext.create)
    assert result.verdict is verdict
    assert message in result.message
    assert received in result.received


def test_verdict_when_the_driver_never_answers(write_driver: Callable[[str], str]) -> None:
    command = write_driver(AT_CREATE + "print('out of tea', file=sys.stderr, flush=True); continue")
    result = outcome(command, ClientContext.create, patience=0.5)
    assert (result.verdict, result.message) == (Verdict.FAIL, "an answer to a command did not come in time")
    assert result.received.endswith("\nIts last output:\n| out of tea")
    assert result.purpose == "Made up."


def test_verdict_when_the_driver_does_not_know_a_command(write_driver: Callable[[str], str]) -> None:
    result = outcome(write_driver(""), lambda context: context.react("news", "default", "disconnect"))
    assert (result.verdict, result.message) == (Verdict.UNSUPPORTED, "the driver does not know the command react")


def test_verdict_when_the_client_never_connects(write_driver: Callable[[str], str]) -> None:
    result = outcome(write_driver(""), ClientContext.accept, patience=1.0)
    assert (result.verdict, result.message) == (Verdict.FAIL, "the client did not connect in time")


NO_DRIVERS = {
    "is absent": ("/nonexistent/driver", "cannot run /nonexistent/driver"),
    "says nothing": (f"{sys.executable} -c 'import time; time.sleep(60)'", "did not come in time"),
    "dies at once": (f"{sys.executable} -c 'import sys; sys.exit(\"no tea\")'", "no tea"),
    "talks": (f"{sys.executable} -c 'print(\"Hello!\", flush=True); input()'", "not JSON: 'Hello!'"),
    "writes an empty line": (f"{sys.executable} -c 'print(flush=True); input()'", "not JSON: ''"),
}


@pytest.mark.parametrize("name", NO_DRIVERS)
def test_no_driver_is_a_target_error(name: str) -> None:
    command, text = NO_DRIVERS[name]
    with pytest.raises(TargetError) as caught:
        outcome(command, ClientContext.create, patience=0.4 if name == "says nothing" else 5.0)
    assert text in str(caught.value)


def test_driver_may_take_longer_to_start_than_to_answer(tmp_path: Path) -> None:
    file = tmp_path / "driver.py"
    file.write_text("import time\ntime.sleep(1)\n" + GOOD_DRIVER.replace("WRONG", "pass"))
    assert outcome(f"{quote(sys.executable)} {quote(str(file))}", ClientContext.create, patience=0.6).message == ""


def test_program_that_never_stops_talking_is_a_target_error_without_a_traceback() -> None:
    with pytest.raises(TargetError, match="the driver wrote a line that is not JSON: 'hello'"):
        outcome("yes hello", ClientContext.create)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x", "no command waits for a result"),
        ("message", "write message CHANNEL JSON"),
        ("message news oops", "write message CHANNEL HANDLER JSON"),
    ],
)
def test_line_that_a_person_mistyped_is_explained(line: str, reason: str) -> None:
    shown: list[str] = []
    console = Console(iter([line]), shown.append)
    console.write(b'{"id": 1, "command": "capabilities"}')
    assert len(list(console.output)) == 1
    assert shown == [f"not understood, type it again: {reason}"]


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("reacted", {"result": {"response": {"payload": "through"}}}),
        ("reacted = [1]", {"result": {"response": {"payload": [1]}}}),
        ("reacted ! no time", {"error": {"message": "no time"}}),
    ],
)
def test_person_types_what_came_of_a_reaction(line: str, outcome: dict[str, Any]) -> None:
    console = Console(iter(["", line]), print)
    console.write(b'{"id": 1, "command": "capabilities"}')
    action = {"command": "send_request", "channel": "asked", "payload": 1}
    console.write(json.dumps({"id": 2, "command": "react", "channel": "news", "action": action}).encode())
    _, answer, event = map(json.loads, console.output)
    assert answer == {"id": 2, "result": {}}
    assert event == {"event": "reacted", "channel": "news", "handler": "default"} | outcome
    assert schemas.problem(EVENTS, event) is None


@pytest.mark.parametrize(
    ("action", "is_valid"),
    [
        ({"command": "send_request", "channel": "a", "payload": None, "timeout_ms": 5}, True),
        ({"command": "send_request", "channel": "a"}, False),
        ({"command": "subscribe", "channel": "a", "handler": "b", "fails": True}, True),
        ({"command": "subscribe"}, False),
        ({"command": "subscribe", "channel": "a", "payload": 1}, False),
        ({"command": "unsubscribe", "channel": "a", "handler": "b"}, True),
        ({"command": "unsubscribe", "channel": "a", "fails": True}, False),
        ({"command": "disconnect"}, True),
        ({"command": "disconnect", "channel": "a"}, False),
        ({"command": "publish", "channel": "a", "payload": 1}, False),
    ],
)
def test_action_of_a_handler_is_a_command_without_an_id(action: dict[str, Any], is_valid: bool) -> None:
    react = {"id": 1, "command": "react", "channel": "news", "action": action}
    assert (schemas.problem(COMMANDS, react) is None) is is_valid


@pytest.mark.parametrize("wrong", ["event['id'] += 1", "event = {'id': command['id'], 'skipped': 'x'}", "print(0)"])
def test_a_driver_without_capabilities_is_ended(wrong: str, write_driver: Callable[[str], str]) -> None:
    stopped = []

    class Watched(Driver):
        def stop(self) -> None:
            super().stop()
            assert isinstance(self._process, SupervisedProcess)
            stopped.append(self._process.is_alive)

    with pytest.raises((TargetError, Unsupported)):
        Watched(process(write_driver(wrong)), Trace(), 0.5)
    assert stopped == [False]


def test_answers_come_in_any_order_and_events_between_them(write_driver: Callable[[str], str]) -> None:
    late = "if command['command'] == 'connect': first = event; continue"
    both = "if command['command'] == 'publish': print(json.dumps({'event': 'connected'})); print(json.dumps(first))"
    driver = Driver(process(write_driver(f"{late}\n    {both}")), Trace(), 5.0)
    try:
        connecting = driver.begin("connect")
        assert not driver.is_answered(connecting)
        driver.ask("publish", channel="a", payload=1)
        assert driver.is_answered(connecting, 5.0)
        assert driver.is_answered(connecting)
        assert driver.finish(connecting) == {}
        assert driver.expect("connected") == {"event": "connected"}
        with pytest.raises(Violation, match="succeeded where it had to fail"):
            driver.failure(driver.begin("disconnect"))
        assert driver.exit_status() == 0
    finally:
        driver.stop()


def to_server(**members: Any) -> codec.Message:
    fixed = {"message_id": "m1", "app_id": "a", "channel_id": "system", "message_type": "request", "timestamp": 1}
    return fixed | {"payload": {"action": "connect", "connection_id": "c", "protocol": "1.0"}} | members


NOBODY = TcpAddress("127.0.0.1", 1)


class Relayed:
    """A raw client behind a relay, with a server that swallows everything."""

    def __init__(self, upstream: TcpAddress) -> None:
        self.told: list[str] = []
        self.relay = Relay(upstream, Trace(), link=RelayLink, on_finding=self.told.append)
        self.relay.__enter__()
        self.client = self.relay.address.connect(5)

    def send(self, *bodies: bytes) -> list[str]:
        """Send frames, wait until the relay took them all in, and return its findings."""
        self.client.sendall(b"".join(map(codec.frame, bodies)))
        trace = self.relay._trace
        assert wait_until(lambda: sum(entry.direction == "sent" for entry in trace.entries) == len(bodies))
        wait_until(lambda: self.relay.findings, 0.1)
        return self.relay.findings


@pytest.fixture
def relayed() -> Iterator[Relayed]:
    with serving(Link.wait_for_the_end) as upstream:
        behind = Relayed(upstream)
        yield behind
        behind.client.close()
        behind.relay.__exit__()


FINDINGS: dict[str, tuple[list[bytes], list[str]]] = {
    "is right": ([codec.encode(to_server())], []),
    "sends no JSON": ([b"hello"], ["not one JSON text (ENC-001)"]),
    "sends Latin-1": ([b'{"a":"\xe4"}'], ["not UTF-8 (ENC-002)"]),
    "pings first": (
        [codec.encode(to_server(payload={"action": "ping"}))],
        ["first message is not a valid connect message (HSK-001)"],
    ),
    "leaves the timestamp out": (
        [codec.encode(to_server()), codec.encode({"message_id": "m2"})],
        ["a message that breaks the envelope rules (ENV-001)"],
    ),
    "changes its application": (
        [codec.encode(to_server()), codec.encode(to_server(message_id="m2", app_id="other"))],
        ["another app_id than its own (ENV-012)"],
    ),
    "uses a message_id twice": (
        [codec.encode(to_server()), codec.encode(to_server(payload={"action": "ping"}))],
        ["used a message_id a second time (ENV-004)"],
    ),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_relay_finds_that_a_client(name: str, relayed: Relayed) -> None:
    bodies, findings = FINDINGS[name]
    found = relayed.send(*bodies)
    assert len(found) == len(findings)
    assert all(part in text for part, text in zip(findings, found, strict=True))
    assert wait_until(lambda: relayed.told == [f"A: {text}" for text in found])


def test_relay_finds_a_length_that_nobody_may_send_and_keeps_none_of_what_follows(relayed: Relayed) -> None:
    relayed.client.sendall(codec.header(2**31) + b"x" * 100_000)
    assert wait_until(lambda: relayed.relay.findings)
    assert "a header over the frame limit" in relayed.relay.findings[0]


def test_relay_passes_octets_on_both_ways_whatever_they_are() -> None:
    def echo(link: Link) -> None:
        while octets := link.socket.recv(65_536):
            link.octets(octets)

    with (
        serving(echo) as upstream,
        Relay(upstream, Trace(), link=RelayLink) as relay,
        relay.address.connect(5) as client,
    ):
        client.sendall(b"\xff" * 100_000)
        client.shutdown(socket.SHUT_WR)
        assert len(b"".join(iter(lambda: client.recv(65_536), b""))) == 100_000


def test_relay_that_is_left_listens_no_more() -> None:
    with Relay(NOBODY, Trace(), link=RelayLink) as relay, relay.address.connect(5) as client:
        assert client.recv(1) == b""  # so its thread is at the next accept, or about to be
    with pytest.raises(OSError, match="refused"):
        relay.address.connect(5)


def test_relay_ends_a_connection_when_nobody_is_behind_it() -> None:
    with Relay(NOBODY, Trace(), link=RelayLink) as relay, relay.address.connect(5) as client:
        assert client.recv(1) == b""


def test_driver_lines_are_in_the_trace(write_driver: Callable[[str], str]) -> None:
    result = outcome(write_driver(AT_CREATE + "sys.exit(0)"), ClientContext.create)
    told = [entry["text"] for entry in result.trace if entry["peer"] == "client"]
    assert json.loads(told[0].removeprefix("told ")) == {"id": 1, "command": "capabilities"}
    assert told[1].startswith("said {")


class Person:
    """Types what a person would who has a raw socket for a client; what to do is what the console shows."""

    def __init__(self, *script: str) -> None:
        self.shown: list[str] = []
        self._script = iter(script)
        self._client: socket.socket | None = None

    def lines(self) -> Iterator[str]:
        for typed in self._script:
            assert wait_until(lambda: any(line.startswith("do: ") for line in self.shown))
            yield self._act(typed) + "\n"

    def hang_up(self) -> None:
        assert self._client
        self._client.close()

    def _act(self, typed: str) -> str:
        words = next(line for line in self.shown if line.startswith("do: "))
        if words.startswith("do: create"):
            options = json.loads(words.removeprefix("do: create "))
            self._client = socket.create_connection((options["host"], options["port"]))
        elif words.startswith("do: connect"):
            assert self._client
            self._client.sendall(codec.frame(codec.encode(to_server(app_id="conformance"))))
        self.shown.remove(words)
        return typed


def test_case_can_be_played_by_hand() -> None:
    def run(context: ClientContext) -> None:
        end = context.connect()
        answer = context.driver.finish(context.driver.begin("send_request", channel="c", payload=1))
        assert answer["response"]["payload"] == {"a": 1}
        assert context.driver.failure(context.driver.begin("publish", channel="c", payload=1)) == "no luck"
        assert context.driver.ask("connection_info")["connected"] is False
        assert context.driver.expect("message")["message"]["payload"] == [2]
        assert context.driver.expect("message")["handler"] == "second"
        assert end.connection_id == "c"

    person = Person("", "", '= {"a": 1}', "! no luck", "no")

    def typed() -> Iterator[str]:
        yield from person.lines()
        yield "what?\n"
        yield "message news [2]\n"
        yield "message news second 3\n"

    case = Case("made/up", ("HSK-001",), "Made up.", run, role="client")
    result = run_case(case, ManualClientTarget(typed(), person.shown.append))
    person.hang_up()
    assert result.verdict is Verdict.PASS, result.message
    assert any("not understood" in line for line in person.shown)


def test_serve_plays_only_client_cases_that_exist() -> None:
    for wrong in ("system/ping", "client-handshake/no-such"):
        done = invoke("serve", "--case", wrong)
        assert done.exit_code == 2
        assert "there is no client case" in done.output


@pytest.mark.parametrize("workers", ["1", "4"])
def test_a_client_without_a_driver_is_told_once_with_its_output_and_status(workers: str) -> None:
    program = "import os, sys, time; os.write(2, b'no such option'); os.close(1); time.sleep(0.2); sys.exit(7)"
    ran = invoke("run", "--client-cmd", f"{quote(sys.executable)} -c {quote(program)}", "-n", workers)
    assert ran.exit_code == 3
    text = ran.output
    assert "no driver answers: the process ended (exit status 7); its last output:\n| no such option\n" in text
    assert text.count("| no such option") == 1
