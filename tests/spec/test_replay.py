"""The worked session, replayed: the reference server answers the client's frames with the server's."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

from worked_session import Frame, frames

from reference_server.protocol.limits import Limits
from reference_server.server import ReferenceServer

DEADLINE = 10.0  # seconds; a session takes milliseconds


def announced_limits(session: list[Frame]) -> Limits:
    """Make the limits that the session's acknowledgement announces."""
    stated = session[1].message["payload"]["limits"]
    timeout = stated["handshake_timeout_ms"] / 1000
    most = {name: stated[name] for name in stated if name.startswith("max_")}
    return Limits(handshake_timeout=timeout, max_address_connections=stated["max_connections"], **most)


async def replay(session: list[Frame]) -> tuple[list[dict[str, Any]], bytes]:
    """Send the client's frames, reading an answer wherever the session has one.

    Returns the answers, and what the server sent behind the last of them until it ended its sending side.
    """
    answers = []
    async with ReferenceServer("127.0.0.1", 0, limits=announced_limits(session)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for frame in session:
            if frame.by_client:
                writer.write(frame.octets)
            else:
                header = await reader.readexactly(4)
                answers.append(json.loads(await reader.readexactly(int.from_bytes(header, "big"))))
        rest = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answers, rest


def comparable(message: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the spec lets a server choose: its ids, its clock, its minor version, how it words an error."""
    if message["message_type"] == "publish":
        return message
    kept = copy.deepcopy(message)
    del kept["message_id"], kept["timestamp"]
    if "protocol" in kept["payload"]:
        kept["payload"]["protocol"] = kept["payload"]["protocol"].partition(".")[0]
    if kept["payload"]["status"] == "error":
        assert kept["payload"]["error"].pop("message"), "people get a text"
    return kept


def test_reference_server_answers_as_in_the_worked_session() -> None:
    session = frames()
    answers, rest = asyncio.run(asyncio.wait_for(replay(session), DEADLINE))
    expected = [frame.message for frame in session if not frame.by_client]
    assert [comparable(answer) for answer in answers] == [comparable(message) for message in expected]
    assert rest == b""
