"""Finds out which handlers of the responder a server has."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from typing import Literal

from conformance.core.verdicts import Violation
from conformance.peers.base import Ended
from conformance.peers.client import ClientPeer
from conformance.protocol.responder import RESPONDER

Answer = Literal["answered", "no_handler", "nothing"]
LOOK_SECONDS = 0.002
LEAST_SHARE, MANY_ANSWERS = 0.5, 10


def find_responder(connect: Callable[[], ClientPeer], patience: float) -> frozenset[str]:
    """Return the names of the responder's handlers that the target has.

    A request to a missing handler is answered with ``no_handler`` (chapter 13). A handler without an answer therefore
    exists, provided that another handler answered: a server without the responder may answer nothing at all. All are
    asked at once, each on its own connection, so that a server that answers none costs only one wait; one by one if the
    server does not serve as many connections. ``silent`` is asked last: if the handlers of a server block each other,
    it serves no connection after that.

    Args:
        connect: opens a connection after its handshake.
        patience: seconds to wait for the answers.

    Raises:
        Violation: the server stopped serving.
    """
    quick = [name for name in RESPONDER if name != "silent"]
    with ExitStack() as stack:
        probes = _connections(connect, stack)
        if probes:
            for name in quick:
                _ask(probes[name], name)
            answers, patience = _answers({name: probes[name] for name in quick}, patience)
        else:
            answers = {name: _answer_alone(connect, name, patience) for name in quick}
        if "answered" not in answers.values():
            return frozenset()
        probe = probes.get("silent") or stack.enter_context(closing(connect()))
        _ask(probe, "silent")
        silent = {"silent"} if _is_silent(probe, time.monotonic() + patience) else set()
    return frozenset(silent | {name for name, answer in answers.items() if answer != "no_handler"})


def _connections(connect: Callable[[], ClientPeer], stack: ExitStack) -> dict[str, ClientPeer]:
    """Return a connection for each handler; none if the server does not serve as many at once.

    Raises:
        Violation: the server does not even serve the first.
    """
    probes: dict[str, ClientPeer] = {}
    for name in RESPONDER:
        try:
            probes[name] = connect()
        except Violation:
            if not probes:
                raise
            for probe in probes.values():
                probe.discard()
            return {}
        stack.callback(probes[name].discard)
    return probes


def _answer_alone(connect: Callable[[], ClientPeer], name: str, patience: float) -> Answer:
    with closing(connect()) as probe:
        _ask(probe, name)
        return _answer(probe, time.monotonic() + patience)


def _answers(probes: Mapping[str, ClientPeer], patience: float) -> tuple[dict[str, Answer], float]:
    """Return what each handler answered, and the seconds that it had for that.

    Once one has answered, the others have only as long as many such answers take.
    """
    start, allowed = time.monotonic(), patience
    answers: dict[str, Answer] = {}
    waiting = dict(probes)
    while waiting and time.monotonic() < start + allowed:
        for name in [each for each, probe in waiting.items() if probe.has_arrived() or probe.is_over]:
            answers[name] = _answer(waiting.pop(name), start + patience)
            if answers[name] != "nothing":
                allowed = min(patience, max(LEAST_SHARE * patience, MANY_ANSWERS * (time.monotonic() - start)))
        time.sleep(LOOK_SECONDS)
    return answers | dict.fromkeys(waiting, "nothing"), allowed


def _ask(probe: ClientPeer, name: str) -> None:
    anything = {"delay_ms": 0, "value": 0, "detail": "", "channel": "x", "count": 0}
    anything |= {"message_type": "publish", "payload": None, "service_type": "x", "remove": "x"}
    probe.send(probe.request_message(f"conformance.{name}", anything))


def _answer(probe: ClientPeer, deadline: float) -> Answer:
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
