"""Input files that would block the kit, or take its memory or minutes: each ends in one line and status 2."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit_commands import invoke

from conformance.gate.inputs.strict_json import read_object
from conformance.gate.model.release import ReleaseError
from conformance.protocol.files import MEBIBYTE, parse_json, parse_toml, read_text
from conformance.specification import drafts
from conformance.specification.lockfile import Lock
from conformance.specification.markdown import SpecError, read_chapter

SECONDS, LOADING_SECONDS = 3.0, 5.0
"""Of processor time, whatever else the machine does; without the limits it was minutes."""
ENDLESS = Path("/dev/zero")
TREE = str(Path(__file__).parents[3])

TOML = {
    "a dotted key": (".".join(["a"] * 100_000) + " = 1", "line 1 has a key of more than 64 parts"),
    "a quoted dotted key": ("x = 1\n" + ".".join(['"a"'] * 60_000) + " = 1", "line 2 has a key of more than 64 parts"),
    "the name of a table": (f"[{'.'.join(['a'] * 100_000)}]", "line 1 has a key of more than 64 parts"),
    "a deep array": ("a = " + "[" * 100_000, "nested too deep"),
    "a long number": ("a = " + "1" * 200_000, "Exceeds the limit"),
    "megabytes": ("#" * (MEBIBYTE + 1), f"longer than {MEBIBYTE} octets"),
}
JSON = {
    "a deep array": ("[" * 200_000, "nested too deep"),
    "a deep object": ('{"a":' * 100_000, "nested too deep"),
    "a long number": ("1" * 200_000, "Exceeds the limit"),
    "no JSON": ("a = 1", "not a JSON file: Expecting value"),
}
OPTIONS = [
    ("run", "--server", "h:1", "--known-failures"),
    ("run", "--target"),
    ("run", "--server", "h:1", "--token-file"),
    ("run", "--server", "h:1", "--tls-ca"),
    ("requirements",),
    ("gate", "--tree", TREE, "--waivers"),
    ("gate", "--tree", TREE, "--against"),
]


PARSED = [(parse_toml, *pair) for pair in TOML.values()] + [(parse_json, *pair) for pair in JSON.values()]


@pytest.mark.parametrize(("parse", "text", "reason"), PARSED, ids=[*TOML, *JSON])
def test_what_no_person_wrote_is_refused_at_once(
    parse: Callable[[Path], Any], text: str, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "x"
    file.write_text(text)
    start = time.process_time()
    with pytest.raises(ValueError, match=reason):
        parse(file)
    assert time.process_time() - start < SECONDS


def test_dots_in_strings_are_no_parts_of_keys(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(f'a.b = "{"." * 500}\\" ."\r\nc = \'{"." * 500}\'\n')
    assert parse_toml(file) == {"a": {"b": "." * 500 + '" .'}, "c": "." * 500}
    assert "\r" not in read_text(file)


@pytest.mark.parametrize("option", OPTIONS, ids=" ".join)
def test_device_or_pipe_as_an_input_is_a_line_and_status_2(option: tuple[str, ...], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for file in (ENDLESS, pipe):
        start = time.process_time()
        result = invoke(*option, str(file))
        assert (result.exit_code, "not a regular file" in result.output.splitlines()[-1]) == (2, True), result.output
        assert time.process_time() - start < LOADING_SECONDS + SECONDS


def test_device_as_a_release_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(drafts.RELEASE, str(ENDLESS))
    with pytest.raises(drafts.DraftError, match=r"/dev/zero: cannot be used \(not a regular file\)"):
        drafts.apply()


def test_link_to_a_device_in_a_tree_is_an_error(tmp_path: Path) -> None:
    for name in ("x.schema.json", "01-a.md", "requirements.json"):
        (tmp_path / name).symlink_to(ENDLESS)
    with pytest.raises(ReleaseError, match="not a regular file"):
        read_object(tmp_path / "x.schema.json")
    with pytest.raises(SpecError, match="not a regular file"):
        read_chapter(tmp_path / "01-a.md")
    with pytest.raises(SpecError, match="not a regular file"):
        Lock.read(tmp_path)
