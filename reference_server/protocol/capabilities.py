"""What a server can do beyond the core: what its profiles add (chapter PRF), and what it demands of clients (SEC)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from reference_server.protocol.events import Message, RunHandler

SYSTEM: Final = "system"

SECURITY: Final = "security"
"""The profile that a server has when it demands a token or TLS (SEC-001)."""

Action = Callable[[Message], dict[str, Any]]
"""Takes a request on the channel `system`, with a valid envelope and an action, and returns the payload of the answer.

It raises `WireError` where the request breaks a rule of the action's own.
"""


class RequestReader(Protocol):
    """Answers some requests in place of the core: a profile, see `reference_server.profiles.profile`."""

    def read(self, message: Message) -> Any:
        """Return the content of a request for this reader, None for any other request."""

    def at_a_time(self, content: Any) -> int:
        """Return how many calls of the handler `answer` lets run side by side for such content, at most."""

    async def answer(self, content: Any, run_handler: RunHandler) -> Any:
        """Return the payload of the response to a request with such content."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What the connections of one server share.

    Attributes:
        profiles: The names of the profiles that the user chose.
        actions: What requests on `system` can ask for, except `connect`.
        channels: The channels on which only the server publishes (ISO-004).
        families: What the names of further such channels begin with.
        acknowledged: Further members of the acknowledgement.
        readers: Who may take a request before the core does, in this order.
        token: The token that clients must show (SEC-002); None if they need none.
        encrypted: Whether clients must speak TLS.

    Raises:
        ValueError: The token is empty.
    """

    profiles: tuple[str, ...] = ()
    actions: Mapping[str, Action] = field(default_factory=dict)
    channels: frozenset[str] = frozenset({SYSTEM})
    families: tuple[str, ...] = ()
    acknowledged: Mapping[str, Any] = field(default_factory=dict)
    readers: tuple[RequestReader, ...] = ()
    token: str | None = field(default=None, repr=False)
    encrypted: bool = False

    def __post_init__(self) -> None:
        if self.token == "":
            raise ValueError("the token is empty, so that anybody has it")

    @property
    def announced_profiles(self) -> tuple[str, ...]:
        """The names that the acknowledgement announces (HSK-007); security follows from token and TLS."""
        is_secured = self.token is not None or self.encrypted
        return (*self.profiles, SECURITY) if is_secured else self.profiles

    def admits(self, token: object) -> bool:
        """Return true if a client that shows a token, or None, may connect; takes equally long for any token."""
        if self.token is None:
            return True
        shown = token if isinstance(token, str) else ""
        return hmac.compare_digest(shown.encode(), self.token.encode())

    def reserves(self, channel_id: str) -> bool:
        """Return true if only the server publishes on a channel."""
        return channel_id in self.channels or channel_id.startswith(self.families)
