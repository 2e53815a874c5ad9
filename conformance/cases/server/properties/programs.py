"""Programs of connects, subscribes, publishes and closes, run on the server and on a model side by side.

A program is a list of steps that Hypothesis draws, and not one of its own state machines: so a failing one can be
remembered, printed and shrunk within a time limit (see :mod:`conformance.harness.property_testing`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.core.verdicts import Violation
from conformance.harness.decorators import case
from conformance.harness.property_testing import for_all
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.protocol.responder import RESPONDER_APP
from conformance.protocol.server_model import Member, ServerModel

SURPRISE = "a connection got something else than what was published to it"


@dataclass(frozen=True)
class Step:
    """One step: the verb, who takes it (of the live connections, counted round), and what it is about."""

    verb: str
    who: int = 0
    what: int = 0

    def __repr__(self) -> str:
        return f"{self.verb}({self.who}, {self.what})"


@dataclass(eq=False)
class Client:
    """A live connection, on the wire and in the model."""

    peer: ClientPeer
    member: Member


class Machine:
    """The server and the model, and the verbs that act on both.

    Args:
        context: opens the connections; its names make the names of the model's world.
    """

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._model = ServerModel()
        self._clients: list[Client] = []
        self._apps = (RESPONDER_APP, context.name("app"))
        self._names = [context.name("client") for _ in range(3)]
        self._channels = [context.name("channel") for _ in range(2)]

    def run(self, program: list[Step]) -> None:
        """Take every step, and see in the end that everybody got exactly what they had to get.

        Raises:
            Violation: the server did otherwise than the model.
        """
        for step in program:
            if step.verb == "connect":
                self.connect(step.who, step.what)
            elif self._clients:
                VERBS[step.verb](self, self._clients[step.who % len(self._clients)], step.what)
        for client in self._clients:
            self.listen(client, 0)

    def connect(self, who: int, what: int) -> None:
        """Connect under one of a few names, perhaps in the place of an older connection (HSK-020 to HSK-024)."""
        app, name = self._apps[what % 2], self._names[who % 3]
        member, replaced = self._model.connect(app, name)
        client = Client(self._context.connect(app=app, connection_id=name), member)
        for older in [each for each in self._clients if each.member is replaced]:
            self._clients.remove(older)
            self._see_replaced(older)
        self._clients.append(client)

    def subscribe(self, client: Client, what: int) -> None:
        """Subscribe to one of the channels, again perhaps (SUB-004, SUB-005)."""
        client.member.channels.add(self._send_subscription(client, "subscribe", what))
        self.listen(client, what)

    def unsubscribe(self, client: Client, what: int) -> None:
        """Unsubscribe from one of the channels, subscribed or not (SUB-006)."""
        client.member.channels.discard(self._send_subscription(client, "unsubscribe", what))
        self.listen(client, what)

    def publish(self, client: Client, what: int) -> None:
        """Publish on one of the channels (SUB-010 to SUB-014)."""
        message = client.peer.message("publish", self._channel(what), {"n": what})
        client.peer.send(message)
        self._model.publish(client.member, message["channel_id"], message)
        self.listen(client, what)

    def ask(self, client: Client, what: int) -> None:
        """Have a request answered (REQ-001 to REQ-005), by a handler where there is one."""
        handled = client.member.app == RESPONDER_APP and "echo" in self._context.target.responder
        request = client.peer.request_message("conformance.echo" if handled else "nobody", {"n": what})
        client.peer.send(request)
        arrived = []
        with client.peer.blaming("echo" if handled else "error.no_handler"):
            while (answer := client.peer.receive("the response")).get("reply_to") != request["message_id"]:
                arrived.append(answer)
        client.peer.check_deliveries(arrived, client.member.take_owed(), SURPRISE)
        if not handled:
            client.peer.check_error(answer, "no_handler", request)
        elif answer["payload"] != request["payload"]:
            raise Violation("an echo did not give the payload back", received=codec.shorten(answer))

    def speak_for_another(self, client: Client, what: int) -> None:
        """Try to change another connection's subscription (SUB-003, SUB-021, ISO-005)."""
        other = self._clients[what % len(self._clients)]
        if other.member.name == client.member.name:
            return
        kind = ("subscribe", "unsubscribe")[what % 2]
        payload = {"connection_id": other.member.name}
        self._expect_refusal(client, client.peer.message(kind, self._channel(what), payload), "forbidden")

    def stray(self, client: Client, what: int) -> None:
        """Publish in another application (ISO-001, ISO-002)."""
        app = next(each for each in self._apps if each != client.member.app)
        message = client.peer.message("publish", self._channel(what), what, app_id=app)
        self._expect_refusal(client, message, "app_mismatch")

    def listen(self, client: Client, _what: int) -> None:
        """Compare what has arrived at a connection with what it has to get."""
        client.peer.check_deliveries(client.peer.barrier(), client.member.take_owed(), SURPRISE)

    def leave(self, client: Client, what: int) -> None:
        """End the connection, in order or with a reset (SUB-009, ISO-007)."""
        self._clients.remove(client)
        self._model.leave(client.member)
        if what % 2:
            client.peer.reset()
            return
        client.peer.end_sending()
        client.peer.check_deliveries(client.peer.receive_until_end(), client.member.take_owed(), SURPRISE)

    def _channel(self, what: int) -> str:
        return self._channels[what % len(self._channels)]

    def _send_subscription(self, client: Client, kind: str, what: int) -> str:
        channel = self._channel(what)
        client.peer.send(client.peer.message(kind, channel, {"connection_id": client.member.name}))
        return channel

    def _expect_refusal(self, client: Client, message: Message, code: str) -> None:
        self.listen(client, 0)
        client.peer.send(message)
        client.peer.expect_error(code, message)

    def _see_replaced(self, older: Client) -> None:
        """See the last deliveries, the error and the end on a connection that a newer one replaced."""
        *arrived, last = older.peer.receive_until_end() or [{}]
        if not last:
            raise Violation("a connection was replaced without the error session_replaced")
        older.peer.check_deliveries(arrived, older.member.take_owed(), SURPRISE)
        older.peer.check_error(last, "session_replaced", None)


