"""A Sphinx extension with directives that write what the project has as data: cases, schemas, commands, diagrams."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any
from urllib.parse import urljoin

import click
import diagrams
from docutils import nodes
from identifiers import cases_by_requirement, domain_of
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from staging import anchor_of_case, anchor_of_code, case_page, error_codes, schema_page

from conformance.cases.catalogue import all_cases
from conformance.harness.case import Case
from conformance.protocol.requirements import Requirement, load

Nodes = list[nodes.Node]
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
"""A link of a chapter, which would lead elsewhere from another page."""


class Page(SphinxDirective):
    """A directive whose argument is the name of what it shows."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = False

    def make_target(self, node: nodes.Element, name: str, kind: str, anchor: str) -> None:
        """Make a node the target of an identifier."""
        node["ids"].append(anchor)
        self.state.document.note_explicit_target(node)
        domain_of(self.env.app).note(name, kind, anchor)

    def to(self, page: str, anchor: str, *shown: nodes.Node) -> nodes.reference:
        """Return a link to another page of the site."""
        where = self.env.app.builder.get_relative_uri(self.env.current_document.docname, page)
        return nodes.reference("", "", *shown, internal=True, refuri=f"{where}#{anchor}" if anchor else where)

    def markdown(self, text: str) -> Nodes:
        """Return a sentence in Markdown as nodes, without its paragraph."""
        parts = re.split(r"`([^`]+)`", text)
        if not re.search(r"[`*_\[\\<&]", "".join(parts[::2])):  # most are such, and the parser takes long
            return [code(part) if number % 2 else nodes.Text(part) for number, part in enumerate(parts)]
        parsed, messages = self.parse_inline(text)
        return [*parsed, *messages]


class Cases(Page):
    """The cases of a page: id, level, requirements, and what each shows."""

    def run(self) -> Nodes:
        """Return an entry for each case."""
        page = self.arguments[0]
        return [self._entry(each) for each in sorted_cases() if case_page(each) == f"cases/{page}"]

    def _entry(self, case: Case) -> nodes.Node:
        entry = nodes.container(classes=["case"])
        anchor = anchor_of_case(case.id)
        self.make_target(entry, case.id, "case", anchor)
        head = paragraph(nodes.reference("", "", code(case.id), refid=anchor), classes=["head"])
        head += [nodes.Text(" "), level(case.level)]
        for each in case.requirements:
            head += [nodes.Text(" "), nodes.Text(each)]
        details = [f"profile {case.profile}"] if case.profile else []
        details += ["responder: " + ", ".join(case.needs)] if case.needs else []
        details += ["the kit starts the server"] if case.spawned else []
        entry += [head, paragraph(*self.markdown(case.summary))]
        if details:
            entry += paragraph(nodes.Text("Needs: " + "; ".join(details)), classes=["quiet"])
        return entry


class Requirements(Page):
    """The requirements whose ids have a prefix: sentence, and cases."""

    def run(self) -> Nodes:
        """Return an entry for each requirement."""
        return [self._entry(each) for each in load().values() if each.id.startswith(self.arguments[0])]

    def _entry(self, rule: Requirement) -> nodes.Node:
        entry = nodes.container(ids=[f"cases-of-{rule.id}"], classes=["case"])
        who = "server and client" if rule.target == "both" else rule.target
        head = paragraph(nodes.Text(f"{rule.id} "), level(rule.level), nodes.Text(f" {who}"), classes=["head"])
        head += [nodes.Text(f", {rule.status}")] if not rule.is_active else []
        entry += [head, paragraph(*self.markdown(_LINK.sub(r"\1", rule.text)))]
        cases = cases_by_requirement().get(rule.id, [])
        if rule.verify != "case":
            entry += paragraph(nodes.Text(f"Verified by: {rule.verify}. {rule.reason or ''}"), classes=["quiet"])
        if cases:
            names = nodes.bullet_list(classes=["names"])
            names += [nodes.list_item("", paragraph(self._link(each))) for each in cases]
            entry += names
        return entry

    def _link(self, case: Case) -> nodes.Node:
        return self.to(case_page(case), anchor_of_case(case.id), code(case.id))


class Errors(SphinxDirective):
    """All error codes: when they are sent, and the requirements that name them."""

    def run(self) -> Nodes:
        """Return a table."""
        rows = []
        for code_, fatal, when, profile in error_codes():
            row = nodes.row(ids=[anchor_of_code(code_)])
            domain_of(self.env.app).note(code_, "code", anchor_of_code(code_))
            rules = " ".join(each.id for each in load().values() if f"`{code_}`" in each.text)
            fate = nodes.Text("fatal: the connection ends" if fatal else "the connection stays open")
            parsed, _ = self.parse_inline(when)
            cells: list[Nodes] = [
                [code(code_)],
                [fate],
                [*parsed],
                [nodes.Text(profile or "core")],
                [nodes.Text(rules)],
            ]
            row += [nodes.entry("", paragraph(*each)) for each in cells]
            rows.append(row)
        return [table(("code", "what follows", "sent when", "part", "requirements"), rows)]


