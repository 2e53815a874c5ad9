"""The sides of a connection that can be under test."""

from typing import Literal

Role = Literal["server", "client"]
