"""What cases conclude from what handlers did, however a server runs its handlers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

from conformance.core.verdicts import Violation
from conformance.protocol import codec

ROUNDS = 4
FEW_DESCENTS = 3
"""A pool of threads that starts its first thread may hand over so few messages late in every round."""
BACKWARDS_SHARE = 0.8
"""Of 49 steps of a random order, so many descend less than once in ten million runs."""
INTERNALS = re.compile(
    r"Traceback|(?!(Internal)?(Server|Handler)(Error|Exception))\b\w+(Error|Exception)\b|site-packages|node_modules"
    r"|\b[\w-]+\.(py|js|mjs|ts|rs|go|rb|java|php|cs|c|cc|cpp)\b"
)
"""A stack trace, the name of an exception's class, or a file of code. The word "Error" alone tells nothing."""


def check_order(act: Callable[[], Sequence[Any]], count: int, why: str) -> None:
    """Show that handlers act once for each of ``count`` messages, and were started in the order of the messages.

    Handlers may run in threads, and one that was passed to its thread counts as started (REQ-009). What threads do then
    has any order, but another one each time. So an order that is not ascending shows something only if it repeats:
    exactly, or as an order that nearly always descends.

    Args:
        act: sends messages with the numbers from 0 in ascending order, and returns the numbers in the order in which
            their handlers acted; it is called again while the order is not ascending.
        count: the number of messages.
        why: the failure.

    Raises:
        Violation: a message was not handled once, or the order is wrong in the same way in every round.
    """
    orders: list[list[Any]] = []
    for _ in range(ROUNDS):
        orders.append(list(act()))
        if sorted(orders[-1], key=repr) != sorted(range(count), key=repr):
            break
        if not _is_wrong_in_one_way(orders):
            return
    raise Violation(why, expected=f"0 to {count - 1}", received=codec.shorten(orders[-1]))


def _is_wrong_in_one_way(orders: Sequence[Sequence[int]]) -> bool:
    """Return true if all orders descend nearly always, or are the same one and descend more than a few times."""
    fewest = min(_descents(order) for order in orders)
    are_equal = all(order == orders[0] for order in orders)
    return fewest > BACKWARDS_SHARE * (len(orders[0]) - 1) or (are_equal and fewest > FEW_DESCENTS)


def _descents(order: Sequence[int]) -> int:
    return sum(earlier > later for earlier, later in itertools.pairwise(order))
