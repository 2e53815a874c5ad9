"""The log: lines of bounded length, whatever they tell of."""

import json
import logging

import pytest

from reference_server.logs import LONGEST_TEXT, JsonFormatter, TextFormatter


def record(message, error=None):
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("reference_server", logging.ERROR, "file", 1, message, (), exc_info)


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_long_text_of_a_client_is_shortened_in_its_middle(formatter):
    text = formatter.format(record("began " + "m" * 100_000, ValueError("e" * 100_000 + " ended")))

    assert len(text) < 2 * LONGEST_TEXT + 500
    assert "began mmm" in text
    assert "eee ended" in text


def test_short_text_is_logged_whole():
    line = json.loads(JsonFormatter().format(record("listening", ValueError("broken"))))

    assert (line["message"], line["traceback"]) == ("listening", "ValueError: broken")
    assert TextFormatter().format(record("listening")).endswith("ERROR listening")
