"""What a server offers: its profiles, and what they add to the core (chapter PRF)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reference_server.protocol.messages import Message
from reference_server.protocol.system_actions import ACTIONS

SYSTEM: Final = "system"

Action = Callable[[Message], dict[str, Any]]
"""Takes a request on the channel `system`, with a valid envelope and an action, and returns the payload of the answer.

It raises `WireError` where the request breaks a rule of the action's own.
"""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What the connections of one server share.

    Attributes:
        profiles: The names that the acknowledgement announces.
        actions: What requests on `system` can ask for, `connect` aside.
        channels: The channels on which only the server publishes (ISO-004).
        families: What the names of further such channels begin with.
        acknowledged: Further members of the acknowledgement.
        token: What clients have to show (SEC-002); None when they need not show anything.
    """

    profiles: tuple[str, ...] = ()
    actions: Mapping[str, Action] = field(default_factory=lambda: ACTIONS)
    channels: frozenset[str] = frozenset({SYSTEM})
    families: tuple[str, ...] = ()
    acknowledged: Mapping[str, Any] = field(default_factory=dict)
    token: str | None = field(default=None, repr=False)

    def admits(self, token: object) -> bool:
        """Tell whether a client that shows a token, or None, is let in; takes as long for any token."""
        if self.token is None:
            return True
        shown = token if isinstance(token, str) else ""
        return hmac.compare_digest(shown.encode(), self.token.encode())

    def reserves(self, channel_id: str) -> bool:
        """Tell whether only the server publishes on a channel."""
        return channel_id in self.channels or channel_id.startswith(self.families)
