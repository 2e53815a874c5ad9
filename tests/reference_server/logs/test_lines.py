"""The log: one printable line per record, of bounded length, whatever is logged."""

import json
import logging

import pytest
from log_programs import log_of, message_of

from reference_server.logs.lines import LINE_FORMATS, LONGEST_TEXT, escaped, json_line, text_line

FORMATS = pytest.mark.parametrize("log_format", ["text", "json"])

# Line ends of every kind, a terminal's commands, C1 controls, bidi controls, what no encoding has, and escapes.
NASTY = [
    "two\nlines\r\n",
    "\x1b[2J\x1b]0;title\x07",
    "\x00\x08\x7f\x85\x9b",
    "line\u2028paragraph\u2029end",
    "\u202eright to left\u202c\u2066isolate\u2069",
    "\ud800 and \udfff",
    "a\\nb \\ \\\\",
    "tag \U000e0041 and zero width \u200b\ufeff",
    "grüße 漢字 🎉",
]


def record(message, error=None, *arguments):
    exc_info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("reference_server", logging.ERROR, "file.py", 1, message, arguments, exc_info)


@FORMATS
def test_every_record_is_one_printable_line_that_can_be_read_back(log_format):
    lines = log_of(f"for text in {NASTY!a}: log.info('%s', text)", log_format)

    assert [line.isprintable() for line in lines] == [True] * len(NASTY)
    assert [message_of(line, log_format) for line in lines] == NASTY


def test_json_is_ascii():
    assert log_of("log.info('grüße \\x7f')", "json")[0].isascii()


def test_terminal_of_another_encoding_gets_escapes(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    (line,) = log_of("log.info('grüße \\u6f22')")
    assert line.endswith(r"INFO gr\xfc\xdfe \u6f22")


@FORMATS
def test_traceback_is_part_of_the_line(log_format):
    program = "try: 1 / 0\nexcept ArithmeticError: log.exception('failed')"
    (line,) = log_of(program, log_format)

    text = message_of(line, log_format)
    assert text.startswith("failed\n")
    assert "\nTraceback (most recent call last):\n" in text
    assert text.endswith("\nZeroDivisionError: division by zero")


@FORMATS
def test_stack_is_part_of_the_line(log_format):
    (line,) = log_of("log.info('here', stack_info=True)", log_format)
    assert "\nStack (most recent call last):\n" in message_of(line, log_format)


SOURCES = {
    "another logger": ("logging.getLogger('mine').warning('a\\nb')", "a\nb"),
    "a warning": ("warnings.warn('a\\nb')", "UserWarning: a\nb"),
    "a warning of asyncio": ("logging.getLogger('asyncio').warning('a\\nb')", "a\nb"),
    "an uncaught error": ("raise ValueError('a\\nb')", "ValueError: a\nb"),
    "an uncaught error of a thread": (
        "def fail(): raise ValueError('a\\nb')\nthread = threading.Thread(target=fail); thread.start(); thread.join()",
        "ValueError: a\nb",
    ),
    "an error in a finalizer": (
        "class Bad:\n  def __del__(self): raise ValueError('a\\nb')\nBad()",
        "ValueError: a\nb",
    ),
    "an error of a task that nothing awaits": (
        """
async def fail(): raise ValueError('a\\nb')
async def main():
    asyncio.get_running_loop().set_exception_handler(getattr(logs, "report_loop_problem", None))
    asyncio.create_task(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
asyncio.run(main())""",
        "ValueError: a\nb",
    ),
    "a record that does not fit its arguments": ("log.info('%d of\\nall', 'x')", "'%d of\\nall' cannot be formatted"),
    "a record whose argument fails": (
        "class Bad:\n  def __str__(self): raise SystemExit\nlog.info('it is %s', Bad())",
        "'it is %s' cannot be formatted: SystemExit, logged at <string>:",
    ),
    "an error whose text fails": (
        """
class Bad(Exception):
    def __str__(self): raise SystemExit
    __repr__ = __str__
try: raise Bad
except Bad as error: log.error("failed: %s, %r", error, error, exc_info=True)""",
        "failed: <str() of the Bad failed>, <repr() of the Bad failed>",
    ),
}


@FORMATS
@pytest.mark.parametrize(("program", "expected"), SOURCES.values(), ids=SOURCES)
def test_everything_on_standard_error_is_one_line_of_the_log(program, expected, log_format):
    (line,) = log_of(program, log_format)

    assert line.isprintable()
    assert expected in message_of(line, log_format)


def test_thread_that_exits_is_not_logged():
    program = "thread = threading.Thread(target=sys.exit); thread.start(); thread.join(); log.info('end')"
    (line,) = log_of(program)
    assert line.endswith("INFO end")


class Unexplained(Exception):
    @property
    def __notes__(self):
        raise RuntimeError


def test_error_that_cannot_be_explained_is_named():
    text = json.loads(json_line(record("failed", Unexplained("why"))))

    assert text["reason"] == "Unexplained: why"
    assert "Unexplained" in text["traceback"]


@pytest.mark.parametrize("line_format", LINE_FORMATS.values(), ids=LINE_FORMATS)
@pytest.mark.parametrize("character", ["m", "\n", "\U000e0041"])
def test_long_text_of_a_client_is_shortened_in_its_middle(line_format, character):
    line = line_format(record("began " + character * 100_000, ValueError(character * 100_000 + " ended")))

    assert len(line) < (LONGEST_TEXT + 200) * (3 if line_format is json_line else 1)
    assert "began " in line
    assert " ended" in line


@FORMATS
def test_long_texts_are_not_copied(log_format):
    """The text of the error, of its cause, of a note and of an argument have 16 MB each."""
    program = """
import tracemalloc
text = "x" * 2**24
try:
    try: raise ValueError(text)
    except ValueError as cause:
        cause.add_note(text)
        raise ExceptionGroup("group", [KeyError(1), OSError(text)]) from cause
except ExceptionGroup as error:
    tracemalloc.start()
    log.error("failed: %s, %s", text, error.__cause__, exc_info=error)
    logging.info("at most %d MB", tracemalloc.get_traced_memory()[1] // 1_000_000)
"""
    _, line = log_of(program, log_format)
    assert int(message_of(line, log_format).split()[2]) < 4


def test_short_text_is_logged_whole():
    line = json.loads(json_line(record("listening", ValueError("broken"))))

    assert (line["message"], line["reason"], line["traceback"]) == (
        "listening",
        "ValueError: broken",
        "ValueError: broken",
    )
    assert text_line(record("listening")).endswith("ERROR listening")
    assert text_line(record("%(a)s!", None, {"a": "yes"})).endswith("ERROR yes!")


def test_table_of_escapes_does_not_grow():
    before = escaped.__globals__["_ESCAPES"].copy()
    escaped("".join(map(chr, range(0x20000))))
    assert escaped.__globals__["_ESCAPES"] == before
