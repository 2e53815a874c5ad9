"""A profile that nothing in the server knows: one class, registered once, and every hook of it is used."""

import asyncio
import socket
from typing import ClassVar

import pytest
from refserver_peer import code_of, publish, running, subscribe

from reference_server import ReferenceServer
from reference_server.handlers import HandlerFailedError
from reference_server.profiles.errors import ProfileError
from reference_server.profiles.profile import Profile
from reference_server.profiles.registry import PROFILES
from reference_server.protocol.errors import ErrorCode, WireError


class RepeatProfile(Profile):
    """Runs a handler as often as a request says, counts the runs, and announces the count."""

    name = "repeat"
    keeps = "counts"
    channels = ("repeat_control",)
    families = ("repeat:",)
    events: ClassVar[list[str]] = []  # replaced by each test

    def __init__(self, context):
        super().__init__(context)
        self.count = 0
        self.actions = {"get_count": lambda _message: {"count": self.count}}
        self.handlers = {"repeat_control": self.reset}
        self.acknowledged = {"repeat": {"most": 5, "kept": context.state is not None}}

    async def open(self):
        self.events.append("open")

    async def close(self):
        self.events.append("close")

    def session_ended(self, session):
        self.events.append(f"session {session} ended")

    async def reset(self, request):
        self.count = 0
        self._context.announce(request.app_id, "repeat:count", self.count)
        return "reset"

    def read(self, message):
        payload = message["payload"]
        if not isinstance(payload, dict) or "times" not in payload:
            return None
        if payload["times"] > 5:
            raise WireError(ErrorCode.INVALID_MESSAGE, "too often", message)
        return payload["times"], payload["payload"]

    async def answer(self, content, run_handler):
        times, payload = content
        answers = []
        for _ in range(times):
            answers.append(await run_handler(payload))
            self.count += 1
        return {"answers": answers}


@pytest.fixture
def events(monkeypatch):
    monkeypatch.setitem(PROFILES, RepeatProfile.name, RepeatProfile)
    monkeypatch.setattr(RepeatProfile, "events", [])
    return RepeatProfile.events


def with_echo(server):
    @server.handler("echo")
    async def echo(request):
        if request.payload == "bad":
            raise ValueError("told to nobody")
        return request.payload


@pytest.mark.usefixtures("events")
def test_profile_is_announced_with_its_member_of_the_acknowledgement(tmp_path):
    with running(profiles=("batch", "repeat"), state=tmp_path / "counts") as run:
        acknowledgement = run.client("a").acknowledgement["payload"]
    assert acknowledgement["profiles"] == ["batch", "repeat"]
    assert acknowledgement["repeat"] == {"most": 5, "kept": True}


@pytest.mark.usefixtures("events")
def test_profile_takes_the_requests_that_it_reads_and_leaves_the_others():
    with running(with_echo, profiles=("repeat", "batch")) as run:
        client = run.client("a")
        assert client.ask("echo", {"times": 3, "payload": "x"})["payload"] == {"answers": ["x", "x", "x"]}
        assert client.ask("echo", {"payload": "x"})["payload"] == {"payload": "x"}
        batch = {"action": "batch_process", "requests": [{"payload": 1}, {"payload": {"times": 2}}]}
        assert client.ask("echo", batch)["payload"] == {"responses": [1, {"times": 2}]}
        assert code_of(client.ask("echo", {"times": 6, "payload": "x"})) == "invalid_message"
        assert code_of(client.ask("nobody", {"times": 1, "payload": "x"})) == "no_handler"
        assert client.ask("system", {"action": "get_count"})["payload"] == {"count": 3}
        assert client.ask("system", {"action": "ping"})["payload"] == {"status": "pong"}


@pytest.mark.usefixtures("events")
def test_handler_that_fails_for_a_profile_is_logged_once_and_told_as_any_other(caplog):
    with running(with_echo, profiles=("repeat",)) as run:
        answer = run.client("a").ask("echo", {"times": 2, "payload": "bad"})
    assert answer["payload"]["error"] == {"code": "handler_failed", "message": str(HandlerFailedError("echo"))}
    assert len([record for record in caplog.records if record.exc_info]) == 1
    assert "told to nobody" in caplog.text


@pytest.mark.usefixtures("events")
def test_channels_of_the_profile_belong_to_the_server():
    with running(profiles=("repeat",)) as run:
        for channel in ("repeat_control", "repeat:", "repeat:any"):
            with pytest.raises(ValueError, match="belongs to the server"):
                run.server.handler(channel)(print)
        client = run.client("alice")
        client.send(subscribe("repeat:count"), publish("repeat:count", 7))
        assert code_of(client.receive()) == "reserved_channel"
        assert client.ping_barrier() == []
        client.send({**publish("repeat_control"), "message_type": "request"})
        assert [client.receive()["payload"] for _ in range(2)] == [0, "reset"]


def test_profile_sees_the_server_begin_and_end_and_each_connection_end(events):
    with running(profiles=("repeat",)) as run:
        assert events == ["open"]
        client = run.client("a")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.ends()
        run.client("b")
    assert events[1:3] == ["session 0 ended"] * 2  # once as it drains, once at its end
    assert set(events[3:-1]) == {"session 1 ended"}
    assert events[-1] == "close"


def test_profile_that_is_not_offered_does_nothing(events):
    with running(with_echo) as run:
        client = run.client("a")
        assert "repeat" not in client.acknowledgement["payload"]
        assert client.ask("echo", {"times": 2, "payload": "x"})["payload"] == {"times": 2, "payload": "x"}
        assert code_of(client.ask("system", {"action": "get_count"})) == "unknown_action"
    assert events == []


def test_profile_that_cannot_start_closes_those_that_did(events, monkeypatch):
    class BrokenProfile(Profile):
        name = "broken"

        async def open(self):
            raise ProfileError("the disk is on fire")

    monkeypatch.setitem(PROFILES, BrokenProfile.name, BrokenProfile)
    with pytest.raises(ProfileError, match="on fire"):
        asyncio.run(ReferenceServer(port=0, profiles=["repeat", "broken"]).start())
    assert events == ["open", "close"]


@pytest.mark.usefixtures("events")
def test_state_file_is_for_any_profile_that_keeps_something():
    with pytest.raises(ValueError, match="a state file is for the profile 'queue' or 'repeat', which the server"):
        ReferenceServer(state="counts", profiles=["batch"])


def test_profile_without_hooks_costs_requests_nothing(monkeypatch):
    class SilentProfile(Profile):
        name = "silent"

    monkeypatch.setitem(PROFILES, SilentProfile.name, SilentProfile)
    assert ReferenceServer(profiles=["silent", "discovery"]).capabilities.readers == ()
    assert len(ReferenceServer(profiles=["silent", "batch"]).capabilities.readers) == 1