class Schema(Page):
    """A JSON Schema as tables of its members, from its own words."""

    def run(self) -> Nodes:
        """Return the description, a table of members, and one section for each definition."""
        name = self.arguments[0]
        content = schema(name)
        found: Nodes = [paragraph(*self.markdown(content.get("description", "")))]
        found += self._body(name, content)
        for definition, inner in content.get("$defs", {}).items():
            anchor = f"def-{definition}"
            section = nodes.section("", nodes.title("", "", code(f"#/$defs/{definition}")), ids=[anchor])
            section += [paragraph(*self.markdown(inner["description"]))] if "description" in inner else []
            section += self._body(name, inner)
            found.append(section)
        return found

    def _body(self, name: str, content: dict[str, Any]) -> Nodes:
        found: Nodes = []
        if "properties" in content:
            found.append(table(("member", "", "values", "meaning"), self._rows(name, content, "")))
        if others := [each for each in content.get("required", []) if each not in content.get("properties", {})]:
            found.append(paragraph(nodes.Text("Also required: " + ", ".join(others) + ".")))
        if content.get("additionalProperties") is False:
            found.append(paragraph(nodes.Text("No further members.")))
        rest = {key: value for key, value in content.items() if key not in HANDLED}
        if rest and rest != {"type": "object"}:
            found.append(self._words(name, rest))
        return found

    def _rows(self, name: str, content: dict[str, Any], path: str) -> list[nodes.row]:
        """Return a row for each member, and for each member of a member."""
        found = []
        for member, inner in content["properties"].items():
            row = nodes.row()
            words = self._words(name, {} if inner is True else inner)
            about = paragraph(*self.markdown(described(name, inner)))
            needs = paragraph(nodes.Text("required" if member in content.get("required", []) else "optional"))
            row += [nodes.entry("", each) for each in (paragraph(code(path + member)), needs, words, about)]
            found.append(row)
            for below, mark in ((inner, "."), (isinstance(inner, dict) and inner.get("items"), "[].")):
                if isinstance(below, dict) and "properties" in below:
                    found += self._rows(name, below, f"{path}{member}{mark}")
        return found

    def _words(self, name: str, content: dict[str, Any]) -> nodes.paragraph:
        """Return the keywords of a schema as a line of words."""
        parts: list[Nodes] = [self._word(name, key, value) for key, value in content.items() if key not in SILENT]
        found = paragraph()
        for number, each in enumerate(parts):
            found += [nodes.Text("; ")] if number else []
            found += each
        return found if parts else paragraph(nodes.Text("any value"))

    def _word(self, name: str, key: str, value: Any) -> Nodes:
        if key == "$ref":
            return [self._reference(name, value)]
        if key in CHOICES and all(isinstance(each, dict) for each in value):
            found: Nodes = [nodes.Text(f"{CHOICES[key]}: ")]
            for number, each in enumerate(value):
                found += [nodes.Text(" | ")] if number else []
                found += self._words(name, each).children
            return found
        if key == "items" and isinstance(value, dict):
            return [nodes.Text("each item: "), *self._words(name, value).children]
        if key == "enum":
            return [part for each in value for part in (code(json.dumps(each)), nodes.Text(" "))]
        if key == "type":
            return [nodes.Text(" or ".join(value) if isinstance(value, list) else value)]
        return [nodes.Text(f"{WORDS.get(key, key)} "), code(json.dumps(value, ensure_ascii=False))]

    def _reference(self, name: str, ref: str) -> nodes.Node:
        target, pointer = resolved(name, ref)
        definition = pointer.rpartition("/")[2]
        shown = code(definition or target)
        return self.to(schema_page(target), f"def-{definition}" if definition else "", shown)


HANDLED = {"$schema", "$id", "$defs", "title", "description", "properties", "required", "additionalProperties"}
SILENT = HANDLED | {"$comment"}
CHOICES = {"oneOf": "exactly one of", "anyOf": "at least one of", "allOf": "all of"}
WORDS = {
    "const": "exactly",
    "default": "by default",
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "minLength": "characters, at least",
    "maxLength": "characters, at most",
    "minItems": "items, at least",
    "maxItems": "items, at most",
    "pattern": "pattern",
}