Verb = Callable[[Machine, Client, int], Any]
VERBS: dict[str, Verb] = {
    "subscribe": Machine.subscribe,
    "publish": Machine.publish,
    "unsubscribe": Machine.unsubscribe,
    "ask": Machine.ask,
    "listen": Machine.listen,
    "leave": Machine.leave,
    "speak_for_another": Machine.speak_for_another,
    "stray": Machine.stray,
}
OPENING = [Step("connect", 0), Step("connect", 1), Step("connect", 2, 1)]


@case(
    "properties/any-program-does-what-the-model-does",
    *("HSK-020", "HSK-021", "HSK-023", "HSK-024", "SUB-003", "SUB-004", "SUB-005", "SUB-006", "SUB-007", "SUB-009"),
    *("SUB-010", "SUB-011", "SUB-012", "SUB-013", "SUB-014", "SUB-015", "SUB-016", "SUB-021"),
    *("ISO-001", "ISO-002", "ISO-003", "ISO-005", "ISO-007", "REQ-001", "REQ-005"),
    seconds=0.6,
)
def any_program(context: ServerContext) -> None:
    """Connects, takeovers, subscribes, publishes, requests and closes in any order have the effects of the model."""
    from hypothesis import strategies as st

    def holds(program: list[Step]) -> None:
        Machine(context).run(program)

    steps = st.builds(Step, st.sampled_from(["connect", *VERBS]), st.integers(0, 5), st.integers(0, 5))
    parts = st.lists(st.lists(steps, max_size=10), max_size=10)  # Hypothesis seldom draws long lists
    for_all(context, parts.map(lambda parts: [*OPENING, *itertools.chain(*parts)]), holds)
