"""Checks a built site without a network: links, anchors, identifiers, and that nothing is loaded from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


@dataclass
class Page:
    """What a page has: its anchors, its links, and what it loads."""

    anchors: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if found.get("id"):
            self.page.anchors.add(found["id"])
        if tag == "a" and found.get("href"):
            self.page.links.add(found["href"])
        if found.get(_LOADS.get(tag, "")):
            self.page.loads.add(found[_LOADS[tag]])


def read(folder: Path) -> dict[str, Page]:
    """Read all pages of a site, by their paths."""
    found = {}
    for path in sorted(folder.rglob("*.html")):
        reader = _Reader()
        reader.feed(path.read_text("utf-8"))
        found[path.relative_to(folder).as_posix()] = reader.page
    return found


def problems(folder: Path, wanted: Iterable[str] = ()) -> list[str]:
    """Return what is wrong with a site.

    Args:
        folder: the site.
        wanted: links that must lead somewhere, such as ``spec/01-framing.html#FRM-001``.
    """
    pages = read(folder)
    found = [f"there is no {each}" for each in wanted if not _leads(pages, folder, "index.html", each)]
    for path, page in pages.items():
        found += [f"{path}: dead link {each}" for each in page.links if not _leads(pages, folder, path, each)]
        found += [f"{path}: loads {each}" for each in page.loads if not _is_here(folder, path, each)]
    return sorted(found)


def _leads(pages: dict[str, Page], folder: Path, page: str, link: str) -> bool:
    """Return true if a link leads to a page with this anchor, to a file, or out of the site."""
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "mailto"):
        return True
    there = os.path.normpath(os.path.join(os.path.dirname(page), unquote(parts.path))) if parts.path else page  # noqa: PTH118, PTH120
    if there not in pages:
        return not parts.fragment and (folder / there).is_file()
    return not parts.fragment or unquote(parts.fragment) in pages[there].anchors


def _is_here(folder: Path, page: str, link: str) -> bool:
    parts = urlsplit(link)
    return (
        parts.scheme == "data"
        or link == "#"
        or (not parts.netloc and (folder / page).parent.joinpath(parts.path).is_file())
    )
