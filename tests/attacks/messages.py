"""Attacks with single messages that are expensive to read, to check or to refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import frames
from attack import MEMORY_BUDGET, Finding, attack
from connections import BOUNDED
from scene import scene
from victim import MIB


def _in_turn(bodies: list[bytes], *, after_handshake: bool) -> Finding:
    """Send each body on a connection of its own, and wait for the answer."""
    with scene(*BOUNDED) as acting:
        for number, body in enumerate(bodies):
            link = acting.client(f"c{number}") if after_handshake else acting.link()
            with contextlib.suppress(OSError):
                link.sendall(frames.frame(body))
                link.recv(65536)
    return acting.finding


def _bodies(size: int) -> list[bytes]:
    makers: tuple[Callable[[int], bytes], ...] = frames.BODIES
    return [make(size) for make in makers]


@attack("the first frame of a connection has 64 KiB and is no connect message, in five forms", peak=16)
def first_frames_of_64_kib() -> Finding:
    return _in_turn(_bodies(64 * 1024 - 64), after_handshake=False)


@attack("the first frame of a connection has 1 MiB and is no connect message, in five forms", peak=64)
def first_frames_of_1_mib() -> Finding:
    return _in_turn(_bodies(MIB - 64), after_handshake=False)


@attack("messages of 1 MiB without a valid envelope, in five forms", peak=64)
def invalid_messages_of_1_mib() -> Finding:
    return _in_turn(_bodies(MIB - 64), after_handshake=True)


@attack("messages of 4 MiB without a valid envelope, in five forms", peak=MEMORY_BUDGET)
def invalid_messages_of_4_mib() -> Finding:
    return _in_turn(_bodies(4 * MIB - 64), after_handshake=True)


@attack("a message of 1 MiB that is a list in a list, half a million deep", peak=64)
def deep_messages() -> Finding:
    deep = b"[" * (MIB // 2) + b"]" * (MIB // 2)
    return _in_turn([deep, b'{"payload":' + deep[32:-32] + b"}"], after_handshake=True)


@attack("batches of 10 000 items whose handlers all fail, and of 100 000 items")
def batches() -> Finding:
    with scene(*BOUNDED, "--responder", "--profile", "batch") as acting:
        for number, (items, answer) in enumerate(((10_000, b"handler_failed"),) * 3 + ((100_000, b"invalid_message"),)):
            batch = {"action": "batch_process", "requests": [{"payload": each} for each in range(items)]}
            acting.ask(acting.client(f"c{number}"), frames.message("request", "conformance.fail", batch), answer)
    return acting.finding
