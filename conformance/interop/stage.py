"""What a story acts on: clients under their drivers, each behind a recorder of its own, and one server."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from conformance.core.roles import Role
from conformance.core.settings import Settings
from conformance.core.trace import Trace
from conformance.core.verdicts import Late, TargetError, Unsupported
from conformance.interop.blame import (
    Place,
    failed_connect,
    find_request,
    lacks_handler,
    missing_messages,
    not_requested,
    place,
    unanswered,
    without_handler,
)
from conformance.interop.outcome import Broken, Cause, Stopped
from conformance.protocol.codec import Message, same
from conformance.protocol.responder import RESPONDER_APP
from conformance.proxy.recorder import RecordedLink, Recorder
from conformance.targets.client import ClientTarget
from conformance.targets.config import START_SECONDS, TargetConfig
from conformance.targets.driver import Driver
from conformance.targets.process import ServerProcess, on_a_free_port
from conformance.transport.address import Address

ECHO = "conformance.echo"
REQUEST_MS = 2000
CONNECT_MS = 2500
"""The connection timeout of clients; shorter than the patience with their drivers."""
RECONNECTS = {"reconnect_attempts": 100, "reconnect_delay_ms": 100}
PATIENCE_SECONDS = 3.5
"""For answers of a driver; longer than a request may take."""
COMES_BACK_SECONDS = 10.0
LOOK_SECONDS = 0.02
ENDS_SECONDS = 0.3
"""How long after a failure the recorder may take to see that the client has ended its connection, too."""


class Server:
    """The server of a pair, which stories may kill."""

    def __init__(self, config: TargetConfig) -> None:
        self._config = config
        self._process: ServerProcess | None = None

    @property
    def address(self) -> Address:
        """Where the server listens; it was started."""
        assert self._process, "the server was not started"  # noqa: S101 - the kit's own fault
        return self._process.address

    def start(self) -> None:
        """Start the server, unless it runs.

        Raises:
            TargetError: it does not start.
        """
        if self._process is None or not self._process.is_alive:
            self.kill()
            start = partial(
                ServerProcess,
                self._config.command or "",
                folder=self._config.folder,
                environment=self._config.environment,
                start_seconds=self._config.start_seconds or START_SECONDS,
            )
            self._process = on_a_free_port(start)

    def obituary(self, seconds: float = 0.0) -> str:
        """Return how the server ended by itself, now or within some seconds; an empty text if it did not."""
        return self._process.obituary() if self._process and self._process.wait(seconds) is not None else ""

    def kill(self) -> None:
        """Kill the server, without any cleanup."""
        if self._process:
            self._process.kill()
            self._process.stop()
            self._process = None


@dataclass(frozen=True)
class Asked:
    """A request that a client was told to send."""

    command: int
    channel: str
    payload: Any
    seconds: float
    since: Place


class Actor:
    """One client, with its driver and its recorder.

    Methods raise :class:`Broken`, which names the party at fault, if something does not happen.

    Attributes:
        recorder: everything between this client and the server.
        driver: the driver, for what has no method here.
    """

    def __init__(self, driver: Driver, recorder: Recorder, stage: Stage) -> None:
        self.driver = driver
        self.recorder = recorder
        self._connect_seconds = 0.0
        self._stage = stage
        self._inbox: list[Message] = []

    def create(self, *, reconnects: bool, **options: Any) -> None:
        """Make the client; ``reconnects`` lets it connect again by itself if it ever does."""
        wanted = {"app_id": RESPONDER_APP, **self.recorder.address.client_options, **options}
        hurry = {"connection_timeout_ms": self._stage.scaled(CONNECT_MS)}
        usual = RECONNECTS if reconnects else {"reconnect_attempts": 0}
        attempts = [hurry | usual, usual]
        for chosen in attempts:
            try:
                self.driver.ask("create", **wanted, **chosen)
            except Unsupported:
                if chosen is attempts[-1]:
                    raise
            else:
                self._connect_seconds = chosen.get("connection_timeout_ms", 0) / 1000
                return

    @property
    def links(self) -> list[RecordedLink]:
        """The connections of the client, the newest last."""
        return self.recorder.links

    @property
    def link(self) -> RecordedLink:
        """The newest connection of the client."""
        return self.links[-1]

    @property
    def connection_id(self) -> str:
        """The id that the client gave its newest connection; empty if it gave none."""
        payload = self.link.sent[0].get("payload") if self.link.sent else None
        return str(payload.get("connection_id", "")) if isinstance(payload, dict) else ""

    def connect(self) -> None:
        """Have the client connect."""
        known = len(self.links)
        asked = self.driver.begin("connect")
        try:
            answer = self.driver.answer(asked)
        except Late as late:
            answer = {"error": {"message": str(late)}}
        links = self.links[known:]
        if not answer.get("result", {}).get("connected") or not links or not links[-1].sent:
            self._stage.await_ends()
            links = self.links[known:]
            was_accepted = any(each.acknowledgement for each in self.links[:known])
            link = links[-1] if links else None
            raise failed_connect(link, str(answer), self._connect_seconds, was_accepted=was_accepted)

    def is_connected(self) -> bool:
        """Return true if the client says that it is connected."""
        return bool(self.driver.ask("connection_info").get("connected"))

    def await_connected(self, wanted: bool) -> bool:
        """Wait until the client says that it is connected, or not; return false if it does not in time."""
        return self._stage.wait_for(lambda: self.is_connected() is wanted, COMES_BACK_SECONDS)

    def begin_request(self, channel: str, payload: Any, timeout_ms: float | None = None) -> Asked:
        """Have the client send a request.

        An object gets the ``connection_id``, which the documentation of the deployed package has its users do.
        """
        if isinstance(payload, dict):
            payload = {"connection_id": self.connection_id} | payload
        timeout = self._stage.scaled(REQUEST_MS if timeout_ms is None else timeout_ms)
        since = place(self.links)
        command = self.driver.begin("send_request", channel=channel, payload=payload, timeout_ms=timeout)
        return Asked(command, channel, payload, timeout / 1000, since)

    def find(self, asked: Asked) -> tuple[RecordedLink, Message] | tuple[None, None]:
        """Return the request that the client sent, and its connection; None if it sent none."""
        return find_request(self.links, asked.channel, asked.payload, asked.since)

    def sent(self, asked: Asked) -> tuple[RecordedLink, Message]:
        """Return the request that the client sent, and its connection."""
        link, request = self.find(asked)
        if link is None or request is None:
            raise not_requested(self.links, asked.channel, since=asked.since)
        return link, request

    def await_sent(self, asked: Asked) -> None:
        """Wait until the client has sent a request."""
        self._stage.wait_for(lambda: self.find(asked)[1] is not None, PATIENCE_SECONDS)
        self.sent(asked)

    def outcome(self, asked: Asked) -> Message:
        """Return what the driver says about a request: a response or an error.

        Raises:
            Unsupported: the server has no handler of the responder for it.
        """
        answer = self.driver.answer(asked.command)
        link, request = self.find(asked)
        response = link.response_to(request) if link and request else None
        if response and lacks_handler(asked.channel, response):
            raise without_handler(asked.channel)
        return answer

    def response(self, asked: Asked) -> Message:
        """Return the response that the client hands over for a request."""
        answer = self.outcome(asked)
        if "error" in answer:
            raise self._unanswered(asked, answer["error"]["message"])
        response: Message = answer["result"].get("response") or {}
        return response

    def request(self, channel: str, payload: Any) -> Any:
        """Send a request and return the payload of its response."""
        return self.response(self.begin_request(channel, payload)).get("payload")

    def echo(self, value: Any) -> None:
        """Have a value echoed, and show that it comes back unchanged."""
        self.finish_echo(self.begin_request(ECHO, value))

    def finish_echo(self, asked: Asked) -> None:
        """Show that the payload of a request to the echo comes back unchanged."""
        found = self.response(asked).get("payload")
        if not same(found, asked.payload):
            detail = f"{str(found)[:300]} in place of {str(asked.payload)[:300]}"
            raise self._unanswered(asked, detail, is_changed=True)

    def _unanswered(self, asked: Asked, detail: str, *, is_changed: bool = False) -> Exception:
        self._stage.await_ends()
        return unanswered(
            *(self.links, asked.channel, asked.payload, detail),
            patience=asked.seconds,
            is_changed=is_changed,
            since=asked.since,
        )

    def settle(self) -> None:
        """Wait until the server has processed everything that the client sent."""
        self.echo({"settled": True})

    def subscribe(self, *channels: str) -> None:
        """Subscribe to channels, and wait until the server has processed that."""
        for channel in channels:
            self.driver.ask("subscribe", channel=channel)
        self.settle()

    def publish(self, channel: str, *payloads: Any) -> None:
        """Publish payloads on a channel, in order."""
        begun = [self.driver.begin("publish", channel=channel, payload=payload) for payload in payloads]
        for each in begun:
            self.driver.finish(each)

    def expect(self, channel: str, payloads: list[Any], *publishers: Actor) -> None:
        """Show that the client hands over exactly these payloads on a channel, in order.

        Args:
            channel: the channel.
            payloads: what was published on it, in all.
            publishers: the clients that published; none if the server did.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS * self._stage.scale
        while len(self.received(channel)) < len(payloads) and time.monotonic() < deadline:
            self._take(len(payloads) - len(self.received(channel)))
        if not same(self.received(channel), payloads):
            senders = [each.link for each in publishers]
            raise missing_messages(self.links, channel, payloads, self.received(channel), senders)

    def received(self, channel: str) -> list[Any]:
        """Return the payloads that the client has handed over on a channel."""
        self._inbox += [event["message"] for event in self.driver.take("message")]
        return [message.get("payload") for message in self._inbox if message.get("channel_id") == channel]

    def _take(self, count: int) -> None:
        self._inbox += [event["message"] for event in self.driver.gather("message", count)]


