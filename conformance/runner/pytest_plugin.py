"""The pytest plugin: options, one test per case, results that survive pytest-xdist.

It stays out of the way until a test asks for the fixture ``ipc_case``. A repository of its own uses it so::

    # test_server.py
    from conformance.suite import test_conformance

    $ pytest test_server.py --ipc-server-cmd 'python my_server.py --port {port}' -n 2

or overrides the session fixture ``ipc_target_options`` to say in code how its server is reached.
"""

from __future__ import annotations

import argparse
import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from conformance.cases.catalogue import all_cases, select
from conformance.core.roles import Role
from conformance.core.settings import DEFAULT_EXAMPLES, SOAK_SECONDS, ChopMode, Settings
from conformance.core.verdicts import TargetError, Verdict
from conformance.harness.case import Case
from conformance.reports.failure import describe
from conformance.results.case_result import CaseResult
from conformance.results.known_failures import GOOD, Baseline
from conformance.runner.case_runner import run_case
from conformance.targets.base import Target
from conformance.targets.client import ClientTarget
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget

RESULT = "ipc_result"
TARGET = "ipc_target"
UNREACHABLE = "the target cannot be tested: "


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, each the twin of one of ``ipc-conformance run``."""
    group = parser.getgroup("ipc-conformance", "IPC Framework conformance")
    group.addoption("--ipc-server", metavar="HOST:PORT", help="a running server to test")
    group.addoption("--ipc-server-cmd", metavar="CMD", help="a command that starts the server; {port} is replaced")
    group.addoption("--ipc-client-cmd", metavar="CMD", help="a command that starts a driver: test its client")
    group.addoption("--ipc-target", metavar="FILE", type=Path, help="a target file (TOML)")
    group.addoption("--ipc-token-file", metavar="FILE", type=Path, help="a file with the token that the server demands")
    group.addoption("--ipc-tls-ca", metavar="FILE", type=Path, help="connect with TLS and trust this PEM file")
    group.addoption("--ipc-case", metavar="GLOB", action="append", default=[], help="only these cases; repeatable")
    group.addoption("--ipc-level", choices=("must", "should"), help="only cases of this level")
    group.addoption("--ipc-profile", metavar="NAME", action="append", default=[], help="only this profile; repeatable")
    group.addoption("--ipc-time-scale", type=float, default=1.0, metavar="FACTOR", help="factor on every deadline")
    group.addoption("--ipc-seed", type=int, default=None, help="seed of cases that use chance")
    group.addoption("--ipc-examples", type=int, default=DEFAULT_EXAMPLES, metavar="N", help="examples of each property")
    group.addoption("--ipc-chop", type=ChopMode.parse, default=ChopMode(), metavar="MODE", help="how writes are cut")
    group.addoption(
        "--ipc-soak",
        type=float,
        nargs="?",
        default=0.0,
        const=SOAK_SECONDS,
        metavar="SECONDS",
        help="let cases that watch time take so long",
    )
    group.addoption("--ipc-trace", action="store_true", help="keep the wire traces of cases that pass, too")
    group.addoption("--ipc-known-failures", metavar="FILE", type=Path, help="a baseline file (TOML)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of every chosen case."""
    if "ipc_case" not in metafunc.fixturenames:
        return
    option = metafunc.config.option
    role = _role(option)
    chosen = select(option.ipc_case, role=role, level=option.ipc_level, profiles=option.ipc_profile)
    metafunc.parametrize("ipc_case", chosen, ids=[each.id for each in chosen])


def _role(option: argparse.Namespace) -> Role:
    """Return what is under test, as far as the options tell; a target file that cannot be read is reported later."""
    if option.ipc_target:
        with contextlib.suppress(ValueError):
            return TargetConfig.from_file(option.ipc_target).role
    return "client" if option.ipc_client_cmd else "server"


@pytest.fixture(scope="session")
def ipc_target_options(pytestconfig: pytest.Config) -> TargetConfig:
    """Say how the server is reached; override it to say so in code."""
    option = pytestconfig.option
    try:
        if option.ipc_target:
            chosen = TargetConfig.from_file(option.ipc_target)
        else:
            chosen = TargetConfig(server=option.ipc_server, command=option.ipc_server_cmd, client=option.ipc_client_cmd)
        chosen = chosen.with_access(option.ipc_token_file, option.ipc_tls_ca)
    except ValueError as error:
        options = "--ipc-server, --ipc-server-cmd, --ipc-client-cmd, --ipc-target"
        raise pytest.UsageError(f"{error}; see {options}") from None
    return replace(chosen, profiles=(*chosen.profiles, *(each for each in option.ipc_profile if each != "core")))


@pytest.fixture(scope="session")
def ipc_target(ipc_target_options: TargetConfig, pytestconfig: pytest.Config) -> Iterator[Target]:
    """Start or reach what is under test; end it when the session does."""
    _allow_open_files()
    try:
        kind = ClientTarget if ipc_target_options.client else ServerTarget
        with kind(ipc_target_options, _settings(pytestconfig.option)) as target:
            yield target
    except TargetError as error:
        pytest.fail(f"{UNREACHABLE}{error}", pytrace=False)


def _settings(option: argparse.Namespace) -> Settings:
    return Settings(
        seed=random.getrandbits(32) if option.ipc_seed is None else option.ipc_seed,
        time_scale=option.ipc_time_scale,
        soak_seconds=option.ipc_soak,
        examples=option.ipc_examples,
        chop=option.ipc_chop,
        traces=option.ipc_trace,
    )


def _allow_open_files() -> None:
    """Raise the limit of open files as far as the system lets us: some cases open a connection per file."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - POSIX only

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass
class Judge:
    """Runs cases and tells pytest, and whoever collects results, what came of them."""

    baseline: Baseline

    def run(self, case: Case, target: Target, node: pytest.Item) -> None:
        """Run ``case`` and end the test in the way that fits its verdict."""
        try:
            result = run_case(case, target)
        except TargetError as error:
            pytest.fail(f"{UNREACHABLE}{error}", pytrace=False)
        self.baseline.judge(result)
        node.user_properties.append((RESULT, result.as_json()))
        node.user_properties.append((TARGET, {"name": target.options.title, "profiles": list(target.profiles)}))
        if not result.expected:
            pytest.fail("\n".join(describe(result)), pytrace=False)
        if result.verdict is Verdict.UNSUPPORTED:
            pytest.skip(result.message)
        if result.verdict not in GOOD:
            pytest.xfail(result.message)


@pytest.fixture(scope="session")
def ipc_judge(pytestconfig: pytest.Config) -> Judge:
    """Know the run's known failures."""
    option = pytestconfig.option
    baseline = Baseline({})
    if option.ipc_known_failures:
        try:
            baseline = Baseline.read(option.ipc_known_failures, all_cases())
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None
    return Judge(baseline)


def result_of(report: pytest.TestReport) -> tuple[CaseResult, dict[str, Any]] | None:
    """Return the case result and the target's description that a test report carries, if it is one of ours."""
    carried = dict(report.user_properties)
    if report.when != "call" or RESULT not in carried:
        return None
    content = dict(carried[RESULT])  # type: ignore[call-overload] # user_properties are typed as objects
    return CaseResult(**content | {"verdict": Verdict(content["verdict"])}), carried[TARGET]  # type: ignore[return-value]
