"""Targets: how they are named, started, attached to and explored; and processes under their supervisor."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from kit_commands import REFERENCE, invoke, mini, new_marker, nothing_left, processes_with, script, wait_until
from kit_scripted import Link, serving

from conformance.core.settings import Settings
from conformance.core.verdicts import TargetError
from conformance.protocol import schemas
from conformance.protocol.responder import RESPONDER
from conformance.results.survey import Finding, State, Survey
from conformance.targets.config import TargetConfig
from conformance.targets.process import ServerProcess, SupervisedProcess, filled_in
from conformance.targets.server import ServerTarget
from conformance.transport.address import TRANSPORTS, Address, TcpAddress, UnixAddress, parse_address

WRONG_OPTIONS = {
    "no server": (
        [],
        "give exactly one of --server HOST:PORT, --server-cmd 'CMD {port}', --client-cmd CMD and --target FILE",
    ),
    "two servers": (["--server", "a:1", "--server-cmd", "x {port}"], "give exactly one of"),
    "no port": (["--server", "localhost"], "'localhost' is neither HOST:PORT"),
    "no host": (["--server", ":80"], "':80' is neither HOST:PORT"),
    "port zero": (["--server", "localhost:0"], "'localhost:0' is neither HOST:PORT"),
    "a port too great": (["--server", "localhost:65536"], "'localhost:65536' is neither HOST:PORT"),
    "a port of other digits": (["--server", "localhost:8٣"], "is neither HOST:PORT"),
    "a command without a place": (["--server-cmd", "my_server"], "the server command has no {port}"),
    "a target file that is absent": (["--target", "/nonexistent/t.toml"], "target file /nonexistent/t.toml: "),
    "a profile nobody has": (
        ["--server", "a:1", "--profile", "nope"],
        "no case has the profile nope; there are",
    ),
}
WRONG_FILES = {
    "not TOML": ("server = ", "target file {file}: "),
    "not UTF-8": ("server = '\udcff'", "target file {file}: 'utf-8' codec"),
    "an unknown member": ("server = 'a:1'\ncolour = 'red'", "'colour' was unexpected"),
    "neither": ("name = 'x'", "target file {file}: "),
    "both": ("server = 'a:1'\ncommand = 'x {port}'", "target file {file}: "),
    "a server without a port": ("server = 'a'", "'a' is neither HOST:PORT"),
    "a command without a place": ("command = 'a'", "the server command has no {port}"),
    "a number for a string": ("server = 8888", "8888 is not of type 'string'"),
    "no time to start": ("command = 'x {port}'\nstart_seconds = 0", "0 is less than or equal to the minimum of 0"),
}


TAKEN = """
import os, pathlib, sys
file = pathlib.Path({file!r})
ports = [*(file.read_text().split() if file.exists() else ()), sys.argv[1]]
file.write_text(" ".join(ports))
if len(ports) <= {times}:
    sys.exit({complaint!r})
