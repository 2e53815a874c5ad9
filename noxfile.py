"""The nox sessions of this project: ``nox -l`` lists them, ``nox`` without arguments runs the conformance suite.

Tags: ``quick`` for checks of seconds, ``ci`` for the sessions of CI, ``slow`` for sessions that take minutes,
``network`` for sessions that download.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nox

sys.path.append(str(Path(__file__).parent / "tests" / "helpers"))

import node_tools

nox.needs_version = ">=2026.10"
nox.options.sessions = ["conformance"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.allow_parallel = True
nox.options.error_on_missing_interpreters = False
# The sessions start thousands of interpreters. Without compiled modules, each of them compiles every module again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PYTHONS = ["3.11", "3.12", "3.13"]
OTHER_NODES = ["16.17.0", "18", "24"]
LOCKS = ("dev", "test", "nox", "node", "peer")
IMPLEMENTATIONS = "conformance/implementations"
FRAMEWORK = f"{IMPLEMENTATIONS}/ipc_framework"
SERVER = f"{IMPLEMENTATIONS}/reference_server/default.toml"
CLIENT = f"{IMPLEMENTATIONS}/node_client/default.toml"
SECURITY = ("--case", "security/*", "--case", "golden/security-*")
OF_FILES = ("ci", "docs", "schemas", "gate/test_corpus.py", "gate/test_rules.py")
"""Tests of files that are no Python code, and judgements of the gate: the result is the same on every Python."""
UNTYPED = ("--allow-untyped-defs", "--allow-incomplete-defs", "--allow-untyped-calls", "--no-check-untyped-defs")


def _test_pythons() -> list[str]:
    """Return the supported interpreters that are installed, or the running one if there are none."""
    present = [version for version in PYTHONS if shutil.which(f"python{version}")]
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    return present if running in PYTHONS else [*present, running]


@nox.session(tags=["ci"])
def conformance(session: nox.Session) -> None:
    """Run the suite on the reference server and the Node client; with arguments: ipc-conformance run ARGUMENTS."""
    _install(session)
    if session.posargs:
        session.run("ipc-conformance", "run", *session.posargs)
        return
    results, secured, client = map(_results, ("reference_server", "reference_server_secured", "node_client"))
    _test(session, SERVER, "--json", results)
    _test(session, _secured(session), *SECURITY, "--json", secured)
    session.run("ipc-conformance", "requirements", results, secured, "--strict", "--missing")
    _test(session, SERVER.replace("default", "plain"), "--case", "profiles/*")
    _test(session, SERVER.replace("default", "in-memory"), "--case", "queue/*")
    node_tools.put_first(session)
    _test(session, CLIENT, "--json", client)
    session.run("ipc-conformance", "requirements", client, "--role", "client", "--strict", "--missing")


@nox.session(python=_test_pythons(), tags=["ci"])
def tests(session: nox.Session) -> None:
    """Run the project's own tests on every installed Python; tests of files that are no code only on the first."""
    _install(session)
    others = () if session.python == _test_pythons()[0] else (f"--ignore=tests/{name}" for name in OF_FILES)
    session.run("pytest", "-n", "3", *others, *session.posargs)


@nox.session(tags=["quick"])
def unit(session: nox.Session) -> None:
    """Run the tests that take seconds, on one Python."""
    _install(session)
    folders = ("tests/spec", "tests/schemas", "tests/docs", "tests/ci")
    session.run("pytest", "-q", "-n", "2", *(session.posargs or folders))


@nox.session(tags=["ci", "slow"])
def mutants(session: nox.Session) -> None:
    """Mutation-test the suite: it must detect every server and client that is wrong in one way."""
    _install(session)
    node_tools.put_first(session)
    for role in ("server", "client"):
        arguments = ("--role", role, "--json", _results(f"{role}_mutants"), *session.posargs)
        session.run("python", "tests/mutants/run.py", *arguments)


@nox.session(tags=["ci"])
def ledger(session: nox.Session) -> None:
    """List each requirement with its cases, verdicts and mutants, from the results of conformance, interop, mutants."""
    _install(session)
    servers = ("reference_server", "reference_server_secured", "ipc-framework")
    targets = {"server": servers, "client": ("node_client", "ipc-framework-client")}
    for role, names in targets.items():
        files = [_results(name) for name in (*names, f"{role}_mutants")]
        session.run("ipc-conformance", "requirements", *files, "--role", role, "--strict", *session.posargs)


