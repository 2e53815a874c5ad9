"""The golden vectors of a tree, checked against the tree's own schemas, tables and version.

A tree of another protocol has other states, codes and messages. A question about something that its tables do not have
is left open, and an open question contradicts no vector.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs

from conformance.gate.inputs.table_cells import channels_in, is_same_channel
from conformance.gate.inputs.table_columns import RESERVES
from conformance.gate.model.release import Release
from conformance.gate.model.spec_table import Row
from conformance.gate.schemas.views import Views
from conformance.protocol.codec import Ambiguous, BadBody, decode

ENVELOPE = "envelope"
APPLICATION = "conformance"
"""The application of the connection on which a vector is sent."""
_LEVELS, _ITEMS, _BODY = "levels", "items", "frame limit of a server"
"""Rows of the table of limits: by unit, the nesting and the number of items, and by name, the length of a body."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a body: the code of an error or, without one, the schema of the answer; and the reason."""

    code: str | None
    answer: str
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Every outcome of a body conforms; at most a SHOULD recommends one of them."""

    why: str


def vector_problems(release: Release) -> Iterator[tuple[str, str]]:
    """Find the vectors that contradict the rest of a version; yield the id of each, and what is wrong with it."""
    judge = _Judge(release)
    for id_, vector in release.vectors.items():
        problem = judge.problem(vector)
        if problem:
            yield id_, problem


class _Judge:
    """Derives outcomes from the schemas, tables and number of one version."""

    def __init__(self, release: Release) -> None:
        self._release, self._views = release, Views.of(release)
        self._messages = [row for row in release.tables["messages"].values() if row["from"] == "client"]
        self._codes: dict[str, list[Row]] = {}
        for row in release.tables["error-codes"].values():
            self._codes.setdefault(row["code"], []).append(row)
        states = release.tables["states"].values()
        self._states = {row[column] for row in states for column in ("state", "next state")}
        self._first_states = {row["state"] for row in states} - {row["next state"] for row in states}
        self._guaranteed: dict[str, int] = {}
        for row in release.tables["limits"].values():
            for name in (row["unit"], row["limit"]) if row["bound"] == "at least" else ():
                self._guaranteed[name] = min(int(row["value"]), self._guaranteed.get(name, int(row["value"])))
        self._validator = cache(lambda reference: jsonschema_rs.Draft202012Validator(self._views.receiver(reference)))

    def problem(self, vector: Any) -> str | None:
        """Return what is wrong with a vector, or None."""
        return self._problem_of_names(vector) or self._problem_of_error(vector["expect"]) or self._contradiction(vector)

    def _problem_of_names(self, vector: Any) -> str | None:
        unknown = [each for each in vector["requirements"] if each not in self._release.requirements]
        if unknown:
            return f"names the requirement {unknown[0]}, which no chapter has"
        profile, state = vector.get("profile"), vector["state"]
        if profile is not None and profile not in self._release.tables["profiles"]:
            return f"is for the profile {profile}, which the table of profiles does not have"
        if self._states and state not in self._states:
            return f"is for the state {state}, which the table of states does not have"
        return None

    def _problem_of_error(self, expect: Any) -> str | None:
        if expect.get("outcome") != "error":
            return None
        code, rows = expect.get("code"), self._codes.get(str(expect.get("code")), [])
        if self._codes and not rows:
            return f"expects the error {code}, which no table of error codes has"
        said = {True: "yes", False: "no"}.get(expect.get("fatal"))
        if said and rows and said not in {row["fatal"] for row in rows}:
            return f"expects {code} with fatal {said}, but the table of error codes says {rows[0]['fatal']}"
        return None

    def _contradiction(self, vector: Any) -> str | None:
        expect, outcome = vector["expect"], self._outcome(vector)
        if isinstance(outcome, Choice):
            is_duty = any(self._release.requirements[id_].is_must for id_ in vector["requirements"])
            return f"names a MUST, but {outcome.why}; every server may choose" if is_duty else None
        if outcome is None or (outcome.code is not None and outcome.code not in self._codes):
            return None
        wanted = _in_words(expect.get("code"), expect.get("answer", "none"))
        if expect.get("outcome") == "accepted" and outcome.code is None and expect.get("answer") == outcome.answer:
            return None
        if expect.get("outcome") == "error" and outcome.code == expect.get("code"):
            return None
        return f"expects {wanted}, but {outcome.why}; that gives {_in_words(outcome.code, outcome.answer)}"

    def _outcome(self, vector: Any) -> Outcome | Choice | None:
        """Return the outcome of a vector; None if the version leaves it open, or is a protocol of another kind."""
        if not self._release.tables["envelopes"] or ENVELOPE not in self._release.schemas:
            return None
        body = vector["body"]
        octets = bytes.fromhex(body["hex"]) if "hex" in body else body["text"].encode()
        if self._is_beyond(_BODY, len(octets)):
            return Choice(f"it has {len(octets)} octets, more than every server accepts")
        try:
            message = decode(octets)
        except Ambiguous as error:
            return Choice(str(error))
        except BadBody as error:
            return Outcome("malformed_frame", "", str(error))
        if self._is_beyond(_LEVELS, _depth(message)):
            return Choice("it is nested deeper than every server accepts")
        return self._first(message, vector) if vector["state"] in self._first_states else self._later(message, vector)

    def _is_beyond(self, limit: str, number: int) -> bool:
        """Return true if a number is larger than what the table of limits guarantees."""
        return number > self._guaranteed.get(limit, number)

    def _first(self, message: Any, vector: Any) -> Outcome | None:
        """Return the outcome of the first message of a connection."""
        schema = self._whole("connect")
        if not schema:
            return None
        wrong = self._refusal(schema, message)
        if wrong:
            return Outcome("handshake_required", "", wrong)
        if vector["expect"].get("code") == "unauthorized":  # the token decides, which only the server knows
            return None
        row = next((each for each in self._messages if each["message"] == "connect"), None)
        payload = message["payload"]
        if row is None or not isinstance(payload, dict):
            return None
        own = str(self._release.version.major)
        stated = payload.get("protocol", self._default(row["payload"], "protocol"))
        if isinstance(stated, str) and stated.partition(".")[0] != own:
            return Outcome("unsupported_protocol", "", f"protocol {stated} has not the major number {own}")
        return Outcome(None, row["answer"], f"{schema} accepts it")

    def _later(self, message: Any, vector: Any) -> Outcome | Choice | None:
        """Return the outcome of a message on an open connection."""
        wrong = self._refusal(ENVELOPE, message)
        if wrong:
            return Outcome("invalid_message", "", wrong)
        kind = message["message_type"]
        if kind == "response":
            return Outcome(None, "none", "a response is discarded")
        if message["app_id"] != APPLICATION:
            return Outcome("app_mismatch", "", f"its app_id is {message['app_id']!r}")
        wrong = self._payload_refusal(message)
        if wrong:
            return Outcome("invalid_message", "", wrong)
        return self._requested(message, vector) if kind == "request" else self._sent(message, vector)

    def _payload_refusal(self, message: Any) -> str | None:
        """Return why a schema refuses a message for its type, or the payload of one that is no request."""
        kind = message["message_type"]
        refusals = [self._refusal(self._whole(kind), message)]
        rows = [row for row in self._messages if row["type"] == kind != "request"]
        refusals += [self._refusal(row["payload"], message["payload"]) for row in rows]
        return next(filter(None, refusals), None)

    def _sent(self, message: Any, vector: Any) -> Outcome:
        """Return the outcome of a valid message that is no request."""
        kind, channel, own = message["message_type"], message["channel_id"], vector.get("connection_id")
        named = message["payload"].get("connection_id") if isinstance(message["payload"], dict) else None
        if kind in ("subscribe", "unsubscribe") and named != own:
            return Outcome("forbidden", "", "it names another connection_id than the connection")
        if kind == "publish" and self._is_reserved(channel, vector.get("profile")):
            return Outcome("reserved_channel", "", f"the channel {channel} is reserved for the server")
        return Outcome(None, "none", "the schemas accept it")

    def _requested(self, message: Any, vector: Any) -> Outcome | Choice | None:
        """Return the outcome of a request with a valid envelope."""
        channel, payload, profile = message["channel_id"], message["payload"], vector.get("profile")
        rows = [row for row in self._messages if row["type"] == "request" and row["profile"] in ("", profile)]
        own = [row for row in rows if row["channel"] == channel]
        shared = [row for row in rows if row["channel"] == "any" and channel not in self._core_channels()]
        action = payload.get("action") if isinstance(payload, dict) else None
        row = next((each for each in [*own, *shared] if each["message"] == action), None)
        if row is not None and self._whole(row["message"]):  # a second handshake
            return Outcome("already_connected", "", "the handshake is complete")
        wrong = self._refusal(row["payload"], payload) if row is not None else None
        if wrong:
            return Outcome("invalid_message", "", wrong)
        if own:
            return self._acted(row if row in own else None, action, channel, vector)
        if channel in self._release.tables["responder"]:
            return Choice(f"the handler of {channel} is optional")
        lists = [each for each in payload.values() if isinstance(each, list)] if row is not None else []
        if any(self._is_beyond(_ITEMS, len(each)) for each in lists):
            return Choice("it has more items than every server accepts")
        return Outcome("no_handler", "", f"the schemas accept it, and {channel} has no handler")

    def _acted(self, row: Row | None, action: Any, channel: str, vector: Any) -> Outcome | None:
        """Return the outcome of a request on a channel of the protocol."""
        if row is not None:
            of_profile = [each["code"] for each in self._release.tables["error-codes"].values() if each["profile"]]
            is_left_open = vector["expect"].get("code") in (*of_profile, "handler_failed")
            return None if is_left_open else Outcome(None, row["answer"] or "none", "the schemas accept it")
        if not isinstance(action, str):
            return Outcome("invalid_message", "", "its payload names no action")
        is_shared = any((each["channel"], each["message"]) == ("any", action) for each in self._messages)
        return (
            None if is_shared else Outcome("unknown_action", "", f"the table of messages has no {action} on {channel}")
        )

    def _whole(self, name: str) -> str:
        """Return the schema of a whole message of a client, or nothing."""
        return self._release.tables["envelopes"].get(f"{name}/client", {}).get("schema", "")

    def _core_channels(self) -> set[str]:
        return {row["channel"] for row in self._messages if not row["profile"]} - {"any"}

    def _is_reserved(self, channel: str, profile: str | None) -> bool:
        row = self._release.tables["profiles"].get(profile or "", {})
        reserved = [*self._core_channels(), *channels_in(row.get(RESERVES, ""))]
        return any(is_same_channel(each, channel) for each in reserved)

    def _default(self, reference: str, member: str) -> Any:
        schema = self._views.receiver(reference)
        named = schema.get("properties", {}).get(member) if isinstance(schema, dict) else None
        return named.get("default") if isinstance(named, dict) else None

    def _refusal(self, reference: str, value: Any) -> str | None:
        """Return why a schema refuses a value, or None if it accepts it."""
        if not reference or self._validator(reference).is_valid(value):
            return None
        error = next(self._validator(reference).iter_errors(value))
        place = "/".join(map(str, error.instance_path)) or "the root"
        return f"{reference} refuses it: {error.message[:120]} (at {place})"


def _in_words(code: Any, answer: Any) -> str:
    return f"the error {code}" if code else f"acceptance with the answer {answer}"


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return depth
