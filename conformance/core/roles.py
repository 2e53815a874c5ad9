"""The roles that can be under test."""

from typing import Literal

Role = Literal["server", "client"]
