"""All profiles of this server. Only this module, the profiles themselves and the sample handlers name one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reference_server.profiles.batch import BatchProfile
from reference_server.profiles.discovery import DiscoveryAttributes, DiscoveryProfile
from reference_server.profiles.profile import Profile
from reference_server.profiles.queue.profile import QueueProfile

PROFILES: Final[dict[str, type[Profile]]] = {each.name: each for each in (BatchProfile, DiscoveryProfile, QueueProfile)}
"""The profiles that a server can offer, by name."""


class ProfileAttributes(DiscoveryAttributes):
    """The attributes that profiles add to `ReferenceServer`; a profile that adds some is one more base."""


def chosen(names: Iterable[str]) -> list[type[Profile]]:
    """Return the profiles of some names, without repetitions.

    Raises:
        ValueError: There is no such profile.
    """
    wanted = dict.fromkeys(names)
    if unknown := wanted.keys() - PROFILES:
        raise ValueError(f"there is no profile {min(unknown)!r}; there are {', '.join(PROFILES)}")
    return [PROFILES[name] for name in wanted]


def keepers() -> dict[str, str]:
    """Return what each profile keeps in a state file, by name, for the profiles that keep something."""
    return {name: kind.keeps for name, kind in PROFILES.items() if kind.keeps}
