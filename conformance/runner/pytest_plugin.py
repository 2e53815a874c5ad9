"""The pytest plugin: options, one test per case, results that survive pytest-xdist.

It does nothing until a test requests the fixture ``ipc_case``. Use it in your own repository like this::

    # test_server.py
    from conformance.suite import test_conformance

    $ pytest test_server.py --ipc-server-cmd 'python my_server.py --port {port}' -n 2

or override the session fixture ``ipc_target_options`` to configure the target in code.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from conformance.cases.catalogue import all_cases, select
from conformance.core.options import Option, from_options, options_of
from conformance.core.settings import Selection, Settings
from conformance.core.verdicts import TargetError, Verdict
from conformance.harness.case import Case
from conformance.reports.failure import describe
from conformance.results.case_result import CaseResult
from conformance.results.known_failures import Baseline
from conformance.results.survey import Survey
from conformance.runner.case_runner import run_case
from conformance.runner.survey import make_survey
from conformance.targets.base import Target
from conformance.targets.client import ClientTarget
from conformance.targets.config import TARGET_FILE, TargetConfig
from conformance.targets.server import ServerTarget

RESULT = "ipc_result"
TARGET = "ipc_target"
UNREACHABLE = "the target cannot be tested: "
TARGET_CONFIG = pytest.StashKey[TargetConfig | ValueError]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options: one for each option of ``ipc-conformance run``."""
    group = parser.getgroup("ipc-conformance", "IPC Framework conformance")
    for table in (TargetConfig, Selection, Settings):
        for field, stated in options_of(table).items():
            _add_twin(group, field, stated)
    _add_twin(group, "target", TARGET_FILE)
    group.addoption("--ipc-target-json", metavar="JSON", help="The target as ipc-conformance run passes it on.")
    group.addoption(
        "--ipc-survey-json", metavar="JSON", help="The survey of the server as ipc-conformance run made it."
    )
    group.addoption("--ipc-handlers", metavar="NAMES", help="The handlers of the responder that the survey found.")
    group.addoption("--ipc-known-failures", metavar="FILE", type=Path, help="Expected failures (TOML).")


def _add_twin(group: pytest.OptionGroup, field: str, stated: Option) -> None:
    """Add the equivalent of an option; its value is None if it was not given."""
    details: dict[str, Any] = {"dest": _dest(field), "default": None, "help": stated.help.replace("%", "%%")}
    if stated.is_flag:
        details["action"] = "store_true"
    else:
        details |= {"type": _argument_type(stated), "metavar": stated.metavar}
    if stated.is_repeatable:
        details["action"] = "append"
    if stated.bare is not None:
        details |= {"nargs": "?", "const": stated.bare}
    group.addoption(stated.name.replace("--", "--ipc-", 1), **details)


