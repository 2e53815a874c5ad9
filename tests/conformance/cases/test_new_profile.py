"""A profile that nothing knows: new files and one registration each, in the kit and in the server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from shlex import quote

import pytest
from kit_commands import ENVIRONMENT, LIMIT_SECONDS

KIT = """
from pathlib import Path

import conformance.cases.server
from conformance.protocol.profiles import PROFILES, Action, Profile

PROFILES["tides"] = Profile(channels=("tides_reports",), actions={"get_tides": Action("pong")})
conformance.cases.server.__path__.append(str(Path(__file__).parent / "new_cases"))
"""
"""Registers the profile with the kit, and puts the new folder beside those of the other profiles."""
CASES = '''"""Cases of the profile tides."""

from conformance.core.verdicts import Violation
from conformance.harness.decorators import case


@case("tides/is-asked-for", "SYS-003", profile="tides")
def is_asked_for(context):
    """A request for the tides is answered."""
    payload = context.connect().request("system", {"action": "get_tides"})["payload"]
    if payload != {"status": "pong"}:
        raise Violation("no tides", received=str(payload))


@case("tides/is-reported-by-the-server", "ISO-004", profile="tides")
def is_reported_by_the_server(context):
    """Clients do not publish on the channel of reports."""
    peer = context.connect()
    message = peer.message("publish", "tides_reports", "high")
    peer.send(message)
    peer.expect_error("reserved_channel", message)
'''
SERVER = """
from reference_server.profiles.profile import Profile
from reference_server.profiles.registry import PROFILES


class Tides(Profile):
    name = "tides"
    channels = ("tides_reports",)
    actions = {"get_tides": lambda message: {"status": "pong"}}


PROFILES[Tides.name] = Tides

from reference_server.cli import main

main()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "sitecustomize.py").write_text(KIT)
    (tmp_path / "new_cases" / "tides").mkdir(parents=True)
    (tmp_path / "new_cases" / "tides" / "__init__.py").write_text("")
    (tmp_path / "new_cases" / "tides" / "reports.py").write_text(CASES)
    (tmp_path / "server.py").write_text(SERVER)
    return tmp_path


def run(place: Path, *options: str) -> dict[str, str]:
    """Run the cases of the new profile, and those of servers about profiles; return the verdicts."""
    server = f"{quote(sys.executable)} server.py --port {{port}} --responder {' '.join(options)}"
    target = f"command = {json.dumps(server)}\n"
    (place / "target.toml").write_text(target)
    command = [sys.executable, "-m", "conformance", "run", "--target", "target.toml", "-n", "1", "--json", "r.json"]
    command += ["--case", "tides/*", "--case", "profiles/*", "--case", "isolation/*reserved*"]
    path = os.pathsep.join([str(place), *filter(None, [ENVIRONMENT.get("PYTHONPATH")])])
    environment = ENVIRONMENT | {"PYTHONPATH": path}
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, timeout=3 * LIMIT_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {each["case"]: each["verdict"] for each in json.loads((place / "r.json").read_text())["results"]}


def test_new_profile_is_served_announced_and_tested(place: Path) -> None:
    verdicts = run(place, "--profile", "tides")
    assert verdicts["tides/is-asked-for"] == verdicts["tides/is-reported-by-the-server"] == "pass"
    assert verdicts["profiles/only-defined-ones-are-announced"] == "pass"


def test_new_profile_that_a_server_lacks_is_unsupported_and_nothing_special(place: Path) -> None:
    verdicts = run(place)
    assert verdicts["tides/is-asked-for"] == verdicts["tides/is-reported-by-the-server"] == "unsupported"
    assert verdicts["profiles/without-a-profile-its-channels-are-ordinary"] == "pass"
    assert verdicts["profiles/without-a-profile-its-actions-are-unknown"] == "pass"
