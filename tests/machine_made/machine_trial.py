"""Runs the suite on one machine-made mutant, in a copy of the source tree: the first unexpected outcome kills it."""

from __future__ import annotations

import compileall
import importlib
import py_compile
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from forks import ForkedServer
from machine_edits import PACKAGE, MachineMutant, changed_tree
from score_page import MOST_SECONDS
from server_secrets import write_secrets

from conformance.cases.catalogue import most_telling_first, select
from conformance.core.settings import Selection, Settings
from conformance.core.verdicts import TargetError, Verdict
from conformance.harness.case import Case
from conformance.results.case_result import CaseResult
from conformance.runner.case_runner import run_case
from conformance.runner.second_tries import MORE_TIME
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget

ROOT = Path(__file__).parents[2]
TARGETS = ROOT / "conformance" / "implementations" / "reference_server"
SLOW_CASES = (
    *("leftovers/*", "many/*", "late/places-*", "late/timers-*", "limits/ended-*", "limits/too-many-*"),
    *("properties/any-frames-*", "publish/churn"),
)
"""Cases that take long beside others. They are omitted, as longer ones are: each survivor costs their time."""
START_SECONDS = 5.0
START, ANNOUNCEMENT = "(start)", "(announcement)"
"""What kills a mutant that does not start or stay, or has other profiles or responder channels than the server."""


@dataclass(frozen=True)
class Round:
    """A run of the suite, as a session of the noxfile makes it.

    Attributes:
        target: the name of the target file.
        cases: patterns of the cases; none selects all.
        modules: patterns of the modules that differ between this target and the default one.
        is_secured: whether the server requires a token and TLS.
    """

    target: str
    cases: tuple[str, ...] = ()
    modules: tuple[str, ...] = ("*",)
    is_secured: bool = False


ROUNDS = (
    Round("default"),
    Round("plain", ("profiles/*",), ("profiles/*", "protocol/*", "server.py")),
    Round("in-memory", ("queue/*",), ("profiles/queue/*",)),
    Round("secured", ("security/*", "golden/security-*"), ("network/*", "protocol/*", "server.py"), is_secured=True),
    Round("unix", ("system/*",), ("network/*", "server.py")),
)
"""What ``nox -s conformance`` runs on the reference server, and a part of ``nox -s unix``."""


@dataclass
class Baseline:
    """What the unchanged server does, which a mutant must do too.

    Attributes:
        passed: the passed cases of each round.
        announced: the profiles and the responder's channels in each round.
        failures: the other outcomes, as text.
    """

    passed: dict[str, list[str]] = field(default_factory=dict)
    announced: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Trial:
    """The outcome of a mutant.

    Attributes:
        killer: the first case with an unexpected outcome, or what else showed the mistake; empty for a survivor.
        message: the message of that case.
        seconds: the time that it took.
    """

    killer: str
    message: str
    seconds: float


class Tree:
    """A copy of the package in a new folder, whose modules are compiled.

    Compiled modules are valid for the content of their source, not for its time and size: an edit within the same
    second often keeps the size.

    Args:
        place: an existing folder for the new one.
    """

    def __init__(self, place: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=place)).resolve()
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / PACKAGE, self.folder / PACKAGE, ignore=ignored)
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(self.folder, quiet=1, invalidation_mode=mode)
        self.secrets = _secrets(self.folder)

    @contextmanager
    def changed(self, mutant: MachineMutant) -> Iterator[None]:
        """Change the copy for a while."""
        original = (self.folder / PACKAGE / mutant.module).read_text("utf-8")
        path = changed_tree(self.folder, mutant)
        try:
            yield
        finally:
            path.write_text(original, "utf-8")


class MutantServer(ForkedServer):
    """A server that runs from a tree: the first argument is its folder, the others are the server's."""

    @staticmethod
    def serve(arguments: list[str]) -> None:
        """Import the server from the tree, and serve."""
        folder, *options = arguments
        sys.dont_write_bytecode = True
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
        cli = importlib.import_module(f"{PACKAGE}.cli")
        if not str(cli.__file__).startswith(folder):
            raise ImportError(f"{cli.__file__} is not in {folder}")
        cli.main(options)


class TreeTarget(ServerTarget):
    """A target whose servers run from a tree."""

    PROCESS = MutantServer


def cases_of(each: Round) -> list[Case]:
    """Return the cases of a round: the most telling ones first, without those that take long."""
    chosen = select(Selection(globs=each.cases, excluded=SLOW_CASES))
    return most_telling_first(case for case in chosen if case.seconds <= MOST_SECONDS)


