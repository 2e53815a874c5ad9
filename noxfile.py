"""The nox sessions of this project: ``nox -l`` lists them, ``nox`` without arguments runs the conformance suite.

Tags: ``quick`` for checks of seconds, ``ci`` for the sessions of CI, ``nightly`` for those of its nightly
run, ``slow`` for other sessions that take minutes, ``network`` for sessions that download.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
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
OLD_FRAMEWORKS = ["1.0.0", "1.1.0"]
"""Earlier releases of ipc-framework, for the matrix; the lock file of each is peer-MAJOR-MINOR-PATCH.txt."""
LOCKS = ("dev", "test", "nox", "docs", "mutation", "release", "plots", "node", "peer", "peer-1-0-0", "peer-1-1-0")
CONSTRAINED = ("test", "nox", "docs", "mutation", "release", "plots")
"""Locks with the versions of dev.txt, as far as they have the same packages."""
IMPLEMENTATIONS = "conformance/implementations"
FRAMEWORK = f"{IMPLEMENTATIONS}/ipc_framework"
SERVER = f"{IMPLEMENTATIONS}/reference_server/default.toml"
CLIENT = f"{IMPLEMENTATIONS}/node_client/default.toml"
PYTHON_CLIENT = f"{IMPLEMENTATIONS}/python_client/default.toml"
SECURITY = ("--case", "security/*", "--case", "golden/security-*")
DRAWN = os.pathsep.join(("docs/pictures", "docs/site"))
"""Folders of programs that draw, whose modules import each other."""
OF_FILES = ("ci", "ci_of_others", "docs", "schemas", "gate/test_corpus.py", "gate/test_rules.py")
"""Tests of files that are no Python code, and judgements of the gate: the result is the same on every Python."""
CUT_THEMSELVES = (
    *("framing/a-mebibyte-in-*", "properties/any-split-*"),
    *("client-framing/*-cut-*", "client-framing/*-octet-by-octet"),
)
MANY_TIMES = (
    *("leftovers/*", "many/*", "late/places-*", "late/timers-*", "limits/ended-*", "limits/hundred-*"),
    *("limits/too-many-*", "properties/any-frames-*", "publish/churn", "publish/many-*", "publish/thousand-*"),
    "queue/thousand-*",
)
UNCUT = (*CUT_THEMSELVES, *MANY_TIMES, "limits/slow-*", "queue/*-kill", "names/*")
"""Cases in which other TCP segments show nothing that the remaining cases do not; docs/decisions/0052 says why."""
VALUES = ("golden/*", "client-encoding/keeps-*", "client-publish/*-of-*", "client-publish/*-with-*")
"""Cases of single frames that differ in a value."""
UNTYPED = ("--allow-untyped-defs", "--allow-incomplete-defs", "--allow-untyped-calls", "--no-check-untyped-defs")


def _other_pythons() -> list[str] | None:
    """Return the supported Pythons that are installed, except the running one; None, for this one, if none is."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [each for each in PYTHONS if each != running and shutil.which(f"python{each}")] or None


def _newest_python() -> list[str] | None:
    """Return the newest of the other Pythons, in a list; None if there is none."""
    others = _other_pythons()
    return others and others[-1:]


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


@nox.session(tags=["ci"])
def tests(session: nox.Session) -> None:
    """Run the project's own tests.

    A few failures are tried once more, alone; what passes then was late, and is named.
    """
    _install(session)
    session.run("python", "tests/helpers/twice.py", *session.posargs)


@nox.session(name="tests-pythons", python=_other_pythons(), tags=["nightly"])
def tests_pythons(session: nox.Session) -> None:
    """Run the project's own tests and the suite on each other Python; no tests of files that are no code."""
    _install(session)
    ignored = [f"--ignore=tests/{name}" for name in OF_FILES]
    session.run("python", "tests/helpers/twice.py", *ignored, *session.posargs)
    if not session.posargs:
        _test(session, SERVER)
        _test(session, PYTHON_CLIENT, "--case", "client-handshake/*", "--case", "client-loss/*")


@nox.session(tags=["quick"])
def unit(session: nox.Session) -> None:
    """Run the tests that take seconds, on one Python."""
    _install(session)
    folders = ("tests/spec", "tests/schemas", "tests/docs", "tests/ci")
    session.run("pytest", "-q", "-n", "2", *(session.posargs or folders))


@nox.session(tags=["ci"])
def mutants(session: nox.Session) -> None:
    """Mutation-test the suite: it must detect every server and client that is wrong in one way."""
    _install(session)
    node_tools.put_first(session)
    for role in ("server", "client"):
        arguments = ("--role", role, "--json", _results(f"{role}_mutants"), *session.posargs)
        session.run("python", "tests/mutants/run.py", *arguments)


