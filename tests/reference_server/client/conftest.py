"""Servers that tests play do not answer the end of a stream, so clients wait for that only shortly."""

import pytest


@pytest.fixture(autouse=True)
def _short_farewell(monkeypatch):
    monkeypatch.setattr("reference_server.client.link._FAREWELL", 0.05)