class Command(Page):
    """A command with its arguments and options, as it states them itself."""

    def run(self) -> Nodes:
        """Return the help, the usage, and each option as a link target."""
        words = self.arguments[0].split(" ")
        command = command_of(words)
        context = click.Context(command, info_name=" ".join(words))
        found: Nodes = [*self._help(command.help or "")]
        usage = " ".join([" ".join(words), *command.collect_usage_pieces(context)])
        found.append(nodes.literal_block(usage, usage, language="text"))
        options = [each for each in command.get_params(context) if isinstance(each, click.Option) and not each.hidden]
        found += [self._option(words, each, context) for each in options]
        if command.epilog:
            found += self._help(command.epilog)
        return found

    def _help(self, text: str) -> Nodes:
        """Return help text: paragraphs, and as code what click does not wrap."""
        found: Nodes = []
        for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
            kept = block.removeprefix("\b\n")
            found.append(
                nodes.literal_block(kept, kept, language="text") if kept != block else paragraph(nodes.Text(block))
            )
        return found

    def _option(self, words: Sequence[str], option: click.Option, context: click.Context) -> nodes.container:
        names, about = option.get_help_record(context) or (", ".join(option.opts), option.help or "")
        anchor = "option-" + option.opts[-1].lstrip("-")
        entry = nodes.container(classes=["case"])
        self.make_target(entry, f"{' '.join(words)} {option.opts[-1]}", "option", anchor)
        entry += [
            paragraph(nodes.reference("", "", code(names), refid=anchor), classes=["head"]),
            paragraph(nodes.Text(about)),
        ]
        return entry


class Diagram(Page):
    """A diagram of a chapter."""

    def run(self) -> Nodes:
        """Return the drawing as a part of the page, so that it has the page's colours."""
        introduction = files("ipc_spec").joinpath("00-introduction.md").read_text("utf-8")
        if self.arguments[0] == "states":
            drawing = diagrams.state_diagram(diagrams.states(introduction))
        else:
            drawing = diagrams.sequence_diagram(diagrams.sequences(introduction)[self.arguments[0]])
        return [nodes.raw("", f'<div class="drawing">{drawing}</div>', format="html")]


def paragraph(*parts: nodes.Node, classes: Iterable[str] = ()) -> nodes.paragraph:
    """Return a paragraph of inline nodes."""
    return nodes.paragraph("", "", *parts, classes=[*classes])


def code(text: str) -> nodes.literal:
    """Return text as code."""
    return nodes.literal(text, text)


def level(name: str) -> nodes.inline:
    """Return the level of a requirement or a case as a mark."""
    return nodes.inline("", name.upper(), classes=["level", name])


def table(heads: Sequence[str], rows: Iterable[nodes.row]) -> nodes.table:
    """Return a table with a head."""
    group = nodes.tgroup(cols=len(heads))
    group += [nodes.colspec(colwidth=1) for _ in heads]
    head = nodes.row()
    head += [nodes.entry("", paragraph(nodes.Text(each or " "))) for each in heads]
    group += nodes.thead("", head)
    group += nodes.tbody("", *rows)
    return nodes.table("", group)


@cache
def sorted_cases() -> tuple[Case, ...]:
    """Return all cases by their ids."""
    return tuple(sorted(all_cases().values(), key=lambda each: each.id))


@cache
def schema(name: str) -> dict[str, Any]:
    """Return a schema by its name."""
    content: dict[str, Any] = json.loads(files("ipc_schemas").joinpath(f"{name}.schema.json").read_text("utf-8"))
    return content


def resolved(name: str, ref: str) -> tuple[str, str]:
    """Return the name of the schema that a reference in another one leads to, and the pointer in it."""
    file, _, pointer = urljoin(f"{name}.schema.json", ref).partition("#")
    return file.removesuffix(".schema.json"), pointer


def described(name: str, inner: Any) -> str:
    """Return the description of a member: its own, or that of the schema which it refers to."""
    if not isinstance(inner, dict):
        return ""
    if "description" in inner or "$ref" not in inner:
        return str(inner.get("description", ""))
    target, pointer = resolved(name, inner["$ref"])
    found: Any = schema(target)
    for key in filter(None, pointer.split("/")):
        found = found[key]
    return described(target, found)


def command_of(words: Sequence[str]) -> click.Command:
    """Return a command by its words: ``ipc-conformance run``, or ``python -m reference_server``."""
    if words[0] == "python":
        main: click.Command = import_module(f"{words[2]}.cli").main
        return main
    found: click.Command = import_module("conformance.cli.main").main
    for word in words[1:]:
        assert isinstance(found, click.Group)  # noqa: S101 - for the types
        inner = found.get_command(click.Context(found), word)
        if inner is None:
            raise ValueError(f"there is no command {' '.join(words)}")
        found = inner
    return found


DIRECTIVES = {
    "ipc-cases": Cases,
    "ipc-requirements": Requirements,
    "ipc-errors": Errors,
    "ipc-schema": Schema,
    "ipc-command": Command,
    "ipc-diagram": Diagram,
}


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