@nox.session(tags=["slow"])
def mutation(session: nox.Session) -> None:
    """Run the suite on a sample of machine-made mutants of the server; renews docs/mutation.md. Also: -- --all."""
    _install(session, "test", "mutation")
    session.run("python", "tests/machine_made/mutate.py", *session.posargs)


@nox.session(tags=["ci"])
def ledger(session: nox.Session) -> None:
    """List each requirement with its cases, verdicts and mutants, from the results of conformance, interop, mutants."""
    _install(session)
    servers = ("reference_server", "reference_server_secured", "ipc-framework")
    targets = {"server": servers, "client": ("node_client", "ipc-framework-client")}
    for role, names in targets.items():
        files = [_results(name) for name in (*names, f"{role}_mutants")]
        session.run("ipc-conformance", "requirements", *files, "--role", role, "--strict", *session.posargs)


@nox.session(tags=["nightly"])
def architectures(session: nox.Session) -> None:
    """Run the suites on servers and clients of other architectures, which conform; fails if any case does."""
    _install(session)
    session.run("python", "tests/architectures/run.py", *session.posargs)


@nox.session(tags=["slow"])
def diagnosis(session: nox.Session) -> None:
    """Run the suite on eight servers that each lack one ability; fails if the first cause is another one."""
    _install(session)
    session.run("python", "tests/diagnosis/run.py", *session.posargs)


@nox.session(tags=["nightly"])
def secure(session: nox.Session) -> None:
    """Run the suite on a reference server that requires a token and TLS."""
    _install(session)
    _test(session, _secured(session), *session.posargs)


@nox.session(tags=["nightly"])
def unix(session: nox.Session) -> None:
    """Run the suites on the reference server and the Node client over unix sockets."""
    _install(session)
    node_tools.put_first(session)
    for target in (SERVER, CLIENT):
        _test(session, target.replace("default", "unix"), *session.posargs)


@nox.session(tags=["nightly"])
def fuzz(session: nox.Session) -> None:
    """Send the reference server 100000 frames, and test every property with as many examples."""
    _install(session)
    arguments = session.posargs or ["--examples", "2500"]
    _test(session, SERVER, "--case", "properties/*", *arguments)


@nox.session(tags=["slow"])
def repeat(session: nox.Session) -> None:
    """Run the suites twenty times, every second time with all cores busy; what passed once must always pass."""
    _install(session)
    node_tools.put_first(session)
    first: dict[str, list[str]] = {}
    for number in range(int(session.posargs[0]) if session.posargs else 20):
        for target in (SERVER, CLIENT):
            with _busy_cores() if number % 2 else contextlib.nullcontext():
                _test(session, target, "--json", _results("repeat"))
            results = json.loads(Path(_results("repeat")).read_text())["results"]
            verdicts = [
                f"{each['case']} {'pass' if each['verdict'] == 'slow' else each['verdict']}" for each in results
            ]
            if verdicts != first.setdefault(target, verdicts):
                session.error(f"run {number + 1} differs: {sorted(set(verdicts) ^ set(first[target]))}")


@nox.session(tags=["nightly"])
def chop(session: nox.Session) -> None:
    """Run the suites on our server and client with every TCP segmentation of the kit's writes.

    Values in single frames are cut at random only. Cases in which segmentation shows nothing are omitted.
    """
    _install(session)
    node_tools.put_first(session)
    for mode in ("octets", "header", "random:1", "coalesce"):
        omitted = UNCUT if mode == "random:1" else (*UNCUT, *VALUES)
        options = [argument for case in omitted for argument in ("--exclude", case)]
        for target in (SERVER, CLIENT):
            _test(session, target, "--chop", mode, *options, *session.posargs)


@nox.session(tags=["nightly"])
def soak(session: nox.Session) -> None:
    """Run the long-running cases for 90 seconds, or `-- --soak SECONDS`, and kill a durable server 200 times."""
    _install(session)
    cases = (
        "limits/idle-*",
        "limits/ended-connections-*",
        "limits/too-many-*",
        "isolation/many-silent-*",
        "leftovers/*",
        "many/messages-*",
        "reading/pauses-*",
        "queue/*-kill",
    )
    chosen = [argument for case in cases for argument in ("--case", case)]
    # Two of the longest cases only wait, so three workers keep two cores busy.
    _test(session, SERVER.replace("default", "soak"), "-n", "3", *chosen, *(session.posargs or ["--soak"]))


