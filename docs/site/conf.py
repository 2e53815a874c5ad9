"""Sphinx configuration of the site; build.py runs Sphinx with it, in the folder that staging.py makes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from conformance import PROTOCOL_VERSION

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for the extensions
REPORT_STYLE = HERE.parents[1] / "conformance" / "reports" / "html" / "report.css"


def colours(style: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the colours of the HTML report's style sheet, light and dark, and Furo's own variables in these terms."""
    light, dark = (
        dict(re.findall(r"--([\w-]+): ([^;]+);", block)) for block in re.findall(r":root \{([^}]*)\}", style)
    )
    return light | FURO_COLOURS, dark | FURO_COLOURS


FURO_COLOURS = {
    "color-background-primary": "var(--paper)",
    "color-background-secondary": "var(--soft)",
    "color-background-hover": "var(--none-soft)",
    "color-background-border": "var(--line)",
    "color-foreground-primary": "var(--ink)",
    "color-foreground-secondary": "var(--quiet)",
    "color-foreground-muted": "var(--quiet)",
    "color-foreground-border": "var(--line)",
    "color-brand-primary": "var(--link)",
    "color-brand-content": "var(--link)",
    "color-brand-visited": "var(--link)",
    "color-highlight-on-target": "var(--fair-soft)",
    "color-inline-code-background": "var(--soft)",
    "color-problematic": "var(--bad)",
    "font-stack": 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
    "font-stack--monospace": "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
}

project = "IPC Framework Wire Protocol"
version = release = PROTOCOL_VERSION
language = "en"
extensions = ["myst_parser", "identifiers", "generated_pages", "sidebar"]
source_suffix = {".md": "markdown"}
exclude_patterns: list[str] = []
nitpicky = True
smartquotes = False

# The sources are plain GitHub Markdown. Syntax that only MyST has would change what they say.
myst_disable_syntax = ["myst_line_comment", "myst_block_break", "myst_target", "myst_role"]
myst_heading_anchors = 6
myst_url_schemes = ["http", "https", "mailto", "project-file"]
myst_links_external_new_tab = False
suppress_warnings = [
    "misc.highlighting_failure",  # examples with "..." are not of their language, and need not be
    "myst.header",  # a page may begin with any heading
    "toc.not_included",  # the sidebar has the page that lists cases, schemas, commands or decisions
]

html_theme = "furo"
html_title = f"IPC Framework {PROTOCOL_VERSION}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_show_copyright = False
html_show_search_summary = False  # it would load pages, which browsers refuse to do from disk
html_permalinks_icon = "#"
html_last_updated_fmt = None
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
_light, _dark = colours(REPORT_STYLE.read_text("utf-8"))
html_theme_options = {"light_css_variables": _light, "dark_css_variables": _dark, "navigation_with_keys": False}