@nox.session(tags=["ci"])
def secure(session: nox.Session) -> None:
    """Run the suite on a reference server that requires a token and TLS."""
    _install(session)
    _test(session, _secured(session), *session.posargs)


@nox.session(tags=["ci"])
def unix(session: nox.Session) -> None:
    """Run the suites on the reference server and the Node client over unix sockets."""
    _install(session)
    node_tools.put_first(session)
    for target in (SERVER, CLIENT):
        _test(session, target.replace("default", "unix"), *session.posargs)


@nox.session(tags=["ci", "slow"])
def fuzz(session: nox.Session) -> None:
    """Send the reference server 100000 frames, and test every property with as many examples."""
    _install(session)
    arguments = session.posargs or ["--examples", "2500"]
    _test(session, SERVER, "--case", "properties/*", *arguments)


@nox.session(tags=["slow"])
def repeat(session: nox.Session) -> None:
    """Run the suites twenty times, every second time on a busy core; all verdicts must be the same."""
    _install(session)
    node_tools.put_first(session)
    first: dict[str, list[str]] = {}
    for number in range(int(session.posargs[0]) if session.posargs else 20):
        for target in (SERVER, CLIENT):
            with _busy_core() if number % 2 else contextlib.nullcontext():
                _test(session, target, "--json", _results("repeat"))
            results = json.loads(Path(_results("repeat")).read_text())["results"]
            verdicts = [f"{each['case']} {each['verdict']}" for each in results]
            if verdicts != first.setdefault(target, verdicts):
                session.error(f"run {number + 1} differs: {sorted(set(verdicts) ^ set(first[target]))}")


@nox.session(tags=["ci", "slow"])
def chop(session: nox.Session) -> None:
    """Run the suites on our server and client with every TCP segmentation of the kit's writes.

    Octet by octet, the golden vectors are omitted: they are single frames, and take half a minute.
    """
    _install(session)
    node_tools.put_first(session)
    for mode in ("octets", "header", "random:1", "coalesce"):
        chosen = ("--case", "[!g]*") if mode == "octets" else ()
        for target in (SERVER, CLIENT):
            _test(session, target, "--chop", mode, *chosen, *session.posargs)


@nox.session(tags=["ci", "slow"])
def soak(session: nox.Session) -> None:
    """Run the long-running cases for 90 seconds, or `-- --soak SECONDS`, and kill a durable server 200 times."""
    _install(session)
    cases = (
        "limits/idle-*",
        "limits/ended-connections-*",
        "limits/too-many-*",
        "isolation/many-silent-*",
        "queue/*-kill",
    )
    chosen = [argument for case in cases for argument in ("--case", case)]
    _test(session, SERVER.replace("default", "soak"), *chosen, *(session.posargs or ["--soak"]))


@nox.session(tags=["ci", "slow"])
def interop(session: nox.Session) -> None:
    """Run the suites on a third-party server and client, and compare with their expected failures."""
    _install(session, "test", "peer")
    # Most of their cases wait, so more workers than cores cost little. A driver has three seconds to start, though.
    for role, workers, results in (("server", "16", "ipc-framework"), ("client", "4", "ipc-framework-client")):
        known = ("--known-failures", f"{FRAMEWORK}/known-failures-{role}.toml")
        options = ("-n", workers, "--seed", "1", "--json", _results(results))
        _test(session, f"{FRAMEWORK}/{role}.toml", *known, *options, *session.posargs)


@nox.session(tags=["ci"])
def node(session: nox.Session) -> None:
    """Check the Node client's style and types, and run its own tests."""
    _install(session)
    executable, npm = node_tools.executable(session, node_tools.EXPRESS), node_tools.npm(session)
    node_tools.prepare_tests(session)
    session.run(npm, "run", "lint", external=True)
    session.run(npm, "run", "types", external=True)
    node_tools.run_tests(session, executable, "test", "test/patterns", "test/express")


