"""Properties that hold for whatever Hypothesis comes up with; a failure is shrunk to a small example."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from conformance import wire
from conformance.case import case
from conformance.scene import Scene
from conformance.verdicts import Violation

EXAMPLES = 25
LARGEST_EXACT = 2**53 - 1  # ENC-016

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST_EXACT, LARGEST_EXACT)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text("abé😀\x00", max_size=4), children, max_size=4)
    ),
    max_leaves=12,
)


def for_all(scene: Scene, strategy: st.SearchStrategy[Any], holds: Callable[[Any], None]) -> None:
    """Call ``holds`` with examples of ``strategy``, chosen by the run's seed.

    Raises:
        Violation: what ``holds`` raised for the smallest example found.
    """
    profile = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    seed(scene.random.getrandbits(32))(profile(given(strategy)(holds)))()


@case("properties/any-split-gives-the-same-answers", "FRM-005", "FRM-006", seconds=0.5)
def any_split(scene: Scene) -> None:
    """However a sequence of frames is cut into segments, its answers are the same."""
    peer = scene.connect()
    channel = scene.name("channel")
    peer.subscribe(channel)

    def holds(cuts: list[int]) -> None:
        publish, ping = peer.message("publish", channel, "äöü€😀"), peer.ping_message()
        octets = b"".join(wire.frame(wire.encode(message)) for message in (publish, ping))
        edges = sorted({0, len(octets), *(cut % len(octets) for cut in cuts)})
        for start, end in itertools.pairwise(edges):
            peer.send_octets(octets[start:end])
        if peer.receive_through_pong(ping) != [publish]:
            raise Violation("a sequence of frames got other answers when it was cut differently", received=str(edges))

    for_all(scene, st.lists(st.integers(0, 10_000), max_size=12), holds)


@case("properties/any-payload-comes-back", "ENC-015", "ENC-016", "SUB-012", seconds=0.5)
def any_payload(scene: Scene) -> None:
    """Whatever the payload of a publish is, its subscriber gets it unchanged."""
    peer = scene.connect()
    channel = scene.name("channel")
    peer.subscribe(channel)

    def holds(payload: Any) -> None:
        peer.publish_and_get(channel, payload)

    for_all(scene, json_values, holds)


@case("properties/any-octets-leave-others-alone", "ISO-006", seconds=0.5)
def any_octets(scene: Scene) -> None:
    """Whatever octets a connection sends, before the handshake and after it, another one is served."""
    bystander = scene.connect()

    def holds(octets: bytes) -> None:
        for peer in (scene.open(), scene.connect()):
            peer.send_octets(octets)
            peer.discard()
        bystander.expect_silence()

    for_all(scene, st.binary(max_size=64) | st.binary(max_size=64).map(wire.frame), holds)
    scene.check_alive()
