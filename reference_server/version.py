"""The versions of the package and of the protocol; pyproject.toml reads the first one here.

``importlib.metadata`` would take a sixth of the time to start a server.
"""

__version__ = "0.1.0"

PROTOCOL = "1.1"
"""The version of the protocol that this server speaks, MAJOR.MINOR, as the acknowledgement states it (HSK-007)."""
