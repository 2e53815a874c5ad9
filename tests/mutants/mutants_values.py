"""Mistakes about values, and about the places through which they pass."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from typing import Any

import msgspec
from mutants_encoding_values import _change_delivered, _change_objects, _change_values
from mutation import around, mutant, replace

from reference_server.broker import Broker
from reference_server.network.handler_runner import HandlerRunner
from reference_server.profiles import batch
from reference_server.profiles.discovery import ServiceRegistry
from reference_server.profiles.queue import manager
from reference_server.profiles.queue.job_store import JobStore
from reference_server.responder import Responder


def _of_integers(change: Callable[[int], object]) -> Callable[[Any], Any]:
    """Return what changes integers, written as such or not."""

    def changed(value: Any) -> Any:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return change(value) if type(value) is int else value

    return changed


@mutant("ENC-016/64-bit")
def clamped_to_64_bits() -> None:
    """Integers of a payload above 64 bits become the largest of 64 bits."""
    _change_values(_of_integers(lambda value: min(value, 2**64 - 1)))


@mutant("ENC-016/signed")
def signed_64_bits() -> None:
    """Integers of a payload from 2**63 on become negative."""
    _change_values(_of_integers(lambda value: value - 2**64 if 2**63 <= value < 2**64 else value))


@mutant("ENC-016/rounded-integers")
def rounded_integers() -> None:
    """Integers of a payload beyond 2**53 are rounded to fifteen digits."""
    _change_values(_of_integers(lambda value: value if not 2**53 < abs(value) < 1e300 else int(float(f"{value:.14e}"))))


@mutant("ENC-016/long-integers")
def long_integers() -> None:
    """Integers of a payload beyond 1e21 become strings."""
    _change_values(_of_integers(lambda value: value if abs(value) < 1e21 else str(value)))


@mutant("ENC-016/delivered-integers")
def rounded_integers_delivered() -> None:
    """Integers beyond 64 bits are rounded when they are delivered."""

    def change(body: bytes) -> bytes:
        return re.sub(rb"(?<![0-9.eE\"-])([0-9]{14})([0-9]{6,})(?![0-9.eE\"])", lambda m: m[1] + b"0" * len(m[2]), body)

    _change_delivered(change)


@mutant("SUB-012/timestamp")
def timestamp_in_milliseconds() -> None:
    """The timestamp of a publish is delivered with three digits behind the point."""

    def change(body: bytes) -> bytes:
        message = json.loads(body)
        message["timestamp"] = round(float(message["timestamp"]), 3)
        return json.dumps(message, ensure_ascii=False).encode()

    _change_delivered(change)


@mutant("SUB-012/64-bit-timestamp")
def timestamp_of_64_bits() -> None:
    """The timestamp of a publish is delivered as an integer of 64 bits, where it is an integer."""

    def change(body: bytes) -> bytes:
        message = json.loads(body)
        if float(message["timestamp"]).is_integer():
            message["timestamp"] = min(int(message["timestamp"]), 2**63 - 1)
        return json.dumps(message, ensure_ascii=False).encode()

    _change_delivered(change)


def fifteen(value: Any) -> Any:
    """Return a value whose numbers keep fifteen digits."""
    if isinstance(value, dict):
        return {name: fifteen(each) for name, each in value.items()}
    if isinstance(value, list):
        return [fifteen(each) for each in value]
    return float(f"{value:.15g}") if isinstance(value, float) else value


@mutant("ENC-016/emitted")
def fifteen_digits_emitted() -> None:
    """Numbers of messages from the server keep fifteen digits."""

    @around(Broker, "originate")
    def originate(original: Any, self: Broker, *address: Any) -> Any:
        return original(self, *address[:-1], fifteen(address[-1]))


@mutant("ENC-016/noted")
def fifteen_digits_noted() -> None:
    """Numbers of notifications keep fifteen digits."""

    async def note(self: Responder, request: Any) -> None:
        await original(self, msgspec.structs.replace(request, payload=fifteen(request.payload)))

    original = replace(Responder, "note", note)


@mutant("ENC-016/batch")
def fifteen_digits_in_batches() -> None:
    """Numbers of a batch's items keep fifteen digits."""

    @around(batch, "answer_item")
    async def answer(original: Any, payload: Any, run: Any) -> Any:
        return await original(fifteen(payload), run)


@mutant("ENC-016/delayed")
def fifteen_digits_delayed() -> None:
    """Numbers that wait in a handler keep fifteen digits."""

    async def delay(self: Responder, request: Any) -> Any:
        return fifteen(await original(self, request))

    original = replace(Responder, "delay", delay)