def omitted_cases() -> list[str]:
    """Return the patterns and ids of the cases that are not run."""
    return [
        *SLOW_CASES,
        *sorted(case.id for case in select(Selection(excluded=SLOW_CASES)) if case.seconds > MOST_SECONDS),
    ]


def baseline(tree: Tree, settings: Settings, number: int, of: int) -> Baseline:
    """Run a share of the cases of all rounds on the unchanged server: the share ``number``, from 0, of ``of``."""
    found = Baseline()
    for each in ROUNDS:
        passed = found.passed.setdefault(each.target, [])
        with TreeTarget(_config(tree, each), settings) as target:
            found.announced[each.target] = _announced(target)
            for case in cases_of(each)[number::of]:
                result = _patiently(case, target, settings)
                if result.verdict in (Verdict.PASS, Verdict.SLOW):
                    passed.append(case.id)
                elif result.verdict is not Verdict.UNSUPPORTED:
                    found.failures.append(f"{each.target}: {case.id}: {result.verdict} {result.message}")
    return found


def joined(shares: Sequence[Baseline]) -> Baseline:
    """Return one baseline of several shares."""
    together = Baseline(announced=shares[0].announced)
    for share in shares:
        together.failures.extend(share.failures)
        for name, passed in share.passed.items():
            together.passed.setdefault(name, []).extend(passed)
    return together


def attempt(tree: Tree, mutant: MachineMutant, known: Baseline, settings: Settings) -> Trial:
    """Run the rounds on a mutant until something is unexpected.

    Raises:
        RuntimeError: the kit itself failed, which says nothing about the mutant.
    """
    start = time.monotonic()
    with tree.changed(mutant):
        killer, message = _killer(tree, mutant.module, known, settings)
    return Trial(killer, message, round(time.monotonic() - start, 1))


def _killer(tree: Tree, module: str, known: Baseline, settings: Settings) -> tuple[str, str]:
    for each in ROUNDS:
        if any(fnmatchcase(module, pattern) for pattern in each.modules):
            killer, message = _killer_in(each, tree, known, settings)
            if killer in (START, ANNOUNCEMENT):  # the machine may have been busy
                patient = replace(settings, time_scale=settings.time_scale * MORE_TIME)
                killer, message = _killer_in(each, tree, known, patient)
            if killer:
                return killer, message
    return "", ""


def _killer_in(each: Round, tree: Tree, known: Baseline, settings: Settings) -> tuple[str, str]:
    passed = set(known.passed[each.target])
    try:
        with TreeTarget(_config(tree, each), settings) as target:
            if _announced(target) != known.announced[each.target]:
                return ANNOUNCEMENT, _announced(target)
            for case in (case for case in cases_of(each) if case.id in passed):
                result = _patiently(case, target, settings)
                if result.verdict is Verdict.ERROR:
                    raise RuntimeError(f"{case.id}: the kit failed: {result.message}")
                if result.verdict not in (Verdict.PASS, Verdict.SLOW):
                    return case.id, result.message
    except TargetError as error:
        return START, _last_line(str(error))
    return "", ""


def _patiently(case: Case, target: ServerTarget, settings: Settings) -> CaseResult:
    """Run a case; once more with more time if it is late, as the suite does."""
    result = run_case(case, target)
    if result.late:
        target.settings = replace(settings, time_scale=settings.time_scale * MORE_TIME)
        result = run_case(case, target)
        target.settings = settings
    return result


def _announced(target: ServerTarget) -> str:
    return f"profiles {sorted(target.profiles)}, responder {sorted(target.responder)}"


def _config(tree: Tree, each: Round) -> TargetConfig:
    """Return the target of a target file, but served from a tree."""
    file = TARGETS / f"{each.target}.toml"
    if each.is_secured:  # it names files beside it
        file = Path(shutil.copy(file, tree.secrets))
    config = TargetConfig.from_file(file)
    start = f"python -m {PACKAGE}"
    command = config.command or ""
    assert start in command, f"{each.target}.toml does not start with {start}"
    command = command.replace(start, shlex.join([sys.executable, __file__, str(tree.folder)]))
    if each.is_secured:  # a fork stays in the folder of this process
        for name in ("server.pem", "server.key", "token"):
            command = command.replace(f" {name}", f" {tree.secrets / name}")
    return replace(config, command=command, start_seconds=START_SECONDS, folder=None)


def _secrets(folder: Path) -> Path:
    """Create a token, a certificate and its key."""
    place = folder / "secrets"
    place.mkdir()
    write_secrets(place)
    return place


def _last_line(text: str) -> str:
    lines: Sequence[str] = text.strip().splitlines()
    return lines[-1] if lines else ""
