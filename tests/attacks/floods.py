"""Attacks with very many messages: does another client still get its answers, and what does the log grow to?"""

from __future__ import annotations

import frames
from attack import Finding, attack
from scene import scene
from victim import MIB

TURN = 64 * 1024
"""About how many octets an attacker sends at a time."""


def _flood(one: bytes, answer: bytes, *, attackers: int = 1) -> Finding:
    """Send a frame over and over for two seconds; its first answer has the octets `answer`, if it has one."""
    with scene("--responder", "--profile", "batch") as acting:
        links = [acting.client(f"c{number}") for number in range(attackers)]
        if answer:
            acting.ask(links[0], one, answer)
        copies = max(1, TURN // len(one))
        acting.finding.facts["frames/s"] = acting.flood(links, one * copies) * copies / 2
    return acting.finding


@attack("one connection sends the message {} as fast as it can")
def flood_of_empty_objects() -> Finding:
    return _flood(frames.frame(b"{}"), b"invalid_message")


@attack("one connection sends invalid messages of 2 KiB")
def flood_of_invalid_messages() -> Finding:
    return _flood(frames.frame(frames.members(2048)), b"invalid_message")


@attack("one connection sends requests whose handler fails")
def flood_of_failing_requests() -> Finding:
    return _flood(frames.message("request", "conformance.fail", None), b"handler_failed")


@attack("16 connections send requests whose handlers fail")
def floods_of_failing_requests() -> Finding:
    return _flood(frames.message("request", "conformance.fail", None), b"handler_failed", attackers=16)


@attack("one connection sends requests that are echoed")
def flood_of_echoes() -> Finding:
    return _flood(frames.message("request", "conformance.echo", "x" * 100), b'"payload":"xxx')


@attack("one connection sends requests of 1 MiB that are echoed")
def flood_of_long_echoes() -> Finding:
    return _flood(frames.message("request", "conformance.echo", ["x" * 1000] * (MIB // 1004)), b'"payload":["xxx')


@attack("one connection subscribes and unsubscribes")
def flood_of_subscriptions() -> Finding:
    both = frames.subscribe("c0", "news") + frames.message("unsubscribe", "news", {"connection_id": "c0"})
    return _flood(both, b"")


@attack("one connection publishes on a channel without subscribers")
def flood_of_publishes() -> Finding:
    return _flood(frames.message("publish", "news", {"n": 1}), b"")


@attack("one connection sends requests whose handler fails, and the log is a pipe that nobody reads")
def unread_log() -> Finding:
    with scene("--responder", reads_log=False) as acting:
        failing = frames.message("request", "conformance.fail", None)
        links = [acting.client("c0")]
        acting.ask(links[0], failing, b"handler_failed")
        acting.finding.facts["frames/s"] = acting.flood(links, failing * 100) * 50
        acting.victim.read_the_log()
    return acting.finding
