"""Finds out which handlers of the responder a server has."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Literal

from conformance.core.verdicts import Violation
from conformance.peers.base import Ended
from conformance.peers.client import ClientPeer
from conformance.protocol.responder import RESPONDER


def find_responder(connect: Callable[[], ClientPeer], patience: float) -> frozenset[str]:
    """Return the names of the responder's handlers that the target has.

    A request to a missing handler is answered with ``no_handler`` (chapter 13). A handler without an answer therefore
    exists, provided that another handler answered: a server without the responder may answer nothing at all. All are
    asked at once, each on its own connection, so that a server that answers none costs only one wait. ``silent`` is
    asked last: if the handlers of a server block each other, it serves no connection after that.

    Args:
        connect: opens a connection after its handshake.
        patience: seconds to wait for the answers.

    Raises:
        Violation: the server stopped serving.
    """
    with ExitStack() as stack:
        probes = {name: connect() for name in RESPONDER}
        for probe in probes.values():
            stack.callback(probe.discard)
        quick = [name for name in RESPONDER if name != "silent"]
        for name in quick:
            _ask(probes[name], name)
        deadline = time.monotonic() + patience
        answers = {name: _answer(probes[name], deadline) for name in quick}
        if "answered" not in answers.values():
            return frozenset()
        _ask(probes["silent"], "silent")
        silent = {"silent"} if _is_silent(probes["silent"], time.monotonic() + patience) else set()
    return frozenset(silent | {name for name, answer in answers.items() if answer != "no_handler"})


def _ask(probe: ClientPeer, name: str) -> None:
    anything = {"delay_ms": 0, "value": 0, "detail": "", "channel": "x", "count": 0}
    anything |= {"message_type": "publish", "payload": None, "service_type": "x", "remove": "x"}
    probe.send(probe.request_message(f"conformance.{name}", anything))


def _answer(probe: ClientPeer, deadline: float) -> Literal["answered", "no_handler", "nothing"]:
    probe.patience = max(0.01, deadline - time.monotonic())
    try:
        payload = probe.receive()["payload"]
    except Violation:
        return "nothing"
    missing = isinstance(payload, dict) and payload.get("error", {}).get("code") == "no_handler"
    return "no_handler" if missing else "answered"


def _is_silent(probe: ClientPeer, deadline: float) -> bool:
    probe.patience = max(0.01, deadline - time.monotonic())
    try:
        return not probe.barrier()
    except Ended:
        return False
    except Violation:
        return True
