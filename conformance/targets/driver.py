"""The driver of a client under test: a process in the client's language, which reads commands and writes events.

Commands and events are JSON lines (schemas/tools/driver-*).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from conformance.core.trace import Trace
from conformance.core.verdicts import Late, TargetError, Unsupported, Violation
from conformance.protocol import codec, schemas
from conformance.targets.driver_faults import EVENTS, fault

Event = dict[str, Any]
MEANWHILE_SECONDS = 0.02
"""How often the kit does something else while it waits for the driver."""
COMMANDS, MESSAGE = "tools/driver-command", "#/$defs/message"
"""The schema of commands, and the part of the schema of events for those that come by the thousand."""
CLIENT = "client"
"""The name of the driver in the trace."""


class DriverError(TargetError):
    """The driver broke the driver protocol, so nothing can be said about the client."""


class Gone(Violation):
    """The driver's process ended; ``received`` says how, and what it printed last."""


class Input(Protocol):
    """The stream that takes commands."""

    def write(self, line: bytes, /) -> int | None:
        """Write a line."""


class DriverProcess(Protocol):
    """The interface of a driver's process; :class:`SupervisedProcess` implements it."""

    @property
    def input(self) -> Input:
        """Its standard input."""

    @property
    def output(self) -> Iterable[bytes]:
        """The lines of its standard output."""

    def tail(self) -> str:
        """Return the end of its output, except standard output."""

    def obituary(self) -> str:
        """Describe how it ended."""

    def wait(self, seconds: float, /) -> int | None:
        """Wait for its end and return its status, or None if it is still running."""

    def stop(self) -> None:
        """End it."""


