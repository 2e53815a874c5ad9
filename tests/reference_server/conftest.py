"""What the command line changes for its whole process is changed back after a test that calls it."""

import logging
import sys
import threading

import pytest

from reference_server.logs.handler import LogHandler


@pytest.fixture(autouse=True)
def _restored_hooks(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    yield
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogHandler):
            logging.captureWarnings(False)
            logging.getLogger().removeHandler(handler)
