"""``ipc-conformance gate``: whether the working tree may become the version that it says it is."""

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
    "--tree", "root", type=FOLDER, default=".", help="The working tree, the present folder by default."
)
_waiver_file = click.option(
    "--waivers", "waiver_file", type=FILE, help="Waivers (TOML); spec/waivers.toml when it exists."
)


@click.group(invoke_without_command=True)
@_tree
@click.option(
    "--against", metavar="WHAT", help="A release, git:REF, a folder or file, or the address of a hosted file."
)
@click.option(
    "--draft", type=FOLDER, metavar="DIR", help="Judge the tree with this draft added to it, such as spec/drafts/NAME."
)
@_waiver_file
@click.option(
    *("--format", "form"),
    type=click.Choice(["text", "json", "github"]),
    default="text",
    help="What goes to stdout: text for people, JSON, or the workflow commands that GitHub makes annotations of.",
)
@click.option(
    *("--json", "json_file"),
    type=FILE,
    metavar="FILE",
    help="Write the judgement into a file as JSON (tools/gate.schema.json), whatever goes to stdout.",
)
@click.option(
    *("--junit", "junit_file"),
    type=FILE,
    metavar="FILE",
    help="Write it into a file as JUnit XML too; that never goes to stdout.",
)
@click.option("-v", "--verbose", is_flag=True, help="List accepted differences too, as text or annotations.")
@click.option("--explain", metavar="RULE", help="Print what a rule is about, and end.")
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
    """Compare the protocol in a working tree with a released version.

    Says for each difference in the spec, the schemas and the vectors whom it breaks, and which version it needs.
    Without --against the latest release in spec/releases is meant.

    \b
    Exits with 0 when the tree's version allows every difference,
              1 when it does not, or a waiver is stale or has ended,
              2 when something cannot be read, or the use was wrong,
              130 when it was interrupted.
    """
    if context.invoked_subcommand:
        _refuse_options_before(context, context.invoked_subcommand)
        return
    if explain is not None:
        click.echo(_explained(explain), nl=False)
        return
    if json_file and junit_file and json_file.resolve() == junit_file.resolve():
        raise click.UsageError("--json and --junit name one file; give each its own")
    with _ended_in_a_line(form):
        for file in (json_file, junit_file):  # which must not keep an older judgement when there is none
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
    """Write spec/releases/VERSION.json, the promise that later versions are compared with.

    VERSION is that of the tree. The gate has to accept it, and a released file is never written again.
    """
    with _ended_in_a_line(), _nothing_left(), _progress() as progress:
        waived = _waivers(root, waiver_file)
        path = freeze_release(root, version, waived, progress)
    click.echo(f"{path}: released; commit it")
    if waived:
        click.echo(f"{waived[0].file}: its waivers were for this release and are stale now; remove them")


@gate.command()
def rules() -> None:
    """List the rules: id, version step needed, whom it breaks, what it looks for."""
    for rule in RULES.values():
        needs = "no version" if rule.step is Step.NEVER else str(rule.step)
        click.echo(f"{rule.id:<24} {needs:<11} {' and '.join(rule.breaks) or 'nobody':<22} {rule.title}")


def _refuse_options_before(context: click.Context, command: str) -> None:
    """Refuse options before a subcommand, since it would not see them."""
    for option in context.command.params:
        if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{option.opts[-1]} stands before {command}, which does not see it; write options behind {command}, "
                f"ipc-conformance gate {command} --help lists them"
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
    """End with a line and a status of their own when something cannot be read, and at Ctrl-C and SIGTERM."""
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
    """Let Hypothesis keep its tables in a folder that goes away; it writes them even without a database of examples."""
    with tempfile.TemporaryDirectory() as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being looked for."""
    console = Console(stderr=True)
    with console.status("reading") as status:
        yield status.update