class Driver:
    """A running driver.

    Args:
        process: its process.
        trace: records every line.
        patience: seconds to wait for an answer or an event.
        before: called before every command.
        meanwhile: called again and again while the kit waits for the driver.
        start_seconds: seconds to wait for the first answer; None for the usual patience.

    Raises:
        TargetError: the driver does not answer the command ``capabilities``.
    """

    def __init__(
        self,
        process: DriverProcess,
        trace: Trace,
        patience: float,
        *,
        before: Callable[[], None] = lambda: None,
        meanwhile: Callable[[], None] = lambda: None,
        start_seconds: float | None = None,
    ) -> None:
        self._process = process
        self._trace = trace
        self._before = before
        self._meanwhile = meanwhile
        self.patience = patience if start_seconds is None else start_seconds
        self._ids = itertools.count(1)
        self._commands: dict[int, str] = {}
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._waiting: list[Event] = []
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.capabilities: dict[str, Any] = self.ask("capabilities")
        except Gone as end:
            self.stop()
            raise TargetError(f"no driver answers: {end.received}") from None
        except Violation as violation:
            tail = self._process.tail()
            self.stop()
            raise TargetError(f"no driver answers: {violation} {violation.received}\n{tail}") from None
        except BaseException:
            self.stop()
            raise
        self.patience = patience

    def begin(self, command: str, **members: Any) -> int:
        """Send a command and return its id; :meth:`finish` waits for the answer."""
        self._before()
        identity = next(self._ids)
        self._commands[identity] = command
        told = {"id": identity, "command": command} | members
        problem = schemas.problem(f"{COMMANDS}#/$defs/{command}", told)  # of all commands: 10 times as long
        assert problem is None, f"the kit gave a command that is none: {problem}"  # noqa: S101 - the kit's own fault
        line = json.dumps(told)
        self._trace.event(CLIENT, f"told {line}")
        with contextlib.suppress(OSError):
            self._process.input.write(line.encode() + b"\n")
        return identity

    def finish(self, identity: int) -> dict[str, Any]:
        """Return the result of the command with that id.

        Raises:
            Unsupported: the driver skipped it.
            Violation: the command failed, or no answer came.
        """
        answer = self.answer(identity)
        if "error" in answer:
            raise Violation("the client failed at what it was told to do", received=answer["error"]["message"])
        result: dict[str, Any] = answer["result"]
        return result

    def answer(self, identity: int, what: str = "an answer to a command") -> Event:
        """Return the whole answer to the command with that id, a result or an error.

        Raises:
            Unsupported: the driver skipped it.
            Violation: no answer came, or the client crashed.
        """
        answer = self._next(lambda event: event.get("id") == identity, what)
        if "skipped" in answer:
            raise Unsupported(f"the driver skipped a command: {answer['skipped']}")
        return answer

    def is_answered(self, identity: int, seconds: float = 0.0) -> bool:
        """Return true if the answer to the command with that id is there, or comes within ``seconds``."""
        deadline = time.monotonic() + seconds
        while not any(event.get("id") == identity for event in self._waiting):
            event = self._arriving(max(deadline, time.monotonic() + MEANWHILE_SECONDS / 10), "an answer to a command")
            if event is not None:
                self._waiting.append(event)
            elif time.monotonic() >= deadline:
                return False
        return True

    def ask(self, command: str, **members: Any) -> dict[str, Any]:
        """Send a command and return its result; raises the same as :meth:`finish`."""
        return self.finish(self.begin(command, **members))

    def failure(self, identity: int) -> str:
        """Return the error message of the command with that id, which must fail.

        Raises:
            Violation: it succeeded, or did not end in time.
        """
        answer = self.answer(identity, "the failure of a command")
        if "error" not in answer:
            raise Violation("the client succeeded where it had to fail", received=json.dumps(answer))
        message: str = answer["error"]["message"]
        return message

    def expect(self, name: str) -> Event:
        """Wait for an event and return it; keep other events for later.

        Raises:
            Violation: it did not come, or the client crashed.
        """
        return self._next(lambda event: event.get("event") == name, f"the event {name}")

    def listen(self, seconds: float) -> None:
        """Keep for later what comes within ``seconds``; no barrier could show that a client reports nothing more."""
        deadline = time.monotonic() + seconds
        while event := self._arriving(deadline):
            self._waiting.append(event)

    def take(self, name: str) -> list[Event]:
        """Return the events of that name that came before the last answer, without waiting."""
        taken = [event for event in self._waiting if event.get("event") == name]
        self._waiting = [event for event in self._waiting if event.get("event") != name]
        return taken

    def gather(self, name: str, count: int) -> list[Event]:
        """Wait until ``count`` events of that name have come, or none comes for the usual patience; return all of them.

        A client may report its messages from another thread than its answers, and so after an answer.
        """
        taken = self.take(name)
        while len(taken) < count and (event := self._arriving(time.monotonic() + self.patience)):
            self._waiting.append(event)
            taken += self.take(name)
        return taken

    def tail(self) -> str:
        """Return the end of its output, except its events."""
        return self._process.tail()

    def stop(self) -> None:
        """End the driver."""
        self._process.stop()

    def exit_status(self) -> int | None:
        """Tell the driver to exit, and return its exit status; None if the process does not end in time."""
        self.begin("exit")
        deadline = time.monotonic() + self.patience
        while (status := self._process.wait(MEANWHILE_SECONDS)) is None and time.monotonic() < deadline:
            self._meanwhile()
        return status

    def _next(self, wanted: Callable[[Event], bool], what: str) -> Event:
        self._before()
        deadline = time.monotonic() + self.patience
        while True:
            for event in self._waiting:
                if wanted(event):
                    self._waiting.remove(event)
                    return event
            self._waiting.append(self._receive(deadline, what))

    def _receive(self, deadline: float, what: str) -> Event:
        event = self._arriving(deadline, what)
        if event is None:
            raise Late(f"{what} did not come in time", received=json.dumps(self._waiting[-5:]))
        return event

    def _arriving(self, deadline: float, what: str = "an event") -> Event | None:
        """Return the next line of the driver, or None if none comes before the deadline."""
        try:
            line = self._line(deadline)
        except TimeoutError:
            return None
        if line is None:
            raise Gone("the client's process ended", expected=what, received=self._process.obituary())
        try:
            event: Event = json.loads(line)
        except ValueError:
            raise DriverError(f"the driver wrote a line that is not JSON: {line[:200]!r}") from None
        is_message = isinstance(event, dict) and event.get("event") == "message"  # thousands may come
        if schemas.problem(EVENTS + MESSAGE if is_message else EVENTS, event):
            raise DriverError(f"the driver breaks the driver protocol: {fault(event, self._commands)}")
        if event.get("event") == "crash":
            raise Violation("the client crashed", received=json.dumps(event))
        handed = event["message"] if is_message else event.get("result", {}).get("response", {"payload": None})
        if "payload" not in handed:
            raise Violation("the client handed over what is no message", received=codec.shorten(handed))
        return event

    def _line(self, deadline: float) -> str | None:
        """Return the next line, or None at the end of the output; raise TimeoutError if nothing comes in time."""
        while (rest := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                return self._lines.get(timeout=min(rest, MEANWHILE_SECONDS))
            self._meanwhile()
        raise TimeoutError

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # stop() closes the output, whatever is still written to it
            for octets in self._process.output:
                line = octets.decode("utf-8", "replace").rstrip("\n")
                self._trace.event(CLIENT, f"said {line[:2000]}")
                self._lines.put(line)
                if not line.startswith("{"):
                    break  # no event, which ends the case: a program that goes on writing must not fill the memory
        self._lines.put(None)
