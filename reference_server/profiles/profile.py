"""What a profile is to the server (chapter PRF): the hooks that it may override."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, Protocol

from reference_server.handlers import HandlerFunction
from reference_server.protocol.capabilities import Action
from reference_server.protocol.events import Message, RunHandler
from reference_server.protocol.limits import Limits

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Announce(Protocol):
    """Publishes a message of the server's own."""

    def __call__(self, app_id: str | None, channel_id: str, payload: object) -> None:
        """Send it to the subscribers of the channel in an application, or in every one for None."""


@dataclass(frozen=True, kw_only=True)
class ProfileContext:
    """What a server lends to its profiles.

    Attributes:
        limits: The limits of the server.
        state: The state file that the user named; None for data that end with the process.
        announce: Publishes on a channel of the profile; call it in the event loop.
        in_loop: Calls a function with arguments in the thread of the event loop, and returns what it returns. Before
            the server runs it calls the function at once.
    """

    limits: Limits
    state: Path | None
    announce: Announce
    in_loop: Callable[..., Any]


class Profile:
    """One optional part of the protocol, in one server.

    A subclass sets the attributes, on the class or in its constructor, and overrides the methods that it needs. Each
    default adds nothing. `registry.PROFILES` lists the subclasses.

    Attributes:
        name: The name in the acknowledgement and on the command line.
        keeps: What the profile keeps in the state file, such as ``jobs``; empty if it has no use for one. At most one
            profile may keep anything.
        channels: The channels on which only the server publishes (ISO-004); users cannot register handlers there.
        families: What the names of further such channels begin with.
        actions: The actions that the profile adds to the channel `system`.
        handlers: The handlers of requests on the profile's channels, for every application.
        acknowledged: The members that the profile adds to the acknowledgement.
    """

    name: ClassVar[str]
    keeps: ClassVar[str] = ""
    channels: Collection[str] = ()
    families: tuple[str, ...] = ()
    actions: Mapping[str, Action] = _NOTHING
    handlers: Mapping[str, HandlerFunction] = _NOTHING
    acknowledged: Mapping[str, Any] = _NOTHING

    def __init__(self, context: ProfileContext) -> None:
        self._context = context

    async def open(self) -> None:
        """Begin to work, before the first connection; a server that starts again opens its profiles again.

        Raises:
            ProfileError: The profile cannot start; nothing is left open.
        """

    async def close(self) -> None:
        """Finish what has begun, after the last connection."""

    def session_ended(self, session: int) -> None:
        """Release what a connection held.

        Called when the connection no longer takes requests and again when it ends, with `Request.session`.
        """

    def read(self, message: Message) -> Any:  # noqa: ARG002 - for subclasses
        """Return the content of a request that the profile answers, None for any other request.

        The message is a valid request on a channel other than `system`. The profile answers it only if the channel has
        a handler; otherwise the client gets `no_handler`.

        Raises:
            WireError: The request breaks a rule of the profile.
        """
        return None

    def at_a_time(self, content: Any) -> int:  # noqa: ARG002 - for subclasses
        """Return how many calls of the handler `answer` lets run side by side for such content, at most.

        They count for `max_in_flight_bytes`.
        """
        return 1

    async def answer(self, content: Any, run_handler: RunHandler) -> Any:
        """Return the payload of the response to a request.

        Args:
            content: What `read` returned for the request.
            run_handler: Runs the handler of the request's channel on a payload. Raises `HandlerFailedError`.

        Raises:
            HandlerFailedError: The client gets `handler_failed`, as it does for any other exception.
        """
        raise NotImplementedError(f"profile {self.name!r} reads requests, and does not answer them")
