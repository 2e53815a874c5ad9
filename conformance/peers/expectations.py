"""What connections expect of a server, according to its survey: how they mark a moment, and how long they wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from conformance.peers.markers import ABILITIES, Marker
from conformance.results.survey import ERROR, Survey

LEAST_IMPATIENCE, FEW_ANSWERS, MOST_IMPATIENCE = 0.1, 3, 1.0
"""A wait for what the server was seen not to do takes as long as so many quick answers; the bounds are in seconds."""
LEAST_WATCH, LATE_ANSWERS, MOST_WATCH = 0.01, 1, 0.1
"""The same for what may come behind the answer to a marker that is no ping."""
UNASKED = frozenset(
    f"{ERROR}{code}" for code in ("shutting_down", "session_replaced", "slow_consumer", "handshake_timeout")
)
"""Errors that a server sends at a time of its own: a connection waits as long as usual for what comes instead."""

NOTHING_KNOWN = Survey()


@dataclass(frozen=True)
class Expectations:
    """What connections expect of a server.

    Attributes:
        survey: what the server can do.
        marker: the message that shows that the server has processed everything before.
        watch_seconds: how long a connection listens after the answer for what may be late, since only pings have a
            place in the order; with :attr:`Marker.SILENCE` it only listens.
        impatience: seconds to wait for what the server was seen not to do; None for as long as usual.
    """

    survey: Survey = NOTHING_KNOWN
    marker: Marker = Marker.PING
    watch_seconds: float = 0.0
    impatience: float | None = None

    @classmethod
    def of(cls, survey: Survey, time_scale: float, *, is_patient: bool) -> Self:
        """Return what to expect of a server.

        Args:
            survey: what it can do; without findings, everything is expected of it.
            time_scale: the factor for every deadline.
            is_patient: whether to wait as long as usual even for what it was seen not to do.
        """
        few = between(LEAST_IMPATIENCE, FEW_ANSWERS * survey.answer_seconds, MOST_IMPATIENCE) * time_scale
        watch = between(LEAST_WATCH, LATE_ANSWERS * survey.answer_seconds, MOST_WATCH) * time_scale
        answered = [each for each, ability in ABILITIES.items() if survey.has(ability) or not survey.findings]
        marker = answered[0] if answered else Marker.SILENCE
        watch_seconds = {Marker.PING: 0.0, Marker.SILENCE: few}.get(marker, watch)
        return cls(survey, marker, watch_seconds, None if is_patient else few)

    @property
    def ability(self) -> str:
        """The ability of the survey that the marker needs."""
        return ABILITIES.get(self.marker, "")

    def patience(self, usual: float, ability: str) -> float:
        """Return the seconds to wait for something that needs an ability."""
        if self.impatience is None or ability in UNASKED or not self.survey.excludes(ability):
            return usual
        return min(usual, self.impatience)


def between(least: float, value: float, most: float) -> float:
    """Return the value, or the bound that it exceeds."""
    return max(least, min(value, most))
