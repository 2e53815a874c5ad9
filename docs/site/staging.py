"""Makes the folder from which Sphinx builds the site: the project's pages as they are, and pages for its data.

Pages keep their places, so that links between them stay right. What a page links to and is no page gets one: a schema
as tables, a file of code with its text, a folder as a list. JSON data is copied.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path, PurePosixPath

import click
import diagrams

from conformance.cases.catalogue import all_cases
from conformance.cli.main import main
from conformance.harness.case import Case
from conformance.protocol.requirements import load
from conformance.reports.html.views import link_to, plain
from reference_server.cli import main as server

HERE = Path(__file__).parent
PAGES = (
    "*.md",
    "docs/*.md",
    "docs/decisions/*.md",
    "spec/*.md",
    "spec/drafts/**/*.md",
    "schemas/*.md",
    "node_harness/**/*.md",
    "tests/**/*.md",
)
PICTURES = "docs/pictures/*.svg"
STYLE = "conformance/reports/html/report.css"
FILE = "project-file"
"""The scheme of links to files that are no pages; identifiers.py makes them relative."""
RULES = "gate-rules"
"""The page of all rules of the gate."""
_RULE = re.compile(r"conformance/gate/pages/([\w-]+)\.md")
_SCHEMA = re.compile(r"schemas/([\w/-]+)\.schema\.json")
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_FENCE = re.compile(r"^( *)(```+)(\w*)")
_NOT_A_LINK = re.compile(r"^\w+:|^#")
UNKNOWN_LANGUAGES = {"hex"}
"""Languages of the pages' code blocks that the highlighter does not have."""

Files = dict[str, str]
"""Texts by their paths below the folder."""


def stage(root: Path, folder: Path) -> set[str]:
    """Fill an empty folder with everything that Sphinx needs; return the files and folders that the site needs besides.

    Raises ValueError if a page links to something that the project does not have.
    """
    pages = {path: _without_unknown_languages((root / path).read_text("utf-8")) for path in pages_of(root)}
    for path in sorted((root / "spec").glob("*.md")):
        name = f"spec/{path.name}"
        pages[name] = with_diagrams(path.name, pages[name])
    pages |= generated(root) | {"index.md": (HERE / "index.md").read_text("utf-8")}
    pictures = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in root.glob(PICTURES)}
    linked = set[str]()
    staged = {*pages, *pictures}
    pages = {path: with_links(path, text, root, staged, linked) for path, text in pages.items()} | pictures
    for name, text in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return linked


