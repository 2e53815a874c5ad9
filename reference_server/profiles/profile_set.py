"""The profiles of one server, taken together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from reference_server.handlers import HandlerFunction
from reference_server.profiles.profile import Profile, ProfileContext
from reference_server.protocol.capabilities import SYSTEM, Capabilities
from reference_server.protocol.system_actions import ACTIONS

_Profile = TypeVar("_Profile", bound=Profile)


class ProfileSet:
    """Makes the profiles of a server, and passes on to each what happens to the server.

    Args:
        kinds: The profiles, in the order in which they are announced.
        context: What the server lends them.
    """

    def __init__(self, kinds: Iterable[type[Profile]], context: ProfileContext) -> None:
        self._profiles = [kind(context) for kind in kinds]
        self._opened = AsyncExitStack()

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._profiles)

    def get(self, kind: type[_Profile]) -> _Profile:
        """Return the profile of a class.

        Raises:
            RuntimeError: The server does not offer it.
        """
        for profile in self._profiles:
            if isinstance(profile, kind):
                return profile
        raise RuntimeError(f"the server does not offer the profile {kind.name!r}; give ReferenceServer profiles=")

    def capabilities(self, *, token: str | None, encrypted: bool) -> Capabilities:
        """Return what the connections of the server share.

        Raises:
            ValueError: The token is empty.
        """
        return Capabilities(
            profiles=tuple(profile.name for profile in self),
            actions=ACTIONS | _merged(profile.actions for profile in self),
            channels=frozenset({SYSTEM}).union(*(profile.channels for profile in self)),
            families=tuple(family for profile in self for family in profile.families),
            acknowledged=_merged(profile.acknowledged for profile in self),
            # Only those that read: plain requests must not pay for the others.
            readers=tuple(profile for profile in self if type(profile).read is not Profile.read),
            token=token,
            encrypted=encrypted,
        )

    @property
    def handlers(self) -> Mapping[str, HandlerFunction]:
        """The handlers of requests on channels of the profiles."""
        return _merged(profile.handlers for profile in self)

    async def open(self) -> None:
        """Open every profile, or none.

        Raises:
            ProfileError: A profile cannot start.
        """
        async with AsyncExitStack() as opened:
            for profile in self:
                await profile.open()
                opened.push_async_callback(profile.close)
            self._opened = opened.pop_all()

    async def close(self) -> None:
        """Close every profile, the last one first."""
        await self._opened.aclose()

    def session_ended(self, session: int) -> None:
        """Let every profile release what a connection held."""
        for profile in self:
            profile.session_ended(session)


def _merged(tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for table in tables for name, value in table.items()}
