"""A Sphinx extension: requirements, cases and error codes are link targets, and what names them links to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains import Domain, ObjType
from staging import FILE

from conformance.cases.catalogue import all_cases
from conformance.harness.case import Case
from conformance.protocol.requirements import load

DOMAIN = "ipc"
KINDS = {"requirement": "requirement", "case": "case", "code": "error code", "option": "option"}
_STATED = re.compile(r"\[([A-Z]{3}-\d{3})\]")
_NAMED = re.compile(r"\b[A-Z]{3}-\d{3}\b")
_CASES = "cases/requirements"
"""The page that lists the cases of each requirement."""

Target = tuple[str, str, str]
"""The kind of what has an identifier, its page, and its anchor."""


class IdentifierDomain(Domain):
    """Keeps where each identifier is stated; the search and ``objects.inv`` read it."""

    name = DOMAIN
    label = "IPC Framework"
    object_types: ClassVar[dict[str, ObjType]] = {kind: ObjType(label) for kind, label in KINDS.items()}
    initial_data: ClassVar[dict[str, dict[str, Target]]] = {"targets": {}}

    @property
    def targets(self) -> dict[str, Target]:
        """All identifiers."""
        found: dict[str, Target] = self.data["targets"]
        return found

    def note(self, name: str, kind: str, anchor: str) -> None:
        """Remember that the present page states an identifier.

        Raises ValueError if another page does so too.
        """
        page = self.env.current_document.docname
        if self.targets.setdefault(name, (kind, page, anchor)) != (kind, page, anchor):
            raise ValueError(f"{name} is stated on {self.targets[name][1]}, and on {page}")

    def clear_doc(self, docname: str) -> None:
        """Forget the identifiers of a page that is read again."""
        for name in [name for name, (_, page, _) in self.targets.items() if page == docname]:
            del self.targets[name]

    def merge_domaindata(self, docnames: Iterable[str], otherdata: dict[str, Any]) -> None:
        """Take the identifiers of pages that another process has read."""
        self.targets.update({name: each for name, each in otherdata["targets"].items() if each[1] in docnames})

    def resolve_any_xref(self, *_: Any) -> list[tuple[str, nodes.reference]]:
        """Return nothing: links to identifiers are made without roles."""
        return []

    def get_objects(self) -> Iterator[tuple[str, str, str, str, str, int]]:
        """Return all identifiers in the form that Sphinx wants, as more important than words of pages."""
        for name, (kind, page, anchor) in self.targets.items():
            yield name, name, kind, page, anchor, 0


def domain_of(app: Sphinx) -> IdentifierDomain:
    """Return the domain of a build."""
    found = app.env.domains[DOMAIN]
    assert isinstance(found, IdentifierDomain)  # noqa: S101 - for the types
    return found


def state_requirements(app: Sphinx, document: nodes.document) -> None:
    """Make each paragraph of a chapter that states a requirement a link target, and name its cases below it."""
    if not app.env.current_document.docname.startswith(("spec/0", "spec/1", "spec/2")):
        return
    for paragraph in list(document.findall(nodes.paragraph)):
        first = next((each for each in paragraph.children if each.astext()), None)
        if not isinstance(first, nodes.strong):
            continue
        found = _STATED.fullmatch(first.astext())
        if not found or found[1] not in load():
            continue
        name = found[1]
        paragraph["ids"].append(name)
        paragraph["classes"].append("requirement")
        document.note_explicit_target(paragraph)
        domain_of(app).note(name, "requirement", name)
        paragraph.replace(first, nodes.strong("", "", nodes.reference("", f"[{name}]", refid=name)))
        paragraph += [nodes.Text(" "), _cases_of(name)]


def _cases_of(name: str) -> nodes.Node:
    """Return how many cases a requirement has, as a placeholder that becomes a link."""
    number = len(cases_by_requirement().get(name, []))
    text = f"{number} case{'' if number == 1 else 's'}" if number else "no case"
    return nodes.inline("", text, classes=["cases-of"], requirement=name)


@cache
def cases_by_requirement() -> dict[str, list[Case]]:
    """Return the cases of each requirement that has any, by their ids."""
    found: dict[str, list[Case]] = {}
    for case in sorted(all_cases().values(), key=lambda each: each.id):
        for each in case.requirements:
            found.setdefault(each, []).append(case)
    return found


def link_names(app: Sphinx, document: nodes.document, page: str) -> None:
    """Let requirements named in prose, and cases named as code, link to where they are stated."""
    targets = domain_of(app).targets

    def link(name: str, shown: nodes.Node) -> nodes.Node:
        _, where, anchor = targets[name]
        start = app.builder.get_relative_uri(page, where) if where != page else ""
        return nodes.reference("", "", shown, internal=True, refuri=f"{start}#{anchor}")

    for reference in document.findall(nodes.reference):
        if reference.get("refuri", "").startswith(f"{FILE}:"):
            reference["refuri"] = "../" * page.count("/") + reference["refuri"].partition(":")[2]
            reference["internal"] = True
    for number in list(document.findall(nodes.inline)):
        if name := number.get("requirement"):
            where = app.builder.get_relative_uri(page, _CASES)
            to_cases = nodes.reference("", number.astext(), internal=True, refuri=f"{where}#cases-of-{name}")
            number.clear()
            number.append(to_cases)
    for code in list(document.findall(nodes.literal)):
        if code.astext() in targets and targets[code.astext()][0] == "case" and not _is_linked(code):
            code.parent.replace(code, link(code.astext(), code.deepcopy()))
    for text in list(document.findall(nodes.Text)):
        names = [each for each in _NAMED.finditer(text.astext()) if each[0] in targets]
        if names and not _is_linked(text):
            text.parent.replace(text, list(_divided(text.astext(), names, link)))


def _divided(text: str, names: Iterable[re.Match[str]], link: Any) -> Iterator[nodes.Node]:
    end = 0
    for each in names:
        yield nodes.Text(text[end : each.start()])
        yield link(each[0], nodes.Text(each[0]))
        end = each.end()
    yield nodes.Text(text[end:])


def _is_linked(node: nodes.Node) -> bool:
    """Return true inside links, headings and code, where a link would be wrong."""
    parent = node.parent
    while parent is not None:
        if isinstance(parent, nodes.reference | nodes.title | nodes.literal | nodes.literal_block | nodes.raw):
            return True
        parent = parent.parent
    return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_domain(IdentifierDomain)
    app.connect("doctree-read", state_requirements)
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
