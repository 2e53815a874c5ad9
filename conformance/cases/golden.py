"""The golden vectors of ``schemas/vectors``, each sent to the server as one case."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from conformance import schemas, wire
from conformance.case import Case, add
from conformance.connection import FATAL, Connection
from conformance.peer import Ended
from conformance.scene import Scene
from conformance.vectors import Vector, load
from conformance.verdicts import Violation

ANSWERS = {"pong": "pong", "time": "time"}
"""The expected answers that are system payloads, and their schemas."""


def golden(scene: Scene, vector: Vector) -> None:
    """Send the vector's body on a connection in the vector's state, and compare what the server makes of it."""
    peer = scene.open(connection_id=vector.connection_id)
    if vector.state == "open":
        peer.handshake()
        peer.expect_silence()
    peer.send_body(vector.body)
    if vector.expect["outcome"] == "error":
        _expect_error(peer, vector.expect)
    elif vector.expect["answer"] == "acknowledgement":
        _expect_acknowledgement(peer, json.loads(vector.body))
    elif vector.expect["answer"] != "none":
        _expect_answer(peer, vector.expect["answer"], json.loads(vector.body))
    if vector.expect.get("code") in FATAL:
        scene.check_alive()
    else:
        peer.expect_silence()


def _expect_error(peer: Connection, expect: dict[str, Any]) -> None:
    wanted = {name: expect[name] for name in ("reply_to", "channel_id", "app_id")}
    try:
        answer = peer.receive()
    except Ended as end:
        message = f"the server ended the connection without the error {expect['code']}"
        raise Violation(message, expected=wire.shorten(expect), received=str(end)) from None
    problem = schemas.problem("error-message", answer)
    if problem or answer["payload"]["error"]["code"] != expect["code"]:
        raise Violation(
            f"expected the error {expect['code']} and got something else",
            expected=wire.shorten(expect),
            received=f"{wire.shorten(answer)} {problem or ''}",
        )
    address = {name: answer.get(name) for name in wanted}
    if address != wanted:
        raise Violation(
            f"the error {expect['code']} is addressed wrongly (ERR-002 to ERR-004)",
            expected=wire.shorten(wanted),
            received=wire.shorten(address),
        )
    if expect["fatal"]:
        peer.expect_end()


def _expect_acknowledgement(peer: Connection, connect: wire.Message) -> None:
    peer.app_id, peer.connection_id = connect["app_id"], connect["payload"]["connection_id"]
    peer.acknowledge(peer.receive())


def _expect_answer(peer: Connection, kind: str, request: wire.Message) -> None:
    answer = peer.expect_response(request)
    problem = schemas.problem(ANSWERS[kind], answer["payload"])
    if problem:
        raise Violation(
            f"a body that has to be accepted did not get its {kind}",
            expected=kind,
            received=f"{wire.shorten(answer)} {problem}",
        )


for _vector in load():
    add(
        Case(
            f"golden/{_vector.id.replace('/', '-')}",
            _vector.requirements,
            _vector.description,
            partial(golden, vector=_vector),
        )
    )
