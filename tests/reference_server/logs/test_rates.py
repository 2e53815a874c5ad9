"""How many records are logged, and what is told of the others."""

import logging
import re

import pytest
from log_programs import log_of, message_of

from reference_server.logs.rates import LINES, LINES_OF_A_KIND, MOST_KINDS, NAMED_KINDS, TRACEBACK_PERIOD, Rates


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def record(line=1, message="a message", error=None):
    exc_info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("reference_server", logging.ERROR, "file.py", line, message, (), exc_info)


def left_out_of(lines):
    return sum(int(count) for line in lines for count in re.findall(r"\.\.\. and (\d+) more", line))


FLOOD = """
for number in range(1000): log.error("number %d", number)
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("end", ["", "time.sleep(3); os._exit(0)", "1 / 0"])
def test_flood_of_a_kind_is_some_lines_and_one_that_counts_the_others(log_format, end):
    lines = log_of(FLOOD + end, log_format)

    # The flood may have begun at the end of a second of the clock: then it has lines in two seconds.
    if end == "1 / 0":
        (traceback,) = (line for line in lines if "ZeroDivisionError" in line)
        lines.remove(traceback)
    assert LINES_OF_A_KIND + 1 <= len(lines) <= 2 * LINES_OF_A_KIND + 1
    assert left_out_of(lines) == 1000 - (len(lines) - 1)
    told = message_of(lines[-1], log_format)
    assert re.fullmatch(r"\.\.\. and \d+ more like it in the last (second|\d seconds): number \d+", told)


def test_what_is_left_out_is_not_formatted():
    program = """
class Counting(Exception):
    count = 0
    def __str__(self):
        Counting.count += 1
        return "text"
for _ in range(1000):
    try: raise Counting
    except Counting as error: log.exception("failed: %s", error)
logging.info("%d texts", Counting.count)
"""
    (line,) = (line for line in log_of(program) if line.endswith(" texts"))
    assert int(line.split()[-2]) < 100


def test_traceback_is_logged_once_for_each_place_and_type_of_error():
    program = """
def fail(number):
    if number % 3 == 1: return 1 / 0
    if number % 3 == 2: return [][0]
    raise KeyError(number)
for number in range(9):
    try: fail(number)
    except Exception: log.exception("failed")
"""
    lines = log_of(program)
    assert ["Traceback" in line for line in lines] == [True] * 3 + [False] * 6
    assert lines[3].endswith("ERROR failed: KeyError: 3")
    assert lines[4].endswith("ERROR failed: ZeroDivisionError: division by zero")


def test_traceback_is_logged_again_in_the_next_period(clock):
    rates = Rates(clock)
    rates.admit(record(error=ValueError())).explained = True
    assert rates.admit(record(error=ValueError())).explained
    clock.now += TRACEBACK_PERIOD
    assert not rates.admit(record(error=ValueError())).explained


def test_all_kinds_together_are_bounded_and_a_new_kind_still_has_a_line(clock):
    rates = Rates(clock)
    flood = [rates.admit(record(line)) for _ in range(20) for line in range(40)]
    assert rates.admit(record(41, "shutting down"))
    many = [rates.admit(record(line)) for line in range(100, 1000)]

    assert sum(kind is not None for kind in flood) < LINES - 20
    assert sum(kind is not None for kind in [*flood, *many]) == LINES - 1

    clock.now += 1
    lines = rates.take_left_out()
    assert len(lines) == NAMED_KINDS + 1
    assert left_out_of(lines) == len(flood) + len(many) - (LINES - 1)
    assert lines[-1].endswith("other kinds in the last second")
    assert rates.admit(record(1))


def test_counts_are_told_after_a_second_and_wait_for_a_log_that_is_not_read(clock):
    rates = Rates(clock)
    for _ in range(LINES_OF_A_KIND + 5):
        rates.admit(record())
    assert (rates.take_left_out(), rates.due_in()) == ([], 1)
    for _ in range(3):
        clock.now += 1
        for _ in range(LINES_OF_A_KIND + 5):
            rates.admit(record())
    assert rates.take_left_out() == ["... and 20 more like it in the last 3 seconds: a message"]
    assert (rates.take_left_out(), rates.due_in()) == ([], None)


def test_memory_for_kinds_is_bounded(clock):
    rates = Rates(clock)
    for line in range(3 * MOST_KINDS):
        clock.now += 0.01
        rates.admit(record(line))
    assert len(rates._kinds) == MOST_KINDS + 1
