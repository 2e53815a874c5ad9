"""The additions of the profiles to the protocol, for cases that depend on them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Action:
    """An action on ``system``: the schema of its answer, and that of its payload if there is one."""

    answer: str
    payload: str = "system-request"


@dataclass(frozen=True)
class Profile:
    """One profile: the channels on which only the server publishes, and the actions that it adds to ``system``.

    ``family`` is the prefix of further such channels.
    """

    channels: tuple[str, ...] = ()
    family: str | None = None
    actions: dict[str, Action] = field(default_factory=dict)


CORE = {"ping": Action("pong"), "get_time": Action("time")}
"""The actions of every server, except ``connect``."""

PROFILES = {
    "batch": Profile(),
    "discovery": Profile(
        channels=("service_discovery", "service_instances"),
        actions={
            "list_services": Action("services"),
            "get_service_instances": Action("service-instances", "service-instances-request"),
        },
    ),
    "security": Profile(),
    "queue": Profile(channels=("queue_manager",), family="queue:"),
}
"""The profiles that this version of the protocol defines."""


def actions_with(profiles: Collection[str]) -> dict[str, Action]:
    """Return the actions of a server that announces ``profiles``."""
    added = [PROFILES[name].actions for name in profiles if name in PROFILES]
    return CORE | {action: details for actions in added for action, details in actions.items()}


def is_reserved(channel: str, profiles: Collection[str]) -> bool:
    """Return true if only a server that announces ``profiles`` publishes on a channel (ISO-004)."""
    announced = [PROFILES[name] for name in profiles if name in PROFILES]
    return channel == "system" or any(
        channel in each.channels or (each.family and channel.startswith(each.family)) for each in announced
    )
