"""A marked table of the spec as data."""

Row = dict[str, str]
"""Cells by the names of their columns."""

Table = dict[str, Row]
"""Rows by their keys."""
