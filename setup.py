"""Refuse an old Python by its name; without this, an old pip blames the first dependency that needs a newer one.

Everything else about the package is in pyproject.toml.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an old Python runs this file, which must therefore use old syntax
    sys.exit(f"ipc-conformance needs Python 3.11 or newer, and this is Python {sys.version.split()[0]}")

from setuptools import setup

setup()
