"""A store of users, and the channels `user_service`, `validation-service` and `database-service` in front of it."""

from __future__ import annotations

import itertools
from typing import Any, Final

from reference_server.examples.actions import Arguments, Refused, handler_of, integer
from reference_server.handlers import Request
from reference_server.server import ReferenceServer

User = dict[str, Any]

_FIRST: Final[tuple[User, ...]] = (
    {"id": 121, "name": "Grace Hopper", "email": "grace@example.com", "active": True},
    {"id": 122, "name": "Charles Babbage", "email": "charles@example.com", "active": False},
    {"id": 123, "name": "Ada Lovelace", "email": "ada@example.com", "active": True},
)
_MOST_USERS: Final = 10_000  # a client must not be able to fill the memory
_LONGEST: Final = 254  # characters of a name or an address; no e-mail address can be longer


class Users:
    """The users, in the order in which they were created. Used by the event loop's thread only."""

    def __init__(self) -> None:
        self._users = {user["id"]: dict(user) for user in _FIRST}
        self._ids = itertools.count(max(self._users) + 1)

    def find(self, filters: object) -> list[User]:
        """Return the users that have every value of the filters.

        A value may be given as text, as in the query of a URL: ``{"active": "true"}``.

        Raises:
            Refused: The filters are no object.
        """
        if not isinstance(filters, dict):
            raise Refused("invalid_message", "the argument 'filters' must be an object")
        wanted = {name: _text(value) for name, value in filters.items()}
        return [user for user in self._users.values() if all(_text(user.get(key)) == wanted[key] for key in wanted)]

    def get(self, user_id: int) -> User:
        """Return a user.

        Raises:
            Refused: There is none with this id.
        """
        if user_id not in self._users:
            raise Refused("not_found", f"there is no user {user_id}")
        return self._users[user_id]

    def create(self, details: object) -> User:
        """Add a user.

        Raises:
            Refused: The details are not valid, the address is taken, or the store is full.
        """
        if not isinstance(details, dict):
            raise Refused("invalid_message", "the argument 'user_data' must be an object")
        if errors := problems(details):
            raise Refused("invalid_message", "; ".join(errors))
        if any(user["email"] == details["email"] for user in self._users.values()):
            raise Refused("conflict", f"there is a user with the address {details['email']} already")
        if len(self._users) >= _MOST_USERS:
            raise Refused("conflict", f"there are {_MOST_USERS} users already, which is all this example keeps")
        user = {name: details[name] for name in ("name", "email")}
        created = {"id": next(self._ids), **user, "active": details.get("active", True)}
        self._users[created["id"]] = created
        return created


def filters_of(arguments: Arguments) -> object:
    """Return the filters of a request: the argument of that name, else the query that an HTTP proxy handed on."""
    return arguments.get("filters", arguments.get("query", {}))


def problems(details: dict[str, Any]) -> list[str]:
    """Return what is wrong with the details of a user that is to be created; nothing when they are right."""
    name, email, active = details.get("name"), details.get("email"), details.get("active", True)
    found = []
    if not isinstance(name, str) or not 0 < len(name.strip()) <= len(name) <= _LONGEST:
        found.append(f"name must be a text of 1 to {_LONGEST} characters")
    if not isinstance(email, str) or len(email) > _LONGEST or not all(email.partition("@")):
        found.append("email must be an e-mail address")
    if type(active) is not bool:
        found.append("active must be true or false")
    return found


def register(server: ReferenceServer, users: Users) -> None:
    """Register the three channels."""

    def get_all_users(_request: Request, arguments: Arguments) -> list[User]:
        return users.find(filters_of(arguments))

    def get_user(_request: Request, arguments: Arguments) -> User:
        return users.get(integer(arguments, "user_id"))

    def create_user(request: Request, arguments: Arguments) -> User:
        user = users.create(arguments.get("user_data", arguments))
        server.publish(request.app_id, "notifications", {"type": "user_created", "user": user})
        return user

    def validate_user(_request: Request, arguments: Arguments) -> dict[str, Any]:
        errors = problems(arguments)
        return {"valid": not errors, "errors": errors}

    def insert_user(_request: Request, arguments: Arguments) -> dict[str, Any]:
        return {"user_id": users.create(arguments)["id"]}

    front = {"get_all_users": get_all_users, "get_user": get_user, "create_user": create_user}
    server.handler("user_service")(handler_of(front))
    server.handler("validation-service")(handler_of({"validate_user": validate_user}))
    server.handler("database-service")(handler_of({"create_user": insert_user, "get_user": get_user}))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