@mutant("ENC-016/jobs")
def fifteen_digits_in_jobs() -> None:
    """Numbers of a job keep fifteen digits."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, room: int) -> None:
        original(self, queue, fifteen(job), room)


@mutant("QUE-029/digits")
def fifteen_digits_after_a_restart() -> None:
    """After a restart, the numbers of jobs have fifteen digits."""
    _change_at_the_start(fifteen)


@mutant("QUE-029/32-bit")
def short_integers_after_a_restart() -> None:
    """After a restart, the integers of jobs have 53 bits."""

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: change(each) for name, each in value.items()}
        if isinstance(value, list):
            return [change(each) for each in value]
        return value % 2**53 if type(value) is int and value >= 2**53 else value

    _change_at_the_start(change)


@mutant("QUE-029/nul")
def strings_end_at_nul_after_a_restart() -> None:
    """After a restart, the strings of jobs end at a NUL."""

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            return {name.partition("\0")[0]: change(each) for name, each in value.items()}
        if isinstance(value, list):
            return [change(each) for each in value]
        return value.partition("\0")[0] if isinstance(value, str) else value

    _change_at_the_start(change)


def _change_at_the_start(change: Callable[[Any], Any]) -> None:
    @around(JobStore, "_end_leases")
    def end_leases(original: Any, self: JobStore) -> None:
        original(self)
        for place, body in self._sql("SELECT place, body FROM job WHERE body IS NOT NULL").fetchall():
            changed = msgspec.json.encode(change(msgspec.json.decode(body)))
            self._sql("UPDATE job SET body = ? WHERE place = ?", (changed, place))


@mutant("QUE-029/priority")
def priority_after_a_restart() -> None:
    """After a restart, priorities are compared by 32 bits."""

    @around(JobStore, "_end_leases")
    def end_leases(original: Any, self: JobStore) -> None:
        original(self)
        self._sql("UPDATE job SET priority = (priority & 4294967295)")


def _priority_as(change: Callable[[int], object]) -> None:
    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, room: int) -> None:
        original(self, queue, job, room)
        if "priority" in job:
            changed = change(int(job["priority"]))
            self._sql("UPDATE job SET priority = ? WHERE app = ? AND id = ?", (changed, queue[0], job["id"]))


@mutant("QUE-010/32-bit")
def priority_of_32_bits() -> None:
    """Priorities are compared by 32 bits."""
    _priority_as(lambda priority: (priority + 2**31) % 2**32 - 2**31)


@mutant("QUE-010/single")
def priority_of_single_precision() -> None:
    """Priorities are compared as numbers of single precision."""
    _priority_as(lambda priority: struct.unpack("f", struct.pack("f", priority))[0])


@mutant("QUE-010/bounded")
def priority_of_ten() -> None:
    """There are priorities from -1000 to 1000; others are taken for the nearest of these."""
    _priority_as(lambda priority: max(-1000, min(1000, priority)))


@mutant("QUE-010/absolute")
def priority_without_sign() -> None:
    """Priorities below zero are compared without their sign."""
    _priority_as(abs)


@mutant("QUE-012/created")
def created_as_integer() -> None:
    """The createdAt of a job loses what is behind the point."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, room: int) -> None:
        original(self, queue, job | ({"createdAt": int(job["createdAt"])} if "createdAt" in job else {}), room)


@mutant("QUE-001/integers")
def integers_are_written_as_such() -> None:
    """An integer that is written with a fraction or an exponent is refused."""

    @around(manager, "_read")
    def read(original: Any, payload: Any) -> Any:
        action = original(payload)
        if any(isinstance(payload.get(name), float) for name in ("count", "lease_ms", "delay")):
            raise manager._RefusedError("invalid_message", "not an integer")
        return action


@mutant("DSC-004/connections")
def connections_of_31_bits() -> None:
    """The connections of an instance have 31 bits."""

    @around(ServiceRegistry, "_set")
    def put(original: Any, self: ServiceRegistry, key: Any, instance: Any) -> None:
        original(self, key, instance | {"connections": int(instance["connections"]) & 0x7FFFFFFF})


@mutant("ENC-015/depth")
def deep_values_dropped() -> None:
    """What is nested more than 32 levels deep in a payload becomes null."""

    def cut(value: Any, levels: int = 32) -> Any:
        if isinstance(value, list):
            return [cut(each, levels - 1) for each in value] if levels else None
        if isinstance(value, dict):
            return {name: cut(each, levels - 1) for name, each in value.items()} if levels else None
        return value

    @around(HandlerRunner, "_request")
    def request(original: Any, self: HandlerRunner, *arguments: Any) -> Any:
        made = original(self, *arguments)
        return msgspec.structs.replace(made, payload=cut(made.payload))


@mutant("ENC-015/long-names")
def long_names_cut() -> None:
    """Member names of a payload end after 1024 characters."""
    _change_objects(lambda members: {name[:1024]: each for name, each in members.items()})


@mutant("ENC-015/many")
def many_dropped() -> None:
    """Arrays of a payload keep a thousand elements."""
    _change_values(lambda value: value[:1000] if isinstance(value, list) else value)


@mutant("SUB-012/reply-to-2")
def reply_to_delivered_trimmed() -> None:
    """The reply_to of a publish is delivered without blanks around it."""

    def change(body: bytes) -> bytes:
        message = json.loads(body)
        if isinstance(message.get("reply_to"), str):
            message["reply_to"] = message["reply_to"].strip() or None
        return json.dumps(message, ensure_ascii=False).encode()

    _change_delivered(change)