@nox.session(tags=["ci"])
def responders(session: nox.Session) -> None:
    """Run the cases that the responder serves on the programs of docs/responders, in the languages that are there."""
    _install(session)
    session.run("python", "tests/responders/run.py", *session.posargs)


@nox.session(name="your-ci", tags=["nightly"])
def your_ci(session: nox.Session) -> None:
    """Follow docs/in-your-ci.md in an empty repository, to a red, a green and a red job."""
    _install(session)
    session.run(
        "python", "tests/ci_of_others/follow_guide.py", env={"PYTHONPATH": str(Path("tests", "helpers").resolve())}
    )


@nox.session(tags=["ci"])
def attack(session: nox.Session) -> None:
    """Attack the reference server on loopback: it must stay in its bounds and serve others."""
    _install(session)
    session.run("python", "tests/attacks/run_attacks.py", "--json", _results("attacks"), *session.posargs)


@nox.session(tags=["ci"])
def interop(session: nox.Session) -> None:
    """Run the suites on a third-party server and client, compare with their expected failures, and run its examples."""
    _install(session, "test", "peer")
    # Most of their cases wait, so more workers than cores cost little. A driver has three seconds to start, though.
    for role, workers, results in (("server", "16", "ipc-framework"), ("client", "4", "ipc-framework-client")):
        known = ("--known-failures", f"{FRAMEWORK}/known-failures-{role}.toml")
        options = ("-n", workers, "--seed", "1", "--json", _results(results))
        _test(session, f"{FRAMEWORK}/{role}.toml", *known, *options, *session.posargs)
    if not session.posargs:
        session.run("python", "tests/shipped_examples/run.py")


@nox.session(name="interop-matrix", tags=["ci"])
def interop_matrix(session: nox.Session) -> None:
    """Run every client with every server; fails if a cell of the matrix changes, or docs/interop.md is out of date."""
    _install(session, "test", "peer")
    node_tools.put_first(session)
    place = Path(session.create_tmp()).resolve()
    for version in OLD_FRAMEWORKS:
        lock = f".ci/requirements/peer-{version.replace('.', '-')}.txt"
        session.install("--no-deps", "--target", str(place / version), "-r", lock)
    page = place / "interop.md"
    options = ("--matrix", f"{IMPLEMENTATIONS}/interop.toml", "--json", _results("interop-matrix"))
    environment = {"IPC_FRAMEWORK_RELEASES": str(place)}
    session.run("ipc-conformance", "interop", *options, "--markdown", str(page), *session.posargs, env=environment)
    if not session.posargs and page.read_text("utf-8") != Path("docs/interop.md").read_text("utf-8"):
        session.error(f"docs/interop.md is out of date; replace it by {page}, then run nox -s picture")


@nox.session(tags=["ci"])
def node(session: nox.Session) -> None:
    """Check the Node client's style and types, and run its own tests."""
    _install(session)
    executable, npm = node_tools.executable(session, node_tools.EXPRESS), node_tools.npm(session)
    node_tools.prepare_tests(session)
    session.run(npm, "run", "lint", external=True)
    session.run(npm, "run", "types", external=True)
    node_tools.run_tests(session, executable, "test", "test/patterns", "test/express")


@nox.session(name="python-client", python=_newest_python(), tags=["ci"])
def python_client(session: nox.Session) -> None:
    """Run the suite on the asyncio client, over TCP and unix sockets, on the newest other Python that is installed."""
    _install(session)
    _test(session, PYTHON_CLIENT, "--json", _results("python_client"), *session.posargs)
    chosen = ("--case", "client-handshake/*", "--case", "client-loss/*")
    _test(session, PYTHON_CLIENT.replace("default", "unix"), *chosen)


@nox.session(name="python-mutants", tags=["nightly"])
def python_mutants(session: nox.Session) -> None:
    """Mutation-test the suite with mistakes of the asyncio client, most of them like those of the Node client."""
    _install(session)
    session.run("python", "tests/mutants/run.py", "--role", "python-client", *session.posargs)


@nox.session(name="seed-blocks", tags=["ci"])
def seed_blocks(session: nox.Session) -> None:
    """Run the code blocks of the first client's documentation as typed; skipped where that document is not at hand.

    If IPC_SEED_DOCUMENT names it, it must be there.
    """
    document = Path(os.environ.get("IPC_SEED_DOCUMENT", "../shared/seed/nodejs-package-documentation.md")).resolve()
    if not document.is_file():
        tell = session.error if "IPC_SEED_DOCUMENT" in os.environ else session.skip
        tell(f"there is no document {document}; IPC_SEED_DOCUMENT names it")
    _install(session, "test", "peer")
    node_tools.put_first(session)
    program = str(Path("tests", "seed", "run_blocks.py").resolve())
    node_tools.prepare_tests(session)
    session.run("python", program, str(document), *session.posargs)


