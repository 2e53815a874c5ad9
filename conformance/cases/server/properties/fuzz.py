"""Frames by the thousand that are wrong in every way: the server stays up, serves others, and does not grow."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.cases.server.properties.messages import valid_messages
from conformance.core.verdicts import Violation
from conformance.harness.decorators import case
from conformance.harness.property_testing import for_all
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.targets.resource_usage import ResourceUsage

FRAMES = 40
"""In each example; so ``--examples 2500`` makes a hundred thousand."""
FRAMES_OF_A_CONNECTION = 4
LENGTH_ERRORS = (0, 0, 0, 0, 0, 0, -1, 1, 5, 2**31)
WARMING_SHARE = 0.2
"""Of the examples; by then the server has what it allocates once and keeps."""
BATCHES = 4
"""What is held for connections grows with each batch; a heap, or the code that a runtime compiles, stops growing."""


@case("properties/any-frames-leave-the-server-as-it-was", "ISO-006", "LIM-017", spawned=True, seconds=0.8)
def any_frames(context: ServerContext) -> None:
    """Forty frames an example, valid, almost valid and anything else, leave the server serving and as big as it was."""
    from hypothesis import strategies as st

    from conformance.harness.strategies import bodies

    app, me = context.name("app"), "me"
    usages: list[ResourceUsage] = []

    def holds(frames: Sequence[bytes]) -> None:
        bystander = context.connect()
        for number in range(0, len(frames), FRAMES_OF_A_CONNECTION):
            peer = context.open(app=app, connection_id=me)
            _send(peer, frames[number : number + FRAMES_OF_A_CONNECTION], is_open=bool(number % 8))
        bystander.expect_silence()
        usages.append(context.usage())

    body = bodies(st.sampled_from(valid_messages(app, me)))
    errors = st.sampled_from(LENGTH_ERRORS)
    framed = st.builds(lambda body, error: codec.header(max(0, len(body) + error)) + body, body, errors)
    frame = framed | st.binary(max_size=40) | st.binary(max_size=40).map(codec.frame)
    for batch in range(1, BATCHES + 1):
        usages.clear()
        for_all(context, st.lists(frame, min_size=FRAMES, max_size=FRAMES), holds)
        context.check_alive()
        try:
            return context.check_leftovers(usages[int(len(usages) * WARMING_SHARE)])
        except Violation:
            if batch == BATCHES:
                raise
    return None


def _send(peer: ClientPeer, frames: Sequence[bytes], *, is_open: bool) -> None:
    """Send frames, behind a handshake or not, and drop the connection."""
    if is_open:
        peer.handshake()
    peer.send_octets(b"".join(frames))
    peer.reset()
