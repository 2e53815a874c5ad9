"""The golden vectors of ``schemas/vectors``, each sent to the server as one case."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial

from conformance.core.verdicts import Unsupported, Violation
from conformance.harness.case import Case, add
from conformance.harness.server_context import ServerContext
from conformance.peers.client import FATAL, ClientPeer
from conformance.protocol import codec, schemas
from conformance.protocol.vectors import Vector

ADDRESS = ("reply_to", "channel_id", "app_id")


def golden(context: ServerContext, vector: Vector) -> None:
    """Send the vector's body on a connection in the vector's state, and compare what the server makes of it."""
    if vector.profile == "security" and context.target.credentials.token is None:
        raise Unsupported("needs the token that the server demands (--token-file)")
    peer = context.open(connection_id=vector.connection_id)
    if vector.state == "open":
        peer.handshake()
        peer.expect_silence()
    peer.send_body(_shown(peer, vector))
    if vector.expect["outcome"] == "error":
        peer.expect_error_at(vector.expect["code"], {name: vector.expect[name] for name in ADDRESS})
    elif vector.expect["answer"] == "acknowledgement":
        _expect_acknowledgement(peer, json.loads(vector.body))
    elif vector.expect["answer"] == "pong" and peer.expectations.survey.lacks("ping") and not _is_about_pings(vector):
        _expect_no_refusal(peer)
    elif vector.expect["answer"] != "none":
        _expect_answer(peer, vector.expect["answer"], json.loads(vector.body))
    if vector.expect.get("code") in FATAL:
        context.check_alive()
    else:
        peer.expect_silence()


def _expect_no_refusal(peer: ClientPeer) -> None:
    """Show that a body was accepted on a server whose answer to it, if any, is no pong."""
    refusals = [each for each in peer.barrier() if not schemas.problem("error-message", each)]
    if refusals:
        raise Violation("a body that has to be accepted was refused", received=codec.shorten(refusals[0]))


def _is_about_pings(vector: Vector) -> bool:
    return any(each.startswith("SYS-") for each in vector.requirements)


def _shown(peer: ClientPeer, vector: Vector) -> bytes:
    """Return the vector's body; where the server demands a token and would look no further without it, with that."""
    is_let_in = vector.expect.get("answer") == "acknowledgement" or vector.expect.get("code") == "unsupported_protocol"
    if peer.credentials.token is None or not is_let_in:
        return vector.body
    message = codec.decode(vector.body)
    return codec.encode(message | {"payload": message["payload"] | {"token": peer.credentials.token}})


def _expect_acknowledgement(peer: ClientPeer, connect: codec.Message) -> None:
    peer.app_id, peer.connection_id = connect["app_id"], connect["payload"]["connection_id"]
    peer.acknowledge(peer.receive())


def _expect_answer(peer: ClientPeer, kind: str, request: codec.Message) -> None:
    answer = peer.expect_response(request)
    problem = schemas.problem(kind, answer["payload"])
    if problem:
        raise Violation(
            f"a body that has to be accepted did not get its {kind}",
            expected=kind,
            received=f"{codec.shorten(answer)} {problem}",
        )


def register(vectors: Iterable[Vector]) -> None:
    """Make a case of each vector."""
    for vector in vectors:
        add(
            Case(
                f"golden/{vector.id.replace('/', '-')}",
                vector.requirements,
                vector.description,
                partial(golden, vector=vector),
                profile=vector.profile,
            )
        )
