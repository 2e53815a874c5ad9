"""The command line: what it prints, writes and exits with."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from kit_commands import RaisingModule, invoke, mini, new_marker, nothing_left, run_kit, run_on, started

from conformance.__main__ import main as program
from conformance.cases.catalogue import all_cases, select
from conformance.cli.main import COMMANDS
from conformance.cli.run import FEW_CASES, WAITING_WORKERS, chosen_seed, chosen_workers, plugin_arguments
from conformance.core.settings import Selection, Settings
from conformance.core.verdicts import Verdict
from conformance.protocol import codec, schemas
from conformance.results import known_failures
from conformance.results.case_result import CaseResult
from conformance.results.known_failures import Baseline
from conformance.results.run import Run
from conformance.results.survey import Finding, State, Survey
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget

ANYBODY = ("run", "--server", "127.0.0.1:1")
TIME = ("--case", "system/get-time", "--case", "system/ping")
KNOWN = '[[known]]\nverdict = "fail"\nmessage = "breaks its schema"\nreason = "no clock"\ncases = ["system/get-time"]\n'


def test_interruption_while_loading_ends_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "conformance.cli.main", RaisingModule(KeyboardInterrupt))
    with pytest.raises(SystemExit) as ended:
        program()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_help_lists_every_command_and_one_command_loads_no_other() -> None:
    shown = invoke("--help").output
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert "No such command 'rum'" in invoke("rum").output
    program = "import sys; from conformance.cli.main import main; main(['list'], standalone_mode=False); "
    program += "print([name for name in sys.modules if name.startswith(('conformance.gate', 'conformance.bench'))])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("target", "cases", "workers"),
    [
        (TargetConfig(command="x {port}"), FEW_CASES - 1, 1),
        (TargetConfig(command="x {port}"), FEW_CASES, min(2, os.cpu_count() or 1)),
        (TargetConfig(server="127.0.0.1:1"), 2000, 1),
    ],
)
def test_few_cases_and_running_servers_get_one_worker(target: TargetConfig, cases: int, workers: int) -> None:
    assert chosen_workers(target, Run(role=target.role, seed=0, selected=cases)) == workers
    assert f"fewer than {FEW_CASES} cases" in " ".join(invoke("run", "--help").output.split())


@pytest.mark.parametrize(("ability", "state"), [("ping", State.NO), ("acknowledgement", State.SLOWLY)])
def test_a_server_on_which_most_cases_wait_gets_more_workers_than_cores(ability: str, state: State) -> None:
    survey = Survey((Finding(ability, "does it", f"survey/{ability}", state, 1.5),))
    run = Run(role="server", seed=0, selected=FEW_CASES, survey=survey)
    assert chosen_workers(TargetConfig(command="x {port}"), run) == WAITING_WORKERS


@pytest.mark.parametrize("address", ["127.0.0.1:1", "unix:no-such-socket"])
def test_refused_connection_is_told_before_workers_start(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr("conformance.cli.run.execute", None)  # calling it would fail
    result = invoke("run", "--server", address, "-n", "2")
    assert result.exit_code == 3
    assert result.output.count(f"cannot connect to {address}: ") == 1


def test_list_names_the_chosen_cases_and_their_number() -> None:
    result = invoke("list", "--case", "system/get-t*", "--case", "system/ping")
    first, second, count = result.output.splitlines()
    assert first.split() == ["system/get-time", "must", "SYS-004"]
    assert second.startswith("system/ping ")
    assert count == "2 cases"


def test_list_as_json_has_the_sentences() -> None:
    (entry,) = json.loads(invoke("list", "--case", "system/ping", "--json").output)
    assert entry["case"] == "system/ping"
    assert entry["summary"].startswith("A ping is answered")
    (rule,) = entry["requirements"]
    assert rule["id"] == "SYS-003"
    assert rule["text"].startswith("A server MUST")
    assert rule["link"].startswith("spec/")


@pytest.mark.parametrize("command", ["list", "dry-run"])
@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((), lambda _: True),
        (("--level", "should"), lambda case: case.level == "should"),
        (("--level", "must", "--case", "hand*"), lambda case: case.level == "must" and case.id.startswith("hand")),
        (("--profile", "core"), lambda case: case.profile is None),
        (
            ("--exclude", "golden/*", "--exclude", "*time*"),
            lambda case: case.chapter != "golden" and "time" not in case.id,
        ),
        (("--case", "system/*", "--failed", "{results}"), lambda case: case.id == "system/get-time"),
        (
            ("--failed", "{results}", "--cause", "SYS-004"),
            lambda case: case.id.startswith(("system/get-t", "system/unk")),
        ),
    ],
)
def test_selection_is_the_same_everywhere(
    command: str, arguments: tuple[str, ...], wanted: Any, tmp_path: Path
) -> None:
    results = results_file(
        tmp_path, failed(), known(), CaseResult("system/ping", ["SYS-003"], "must", Verdict.PASS, True, 1)
    )
    start_of = ("list",) if command == "list" else (*ANYBODY, "--dry-run")
    lines = invoke(*start_of, *(each.replace("{results}", str(results)) for each in arguments)).output.splitlines()
    shown = {line.split()[0] for line in lines if "/" in line.split()[0]}
    assert shown == {each.id for each in all_cases().values() if each.role == "server" and wanted(each)}


def test_nothing_failed_so_nothing_runs_again(tmp_path: Path) -> None:
    result = invoke(*ANYBODY, "--failed", str(results_file(tmp_path, known())))
    assert result.exit_code == 4
    assert "there is nothing to run again" in result.output


def test_failed_cases_run_again_with_their_seed_unless_another_is_given(tmp_path: Path) -> None:
    selection = Selection(failed=results_file(tmp_path, failed(), seed=41))
    assert [chosen_seed(given, selection, Baseline({}, 5)) for given in (None, 0)] == [41, 0]


def test_dry_run_of_a_client_lists_client_cases() -> None:
    lines = invoke("run", "--client-cmd", "driver", "--dry-run").output.split()
    assert lines == sorted(each.id for each in select(role="client"))


WRONG_USE = {
    "an unknown option": ((*ANYBODY, "--colour"), "No such option"),
    "an unknown level": ((*ANYBODY, "--level", "may"), "'may' is not one of"),
    "an empty selection": ((*ANYBODY, "--case", "system/pin"), "the selection matches no case"),
    "nothing to test": (("run",), "give exactly one of"),
    "two things to test": ((*ANYBODY, "--client-cmd", "driver"), "not --server and --client-cmd"),
    "a profile that is none": ((*ANYBODY, "--profile", "nope"), "nope; there are batch, core, discovery, queue, sec"),
    "results that are TOML": (("requirements", str(Path(__file__))), "not a JSON file: "),
    "no time": ((*ANYBODY, "--time-scale", "0"), "0.0 is not in the range"),
    "a cause of no run": ((*ANYBODY, "--cause", "no-ping"), "--failed RESULTS.json"),
    "an update of nothing": ((*ANYBODY, "--update-known-failures"), "needs --known-failures FILE"),
    "an update without some cases": (
        (*ANYBODY, "--update-known-failures", "--known-failures", "k.toml", "--exclude", "x"),
        "a run of all cases",
    ),
    "an update of a run that may stop": (
        (*ANYBODY, "--update-known-failures", "--known-failures", "k.toml", "--max-failures", "1"),
        "a run of all cases",
    ),
    "failures of no file": ((*ANYBODY, "--failed", "/nonexistent.json"), "results /nonexistent.json: "),
    "a list of failures of no file": (("list", "--failed", "/nonexistent.json"), "results /nonexistent.json: "),
    "no failure at all": ((*ANYBODY, "--max-failures", "0"), "0 is not in the range"),
    "an update of a part": (
        (*ANYBODY, "--update-known-failures", "--known-failures", "k.toml", "--level", "must"),
        "a run of all cases",
    ),
    "a results file in no folder": ((*ANYBODY, "--json", "/nonexistent/r.json"), "cannot write /nonexistent/r.json"),
    "a JUnit file in no folder": ((*ANYBODY, "--junit", "/nonexistent/r.xml"), "cannot write /nonexistent/r.xml"),
    "a results file that is a folder": ((*ANYBODY, "--json", "/"), "is a directory"),
    "results that are absent": (("requirements", "/nonexistent.json"), "evidence /nonexistent.json: "),
    "a port for a case that has its own": (
        ("serve", "--case", "client-loss/told-to-connect-again", "--port", "9"),
        "omit --port",
    ),
    "two servers behind serve": (("serve", "--server", "a:1", "--server-cmd", "b"), "not both"),
}


@pytest.mark.parametrize("name", WRONG_USE)
def test_wrong_use_exits_with_2_and_says_why(name: str) -> None:
    arguments, text = WRONG_USE[name]
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert text in result.output.splitlines()[-1]


WRONG_BASELINES = {
    "absent": (None, "No such file"),
    "not TOML": ("[[known]", "known failures {file}: "),
    "without a reason": ('[[known]]\nverdict = "fail"\nmessage = "x"\ncases = ["system/ping"]', "'reason'"),
    "with an empty message": (KNOWN.replace("breaks its schema", ""), "at known/0/message"),
    "with a verdict that is none": (KNOWN.replace('"fail"', '"pass"'), "at known/0/verdict"),
    "with a case nobody has": (KNOWN.replace("get-time", "gone"), "there is no case 'system/gone'"),
    "with a case in two groups": (KNOWN + KNOWN, "case 'system/get-time' is listed twice"),
}


@pytest.mark.parametrize("name", WRONG_BASELINES)
def test_wrong_baseline_is_wrong_use(name: str, tmp_path: Path) -> None:
    content, text = WRONG_BASELINES[name]
    file = tmp_path / "known.toml"
    if content is not None:
        file.write_text(content)
    result = invoke(*ANYBODY, "--known-failures", str(file))
    assert result.exit_code == 2
    assert text.replace("{file}", str(file)) in result.output.splitlines()[-1]


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "known = []\n"])
def test_empty_file_is_a_baseline_without_entries(content: str, tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    file.write_text(content)
    assert known_failures.Baseline.read(file, all_cases()).entries == {}


def results_file(folder: Path, *results: CaseResult, seed: int = 7) -> Path:
    """Write the results file of a run."""
    file = folder / "results.json"
    Run("server", seed, results=list(results)).write(file)
    return file


def known() -> CaseResult:
    """Return a failure that was expected."""
    result = failed()
    result.case, result.expected = "system/unknown-action", True
    return result


def failed(message: str = "breaks its schema", verdict: Verdict = Verdict.FAIL) -> CaseResult:
    return CaseResult("system/get-time", ["SYS-004"], "must", verdict, expected=False, duration_ms=1, message=message)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (failed("the answer breaks its schema"), True),
        (failed("another thing"), False),
        (failed("", Verdict.PASS), False),
        (failed("breaks its schema", Verdict.ERROR), False),
        (failed("no handler", Verdict.UNSUPPORTED), False),
    ],
)
def test_baseline_is_strict(result: CaseResult, expected: bool) -> None:
    known = known_failures.Known(Verdict.FAIL, "breaks its schema", "no clock")
    known_failures.Baseline({"system/get-time": known}).judge(result)
    assert result.expected is expected
    assert ("went differently" in result.foreseen) is not expected
    assert result.known == ("no clock" if expected else "")


def test_run_stops_after_the_failures_that_are_allowed(tmp_path: Path) -> None:
    marker, file = new_marker(), tmp_path / "r.json"
    cases = ("--case", "golden/system-accepts-ping*", "--max-failures", "2", "-n", "2", "--json", str(file))
    done = run_kit("run", "--server-cmd", mini("pong", marker), *cases)
    assert done.returncode == 1, done.stdout + done.stderr
    content = json.loads(file.read_text())
    assert schemas.problem("tools/results", content) is None
    assert content["summary"]["unexpected"] == 2
    not_run = len(select(Selection(globs=("golden/system-accepts-ping*",)))) - len(content["results"])
    assert content["summary"]["not_run"] == not_run > 0
    assert f"stopped after 2 unexpected outcomes (--max-failures); {not_run} selected cases were not run" in done.stdout
    assert nothing_left(marker)


def test_run_stops_when_a_server_that_it_cannot_restart_serves_nobody(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    with ServerTarget(TargetConfig(command=mini("hangs"))) as somebodys:
        options = ("--case", "system/*", "--time-scale", "0.2", "--json", str(file))
        done = run_kit("run", "--server", str(somebodys.address), *options)
    assert done.returncode == 1, done.stdout + done.stderr
    content = json.loads(file.read_text())
    assert schemas.problem("tools/results", content) is None
    (last,) = [each for each in content["results"] if each["ends_run"]]
    assert last["case"] == "system/action-unknown"
    assert content["summary"]["not_run"] > 0
    assert "stopped after system/action-unknown: the server served nobody any more" in done.stdout


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One run with a failure and a pass, and everything it wrote."""
    folder = tmp_path_factory.mktemp("failing")
    files = ("--json", str(folder / "r.json"), "--junit", str(folder / "r.xml"))
    done = run_on(mini("time"), *TIME, *files, "--format", "json", "--seed", "7")
    return done, folder


