"""Parts of the protocol that act on channels of the server, and the optional ones among them."""

from typing import Final

from reference_server.profiles import batch, discovery

PROFILES: Final = (batch.NAME, discovery.NAME)
"""The profiles that a server can offer."""
