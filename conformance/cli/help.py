"""Help that fits the terminal, however narrow: click wraps nothing below 50 columns, and breaks long words."""

from __future__ import annotations

from collections.abc import Iterable

import click

from conformance.core.terminal import columns, is_narrow, wrapped

WIDEST = 100
OWN_LINE = 6
"""On a narrow terminal, what is longer than this has a line of its own, with its explanation below."""


class HelpFormatter(click.HelpFormatter):
    """Formats help: in lines that fit the terminal, without breaking words."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        super().__init__(indent_increment, columns() - 2 if is_narrow() and width is None else width, max_width)

    def write_text(self, text: str) -> None:
        """Write paragraphs; of those that click keeps, wrap the lines that are too long."""
        if not is_narrow():
            super().write_text(text)
            return
        indent = " " * self.current_indent
        paragraphs = []
        for paragraph in text.split("\n\n"):
            lines = paragraph.split("\n")
            if lines[0].strip() == "\b":
                paragraphs.append("\n".join(wrapped(indent + line, self.width) for line in lines[1:]))
            else:
                paragraphs.append(wrapped(indent + " ".join(paragraph.split()), self.width))
        self.write("\n\n".join(paragraphs) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write terms and their explanations side by side, or below each other on a narrow terminal."""
        super().write_dl(rows, OWN_LINE if is_narrow() else col_max, col_spacing)


class Group(click.Group):
    """A group whose help shows the first sentence of each command's help as a whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands and their first sentences."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, each.get_short_help_str(formatter.width * 10)) for name, each in commands if each]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def use() -> None:
    """Let every command of this process format its help so."""
    click.Context.formatter_class = HelpFormatter