def test_failing_run_exits_with_1_and_writes_a_valid_results_file(failing: Any) -> None:
    done, folder = failing
    content = json.loads((folder / "r.json").read_text())
    assert done.returncode == 1
    assert schemas.problem("tools/results", content) is None
    assert [(each["case"], each["verdict"]) for each in content["results"]] == [
        ("system/get-time", "fail"),
        ("system/ping", "pass"),
    ]
    assert content["seed"] == 7
    assert content["summary"] == {
        "pass": 1, "fail": 1, "warn": 0, "slow": 0, "flaky": 0, "unsupported": 0, "error": 0,
        "unexpected": 1, "not_run": 0, "stopped_after": "", "conformant": False, "verdict": "not conformant",
    }  # fmt: skip
    assert [bool(each["trace"]) for each in content["results"]] == [True, False]


def test_format_json_puts_only_json_on_stdout(failing: Any) -> None:
    done, _ = failing
    content = json.loads(done.stdout)
    assert schemas.problem("tools/results", content) is None
    assert "FAIL system/get-time" in done.stderr


def test_junit_has_the_failures_with_their_explanation(failing: Any) -> None:
    _, folder = failing
    suite = ElementTree.parse(folder / "r.xml").getroot().find("testsuite")  # noqa: S314 - a file of our own
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    failure = suite.find("testcase/failure")
    assert failure is not None
    explanation = failure.text or ""
    assert "the answer to get_time breaks its schema" in explanation
    assert "SYS-004" in explanation


