"""The command ``ipc-conformance interop``."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from pathlib import Path

import pytest
from kit_commands import finish, invoke, new_marker, nothing_left, run_kit, started

from conformance.interop.matrix import Matrix
from conformance.interop.outcome import Cause, Outcome, Verdict
from conformance.interop.stories import STORIES
from conformance.protocol import schemas

PYTHON = shlex.quote(sys.executable)
CLIENT = f"{PYTHON} -m reference_server.client.driver"
SERVER = f"{PYTHON} -m reference_server --port {{port}} --responder"


def test_a_pair_that_works_has_status_0_and_files(tmp_path: Path) -> None:
    results, markdown = tmp_path / "results.json", tmp_path / "page.md"
    ran = run_kit(
        *("interop", "--client-cmd", CLIENT, "--server-cmd", SERVER, "--story", "request", "--story", "notify"),
        *("--json", str(results), "--markdown", str(markdown)),
    )
    assert ran.returncode == 0, ran.stderr
    assert "2 work" in ran.stdout
    assert "2 stories, 0 not as expected" in ran.stdout
    content = json.loads(results.read_text("utf-8"))
    assert schemas.problem("tools/interop", content) is None
    assert [each["verdict"] for each in content["outcomes"]] == ["works", "works"]
    assert "| `notify` |" in markdown.read_text("utf-8")
    again = invoke("interop", "--from", str(results))
    assert again.exit_code == 0
    assert "2 stories, 0 not as expected" in again.stdout


def test_a_surprise_has_status_1_and_its_recording(tmp_path: Path) -> None:
    broken = Outcome(
        "a client", "a server", "request", Verdict.BROKEN, (Cause("server", "REQ-001", "no answer"),), "", ("0.1 -> x",)
    )
    file = tmp_path / "results.json"
    file.write_text(Matrix(("a client",), ("a server",), ("request",), (broken,)).text(), "utf-8")
    found = invoke("interop", "--from", str(file))
    assert found.exit_code == 1
    for text in (
        "1 broken",
        "unexpected: request, a client with a server",
        "new: server: no answer [REQ-001]",
        "0.1 -> x",
    ):
        assert text in found.stdout


def test_what_others_wrote_is_printed_without_control_characters(tmp_path: Path) -> None:
    name, message = "a [red]\x1b[31mclient", "odd\x1b[2J\n::error::x"
    broken = Outcome(
        name, "a [b]server", "request", Verdict.BROKEN, (Cause("server", "", message),), message, (message,)
    )
    file = tmp_path / "results.json"
    file.write_text(Matrix((name,), ("a [b]server",), ("request",), (broken,)).text(), "utf-8")
    found = invoke("interop", "--from", str(file))
    assert "\x1b" not in found.output
    assert "\n::error" not in found.output
    assert r"a [red]\x1b[31mclient" in found.stdout
    assert "a [b]server" in found.stdout.splitlines()[0]


def test_results_of_an_unknown_story_have_status_2(tmp_path: Path) -> None:
    works = Outcome("a client", "a server", "request", Verdict.WORKS)
    text = Matrix(("a client",), ("a server",), ("request",), (works,)).text().replace('"request"', '"nonsense"')
    file = tmp_path / "results.json"
    file.write_text(text, "utf-8")
    found = invoke("interop", "--from", str(file))
    assert found.exit_code == 2
    assert "there is no story nonsense" in found.stderr


def test_ctrl_c_ends_all_pairs_after_the_stories_that_have_begun() -> None:
    marker = new_marker()
    script = Path(__file__).with_name("broken_client.py")
    broken = shlex.join([sys.executable, str(script), "sends no requests", marker])
    arguments = ("--client-cmd", broken, "--server-cmd", SERVER, "--server-cmd", f"{SERVER} --handshake-timeout 9")
    with started("interop", *arguments) as process:
        assert process.stderr
        assert "did not send a request" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = finish(process)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "interrupted; all started processes have been stopped"
    assert err.count("did not send a request") < len(STORIES) / 2
    assert nothing_left(marker)


def test_a_server_that_does_not_start_has_status_3() -> None:
    command = f"{PYTHON} -c 'print(6 * 7)' {{port}}"
    ran = run_kit("interop", "--client-cmd", CLIENT, "--server-cmd", command, "--story", "request")
    assert ran.returncode == 3
    assert "42" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--story", "nonsense"), "nonsense"),
        (("--client-cmd", "x", "--client-cmd", "x", "--server-cmd", "{port}"), "the same name"),
        (("--server-cmd", "python server.py"), "{port}"),
        (("--json", "/nowhere/results.json"), "cannot write"),
    ],
)
def test_wrong_use_has_status_2(arguments: tuple[str, ...], why: str) -> None:
    found = invoke("interop", *arguments)
    assert found.exit_code == 2
    assert why in found.stderr
