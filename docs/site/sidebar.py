"""A Sphinx extension: the sidebar is made once. Sphinx would copy the headings of all pages again for each page."""

from __future__ import annotations

from functools import partial
from typing import Any

from sphinx.application import Sphinx

LISTS = {
    "cases": "cases/index",
    "schemas": "schemas/index",
    "commands": "commands/index",
    "docs/decisions": "docs/decisions/README",
}
"""The page of the sidebar that stands for the pages of a folder."""


def tree(app: Sphinx, page: str, **_: Any) -> str:
    """Return the sidebar of a page: that of the front page, with links from here, and this page marked."""
    made: dict[str, str] = vars(tree).setdefault("made", {})
    if "index" not in made:
        builder: Any = app.builder  # Sphinx has no public way to ask for the tree of another page
        options = {"collapse": False, "titles_only": True, "maxdepth": -1, "includehidden": True}
        made["index"] = builder._get_local_toctree("index", **options).replace(
            'role="heading"', 'role="heading" aria-level="2"'
        )
    top = "../" * page.count("/")
    found = made["index"].replace('href="', f'href="{top}')
    item = '<li class="toctree-l1{}"><a class="{}reference internal" href="{}'
    for each in (page, LISTS.get(page.rpartition("/")[0], "")):
        link = f"{top}{each}.html"
        plain, marked = item.format("", "", link), item.format(" current current-page", "current ", link)
        if plain in found:
            return found.replace(plain, marked)
    return found


def use(app: Sphinx, page: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    """Let the theme ask for this sidebar."""
    if "toctree" in context:
        context["toctree"] = partial(tree, app, page)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension, ahead of the theme."""
    app.connect("html-page-context", use, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
