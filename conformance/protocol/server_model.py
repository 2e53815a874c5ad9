"""A small model of a server: its connections, their subscriptions, and the deliveries that each must still get.

It follows the rules HSK-020 to HSK-024, SUB-004 to SUB-014 and ISO-003, and works without octets.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.protocol.codec import Message


@dataclass(eq=False)
class Member:
    """A live connection.

    Attributes:
        app: its application.
        name: its ``connection_id``.
        channels: its subscriptions.
        owed: deliveries that it has not read yet, oldest first.
    """

    app: str
    name: str
    channels: set[str] = field(default_factory=set)
    owed: list[Message] = field(default_factory=list)

    def take_owed(self) -> list[Message]:
        """Return the deliveries that it must get, and clear them."""
        owed, self.owed = self.owed, []
        return owed


class ServerModel:
    """The connections of all applications."""

    def __init__(self) -> None:
        self._members: dict[tuple[str, str], Member] = {}

    def connect(self, app: str, name: str) -> tuple[Member, Member | None]:
        """Add a connection, and return it with the one that it replaced, if any."""
        replaced = self._members.get((app, name))
        member = self._members[app, name] = Member(app, name)
        return member, replaced

    def leave(self, member: Member) -> None:
        """Remove a connection."""
        del self._members[member.app, member.name]

    def publish(self, publisher: Member, channel: str, message: Message) -> None:
        """Add ``message`` to the deliveries of every subscriber."""
        for member in self._members.values():
            if member.app == publisher.app and channel in member.channels:
                member.owed.append(message)
