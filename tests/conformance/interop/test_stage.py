"""The clients of a story, told what they can."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.core.verdicts import Unsupported
from conformance.interop import stage
from conformance.interop.outcome import Broken
from conformance.interop.stage import Actor

SECONDS_PATIENT = stage.CONNECT_MS / 1000


class Driver:
    """A driver whose client never connects, and perhaps does not know how long to wait for that."""

    def __init__(self, *, knows_timeout: bool) -> None:
        self._knows_timeout = knows_timeout

    def ask(self, _command: str, **options: Any) -> dict[str, Any]:
        if "connection_timeout_ms" in options and not self._knows_timeout:
            raise Unsupported("connection_timeout_ms")
        return {}

    def begin(self, _command: str) -> int:
        return 1

    def answer(self, _asked: object) -> dict[str, Any]:
        return {"error": {"message": "not connected"}}


@pytest.mark.parametrize(("knows_timeout", "patience"), [(True, SECONDS_PATIENT), (False, 0.0)])
def test_a_client_that_cannot_be_told_its_timeout_has_one_that_is_not_known(
    knows_timeout: bool, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []

    def failed_connect(_link: object, _detail: str, patience: float, **_: object) -> Broken:
        told.append(patience)
        return Broken("client", "", "the client did not connect")

    monkeypatch.setattr(stage, "failed_connect", failed_connect)
    recorder = SimpleNamespace(links=[], address=SimpleNamespace(client_options={}))
    whole = SimpleNamespace(scaled=int, await_ends=lambda: None)
    actor = Actor(cast("Any", Driver(knows_timeout=knows_timeout)), cast("Any", recorder), cast("Any", whole))
    actor.create(reconnects=False)
    with pytest.raises(Broken):
        actor.connect()
    assert told == [patience]
