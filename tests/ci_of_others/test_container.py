"""The Containerfile: its steps, executed as shell in a folder, make a server that runs on a read-only file system."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ci_jobs import ROOT, checkout, environment

READ_ONLY = ("unshare", "-rm", "sh", "-c", 'mount --bind / / && mount -o remount,bind,ro / && exec "$@"', "sh")
"""Runs a command with a root file system that is read-only, /tmp too."""


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Containerfile with their arguments."""
    lines = (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
    parts = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(name, arguments) for name, _, arguments in parts]


def last(name: str) -> str:
    return [arguments for each, arguments in instructions() if each == name][-1]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that stands for the root of the image, after all steps."""
    context = checkout(tmp_path_factory.mktemp("context"))
    root = tmp_path_factory.mktemp("root")
    (root / "bin").mkdir()
    (root / "bin" / "python").symlink_to(sys.executable)
    variables = environment()
    variables["PATH"] = f"{root / 'bin'}{os.pathsep}{variables['PATH']}"
    for name, arguments in instructions():
        if name == "COPY":
            *sources, target = (each for each in arguments.split() if not each.startswith("--"))
            if "--from" not in arguments:  # both stages have one root here
                _copy([context / each for each in sources], root / target.lstrip("/"), is_folder=target.endswith("/"))
        elif name == "RUN":
            command = arguments.replace("/opt/", f"{root}/opt/").replace("/source", f"{root}/source")
            done = subprocess.run(["sh", "-c", command], env=variables, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
    return root


def _copy(sources: list[Path], target: Path, *, is_folder: bool) -> None:
    (target if is_folder else target.parent).mkdir(parents=True, exist_ok=True)
    for source in sources:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)


def command(image: Path, name: str, port: int) -> list[str]:
    """Return the command of an instruction, for the folder in place of the root and a free port."""
    words = json.loads(last(name)[last(name).index("[") :])
    with_port = [str(port) if each == "8888" else each.replace("/opt/", f"{image}/opt/") for each in words]
    return [shutil.which(with_port[0], path=str(image / "opt/ipc/bin")) or with_port[0], *with_port[1:]]


@pytest.fixture
def server(image: Path) -> Iterator[int]:
    """The port of a server that the image's command starts on a read-only file system, if that can be had here."""
    with socket.create_server(("localhost", 0)) as free:
        port: int = free.getsockname()[1]
    can_mount = subprocess.run([*READ_ONLY, "true"], capture_output=True, check=False).returncode == 0
    words = [*(READ_ONLY if can_mount else ()), *command(image, "CMD", port)]
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield port
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def healthy(image: Path, port: int) -> bool:
    done = subprocess.run(command(image, "HEALTHCHECK", port), env=environment(), capture_output=True, check=False)
    assert (done.returncode, done.stderr) in ((0, b""), (1, b""))
    return done.returncode == 0


def test_server_of_the_image_is_healthy_and_ends_on_sigterm(image: Path, server: int) -> None:
    deadline = time.monotonic() + 60
    while not healthy(image, server) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert healthy(image, server)
    kit = [str(image / "opt/ipc/bin/ipc-conformance"), "run", "--server", f"localhost:{server}", "--case", "system/*"]
    done = subprocess.run(kit, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_server_that_is_not_there_or_is_silent_is_not_healthy(image: Path) -> None:
    with socket.create_server(("localhost", 0)) as silent:
        assert not healthy(image, silent.getsockname()[1])
    assert not healthy(image, 1)


def test_user_of_the_image_has_no_rights_and_stages_have_the_same_base() -> None:
    user, group = map(int, last("USER").split(":"))
    assert min(user, group) > 0
    bases = {arguments.split()[0] for name, arguments in instructions() if name == "FROM"}
    assert len(bases) == 1
    assert last("EXPOSE") in shlex.split(last("HEALTHCHECK").replace('"', " ").replace(",", " "))