def add_files(root: Path, site: Path, linked: Iterable[str]) -> None:
    """Add to a built site the files that its pages link to: JSON as it is, and pages for code and folders."""
    for path in linked:
        place = site / there(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if is_data(path):
            shutil.copy(root / path, place)
        else:
            place.write_text(page_of(root, path), "utf-8")


def pages_of(root: Path) -> list[str]:
    """Return the paths of the project's own pages."""
    found = (path.relative_to(root) for pattern in PAGES for path in root.glob(pattern))
    return sorted({path.as_posix() for path in found if "node_modules" not in path.parts})


def generated(root: Path) -> Files:
    """Return the pages that are made of data."""
    return {
        **_pages_of_cases(),
        **_pages_of_schemas(),
        **_pages_of_commands(),
        f"{RULES}.md": _page_of_rules(root),
        "errors.md": ERRORS,
    }


ERRORS = """# Error codes

Every error code of the core and of the profiles. The rules are in the chapter [Errors](spec/09-errors.md).

```{ipc-errors}
```
"""


def with_diagrams(name: str, text: str) -> str:
    """Return a chapter with its diagrams: the sequences, and the states before their table."""
    introduction = files("ipc_spec").joinpath("00-introduction.md").read_text("utf-8")
    for each in diagrams.sequences(introduction).values():
        if each.page == name:
            text = _with_diagram(text, each)
    return text.replace("<!-- states -->\n", f"{directive('diagram', 'states')}\n<!-- states -->\n")


def _with_diagram(text: str, wanted: diagrams.Story) -> str:
    """Insert a sequence diagram below its heading, or behind the words that explain what follows.

    Raises ValueError if the page does not have the heading.
    """
    before, heading, after = text.partition(f"\n{wanted.heading}\n\n")
    if not heading:
        raise ValueError(f"{wanted.page} has no heading {wanted.heading!r} for the diagram {wanted.id}")
    words, rest = ("", after) if after.startswith("**[") else after.split("\n\n", 1)
    return f"{before}{heading}{words}\n\n{directive('diagram', wanted.id)}\n{rest}"


def directive(name: str, argument: str) -> str:
    """Return a directive of generated_pages.py."""
    return f"```{{ipc-{name}}} {argument}\n```\n"


def with_links(path: str, text: str, root: Path, staged: Collection[str], linked: set[str]) -> str:
    """Return a page whose links lead to pages of the site.

    Args:
        path: the page.
        text: its Markdown.
        root: the project.
        staged: the paths of all pages.
        linked: gets the files and folders that need a page or a copy.

    Raises ValueError if a link leads nowhere.
    """
    folder = PurePosixPath(path).parent

    def rewritten(match: re.Match[str]) -> str:
        if _NOT_A_LINK.match(match[1]):
            return match[1]
        place, _, anchor = match[1].partition("#")
        wanted = os.path.normpath(folder / place)
        if rule := _RULE.fullmatch(wanted):
            anchor = rule[1]
        found = _target(wanted, path, root, staged)
        if not found:
            linked.add(wanted)
            return f"{FILE}:{there(wanted)}"
        link = os.path.relpath(found, folder)
        return f"{link}#{anchor}" if anchor else link

    return "\n".join(line if is_code else _LINK.sub(rewritten, line) for line, is_code in _lines(text))


def _target(wanted: str, page: str, root: Path, staged: Collection[str]) -> str:
    """Return the page for a path of the project; empty if it is a file or a folder without one."""
    if wanted in staged:
        return wanted
    if _RULE.fullmatch(wanted) or wanted == "conformance/gate/pages":
        return f"{RULES}.md"
    if found := _SCHEMA.fullmatch(wanted):
        return f"{schema_page(found[1])}.md"
    if f"{wanted}/README.md" in staged:
        return f"{wanted}/README.md"
    if not (root / wanted).exists() or wanted.endswith(".md"):
        raise ValueError(f"{page} links to {wanted}, which does not exist or is no page of the site")
    return ""


def is_data(path: str) -> bool:
    """Return true for files that browsers show well."""
    return path.endswith(".json")


def there(path: str) -> str:
    """Return where the site has a file or a folder that is no page of the project."""
    return path if is_data(path) else f"{path}.html"


def page_of(root: Path, path: str) -> str:
    """Return the page of a file of code, or of a folder."""
    place = root / path
    if place.is_dir():
        shown = sorted(each for each in place.iterdir() if each.name[0] not in "._")
        text = "\n".join(f"{each.name}{_summary(each)}" for each in shown)
    else:
        text = place.read_text("utf-8")
    top = "../" * path.count("/")
    return FILE_PAGE.format(path=escape(path), top=top, text=escape(text), style=(root / STYLE).read_text("utf-8"))


FILE_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{path}</title>
<style>{style}</style>
</head>
<body>
<header><p class="kind"><a href="{top}index.html">IPC Framework</a></p></header>
<main><h1>{path}</h1><pre tabindex="0" style="max-height: none">{text}</pre></main>
</body>
</html>
"""


def _summary(place: Path) -> str:
    """Return the first line of a module's docstring."""
    module = place / "__init__.py" if place.is_dir() else place
    if module.suffix != ".py" or not module.exists():
        return ""
    found = (ast.get_docstring(ast.parse(module.read_text("utf-8"))) or "").partition("\n")[0].replace("``", "`")
    return f": {found}" if found else ""


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield lines, and whether each belongs to a block of code."""
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if fence:
            yield line, True
            fence = "" if line.strip() == fence else fence
        else:
            fence = found[2] if found else ""
            yield line, bool(found)


def _without_unknown_languages(text: str) -> str:
    return re.sub(rf"^```({'|'.join(UNKNOWN_LANGUAGES)})$", "```text", text, flags=re.MULTILINE)


def schema_page(name: str) -> str:
    """Return the page of a schema, without a suffix."""
    return f"schemas/{name}.schema"


def _pages_of_schemas() -> Files:
    """Return a page for each schema, and one that lists them."""
    folder = files("ipc_schemas")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".schema.json"))
    tools = sorted(f"tools/{each.name}" for each in folder.joinpath("tools").iterdir() if each.name.endswith(".json"))
    found, rows = Files(), []
    for file in (*names, *tools):
        name, text = file.removesuffix(".schema.json"), folder.joinpath(file).read_text("utf-8")
        content = json.loads(text)
        body = f"{directive('schema', name)}\n## As JSON Schema\n\n`{content['$id']}`\n\n```json\n{text.strip()}\n```\n"
        found[f"{schema_page(name)}.md"] = f"# {content['title']} (`{name}`)\n\n{body}"
        rows.append(
            f"| [`{name}`]({name}.schema.json) | {content['title']} | {_cell(content.get('description', ''))} |"
        )
    head = "# Schemas as tables\n\n| schema | title | describes |\n|---|---|---|\n"
    found["schemas/index.md"] = head + "\n".join(rows) + "\n"
    return found


@cache
def case_page(case: Case) -> str:
    """Return the page of a case, without a suffix: that of its chapter, or for golden vectors of its file."""
    if case.chapter != "golden":
        return f"cases/{case.chapter}"
    return f"cases/golden-{_vector_file(case.id.removeprefix('golden/'))}"


@cache
def _vector_files() -> tuple[str, ...]:
    return tuple(sorted(each.name.removesuffix(".json") for each in files("ipc_schemas").joinpath("vectors").iterdir()))


def _vector_file(name: str) -> str:
    """Return the file of a vector, from the name of its case."""
    return max((each for each in _vector_files() if name.startswith(f"{each}-")), key=len)


def anchor_of_case(case: str) -> str:
    """Return the anchor of a case: ``case-framing-body-octets``."""
    return "case-" + case.replace("/", "-")


def anchor_of_code(code: str) -> str:
    """Return the anchor of an error code: ``error-invalid_message``."""
    return f"error-{code}"


def _pages_of_cases() -> Files:
    """Return a page for the cases of each chapter, one for all requirements, and one that lists the pages."""
    found, rows = Files(), []
    by_page: dict[str, list[Case]] = {}
    for case in all_cases().values():
        by_page.setdefault(case_page(case), []).append(case)
    for page, cases in sorted(by_page.items(), key=lambda each: (each[1][0].role != "server", each[0])):
        name = page.removeprefix("cases/")
        role, musts = cases[0].role, sum(each.level == "must" for each in cases)
        about = f"{len(cases)} cases of {role}s. Each id is a link to its case."
        found[f"{page}.md"] = f"# Cases: {name}\n\n{about}\n\n{directive('cases', name)}"
        rows.append(f"| [{name}]({name}.md) | {role} | {len(cases)} | {musts} |")
    prefixes = dict.fromkeys(each.partition("-")[0] for each in load())
    sections = "".join(f"## {each}\n\n{directive('requirements', each)}\n" for each in prefixes)
    found["cases/requirements.md"] = f"# Requirements and their cases\n\n{sections}"
    found["cases/index.md"] = CASES.format(rows="\n".join(rows), number=len(all_cases()))
    return found


CASES = """# Cases

A case is one test of a server or of a client. There are {number}. `ipc-conformance run --case ID` runs one,
`ipc-conformance list` prints them all, and `ipc-conformance show RESULTS.json` explains what a run found. The level is
that of the requirements: a failed case with a MUST means that the target does not conform, one with a SHOULD is a
warning. [Requirements and their cases](requirements.md) is the same list, by requirement.

| chapter | role | cases | with a MUST |
|---|---|---|---|
{rows}
"""


def _pages_of_commands() -> Files:
    """Return a page for each command, and one that lists them."""
    found, rows = Files(), []
    for words, command in (*_commands(("ipc-conformance",), main), (("python", "-m", "reference_server"), server)):
        name = "-".join(words[2:] if words[0] == "python" else words[1:])
        found[f"commands/{name}.md"] = f"# `{' '.join(words)}`\n\n{directive('command', ' '.join(words))}"
        rows.append(f"| [`{' '.join(words)}`]({name}.md) | {_cell(command.get_short_help_str(300))} |")
    head = "# Commands\n\nWhat each command says of itself with `--help`.\n\n| command | what it does |\n|---|---|\n"
    found["commands/index.md"] = head + "\n".join(rows) + "\n"
    return found


def _commands(words: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield all commands of a group, and of its groups."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        if inner := command.get_command(context, name):
            yield from _commands((*words, name), inner)


def _page_of_rules(root: Path) -> str:
    """Return the pages of all gate rules as one, with a table of them."""
    rows, sections = [], []
    for path in sorted((root / "conformance" / "gate" / "pages").glob("*.md")):
        text = path.read_text("utf-8")
        facts = re.search(r"\|---\|---\|\n\| (.+?) \| (.+?) \|", text)
        summary = text.split("\n\n")[1].replace("\n", " ")
        rows.append(f"| [`{path.stem}`](#{path.stem}) | {_cell(summary)} | {facts[1]} | {facts[2]} |" if facts else "")
        sections.append(_demoted(text))
    head = "# Rules of the change gate\n\n[The change gate](docs/gate.md) tells how to use it.\n\n"
    return (
        f"{head}| rule | finds | breaks | needs |\n|---|---|---|---|\n"
        + "\n".join(filter(None, rows))
        + "\n\n"
        + "\n".join(sections)
    )


def _demoted(text: str) -> str:
    """Return a rule's page as a section: its parts are bold words, since headings would be alike in all sections."""
    first, *rest = _lines(text)
    parts = (line if is_code else re.sub(r"^## (.+)$", r"**\1**", line) for line, is_code in rest)
    return "\n".join([f"#{first[0]}", *parts])


def _cell(text: str) -> str:
    return plain(text).replace("|", "\\|").replace("\n", " ")


def error_codes() -> list[tuple[str, bool, str, str]]:
    """Return the error codes of the chapters: code, whether it is fatal, when it is sent, and the profile, if any."""
    found = []
    for path in sorted(files("ipc_spec").iterdir(), key=lambda each: each.name):
        text = path.read_text("utf-8") if path.name.endswith(".md") else ""
        for part in text.split("<!-- error-codes -->\n")[1:]:
            rows = re.findall(r"^\| `(\w+)` \| (yes|no) \| (.+) \|$", part.partition("\n\n")[0], re.MULTILINE)
            profile = "" if path.name.startswith("09-") else re.sub(r"^\d+-|\.md$", "", path.name)
            found += [(code, fatal == "yes", when, profile) for code, fatal, when in rows]
    return found


def wanted_links() -> list[str]:
    """Return the links to everything that has an identifier."""
    return [
        *(link_to(each, ".") for each in load().values()),
        *(f"cases/requirements.html#cases-of-{each}" for each in load()),
        *(f"{case_page(each)}.html#{anchor_of_case(each.id)}" for each in all_cases().values()),
        *(f"errors.html#{anchor_of_code(code)}" for code, *_ in error_codes()),
        *(f"{schema_page(name)}.html" for name in ("envelope", "common", "tools/results")),
    ]