def test_known_failure_makes_the_run_succeed_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_text(KNOWN)
    arguments = ("--known-failures", str(tmp_path / "known.toml"))
    done = run_on(mini("time"), *TIME, *arguments)
    assert (done.returncode, "not conformant: 0 unexpected, 1 known failures" in done.stdout) == (0, True)
    done = run_on(mini(), *TIME, *arguments)
    assert done.returncode == 1
    assert "fail with 'breaks its schema', and it went differently" in done.stdout


def test_known_failures_that_are_yet_to_be_written_foresee_nothing(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    chosen = (TargetConfig(server="127.0.0.1:1"), Selection(), Settings(), file)
    assert not any("known-failures" in option for option in plugin_arguments(*chosen))
    file.write_text(KNOWN)
    assert f"--ipc-known-failures={file}" in plugin_arguments(*chosen)


def test_conformant_run_says_so_without_colour() -> None:
    done = run_on(mini(), *TIME, "--trace", NO_COLOR="1", FORCE_COLOR="1")
    assert done.returncode == 0
    assert "conformant. 2 cases executed" in done.stdout
    assert "PASS system/ping" in done.stdout
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", done.stdout + done.stderr)


def test_nothing_executed_exits_with_4_and_names_the_responder() -> None:
    done = run_on(mini(), "--case", "requests/concurrent*", "--case", "requests/*echo*")
    assert done.returncode == 4, done.stdout
    assert "docs/responder.md" in done.stdout
    assert "no case was executed" in done.stdout


def test_run_leaves_nothing_in_the_folder_of_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_on(mini(), "--case", "properties/any-octets-leave-others-alone", "--examples", "3")
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_exits_with_3() -> None:
    done = run_kit(*ANYBODY, "--case", "system/ping")
    assert done.returncode == 3
    assert done.stdout.count("cannot connect to 127.0.0.1:1") == 1


def test_serve_prints_frames_and_findings_and_exits_with_1() -> None:
    marker = new_marker()
    with started("serve", "--port", "0", "--server-cmd", mini(marker=marker), PYTHONUNBUFFERED="1") as process:
        assert process.stdout
        found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+); stop with Ctrl-C\n", process.stdout.readline())
        assert found
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=5) as client:
            client.sendall(codec.frame(b'{"message_id":"mine"}'))
            lines = [process.stdout.readline() for _ in range(3)]
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
    assert process.returncode == 1, err
    assert 'A -> {"message_id":"mine"}' in lines[1]
    assert "breaks the envelope rules (ENV-001)" in lines[2]
    assert re.search(r"\d client frames broke a rule", out)
    assert nothing_left(marker)


def test_serve_says_when_its_port_is_taken_or_its_server_does_not_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_kit("serve", "--port", port, "--server", "127.0.0.1:1")
    assert done.returncode == 2
    assert f"cannot listen on port {port}" in done.stderr.splitlines()[-1]
    done = run_kit("serve", "--port", "0", "--server-cmd", f"{os.devnull} {{port}}")
    assert done.returncode == 3
    assert "cannot run" in done.stderr
