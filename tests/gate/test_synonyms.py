"""Sentences in other words: which of them demand the same, and which only look so."""

from __future__ import annotations

import pytest

from conformance.gate.rules.wording import is_only_wording

SAME = [
    ("for at least 5 seconds", "for at least 5000 ms"),
    ("for at least 5 seconds", "for no less than 5 s"),
    ("less than 90 seconds", "less than 1.5 minutes"),
    ("at least one second", "at least a second."),
    ("pending, within a second, when its", "pending, at the latest a second after its"),
    ("within 5000 ms of the end", "5 seconds after the end at the latest"),
    ("within a second of its time", "no later than one second after its time"),
    ("at most 1 048 576 octets", "no more than 1 MiB"),
    ("64 MiB (67 108 864 octets)", "67 108 864 bytes (64 MiB)"),
    ("serve 100 connections at the same time", "serve a hundred connections simultaneously"),
    ("accept at least 1000 items", "accept 1000 items or more"),
    ("with at least one", "with one or more"),
    ("a batch of up to 1000 items", "a batch of 1000 items or fewer"),
    ("a body that is nested up to 64 levels", "a body that is nested at most 64 levels"),
    ("versions below 1.2", "versions older than 1.2"),
    ("a length over its limit", "a length beyond its limit"),
    ("however long it runs", "no matter how long it runs"),
    ("change a subscription, a takeover aside.", "change a subscription, except for a takeover."),
    ("unless it ends", "except when it ends"),
    ("if one is pending", "when one is pending"),
    ("each of its jobs", "every one of its jobs"),
    ("and that is no batch", "and that is not a batch"),
    ("a server MUST never answer", "a server MUST NOT answer"),
    ("MUST NOT send anything on it", "MUST send nothing on it"),
    ("refuse an empty body with the error `a`", "refuse a body that is empty with the error `a`"),
    ("in the order in which they arrived", "in order of arrival"),
    ("internals, such as a path", "internals, e.g. a path"),
    ("no further effect", "no additional effect"),
]
OTHER = [
    ("for at least 5 seconds", "for at least 50 000 ms"),
    ("for at least 5 seconds", "for at most 5000 ms"),
    ("for no less than 5 s", "for less than 5 s"),
    ("less than 90 seconds", "at most 90 seconds"),
    ("1.5 minutes", "15 minutes"),
    ("a second connect message", "a 1000 ms connect message"),
    ("a late, a second or an unknown one", "a late, 1 second or an unknown one"),
    ("within a second of the end", "a second after the end"),
    ("within a second of the end", "at the earliest a second after the end"),
    ("within a second of the end", "within a second before the end"),
    ("keep it for 5 seconds after the end", "keep it within 5 seconds of the end"),
    ("1 MiB", "1 Mib"),
    ("1 MiB", "1 MB"),
    ("1 048 576 octets", "1 048 577 octets"),
    ("1000 characters", "1000 octets"),
    ("accept up to 1000 subscriptions", "accept at most 1000 subscriptions"),
    ("accept up to 1000 subscriptions", "accept at least 1000 subscriptions"),
    ("accept 1000 or more", "accept 1000 or fewer"),
    ("with at least one", "with at most one"),
    ("with one or more", "with zero or more"),
    ("versions below 1.2", "versions up to 1.2"),
    ("over its limit", "below its limit"),
    ("a takeover aside.", "a takeover included."),
    ("as if it were known", "when it is known"),
    ("as if it were known", "as when it were known"),
    ("unless it ends", "when it ends"),
    ("while it is open", "when it is open"),
    ("each other connection", "every other connection"),
    ("it is no longer open", "it is not longer open"),
    ("MUST never answer", "MUST answer"),
    ("MUST NOT send anything", "MUST send anything"),
    ("a body that is empty with the error `a`", "a body that is not empty with the error `a`"),
    ("`5 seconds`", "`5000 ms`"),
    ("ahead of the error", "after the error"),
    ("from -(2^53 - 1) to 5", "from (2^53 - 1) to 5"),
    ("from -5 to 5", "from 5 to 5"),
    ("2^53 - 1", "2^53 1"),
]


@pytest.mark.parametrize(("before", "after"), SAME)
def test_other_words_may_demand_the_same(before: str, after: str) -> None:
    assert is_only_wording(before, after)
    assert is_only_wording(after, before)


@pytest.mark.parametrize(("before", "after"), OTHER)
def test_similar_words_may_demand_something_else(before: str, after: str) -> None:
    assert not is_only_wording(before, after)
    assert not is_only_wording(after, before)
