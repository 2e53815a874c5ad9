"""Strings near a pattern, by Hypothesis, which takes long to import: import this module when they are needed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import HypothesisException

QUICK = settings(
    max_examples=50,
    database=None,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
_CHARACTERS = st.characters(exclude_categories=["Cs"])
"""All characters except surrogates. This saves seconds: Hypothesis computes tables for its own UTF-8 alphabet."""


def strings_near(pattern: str) -> tuple[str, ...]:
    """Return a few strings that match a pattern, and a few that contain a match."""
    found: list[str] = []
    with nothing_left():
        for strategy in (st.from_regex(pattern, fullmatch=each, alphabet=_CHARACTERS) for each in (True, False)):
            for least in range(3):
                with suppress(HypothesisException):
                    found.append(find(strategy, partial(_is_further, found, least), settings=QUICK))
    return tuple(found)


def _is_further(found: list[str], least: int, text: str) -> bool:
    return len(text) >= least and text not in found


@contextmanager
def nothing_left() -> Iterator[None]:
    """Keep Hypothesis's tables in a temporary folder; it writes them even without an example database."""
    with tempfile.TemporaryDirectory() as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)