@nox.session(tags=["ci"])
def browser(session: nox.Session) -> None:
    """Test the pages of Express, of the HTML report and of the site in headless Chromium.

    That is IPC_TEST_CHROMIUM, or the one on PATH. `nox -s docs` builds the site.
    """
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


@nox.session(name="other-runtimes", tags=["slow", "network"])
def other_runtimes(session: nox.Session) -> None:
    """Run the suite on the Node client in Bun and in Deno; downloads them."""
    _install(session)
    driver = str(Path("node_harness", "driver.js").resolve())
    for package, options in (("bun", ()), ("deno", ("run", "--allow-all"))):
        runtime = node_tools.install_package(session, package)
        command = shlex.join([str(runtime.parent / ".bin" / package), *options, driver])
        session.run("ipc-conformance", "run", "--client-cmd", command, "-n", "4", "--json", _results(package))


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
    _install(session, "dev", "docs")
    session.run("mypy", "conformance", "reference_server", "noxfile.py", ".ci/release.py")
    builder = [str(path) for name in ("pictures", "site") for path in sorted(Path("docs", name).glob("*.py"))]
    session.run("mypy", "--cache-dir", ".mypy_cache/site", *builder, env={"MYPYPATH": DRAWN})
    # Tests may lack annotations, but existing ones must be correct. Each set of options needs its own cache, or the two
    # runs would invalidate each other's. MYPYPATH is pytest's pythonpath; the other folders repeat module names.
    imported = [f"tests/{name}" for name in ("attacks", "gate", "helpers", "machine_made", "mutants", "seed")]
    others = [str(path) for path in sorted(Path("tests").iterdir()) if path.name[0].isalpha()]
    others = [path for path in others if path not in imported]
    options = ("--cache-dir", ".mypy_cache/tests", *UNTYPED)
    path = {"MYPYPATH": os.pathsep.join([*imported, DRAWN])}
    session.run("mypy", *options, *imported, env=path)
    session.run("mypy", *options, "--explicit-package-bases", *others, env=path)


@nox.session(tags=["ci", "quick"])
def spec(session: nox.Session) -> None:
    """Check the text of the specification, and that its list of requirements is up to date."""
    _install(session)
    session.run("ipc-conformance", "spec", "check")


@nox.session(tags=["ci"])
def docs(session: nox.Session) -> None:
    """Build the site of the specification in results/site, or in the folder `-- FOLDER`; fails if a link is dead."""
    _install(session, "docs")
    session.run("python", "docs/site/build.py", *(session.posargs or ["results/site"]))
    session.run("pytest", "-q", "tests/docs/test_site.py")


@nox.session(tags=["ci", "quick"])
def gate(session: nox.Session) -> None:
    """Compare the protocol with its latest release, or with the version of --against."""
    _install(session)
    session.run("ipc-conformance", "gate", *session.posargs)


@nox.session(python=_newest_python(), tags=["ci"])
def replay(session: nox.Session) -> None:
    """Send the golden vectors of this major version's releases to the reference server, on the newest other Python."""
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
        _test(session, f"{package}/{PYTHON_CLIENT.removeprefix('conformance/')}", "--case", "client-encoding/*")


@nox.session(tags=["slow"])
def release(session: nox.Session) -> None:
    """Build a release twice in results/release: wheel, sdist, npm tarball, SBOM, digests; publishes nothing.

    Fails if the builds differ, or if twine or npm would refuse them.
    """
    session.install("-r", ".ci/requirements/release.txt")
    session.run("python", ".ci/release.py", *(session.posargs or ["results/release"]))


@nox.session(tags=["slow"])
def picture(session: nox.Session) -> None:
    """Draw the pictures of the pages: the plots, and the first screen of a report about ipc-framework."""
    _install(session, "test", "peer", "plots")
    session.run("python", "docs/pictures/plots.py")
    results = _results("picture")
    options = ("-n", "16", "--seed", "1", "--json", results)
    command = ("ipc-conformance", "run", "--target", f"{FRAMEWORK}/server.toml", *options, *session.posargs)
    session.run(*command, success_codes=[0, 1])
    session.run("python", "docs/pictures/first_screen.py", results, "docs/pictures/first-screen.svg")
    session.run("pytest", "-q", "tests/docs/test_pictures.py")


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
        project = ("pyproject.toml",) if name in ("dev", "test", "docs") else ()
        same = ("--constraint", ".ci/requirements/dev.txt") if name in CONSTRAINED else ()
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
def _busy_cores() -> Iterator[None]:
    """Keep every core busy."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