@nox.session(tags=["ci"])
def browser(session: nox.Session) -> None:
    """Test the page of the Express example in headless Chromium: IPC_TEST_CHROMIUM, or the one on PATH."""
    _install(session)
    executable = node_tools.executable(session, node_tools.EXPRESS)
    node_tools.prepare_tests(session)
    session.run(executable, "test/browser/chromium.js", external=True)
    node_tools.run_tests(session, executable, "test/browser")


@nox.session(name="node-versions", tags=["slow", "network"])
def node_versions(session: nox.Session) -> None:
    """Run the Node client's tests on the oldest Node.js, the oldest for Express, and the newest; downloads them."""
    _install(session)
    executables = [node_tools.install_version(session, version) for version in OTHER_NODES]
    node_tools.prepare_tests(session)
    for executable in executables:
        # Express needs 18.
        folders = ("test", "test/patterns", "test/express")[: 2 if executable == executables[0] else 3]
        node_tools.run_tests(session, executable, *folders)


@nox.session(name="npm-client", tags=["network"])
def npm_client(session: nox.Session) -> None:
    """Test the client of an npm package: -- PACKAGE [ARGUMENTS]; exits with status 3 if there is none."""
    if not session.posargs:
        node_tools.give_up(2, "name a package: nox -s npm-client -- NAME@VERSION, or a folder or a tarball instead")
    package, *arguments = session.posargs
    folder = node_tools.install_package(session, package)
    _install(session)
    driver = f"'{node_tools.executable(session)}' node_harness/driver.js --package '{folder}'"
    session.run("ipc-conformance", "run", "--client-cmd", driver, *arguments)


@nox.session(tags=["ci", "quick"])
def lint(session: nox.Session) -> None:
    """Check style, formatting and the rules for imports."""
    session.install("-r", ".ci/requirements/dev.txt")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")


@nox.session(tags=["ci", "quick"])
def typing(session: nox.Session) -> None:
    """Check the types: strictly in the packages, and the existing annotations in tests."""
    _install(session, "dev")
    session.run("mypy", "conformance", "reference_server", "noxfile.py")
    # Tests may lack annotations, but existing ones must be correct. Each set of options needs its own cache, or the two
    # runs would invalidate each other's. MYPYPATH is pytest's pythonpath; the other folders repeat module names.
    imported = [f"tests/{name}" for name in ("gate", "helpers", "mutants")]
    others = [str(path) for path in sorted(Path("tests").iterdir()) if path.name[0].isalpha()]
    others = [path for path in others if path not in imported]
    options = ("--cache-dir", ".mypy_cache/tests", *UNTYPED)
    path = {"MYPYPATH": os.pathsep.join(imported)}
    session.run("mypy", *options, *imported, env=path)
    session.run("mypy", *options, "--explicit-package-bases", *others, env=path)


@nox.session(tags=["ci", "quick"])
def spec(session: nox.Session) -> None:
    """Check the text of the specification, and that its list of requirements is up to date."""
    _install(session)
    session.run("ipc-conformance", "spec", "check")


@nox.session(tags=["ci", "quick"])
def gate(session: nox.Session) -> None:
    """Compare the protocol with its latest release, or with the version of --against."""
    _install(session)
    session.run("ipc-conformance", "gate", *session.posargs)


@nox.session(tags=["ci"])
def replay(session: nox.Session) -> None:
    """Send the golden vectors of this major version's releases to the reference server."""
    _install(session)
    releases = {tuple(map(int, path.stem.split("."))): path for path in Path("spec", "releases").glob("*.json")}
    latest = max(releases)
    secured = _secured(session)
    for release in (path for version, path in sorted(releases.items()) if version[0] == latest[0]):
        chosen = ("--release", str(release), "--case")
        _test(session, SERVER, *chosen, "golden/*", *session.posargs)
        _test(session, secured, *chosen, "golden/security-*", *session.posargs)


@nox.session(tags=["ci"])
def tutorial(session: nox.Session) -> None:
    """Execute docs/changing-the-protocol.md literally, in a temporary copy of the project."""
    session.run("python", "tests/docs/run_tutorial.py", "docs/changing-the-protocol.md", *session.posargs)


