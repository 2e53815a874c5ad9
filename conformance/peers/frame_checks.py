"""Checks of the rules for every frame of one side of a connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from conformance.core.verdicts import BrokenFrame
from conformance.protocol import codec, schemas
from conformance.protocol.codec import Message

MAX_FRAME_WITHOUT_ANNOUNCEMENT = 16_777_216  # LIM-003


class FrameChecks:
    """Checks the frames of one side of a connection, in their order.

    Attributes:
        side: the name of that side in reports.
        schema: the schema that its messages must match.
        max_frame_bytes: the longest body that it may send (LIM-001).

    Args:
        remembered: number of recent message ids to remember; None remembers all.
    """

    side = "the other side"
    schema = "envelope"

    def __init__(self, remembered: int | None = None) -> None:
        self.max_frame_bytes = MAX_FRAME_WITHOUT_ANNOUNCEMENT
        self._ids: deque[str] = deque(maxlen=remembered)
        self._known: set[str] = set()

    def length(self, octets: bytes) -> int:
        """Return the length of the body that a header states.

        Args:
            octets: the header and the octets after it, for the report.

        Raises:
            BrokenFrame: the length is over the limit (LIM-001).
        """
        length = codec.stated_length(octets[: codec.HEADER_BYTES])
        if length > self.max_frame_bytes:
            raise BrokenFrame(
                f"{self.side} sent a header over the frame limit, or lost its framing",
                expected=f"a length of at most {self.max_frame_bytes} (LIM-001)",
                received=f"{length}, octets {bytes(octets[:64]).hex()}",
            )
        return length

    def message(self, body: bytes) -> Message:
        """Return the message in a body.

        Raises:
            BrokenFrame: the body is not a JSON object, or breaks another rule of ENC.
        """
        try:
            return codec.decode(body)
        except codec.BadBody as error:
            raise BrokenFrame(f"{self.side} sent a body that breaks the encoding rules", received=str(error)) from None

    def problems(self, message: Message) -> Iterator[BrokenFrame]:
        """Check a message, the envelope first; call this once per message."""
        wrong = schemas.problem(self.schema, message)
        if wrong:
            yield BrokenFrame(f"{self.side} sent a message that breaks the envelope rules (ENV-001)", received=wrong)

    def _is_repeated(self, identity: object) -> bool:
        """Return true if a message id was used before, and remember it."""
        if not isinstance(identity, str):
            return False
        if identity in self._known:
            return True
        if len(self._ids) == self._ids.maxlen:
            self._known.discard(self._ids[0])
        self._ids.append(identity)
        self._known.add(identity)
        return False


class ServerFrameChecks(FrameChecks):
    """Checks the frames of a server."""

    side = "the server"
    schema = "server-message"

    def problems(self, message: Message) -> Iterator[BrokenFrame]:
        """Check the rules for both sides, and that the id of a response is fresh (REQ-004)."""
        yield from super().problems(message)
        if message.get("message_type") != "response":
            return
        identity = message.get("message_id")
        if self._is_repeated(identity) or identity == message.get("reply_to"):
            yield BrokenFrame(
                "the server used a message_id a second time (REQ-004)",
                expected="a fresh message_id",
                received=codec.shorten(message),
            )


class ClientFrameChecks(FrameChecks):
    """Checks the frames of a client.

    Attributes:
        app_id: the application of its connect message, after that was accepted.
    """

    side = "the client"
    schema = "client-message"

    def __init__(self, remembered: int | None = None) -> None:
        super().__init__(remembered)
        self.app_id = ""

    def problems(self, message: Message) -> Iterator[BrokenFrame]:
        """Check the rules for both sides, that the id is fresh (ENV-004) and the application its own (ENV-012)."""
        yield from super().problems(message)
        if self._is_repeated(message.get("message_id")):
            yield BrokenFrame(
                "the client used a message_id a second time (ENV-004)",
                expected="a fresh message_id",
                received=codec.shorten(message),
            )
        if self.app_id and message.get("app_id", self.app_id) != self.app_id:
            yield BrokenFrame("the client sent another app_id than its own (ENV-012)", received=codec.shorten(message))

    @staticmethod
    def connect_problem(message: Message) -> BrokenFrame | None:
        """Return the problem of a client's first message, which must be a valid connect message (HSK-001), if any."""
        wrong = schemas.problem("connect-message", message)
        if not wrong:
            return None
        return BrokenFrame("the client's first message is not a valid connect message (HSK-001)", received=wrong)