def _argument_type(stated: Option) -> Callable[[str], Any]:
    def checked(text: str) -> Any:
        try:
            return stated.checked(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


def _dest(field: str) -> str:
    return f"ipc_option_{field}"


def _values(config: pytest.Config, table: type[Any]) -> dict[str, Any]:
    """Return the values of a table's options by field."""
    found = {field: config.getoption(_dest(field)) for field in options_of(table)}
    return {field: tuple(value) if isinstance(value, list) else value for field, value in found.items()}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize one test per selected case."""
    if "ipc_case" not in metafunc.fixturenames:
        return
    selection = from_options(Selection, _values(metafunc.config, Selection))
    target = _target_config(metafunc.config)
    try:
        chosen = select(selection, role=target.role if isinstance(target, TargetConfig) else "server")
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    if not selection.budget:
        chosen = dealt(chosen, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    metafunc.parametrize("ipc_case", chosen, ids=[each.id for each in chosen])


def dealt(cases: Sequence[Case], workers: int) -> list[Case]:
    """Return cases in an order that gives each worker as many long ones.

    pytest-xdist divides the cases into one part for each worker, and the first parts are shorter if they cannot be
    equal. In each part, the cases keep their order: long ones come first.
    """
    hands = sorted((cases[number::workers] for number in range(workers)), key=len)
    return list(itertools.chain(*hands))


def _target_config(config: pytest.Config) -> TargetConfig | ValueError:
    """Return the target of the options, or the error in them; a target file is read once."""
    if TARGET_CONFIG not in config.stash:
        try:
            config.stash[TARGET_CONFIG] = _read_target_config(config)
        except ValueError as error:
            config.stash[TARGET_CONFIG] = error
    return config.stash[TARGET_CONFIG]


def _read_target_config(config: pytest.Config) -> TargetConfig:
    passed_on = config.getoption("--ipc-target-json")
    if passed_on:
        return TargetConfig.from_json(json.loads(passed_on))
    return TargetConfig.chosen(_values(config, TargetConfig), config.getoption(_dest("target")))


@pytest.fixture(scope="session")
def ipc_target_options(pytestconfig: pytest.Config) -> TargetConfig:
    """Return how to reach the target; override this fixture to configure it in code."""
    found = _target_config(pytestconfig)
    if isinstance(found, ValueError):
        options = "--ipc-server, --ipc-server-cmd, --ipc-client-cmd, --ipc-target"
        raise pytest.UsageError(f"{found}; see {options}")
    selected = _values(pytestconfig, Selection)["profiles"] or ()
    return replace(found, profiles=(*found.profiles, *(each for each in selected if each != "core")))


@pytest.fixture(scope="session")
def ipc_target(
    ipc_target_options: TargetConfig, ipc_judge: Judge, pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> Iterator[Target]:
    """Start or reach the target; end it at the end of the session."""
    _allow_open_files()
    settings = chosen_settings(_values(pytestconfig, Settings), ipc_judge.baseline)
    try:
        with _target(pytestconfig, ipc_target_options, settings) as target:
            if isinstance(target, ServerTarget):
                ipc_judge.survey = _survey(pytestconfig, target)
            yield target
    except TargetError as error:
        request.session.shouldstop = "the target cannot be tested"  # or each of two thousand cases would report it
        pytest.fail(f"{UNREACHABLE}{error}", pytrace=False)


def _target(config: pytest.Config, options: TargetConfig, settings: Settings) -> ServerTarget | ClientTarget:
    if options.client:
        return ClientTarget(options, settings)
    found: str | None = config.getoption("--ipc-handlers")
    handlers = None if found is None else frozenset(filter(None, found.split(",")))
    return ServerTarget(options, settings, handlers=handlers)


def _survey(config: pytest.Config, target: ServerTarget) -> Survey | None:
    """Make the target adopt its survey; return it if it was made here."""
    passed_on = config.getoption("--ipc-survey-json")
    if passed_on:
        target.adopt(Survey.from_json(json.loads(passed_on)))
        return None
    return make_survey(target)


def chosen_settings(values: Mapping[str, Any], baseline: Baseline) -> Settings:
    """Return the settings of the options, with the seed of the known failures unless another is given."""
    given = {name: value for name, value in values.items() if value is not None}
    settings: Settings = from_options(Settings, {"seed": baseline.seed} | given)
    return settings


def _allow_open_files() -> None:
    """Raise the limit of open files as far as the system allows: some cases open many connections."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - POSIX only

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass
class Judge:
    """Runs cases and reports their results to pytest and the collector of results."""

    baseline: Baseline
    survey: Survey | None = None
    """The survey that was made in this process, until a result has carried it to the run."""

    def run(self, case: Case, target: Target, node: pytest.Item) -> None:
        """Run ``case`` and end the test according to its verdict."""
        try:
            result = self.judged(case, target)
        except TargetError as error:
            pytest.fail(f"{UNREACHABLE}{error}", pytrace=False)
        node.user_properties.append((RESULT, result.as_json()))
        described: dict[str, Any] = {"name": target.options.title, "profiles": list(target.profiles)}
        described["protocol"] = target.protocol
        if self.survey:
            described["survey"], self.survey = self.survey.as_json(), None
        node.user_properties.append((TARGET, described))
        if not result.expected:
            pytest.fail("\n".join(describe(result)), pytrace=False)
        if result.verdict is Verdict.UNSUPPORTED:
            pytest.skip(result.message)
        if not result.verdict.is_good:
            pytest.xfail(result.message)

    def judged(self, case: Case, target: Target) -> CaseResult:
        """Run ``case`` and compare the outcome with the known failures.

        If random input leads to an unexpected outcome, the known failures' own seed decides.

        Raises:
            TargetError: the target cannot be started or restarted.
        """
        result = run_case(case, target)
        self.baseline.judge(result)
        if self.baseline.is_undecided(result, target.settings.seed):
            again = self._with_own_seed(case, target)
            if again.expected:
                result.expected, result.foreseen = True, ""
                result.known = f"not with the seed {self.baseline.seed} of the known failures"
        return result

    def _with_own_seed(self, case: Case, target: Target) -> CaseResult:
        settings = target.settings
        target.settings = replace(settings, seed=self.baseline.seed or 0)
        try:
            result = run_case(case, target)
        finally:
            target.settings = settings
        self.baseline.judge(result)
        return result


@pytest.fixture(scope="session")
def ipc_judge(pytestconfig: pytest.Config) -> Judge:
    """Provide the known failures of the run."""
    file = pytestconfig.getoption("--ipc-known-failures")
    baseline = Baseline({})
    if file:
        try:
            baseline = Baseline.read(file, all_cases())
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None
    return Judge(baseline)


def result_of(report: pytest.TestReport) -> tuple[CaseResult, dict[str, Any]] | None:
    """Return the case result and the target's description from a test report, if it is one of the suite's."""
    carried = dict(report.user_properties)
    if report.when != "call" or RESULT not in carried:
        return None
    content = dict(carried[RESULT])  # type: ignore[call-overload] # user_properties are typed as objects
    return CaseResult.from_json(content), carried[TARGET]  # type: ignore[return-value]