os.execv(sys.executable, [sys.executable, {server!r}, "--port", sys.argv[1], "--wrong="])
"""
COMPLAINTS = (
    "OSError: [Errno 98] Address already in use",
    "Error: listen EADDRINUSE: address already in use 127.0.0.1:1",
    "listen tcp 127.0.0.1:1: bind: address already in use",
    'Os { code: 98, kind: AddrInUse, message: "Address in use" }',
)


def taken(folder: Path, times: int, complaint: str) -> tuple[str, Path]:
    """Return the command of a server whose port is taken so often, and the file with the ports that it got."""
    file, server = folder / "ports", Path(__file__).parents[2] / "helpers" / "kit_mini_server.py"
    return script(folder, TAKEN.format(file=str(file), times=times, complaint=complaint, server=str(server))), file


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_server_whose_port_is_taken_gets_another(complaint: str, tmp_path: Path) -> None:
    command, file = taken(tmp_path, 2, complaint)
    with ServerTarget(TargetConfig(command=command), Settings()) as target:
        assert isinstance(target.address, TcpAddress)
        assert file.read_text().split()[-1] == str(target.address.port)
    assert len(set(file.read_text().split())) == 3


def test_server_that_always_finds_its_port_taken_has_failed(tmp_path: Path) -> None:
    command, file = taken(tmp_path, 9, COMPLAINTS[0])
    with pytest.raises(TargetError, match="Address already in use"), ServerTarget(TargetConfig(command=command)):
        pass
    assert len(file.read_text().split()) == 3


@pytest.mark.parametrize("name", WRONG_OPTIONS)
def test_wrong_use_is_one_clear_line(name: str) -> None:
    arguments, text = WRONG_OPTIONS[name]
    result = invoke("run", *arguments)
    *_, last = result.output.strip().splitlines()
    assert result.exit_code == 2
    assert last.startswith("Error: ")
    assert text in last


@pytest.mark.parametrize("name", WRONG_FILES)
def test_wrong_target_file_is_one_clear_line(name: str, tmp_path: Path) -> None:
    content, text = WRONG_FILES[name]
    file = tmp_path / "target.toml"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    result = invoke("run", "--target", str(file))
    assert result.exit_code == 2
    assert text.replace("{file}", str(file)) in result.output.strip().splitlines()[-1]


def test_target_file_says_everything(tmp_path: Path) -> None:
    file = tmp_path / "target.toml"
    file.write_text(
        "name = 'mine'\ncommand = 'x {port}'\nfolder = 'sub'\nstart_seconds = 2.5\nprofiles = ['queue']\n"
        "[environment]\nA = 'b'\n"
    )
    options = TargetConfig.from_file(file)
    assert options == TargetConfig(
        command="x {port}",
        name="mine",
        folder=tmp_path / "sub",
        environment={"A": "b"},
        start_seconds=2.5,
        profiles=("queue",),
        file=file,
    )
    assert (options.title, options.role) == ("mine", "server")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:8888", TcpAddress("localhost", 8888)),
        ("[::1]:80", TcpAddress("::1", 80)),
        ("10.0.0.1:65535", TcpAddress("10.0.0.1", 65535)),
        ("unix:/run/ipc.sock", UnixAddress(Path("/run/ipc.sock"))),
        ("unix:ipc:1", UnixAddress(Path("ipc:1"))),
    ],
)
def test_address_has_a_text(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


def test_target_files_know_the_transports_that_there_are() -> None:
    assert schemas.document("tools/target")["properties"]["transport"]["enum"] == list(TRANSPORTS)


def test_command_line_is_split_as_a_shell_does() -> None:
    assert filled_in("a 'b c' --at={host}:{port} {x} '{}'", {"{host}": "::1", "{port}": "80"}) == [
        *("a", "b c", "--at=::1:80", "{x}", "{}"),
    ]
    assert filled_in("x {port}", {"{port}": "a b"}) == ["x", "a b"]
    with pytest.raises(TargetError, match="No closing quotation"):
        filled_in("'a {port}", {})


def test_spawned_target_is_explored_and_ended() -> None:
    marker = new_marker()
    options = TargetConfig(command=mini(marker=marker), profiles=("queue", "tea"))
    with ServerTarget(options) as target:
        assert target.process
        assert target.process.pids()[-1] in processes_with(marker)
        assert target.profiles == ("tea", "queue")
        assert target.responder == frozenset()
        assert target.is_serving()
        assert target.fresh("x") != target.fresh("x") != ServerTarget(options).fresh("x")
    assert nothing_left(marker)


def test_attached_target_lives_on() -> None:
    with (
        ServerProcessOf(mini()) as server,
        ServerTarget(TargetConfig(server=str(server.address))) as target,
    ):
        assert target.process is None
        assert target.is_serving()
        target.stop()
        assert target.is_serving()


def test_responder_of_the_reference_server_is_found_whole() -> None:
    with ServerTarget(TargetConfig(command=f"{REFERENCE} --profile discovery")) as target:
        assert target.responder == frozenset(RESPONDER)
    with ServerTarget(TargetConfig(command=REFERENCE)) as target:
        assert target.responder == frozenset(RESPONDER) - {"services"}
    with ServerTarget(TargetConfig(command=REFERENCE), handlers=frozenset({"echo"})) as target:
        assert target.responder == {"echo"}


def test_exploring_a_mute_server_takes_one_scaled_wait() -> None:
    with ServerProcessOf(mini("mute")) as server:
        options = TargetConfig(server=str(server.address))
        started = time.monotonic()
        with (
            pytest.raises(TargetError, match="did not answer a connect message"),
            ServerTarget(options, Settings(time_scale=0.1)),
        ):
            pass
    assert time.monotonic() - started < ServerTarget.PROBE_PATIENCE_SECONDS


def test_nobody_there_is_a_target_error() -> None:
    with serving(lambda _: None) as address:
        ServerTarget(TargetConfig(server=str(address))).is_serving()
    with pytest.raises(TargetError, match=f"cannot connect to {address}"):
        ServerTarget(TargetConfig(server=str(address))).__enter__()


def test_a_server_that_acknowledges_as_late_as_in_a_case_serves() -> None:
    def late(link: Link) -> None:
        time.sleep(1.2 * ServerTarget.PROBE_PATIENCE_SECONDS)
        link.shake_hands()

    with serving(late) as address:
        target = ServerTarget(TargetConfig(server=str(address)))
        target.adopt(Survey(answer_seconds=0.3))
        assert target.is_serving()


@pytest.mark.parametrize(("state", "patience"), [(State.SLOWLY, 6.0), (State.YES, 1.5), (State.NO, 1.5)])
def test_deadlines_follow_slow_acknowledgements(state: State, patience: float) -> None:
    target = ServerTarget(TargetConfig(server="127.0.0.1:1"), Settings(time_scale=2.0))
    finding = Finding("acknowledgement", "acknowledges", "survey/acknowledgement", state, 0.3)
    target.adopt(Survey((finding,), answer_seconds=0.001))
    assert target.patience == pytest.approx(patience * 2.0)


class ServerProcessOf:
    """A server process as a context manager."""

    def __init__(self, command: str) -> None:
        self.process = ServerProcess(command)

    def __enter__(self) -> ServerProcess:
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.stop()


START_FAILURES = {
    "a program that is absent": ("/nonexistent/server {port}", "cannot run /nonexistent/server: No such file"),
    "a status": (f"{sys.executable} -c 'import sys; sys.exit(3)' {{port}}", "exit status 3"),
    "a signal": (f"{sys.executable} -c 'import os; os.abort()' {{port}}", "signal 6"),
    "last words": (f"{sys.executable} -c 'import sys; sys.exit(\"no disk\")' {{port}}", "no disk"),
}


@pytest.mark.parametrize("name", START_FAILURES)
def test_server_that_ends_at_once_is_told_by(name: str) -> None:
    command, text = START_FAILURES[name]
    with pytest.raises(TargetError) as caught:
        ServerProcess(command)
    assert text in str(caught.value)


def test_server_in_a_folder_that_is_absent_is_a_target_error(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="does not exist"):
        ServerProcess("x {port}", folder=tmp_path / "none")


def test_process_gets_its_folder_its_environment_and_no_input(tmp_path: Path) -> None:
    look = "import os, sys; print(os.getcwd(), os.environ['A'], repr(sys.stdin.read()))"
    process = SupervisedProcess([sys.executable, "-c", look], folder=tmp_path, environment={"A": "b"})
    assert process.wait(10) == 0
    assert process.tail() == f"| {tmp_path} b ''"
    process.stop()
    process.stop()


def test_tail_is_the_end_of_a_long_output() -> None:
    process = SupervisedProcess([sys.executable, "-c", "print('x' * 3_000_000, 'the end')"])
    assert process.wait(10) == 0
    assert process.tail().endswith("x the end")
    assert len(process.tail()) < 4000
    process.stop()


def test_looking_at_the_tail_disturbs_no_writer() -> None:
    process = SupervisedProcess([sys.executable, "-uc", "for number in range(2000): print(number)"])
    while process.is_alive:
        process.tail()
    assert process.tail().splitlines()[-500:] == [f"| {number}" for number in range(1500, 2000)]
    assert process._output.seek(0, 2) == sum(len(f"{number}\n") for number in range(2000))
    process.stop()


def test_process_is_asked_politely_first() -> None:
    polite = """if True:
        import signal, sys, time
        signal.signal(15, lambda *_: sys.exit('bye'))
        print('up', flush=True)
        while True: time.sleep(0.1)  # signal.pause() would miss a signal that comes just before it
    """
    process = SupervisedProcess([sys.executable, "-c", polite])
    assert wait_until(lambda: "up" in process.tail(), 10)
    process.ask_to_stop()
    assert process.wait(10) == 1
    assert process.tail().endswith("bye")
    process.stop()


def test_stopping_leaves_no_open_file() -> None:
    before = {file.name for file in Path("/proc/self/fd").iterdir()}
    SupervisedProcess([sys.executable, "-c", "pass"], talks=True).stop()
    assert {file.name for file in Path("/proc/self/fd").iterdir()} <= before
