"""``ipc-conformance gate``: check that the protocol's version fits its changes."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from click.core import ParameterSource

from conformance.cli.help import Group
from conformance.cli.outputs import FILE
from conformance.core.files import write_whole
from conformance.core.terminal import fitted, is_narrow
from conformance.core.verdicts import ExitCode
from conformance.gate.freeze import freeze as freeze_release
from conformance.gate.inputs.against import GIT, resolve
from conformance.gate.inputs.contradictions import refuse_contradictions, refuse_stale_list
from conformance.gate.inputs.release_history import changed_releases
from conformance.gate.inputs.working_tree import Tree, is_tree
from conformance.gate.judge import judge
from conformance.gate.model.judgement import WAIVERS_FILE, Judgement, Waiver
from conformance.gate.model.release import ReleaseError
from conformance.gate.model.version import Step
from conformance.gate.new_tree import write_tree
from conformance.gate.output.github import as_annotations, as_error
from conformance.gate.output.items import Item, items, plain
from conformance.gate.output.json import as_json
from conformance.gate.output.junit import as_junit
from conformance.gate.output.text import text
from conformance.gate.rules import RULES, rule_named
from conformance.gate.waivers import read_waivers

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE_OR_FOLDER = click.Path(path_type=Path)
REFUSED, UNREADABLE = ExitCode.NOT_CONFORMANT, ExitCode.USAGE
_TERMINAL_SETTINGS = {"FORCE_COLOR", "TTY_COMPATIBLE"}
"""Environment variables by which Rich may treat any file as a terminal."""


def _tree_around(_: click.Context, __: click.Parameter, value: Path | None) -> Path:
    """Return the tree that was named, or the one that the current folder is in, or the current folder."""
    here = Path.cwd()
    around = (each for each in (here, *here.parents) if is_tree(each))
    return value or Path(os.path.relpath(next(around, here)))


_tree = click.option(
    *("--tree", "root"),
    type=FOLDER,
    callback=_tree_around,
    help="The working tree.  [default: the tree that the current folder is in]",
)
_waiver_file = click.option(
    "--waivers", "waiver_file", type=FILE, help="Waivers (TOML).  [default: spec/waivers.toml, if it exists]"
)


@click.group(cls=Group, invoke_without_command=True)
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
      2    a file cannot be read or written, the tree contradicts itself, the usage is wrong, or
           the gate itself failed
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
        with _progress() as progress:
            tree = Tree.read(root, draft)
            refuse_stale_list(root)
            old, name = resolve(against, root)
            revision = against.removeprefix(GIT) if against and against.startswith(GIT) else None
            changed = changed_releases(root, revision)
            judgement = judge(old, tree, _waivers(root, waiver_file), progress=progress, edited_releases=changed)
        found = items(judgement, tree)
        _refuse_contradictions(form, tree, judgement, found, name)
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
    with _ended_in_a_line(), _progress() as progress:
        waived = _waivers(root, waiver_file)
        path = freeze_release(root, version, waived, progress)
    click.echo(f"{path}: released; commit it")
    if waived:
        click.echo(f"{waived[0].file}: remove its waivers; they were for this release and are stale now")


@gate.command()
@click.argument("folder", metavar="DIR", type=FILE_OR_FOLDER)
def init(folder: Path) -> None:
    """Write the smallest tree of a new protocol into DIR.

    It has one chapter with every table, one requirement, one schema, one vector and a changelog. The gate accepts it.
    """
    with _ended_in_a_line():
        for path in write_tree(folder):
            click.echo(path)
    click.echo(f"next: ipc-conformance gate freeze 1.0 --tree {folder}")


@gate.command()
def rules() -> None:
    """List the rules: id, required version step, side it breaks, title."""
    for rule in RULES.values():
        needs = "no version" if rule.step is Step.NEVER else str(rule.step)
        broken = " and ".join(rule.breaks) or "nobody"
        line = f"{rule.id}  {needs}; breaks {broken}: {rule.title}"
        click.echo(fitted(line) if is_narrow() else f"{rule.id:<24} {needs:<11} {broken:<22} {rule.title}")


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
        click.echo(fitted(line) if form == "text" else line)


def _refuse_contradictions(form: str, tree: Tree, judgement: Judgement, found: list[Item], name: str) -> None:
    """Raise ReleaseError if the tree contradicts itself, after the refusals: they often say why."""
    try:
        refuse_contradictions(tree)
    except ReleaseError:
        if form != "json" and not judgement.is_accepted:
            _print(form, judgement, found, name, is_verbose=False)
        raise


def _write(path: Path | None, content: str) -> None:
    if path is None:
        return
    try:
        write_whole(path, content)
    except OSError as error:
        raise ReleaseError(f"{path}: cannot be written ({error})") from None


@contextmanager
def _ended_in_a_line(form: str = "text") -> Iterator[None]:
    """Exit with one line and the matching status if something cannot be read, on Ctrl-C and SIGTERM, and on a bug."""
    try:
        yield
    except ReleaseError as error:
        click.echo(fitted(plain(str(error))), err=True)
        if form == "github":
            click.echo(as_error(str(error)))
        sys.exit(UNREADABLE)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(ExitCode.INTERRUPTED)
    except BaseException as error:  # status 1 would mean that a change was refused
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # of a library in Rust
            raise
        said = _of_bug(error)
        click.echo(plain(said), err=True)
        if form == "github":
            click.echo(as_error(said))
        sys.exit(UNREADABLE)


def _of_bug(error: BaseException) -> str:
    """Describe an error of the gate itself on one line."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(at.filename).name}:{at.lineno}"
    return f"the gate itself failed, please report this: {type(error).__name__}: {str(error)[:200]} (at {place})"


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show the current step on a terminal."""
    if not (sys.stderr and sys.stderr.isatty()) and _TERMINAL_SETTINGS.isdisjoint(os.environ):
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    console = Console(stderr=True)
    with console.status("reading") as status:
        yield status.update
