"""Runs every code block of the first client's documentation as typed, and compares what it prints with ``blocks.toml``.

``python tests/seed/run_blocks.py DOCUMENT`` needs Node.js, the packages of ``node_harness``, and ipc-framework 1.1.2.
The document is not part of this project: ``blocks.toml`` names its blocks by number, heading and digest. ``--print``
prints all output instead of comparing it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from conformance.targets.process import ServerProcess

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("blocks.toml")
HARNESS = ROOT / "node_harness"
PACKAGE = "@ifesol/ipc-framework-nodejs"
PIECE = re.compile(r"^(?P<mark>#{1,6}) (?P<heading>[^\n]*)$|^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S)
PART = re.compile(r"^// (OLD|NEW|Problem|Solution)\b", re.M)
STOP_SECONDS = 10.0
SERVERS = {
    "reference": "python -m reference_server --port {port} --handlers reference_server.examples"
    " --profile batch --profile discovery --profile queue",
    "deployed": f"python {shlex.quote(str(Path(__file__).with_name('deployed_server.py')))} {{port}}",
}
"""The servers by name."""
PROGRAM_START = "const { IPCClient } = require('@ifesol/ipc-framework-nodejs');\n"
CLIENT = PROGRAM_START + "const client = new IPCClient('seed-app');\n"
FAILED = ".catch((error) => console.log('failed:', error.message))"
DONE = "client.disconnect(); console.log('done');"
CONTEXTS = {
    "": "CODE",
    "import": PROGRAM_START + "CODE",
    "class": PROGRAM_START + "const appId = 'seed-app', options = {};\n{\nCODE\nconsole.log('made');\n}\n",
    "async": PROGRAM_START + "(async () => {\nCODE\nSHOW\n})()" + FAILED + ".then(() => process.exit());\n",
    "client": CLIENT + "CODE\nclient.connect().then(() => setTimeout(() => { " + DONE + " }, 300));\n",
    "connected": CLIENT
    + "client.connect().then(async () => {\nCODE\nSHOW\n})"
    + FAILED
    + ".then(() => { "
    + DONE
    + " });\n",
    "patterns": "const { IPCConnectionPool, PerformantIPCClient } = require('@ifesol/ipc-framework-nodejs/patterns');\n"
    "(async () => {\nCODE\n})()" + FAILED + ";\n",
    "express": CLIENT + "const app = require('express')();\nCODE\n"
    "client.connect().then(() => { const server = app.listen(3000, () => server.close("
    "() => setTimeout(() => { console.log('open:', client.connected); process.emit('SIGINT'); }, 300))); });\n",
}
"""What the text around a fragment presupposes, by the name that ``blocks.toml`` uses."""


@dataclass(frozen=True)
class Block:
    """A code block, or one of its alternatives."""

    number: int
    part: str
    heading: str
    language: str
    code: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.code.encode()).hexdigest()[:16]

    @property
    def key(self) -> tuple[int, str]:
        return self.number, self.part


def blocks_of(text: str) -> Iterator[Block]:
    """Yield the blocks of a document; those with alternatives in parts."""
    heading, number = "", 0
    for piece in PIECE.finditer(text):
        if piece["mark"]:
            heading = piece["heading"]
            continue
        number += 1
        for part, code in _parts(piece["code"]):
            yield Block(number, part, heading, piece["language"], code)


def _parts(code: str) -> Iterator[tuple[str, str]]:
    starts = list(PART.finditer(code))
    if not starts:
        yield "", code
        return
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        yield start[1], code[start.start() : end.start() if end else None]


def read_table() -> dict[tuple[int, str], dict[str, Any]]:
    """Return the entries of ``blocks.toml`` by number and part."""
    content = tomllib.loads(TABLE.read_text("utf-8"))
    # Without an entry of its own, the deployed server has that of the reference server.
    entries = ({"deployed": each["reference"]} | each for each in content["block"])
    return {(each["number"], each.get("part", "")): each for each in entries}


def stale(blocks: list[Block], table: dict[tuple[int, str], dict[str, Any]]) -> Iterator[str]:
    """Yield how the table does not fit the document."""
    programs = [each for each in blocks if each.language == "javascript"]
    for each in programs:
        entry = table.get(each.key)
        if entry is None:
            yield f"block {each.number} {each.part} ({each.heading}, digest {each.digest}) is not in the table"
        elif (entry["heading"], entry["digest"]) != (each.heading, each.digest):
            yield f"block {each.number} {each.part} ({each.heading}) has the digest {each.digest}"
    yield from (f"there is no block {number} {part}" for number, part in table.keys() - {each.key for each in programs})


@dataclass(frozen=True)
class Ran:
    """What a block printed, and whether it went on after SIGINT, until it was killed."""

    output: str
    hangs: bool = False


def run(
    block: Block, entry: dict[str, Any], port: int, shows: list[str], seconds: float, *, ends: threading.Event
) -> Ran:
    """Run a block as typed until it has printed all of ``shows``, ends, or takes too long, or ``ends`` is set."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _install(folder)
        is_module = re.search(r"^import ", block.code, re.M) is not None
        program = folder / ("program.mjs" if is_module else "program.js")
        context = CONTEXTS[entry.get("context", "")].replace("SHOW", entry.get("show", ""))
        program.write_text(context.replace("CODE", block.code), "utf-8")
        asks = "\n".join(entry.get("asks", ()))
        environment = os.environ | {"SEED_PORT": str(port), "SEED_ASKS": asks}
        command = ["node", "--require", str(Path(__file__).with_name("preload.js")), program.name]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
        ) as process:
            return watch(process, shows, seconds, ends)