@nox.session(tags=["ci"], reuse_venv=False)
def build(session: nox.Session) -> None:
    """Build the wheel and run cases from it, in a fresh environment outside the source tree.

    Each package of cases and all data files are loaded; the session conformance runs the whole suite.
    """
    session.install("-r", ".ci/requirements/test.txt")
    with tempfile.TemporaryDirectory() as place:
        make = f"from setuptools import build_meta; build_meta.build_wheel({place!r})"
        session.run("python", "-c", make, env=_build_outside(session), silent=True)
        session.install("--no-deps", *(str(wheel) for wheel in Path(place).glob("*.whl")))
        session.chdir(place)
        where = "import conformance; print(*conformance.__path__)"
        package = str(session.run("python", "-c", where, silent=True)).strip()
        chosen = ("--case", "golden/*", "--case", "system/*", "--case", "properties/any-payload*")
        _test(session, f"{package}/{SERVER.removeprefix('conformance/')}", *chosen)


@nox.session(tags=["slow"], allow_parallel=False)
def bench(session: nox.Session) -> None:
    """Measure the reference server, the third-party server and a bare echo side by side."""
    _install(session, "test", "peer")
    session.run(
        *("ipc-conformance", "bench"),
        *("--subject", "reference=python -m reference_server --port {port} --responder"),
        *("--subject", "durable=python -m reference_server --port {port} --responder --profile queue --state {state}"),
        *("--queue", "durable"),
        *("--subject", f"ipc-framework=python {FRAMEWORK}/server.py --port {{port}}"),
        *("--subject", "bare=python -m conformance.bench.bare_echo --port {port}", "--raw", "bare"),
        *("--subject", "joined=python -m conformance.bench.bare_echo --port {port} --joined", "--raw", "joined"),
        *session.posargs,
    )


@nox.session(tags=["network"])
def lock(session: nox.Session) -> None:
    """Update .ci/requirements/*.txt after a change of pyproject.toml; `-- --upgrade` pins the newest releases."""
    session.install("-r", ".ci/requirements/nox.txt")
    options = ("--quiet", "--universal", "--python-version", PYTHONS[0], "--generate-hashes", *session.posargs)
    for name in LOCKS:
        project = ("pyproject.toml",) if name in ("dev", "test") else ()
        same = ("--constraint", ".ci/requirements/dev.txt") if name in ("test", "nox") else ()
        file = f".ci/requirements/{name}.txt"
        said = ("--custom-compile-command", "nox -s lock")
        session.run("uv", "pip", "compile", *options, *said, *project, "--group", name, *same, "--output-file", file)


def _install(session: nox.Session, *locks: str) -> None:
    """Install the packages of lock files, by default those for tests, and this project without its dependencies."""
    for name in locks or ("test",):
        session.install("-r", f".ci/requirements/{name}.txt")
    session.install("--no-deps", "--no-build-isolation", ".", env=_build_outside(session))


def _build_outside(session: nox.Session) -> dict[str, str]:
    """Return environment variables that make setuptools build in an empty folder of the session.

    In the source tree, parallel sessions would disturb each other, and wheels could contain modules of older builds.
    """
    folder = session.env_dir.absolute() / "build"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    configuration = folder / "distutils.cfg"
    configuration.write_text(f"[build]\nbuild_base = {folder}\n[egg_info]\negg_base = {folder}\n", "utf-8")
    return {"DIST_EXTRA_CONFIG": str(configuration)}


def _results(name: str) -> str:
    """Return the results file of a session, for the ledger."""
    Path("results").mkdir(exist_ok=True)
    return f"results/{name}.json"


def _test(session: nox.Session, target: str, *options: str) -> None:
    """Run the suite on the target of a target file."""
    session.run("ipc-conformance", "run", "--target", target, *options)


def _secured(session: nox.Session) -> str:
    """Create a token and a certificate, and return a target file of the server that requires both."""
    folder = Path(session.create_tmp()).resolve()
    session.run("python", "-m", "trustme", "--quiet", "--dir", str(folder), "--identities", "127.0.0.1", "localhost")
    (folder / "token").write_text(f"{secrets.token_urlsafe()}\n", "utf-8")
    return shutil.copy(SERVER.replace("default", "secured"), str(folder / "secured.toml"))


@contextlib.contextmanager
def _busy_core() -> Iterator[None]:
    """Keep a core busy."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()
