"""The states of a connection, as the specification's introduction lists them."""

from __future__ import annotations

import enum
from typing import Final


class State(enum.Enum):
    """Where a connection stands."""

    AWAITING_CONNECT = "awaiting_connect"
    OPEN = "open"
    DRAINING = "draining"
    CLOSING = "closing"
    CLOSED = "closed"


class Step(enum.Enum):
    """What moves a connection from one state to another."""

    CONNECT_ACCEPTED = "connect_accepted"
    FATAL_ERROR = "fatal_error"
    HTTP_DETECTED = "http_detected"
    PEER_ENDED = "peer_ended"
    HANDLER_CLOSED = "handler_closed"
    ANSWERS_DONE = "answers_done"
    LINGER_OVER = "linger_over"
    TRANSPORT_LOST = "transport_lost"


TRANSITIONS: Final[dict[State, dict[Step, State]]] = {
    State.AWAITING_CONNECT: {
        Step.CONNECT_ACCEPTED: State.OPEN,
        Step.FATAL_ERROR: State.CLOSING,
        Step.HTTP_DETECTED: State.CLOSING,
        Step.PEER_ENDED: State.CLOSING,
        Step.TRANSPORT_LOST: State.CLOSED,
    },
    State.OPEN: {
        Step.FATAL_ERROR: State.CLOSING,
        Step.PEER_ENDED: State.DRAINING,
        Step.HANDLER_CLOSED: State.CLOSING,
        Step.TRANSPORT_LOST: State.CLOSED,
    },
    State.DRAINING: {
        Step.ANSWERS_DONE: State.CLOSING,
        Step.FATAL_ERROR: State.CLOSING,
        Step.HANDLER_CLOSED: State.CLOSING,
        Step.TRANSPORT_LOST: State.CLOSED,
    },
    State.CLOSING: {
        Step.PEER_ENDED: State.CLOSED,
        Step.LINGER_OVER: State.CLOSED,
        Step.TRANSPORT_LOST: State.CLOSED,
    },
    State.CLOSED: {},
}


class StateError(Exception):
    """A step was taken that a state does not have: a mistake in the server, not in its peer.

    Attributes:
        state: The state the connection was in.
        step: The step it does not have.
    """

    def __init__(self, state: State, step: Step) -> None:
        super().__init__(state, step)
        self.state = state
        self.step = step

    def __str__(self) -> str:
        return f"{self.step.value} cannot happen in {self.state.value}"


def next_state(state: State, step: Step) -> State:
    """Return the state after a step.

    Raises:
        StateError: The state has no such step.
    """
    try:
        return TRANSITIONS[state][step]
    except KeyError:
        raise StateError(state, step) from None