class Stage:
    """The stage of one story, or of several that leave their clients as they found them.

    Attributes:
        server: the server.
        trace: everything that was recorded in this story.
        notes: what was not as it should be, although the story went on.
        actors: the clients.
        scale: the factor of all deadlines.
    """

    def __init__(
        self, client: TargetConfig, server: Server, scale: float, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self.server = server
        self.trace = Trace()
        self.notes: list[Cause] = []
        self.actors: list[Actor] = []
        self.scale = scale
        self._client = client
        self._stopped = stopped
        self._names = itertools.count(1)
        self._busy = 0
        self._stack = contextlib.ExitStack()

    def next_story(self) -> None:
        """Forget what was recorded; the clients are used again."""
        self.trace.restart()
        self.notes = []
        self._busy = 0
        for actor in self.actors:
            actor.recorder.forget_breaches()

    def client(self, *, reconnects: bool = False, **options: Any) -> Actor:
        """Return a client that is connected: one of an earlier story, or a new one."""
        self._busy += 1
        if self._busy <= len(self.actors):
            return self.actors[self._busy - 1]
        actor = self._new_client(reconnects=reconnects, **options)
        actor.connect()
        return actor

    def _new_client(self, *, reconnects: bool, **options: Any) -> Actor:
        recorder = Recorder(self.server.address, self.trace, f"{len(self.actors) + 1}")
        self._stack.enter_context(recorder)
        target = ClientTarget(self._client, Settings(time_scale=self.scale))
        driver = target.drive(self.trace, self._check, self._check)
        self._stack.callback(driver.stop)
        driver.patience = PATIENCE_SECONDS * self.scale
        actor = Actor(driver, recorder, self)
        self.actors.append(actor)
        actor.create(reconnects=reconnects, **options)
        return actor

    def channel(self, name: str) -> str:
        """Return the name of a channel that no other story uses."""
        return f"{name}-{id(self):x}-{next(self._names)}"

    def note(self, party: Role, requirement: str, message: str) -> None:
        """Note something that is not as it should be, although the story goes on."""
        self.notes.append(Cause(party, requirement, message))

    def scaled(self, milliseconds: float) -> int:
        """Return a time of a story, longer by the factor of all deadlines."""
        return int(milliseconds * self.scale)

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition is true; return false if it is not in time.

        Raises:
            Stopped: the run ends.
        """
        deadline = time.monotonic() + seconds * self.scale
        while not condition():
            self._check()
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.wait_for(lambda: False, seconds)

    def await_ends(self) -> None:
        """After something failed, let the recorders see whether the clients have ended their connections."""
        self.wait_for(lambda: all(link.ended for link in self.newest_links), ENDS_SECONDS)

    def _check(self) -> None:
        if self._stopped():
            raise Stopped

    def cut_connections(self) -> None:
        """Break the connections of the clients; the server stays, and accepts new ones."""
        for actor in self.actors:
            actor.recorder.cut()

    def kill_server(self) -> None:
        """Kill the server: its clients' connections break, and new ones are refused."""
        for actor in self.actors:
            actor.recorder.ignore_ends()
        self.server.kill()
        for actor in self.actors:
            actor.recorder.vanish()

    def start_server(self) -> None:
        """Start the server again; to the clients it has its old address."""
        try:
            self.server.start()
        except TargetError as error:
            raise Broken("server", "", "the server did not start again", str(error)) from None
        for actor in self.actors:
            actor.recorder.come_back(self.server.address)

    def breaches(self) -> list[Cause]:
        """Return what is wrong with single frames, each kind once."""
        found = (breach for actor in self.actors for breach in actor.recorder.breaches)
        return list(dict.fromkeys(Cause(each.party, each.requirement, each.message) for each in found))

    @property
    def links(self) -> list[RecordedLink]:
        """All connections of the clients."""
        return [link for actor in self.actors for link in actor.links]

    @property
    def newest_links(self) -> list[RecordedLink]:
        """The newest connection of each client that has one."""
        return [actor.link for actor in self.actors if actor.links]

    @property
    def unreached(self) -> str:
        """Why a client's newest connection did not get through to the server; empty if each did."""
        return next((actor.recorder.unreached for actor in self.actors if actor.recorder.unreached), "")

    @property
    def has_lost_server(self) -> bool:
        """True if the server has ended a connection that the client had not."""
        return any(link.ended[:1] == ["server"] for link in self.links)

    def close(self) -> None:
        """End all clients."""
        self._stack.close()


def refuse(condition: bool, party: Role, requirement: str, message: str, detail: str = "") -> None:
    """Raise :class:`Broken` if the condition is true."""
    if condition:
        raise Broken(party, requirement, message, detail)
