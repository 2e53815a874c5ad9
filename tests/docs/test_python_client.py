"""The page docs/python-client.md: its programs print what it says, and its tables name what there is."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from refserver_peer import running

from reference_server import examples
from reference_server.client import Client, ClientError, client
from reference_server.network.tls import load_certificate

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "python-client.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.+?)```.*?```text\n(.+?)```", TEXT, re.DOTALL)


def execute(program: str, port: int, folder: Path, **environment: str) -> str:
    (folder / "program.py").write_text(program.replace("8888", str(port)), "utf-8")
    command = [sys.executable, "program.py"]
    variables = os.environ | environment
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_program_has_its_output() -> None:
    assert TEXT.count("```python\n") == len(PROGRAMS) == 3


@pytest.mark.parametrize("number", [0, 1])
def test_program_prints_what_the_page_says(number: int, tmp_path: Path) -> None:
    program, output = PROGRAMS[number]
    with running(examples.register) as server:
        assert execute(program, server.port, tmp_path) == output


def test_program_with_tls_prints_what_the_page_says(tmp_path: Path) -> None:
    program, output = PROGRAMS[2]
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    tls = load_certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    token = "s3cret"  # noqa: S105 - of a server that lives for a second
    with running(tls=tls, token=token) as server:
        assert execute(program, server.port, tmp_path, IPC_TOKEN=token) == output


def rows_of(heading: str) -> list[list[str]]:
    part = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]


def test_options_are_those_of_the_client_with_their_defaults() -> None:
    listed: dict[str, str] = {}
    for names, defaults, _ in rows_of("Options"):
        values = defaults.replace("`", "").split(", ")
        listed.update(zip(re.findall(r"`(\w+)`", names), values, strict=True))
    parameters = inspect.signature(Client).parameters
    assert list(listed) == list(parameters)
    for name, each in parameters.items():
        if each.default not in (inspect.Parameter.empty, None):
            assert ast.literal_eval(listed[name]) == each.default, name


def test_members_are_those_of_the_client_with_their_defaults() -> None:
    names = [name for cells in rows_of("Members") for name in re.findall(r"`(?:await )?(\w+)(?:\(.*?\))?`", cells[0])]
    inner = {name for name in vars(Client) if re.match("[a-z]", name)}
    called_inside = {"add_subscription", "remove_subscription", "room", "report", "message_received", "message_dropped"}
    called_inside |= {"connection_opened", "connection_lost", "connection_given_up"}
    assert set(names) == inner - called_inside
    defaults = [
        (member, *default)
        for cells in rows_of("Members")
        for member, arguments in re.findall(r"`(?:await )?(\w+)\((.*?)\)`", cells[0])
        for default in re.findall(r"(\w+)=([^,]+)", arguments)
    ]
    assert len(defaults) == 4
    for member, name, value in defaults:
        assert inspect.signature(getattr(Client, member)).parameters[name].default == ast.literal_eval(value)


def test_codes_are_those_of_the_client() -> None:
    listed = {code for cells in rows_of("Errors") for code in re.findall(r"`(\w+)`", cells[0])}
    folder = Path(client.__file__).parent
    used = set(re.findall(r'ClientError\("(\w+)"', "".join(each.read_text("utf-8") for each in folder.glob("*.py"))))
    used |= set(re.findall(r'fail_all\("(\w+)"', "".join(each.read_text("utf-8") for each in folder.glob("*.py"))))
    assert listed == used
    documented = set(re.findall(r"`(\w+)`", inspect.getdoc(ClientError) or ""))
    assert documented == used
