"""Run the example programs that ipc-framework ships, with its own example server and with ours.

``python tests/shipped_examples/run.py`` needs ipc-framework 1.1.2. Each program is run as shipped, except for the port
(``conformance/implementations/ipc_framework/example.py``), and gets typed what a user would type. It has to print the
same with the package's ``ipc-server`` and with the reference server and ``reference_server.examples.deployed``.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from conformance.cli.ends import ended_in_a_line
from conformance.targets.process import ServerProcess

EXAMPLE = Path(__file__).parents[2] / "conformance" / "implementations" / "ipc_framework" / "example.py"
SERVERS = {
    "ipc-framework": f"python -u {shlex.quote(str(EXAMPLE))} server {{port}}",
    "reference_server": "python -m reference_server --port {port} --handlers reference_server.examples.deployed",
}
"""The servers by name."""
PROMPT_SECONDS = 60.0
"""How long a program has to print what it is waited for, and to end."""


class Program:
    """A running example, whose input and output a scene uses."""

    def __init__(self, name: str, port: int, *arguments: str) -> None:
        pipe = subprocess.PIPE
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
        command = [sys.executable, str(EXAMPLE), name, str(port), *arguments]
        self.name = name
        self.output = ""
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, env=environment, text=True, encoding="utf-8"
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        while text := self.process.stdout.read(1):
            self.output += text

    def type(self, line: str) -> None:
        """Type a line."""
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def expect(self, *patterns: str) -> None:
        """Wait until the output has these patterns, in this order.

        Raises:
            AssertionError: They did not come in time.
        """
        deadline = time.monotonic() + PROMPT_SECONDS
        whole = re.compile(".*?".join(patterns), re.S)
        while not whole.search(self.output):
            is_over = time.monotonic() > deadline or not self._reader.is_alive()
            assert not is_over or whole.search(self.output), f"{self.name}: no {patterns} in\n{self.output}"
            time.sleep(0.05)

    def expect_end(self) -> None:
        """Wait until the program has ended by itself, without an error.

        Raises:
            AssertionError: It did not, or with another status than 0, or a traceback.
        """
        status = self.process.wait(PROMPT_SECONDS)
        self._reader.join()
        assert status == 0, f"{self.name}: status {status}\n{self.output}"
        assert "Traceback" not in self.output, f"{self.name}:\n{self.output}"

    def stop(self) -> None:
        """End the program, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            stream.close()


@contextmanager
def started(name: str, port: int, *arguments: str) -> Iterator[Program]:
    """Run a program inside the block."""
    program = Program(name, port, *arguments)
    try:
        yield program
    finally:
        program.stop()


def chat(port: int) -> None:
    """Two people in a room: each sees the other come, and what the other says."""
    with started("chat", port, "bob") as bob:
        bob.expect(r"You are in #general")  # so that it sees the other one come
        with started("chat", port, "alice") as alice:
            talk(bob, alice)


def talk(bob: Program, alice: Program) -> None:
    """Have two people say something in two rooms, and leave."""
    alice.expect(r"You are in #general")
    bob.expect(r"\[general\] \*\*\* alice joined the channel \*\*\*")
    alice.type("hello, everybody")
    bob.expect(r"\[general\] alice: hello, everybody")
    bob.type("/join tech_talk")
    alice.expect(r"\[tech_talk\] \*\*\* bob joined the channel \*\*\*")
    bob.type("is this on?")
    alice.expect(r"\[tech_talk\] bob: is this on\?")
    for each in (alice, bob):
        each.type("/quit")
        each.expect(r"Disconnected from chat server\.")
        each.expect_end()


def files(port: int) -> None:
    """An upload whose progress is told, and a download that is answered."""
    with started("file", port) as program:
        program.type("carol")
        program.expect("File client 'carol' connected")
        program.type("upload report.pdf 1000")
        program.expect(r"\[STATUS\] Upload report\.pdf: 100% - completed")
        program.type("download report.pdf")
        program.expect("Download ready:", r"URL: http://example\.com/files/report\.pdf", "Expires in: 3[56]")
        program.type("quit")
        program.expect_end()


def files_of_three(port: int) -> None:
    """Three clients at a time, as the example simulates them."""
    with started("file", port, "sim") as program:
        program.expect("Upload phase completed", "Download ready:", "File operations completed")
        program.expect_end()
        assert "timed out" not in program.output, program.output


def monitoring(port: int) -> None:
    """A metric that is too high is told to those who subscribed, another one is not."""
    with started("monitor", port) as program:
        program.type("web-1")
        program.expect("Monitoring client 'web-1' connected")
        program.type("metric cpu_usage 45")
        program.type("metric cpu_usage 95")
        program.expect(r"ALERT \[WARNING\]: high_cpu_alert", r"Current: 95\.0%", "Threshold: 80%")
        program.type("quit")
        program.expect_end()
        assert "Current: 45" not in program.output, program.output


def demo(port: int) -> None:
    """The tour through everything."""
    with started("demo", port) as program:
        program.expect("Monitor connected", "ALERT: high_cpu_alert - cpu_usage at 85%")
        program.expect_end()
        for line in ("Expected error from disconnected client: ConnectionError", "Demo completed!"):
            assert line in program.output, program.output
        announcements = program.output.count("ANNOUNCEMENT: Server maintenance scheduled")
        assert announcements == 2, program.output


SCENES: tuple[Callable[[int], None], ...] = (demo, files_of_three, files, monitoring, chat)


def problem(scene: Callable[[int], None], name: str, port: int) -> str:
    """Return what was wrong in a scene with a server; empty if nothing was."""
    try:
        scene(port)
    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
        return f"{scene.__name__} with {name}: {error}"
    return ""


def main() -> int:
    """Run every scene with every server."""
    with ended_in_a_line(), ExitStack() as stack, ThreadPoolExecutor(len(SCENES)) as pool:
        runs = []
        for name, command in SERVERS.items():
            server = ServerProcess(command)
            stack.callback(server.stop)
            port = int(server.address.places["{port}"])
            runs += [pool.submit(problem, scene, name, port) for scene in SCENES]
        problems = [each.result() for each in runs if each.result()]
    click.echo("\n".join(problems), nl=bool(problems))
    click.echo(f"{len(SCENES)} scenes with {len(SERVERS)} servers, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
