"""``ipc-conformance gate``: check that the protocol's version fits its changes."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from click.core import ParameterSource
from hypothesis.configuration import set_hypothesis_home_dir
from rich.console import Console

from conformance.gate.freeze import freeze as freeze_release
from conformance.gate.inputs.against import resolve
from conformance.gate.inputs.working_tree import Tree
from conformance.gate.judge import judge
from conformance.gate.model.judgement import WAIVERS_FILE, Judgement, Waiver
from conformance.gate.model.release import ReleaseError
from conformance.gate.model.version import Step
from conformance.gate.output.github import as_annotations, as_error
from conformance.gate.output.items import Item, items, plain
from conformance.gate.output.json import as_json
from conformance.gate.output.junit import as_junit
from conformance.gate.output.text import text
from conformance.gate.rules import RULES, rule_named
from conformance.gate.waivers import read_waivers

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
REFUSED, UNREADABLE, INTERRUPTED = 1, 2, 130
_tree = click.option(
    "--tree", "root", type=FOLDER, default=".", help="The working tree.  [default: the current folder]"
)
_waiver_file = click.option(
    "--waivers", "waiver_file", type=FILE, help="Waivers (TOML).  [default: spec/waivers.toml, if it exists]"
)


@click.group(invoke_without_command=True)
@_tree
@click.option(
    "--against",
    metavar="WHAT",
    help="Compare with this: a release, git:REF, a folder, a file or a URL.  [default: the latest release]",
)
@click.option("--draft", type=FOLDER, metavar="DIR", help="Add this draft to the tree, for example spec/drafts/NAME.")
@_waiver_file
@click.option(
    *("--format", "form"),
    type=click.Choice(["text", "json", "github"]),
    default="text",
    help="Output on stdout; github prints workflow commands, which GitHub shows as annotations.",
)
@click.option(
    *("--json", "json_file"),
    type=FILE,
    metavar="FILE",
    help="Also write the result as JSON to this file (schema tools/gate.schema.json).",
)
@click.option(
    *("--junit", "junit_file"),
    type=FILE,
    metavar="FILE",
    help="Also write the result as JUnit XML to this file.",
)
@click.option("-v", "--verbose", is_flag=True, help="List accepted differences too (text and github).")
@click.option("--explain", metavar="RULE", help="Explain a rule and exit.")
@click.pass_context
def gate(
    context: click.Context,
    *,
    root: Path,
    against: str | None,
    draft: Path | None,
    waiver_file: Path | None,
    form: str,
    json_file: Path | None,
    junit_file: Path | None,
    explain: str | None,
    verbose: bool,
) -> None:
    """Compare the protocol with a released version.

    For each difference in the spec, the schemas and the vectors, print which side it breaks and which version it needs.

    \b
    Exit status:
      0    the tree's version allows every difference
      1    it does not, or a waiver is stale or expired
      2    a file cannot be read, or the usage is wrong
      130  interrupted
    """
    if context.invoked_subcommand:
        _refuse_options_before(context, context.invoked_subcommand)
        return
    if explain is not None:
        click.echo(_explained(explain), nl=False)
        return
    if json_file and junit_file and json_file.resolve() == junit_file.resolve():
        raise click.UsageError(f"--json and --junit both name {json_file}; give each its own file")
    with _ended_in_a_line(form):
        for file in (json_file, junit_file):  # without a judgement, no older one may remain
            _write(file, "")
        with _nothing_left(), _progress() as progress:
            tree = Tree.read(root, draft)
            old, name = resolve(against, root)
            judgement = judge(old, tree, _waivers(root, waiver_file), progress=progress)
        found = items(judgement, tree)
        _write(json_file, json.dumps(as_json(judgement, found, name), indent=1) + "\n")
        _write(junit_file, as_junit(judgement, found))
        _print(form, judgement, found, name, is_verbose=verbose)
    if not judgement.is_accepted:
        sys.exit(REFUSED)


@gate.command()
@click.argument("version")
@_tree
@_waiver_file
def freeze(version: str, root: Path, waiver_file: Path | None) -> None:
    """Write spec/releases/VERSION.json, the baseline for later versions.

    VERSION must be the tree's version, and the gate must accept the tree. An existing release is never overwritten.
    """
    with _ended_in_a_line(), _nothing_left(), _progress() as progress:
        waived = _waivers(root, waiver_file)
        path = freeze_release(root, version, waived, progress)
    click.echo(f"{path}: released; commit it")
    if waived:
        click.echo(f"{waived[0].file}: remove its waivers; they were for this release and are stale now")


@gate.command()
def rules() -> None:
    """List the rules: id, required version step, side it breaks, title."""
    for rule in RULES.values():
        needs = "no version" if rule.step is Step.NEVER else str(rule.step)
        click.echo(f"{rule.id:<24} {needs:<11} {' and '.join(rule.breaks) or 'nobody':<22} {rule.title}")


def _refuse_options_before(context: click.Context, command: str) -> None:
    """Refuse options before a subcommand: it would not get them."""
    for option in context.command.params:
        if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{option.opts[-1]} comes before {command} and has no effect there; put options after {command} "
                f"(ipc-conformance gate {command} --help lists them)"
            )


def _explained(rule: str) -> str:
    try:
        return rule_named(rule).page
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _waivers(root: Path, file: Path | None) -> list[Waiver]:
    usual = root / "spec" / WAIVERS_FILE
    if file is None and not usual.exists():
        return []
    try:
        return read_waivers(file or usual)
    except ValueError as error:
        raise ReleaseError(str(error)) from None


def _print(form: str, judgement: Judgement, found: list[Item], name: str, *, is_verbose: bool) -> None:
    if form == "json":
        click.echo(json.dumps(as_json(judgement, found, name), indent=1))
        return
    shown = as_annotations if form == "github" else text
    for line in shown(judgement, found, name, is_verbose=is_verbose):
        click.echo(line)


def _write(path: Path | None, content: str) -> None:
    if path is None:
        return
    try:
        path.write_text(content, "utf-8", newline="\n")
    except OSError as error:
        raise ReleaseError(f"{path}: cannot be written ({error})") from None


@contextmanager
def _ended_in_a_line(form: str = "text") -> Iterator[None]:
    """Exit with one line and the matching status if something cannot be read, and on Ctrl-C and SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except ReleaseError as error:
        click.echo(plain(str(error)), err=True)
        if form == "github":
            click.echo(as_error(str(error)))
        sys.exit(UNREADABLE)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)


@contextmanager
def _nothing_left() -> Iterator[None]:
    """Keep Hypothesis's tables in a temporary folder; it writes them even without an example database."""
    with tempfile.TemporaryDirectory() as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show the current step on a terminal."""
    console = Console(stderr=True)
    with console.status("reading") as status:
        yield status.update