def _install(folder: Path) -> None:
    modules = folder / "node_modules"
    (modules / PACKAGE).parent.mkdir(parents=True)
    (modules / PACKAGE).symlink_to(HARNESS)
    (modules / "express").symlink_to(HARNESS / "node_modules" / "express")


def watch(process: subprocess.Popen[str], shows: list[str], seconds: float, ends: threading.Event) -> Ran:
    """Do what :func:`run` does with the process of a block."""
    hangs = False
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")))  # type: ignore[union-attr]
    reader.start()
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline and not ends.is_set():
        if shows and not missing("".join(lines), shows):
            break
        time.sleep(0.05)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(0.0 if ends.is_set() else STOP_SECONDS)
        except subprocess.TimeoutExpired:
            hangs = True
            process.kill()
    reader.join()
    return Ran("".join(lines), hangs)


def missing(output: str, shows: list[str]) -> list[str]:
    """Return the patterns that do not occur in an output, in this order."""
    place, absent = 0, []
    for pattern in shows:
        found = re.compile(pattern, re.S).search(output, place)
        if found:
            place = found.end()
        else:
            absent.append(pattern)
    return absent


def check(
    block: Block, entry: dict[str, Any], name: str, port: int, seconds: float, *, ends: threading.Event, prints: bool
) -> list[str]:
    """Run a block with a server, and return what is not as the table says."""
    wanted = entry.get(name)
    if wanted is None and not prints:
        return []
    shows = [] if prints or wanted is None else wanted["shows"]
    ran = run(block, entry, port, shows, entry.get("seconds", seconds), ends=ends)
    if prints:
        end = "(does not end after SIGINT)\n" if ran.hangs else ""
        click.echo(f"== {block.number} {block.part} {block.heading} [{name}] {block.digest}\n{ran.output[:1500]}{end}")
        return []
    what = f"block {block.number} {block.part} ({block.heading}), {name}"
    return [f"{what}: {problem} in\n{ran.output[:2000]}" for problem in problems_of(ran, shows)]


def problems_of(ran: Ran, shows: list[str]) -> Iterator[str]:
    """Yield what is wrong with a run whose output must have these patterns, or be empty if there are none."""
    absent = missing(ran.output, shows) if shows else [ran.output] if ran.output else []
    if absent:
        yield f"no {absent}"
    if ran.hangs:
        yield "no end after SIGINT"


def check_all(
    blocks: list[Block], table: dict[tuple[int, str], dict[str, Any]], jobs: int, seconds: float, *, prints: bool
) -> list[str]:
    """Check blocks with every server, several at the same time; an exception such as Ctrl-C ends all of them."""
    problems = []
    ends = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        for name, command in SERVERS.items():
            server = ServerProcess(command)
            try:
                port = int(server.address.places["{port}"])
                runs = [
                    pool.submit(check, each, table.get(each.key, {}), name, port, seconds, ends=ends, prints=prints)
                    for each in blocks
                ]
                problems += [problem for each in runs for problem in each.result()]
            except BaseException:
                ends.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            finally:
                server.stop()
    return problems


INTRODUCTION = """# The first client's documentation, block by block

The [documentation](seed.md) that this protocol comes from has programs and fragments. Each is run as typed, with
`@ifesol/ipc-framework-nodejs` as our [Node.js client](../node_harness/README.md), and with two servers: the reference
server with its [example handlers](../reference_server/examples/__init__.py) and the profiles `batch`, `discovery` and
`queue`; and the server of `ipc-framework` 1.1.2 with [a few handlers](../tests/seed/deployed_server.py). Fragments get
what the text around them presupposes, such as a connected client. Blocks with alternatives are run in parts.

`nox -s seed-blocks` runs all blocks, if the document is there, and compares what they print with
[blocks.toml](../tests/seed/blocks.toml). This page is made from that file, by
`python tests/seed/run_blocks.py --markdown docs/seed-blocks.md`. Blocks that only install packages are not in it.

| block | section | reference server | `ipc-framework` 1.1.2 | why |
|---|---|---|---|---|
"""


def page(table: dict[tuple[int, str], dict[str, Any]]) -> str:
    """Return the table as a page, in Markdown."""
    rows = []
    for (number, part), entry in table.items():
        one, two = entry["reference"], entry["deployed"]
        whys = dict.fromkeys(filter(None, (one.get("why"), two.get("why"))))
        name = f"{number}, *{part}*" if part else str(number)
        rows.append(f"| {name} | {entry['heading']} | {one['verdict']} | {two['verdict']} | {' '.join(whys)} |\n")
    return INTRODUCTION + "".join(rows)


def main() -> int:
    """Run all blocks, or those of ``--block``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("document", type=Path, nargs="?", help="the document; without it, nothing is run")
    parser.add_argument("--markdown", type=Path, help="write the table as a page")
    parser.add_argument("--block", type=int, action="append", help="only this block; repeatable")
    parser.add_argument("--print", action="store_true", dest="prints", help="print the output of the blocks")
    parser.add_argument("--jobs", type=int, default=4, help="number of programs at a time")
    parser.add_argument("--seconds", type=float, default=60.0, help="the most that a program may take")
    options = parser.parse_args()
    table = read_table()
    if options.markdown:
        options.markdown.write_text(page(table), "utf-8")
    if options.document is None:
        return 0
    blocks = list(blocks_of(options.document.read_text("utf-8")))
    problems = [] if options.prints else list(stale(blocks, table))
    chosen = [
        each for each in blocks if each.language == "javascript" and each.number in (options.block or [each.number])
    ]
    try:
        problems += check_all(chosen, table, options.jobs, options.seconds, prints=options.prints)
    except KeyboardInterrupt:
        click.echo("interrupted; all started processes have been stopped", err=True)
        return 130
    click.echo("\n".join(problems))
    click.echo(f"{len(chosen)} blocks and parts with {len(SERVERS)} servers, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
