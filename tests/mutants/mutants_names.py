"""Mistakes about names: two that are taken for one, and one that is taken for two."""

from __future__ import annotations

import fnmatch
import posixpath
import unicodedata
import urllib.parse
import zlib
from collections.abc import Callable
from typing import Any

from mutation import around, mutant, replace
from patches import change_acknowledgement

from reference_server.broker import Broker
from reference_server.handlers import HandlerTable
from reference_server.network.handler_runner import HandlerRunner
from reference_server.profiles.discovery import ServiceRegistry
from reference_server.profiles.queue.job_store import JobStore
from reference_server.protocol import connection, validation
from reference_server.protocol.capabilities import Capabilities
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode, WireError
from reference_server.protocol.events import ConnectReceived, Message

Key = Callable[[str], str]
"""What a server compares in the place of a name."""


def composed(name: str) -> str:
    """Return the composed form (NFC)."""
    return unicodedata.normalize("NFC", name)


def until_nul(name: str) -> str:
    """Return what stands before a NUL."""
    return name.partition("\0")[0]


def as_number(name: str) -> str:
    """Return the value of a name that is a number."""
    try:
        return str(float(name))
    except ValueError:
        return name


def crc(name: str) -> str:
    """Return the CRC-32 of a name."""
    return str(zlib.crc32(name.encode()))


def hash_of_java(name: str) -> str:
    """Return the hash of a name as Java makes it."""
    made = 0
    for each in name:
        made = (31 * made + ord(each)) & 0xFFFFFFFF
    return str(made)


def fnv(name: str) -> str:
    """Return the FNV-1a hash of a name."""
    made = 0x811C9DC5
    for octet in name.encode():
        made = ((made ^ octet) * 0x01000193) & 0xFFFFFFFF
    return str(made)


def without_accents(name: str) -> str:
    """Return a name as some collations of databases compare it."""
    return "".join(each for each in unicodedata.normalize("NFD", name) if not unicodedata.combining(each))


def visible(name: str) -> str:
    """Return what one sees of a name."""
    return "".join(each for each in name if unicodedata.category(each) not in ("Cf", "Mn"))


def folded_beyond_ascii(name: str) -> str:
    """Return a name in lower case, except its letters of ASCII."""
    return "".join(each if each.isascii() else each.casefold() for each in name)


CHANNEL_KEYS: dict[str, tuple[str, Key]] = {
    "composed": ("in composed form (NFC)", composed),
    "compatible": ("in compatible form (NFKC)", lambda name: unicodedata.normalize("NFKC", name)),
    "accents": ("without regard to accents", without_accents),
    "invisible": ("without regard to characters that are invisible", visible),
    "case-beyond-ascii": ("without regard to case beyond ASCII", folded_beyond_ascii),
    "blank-in-front": ("without regard to blanks in front", str.lstrip),
    "64-characters": ("by their first 64 characters", lambda name: name[:64]),
    "254-characters": ("by their first 254 characters", lambda name: name[:254]),
    "255-octets": ("by their first 255 octets", lambda name: name.encode()[:255].decode("latin-1")),
    "numbers": ("as numbers, where they are numbers", as_number),
    "crc": ("by their CRC-32", crc),
    "java": ("by the hash that Java makes", hash_of_java),
    "fnv": ("by their FNV-1a hash", fnv),
    "16-bit": ("by 16 bits of each character", lambda name: "".join(chr(ord(each) & 0xFFFF) for each in name)),
    "8-bit": ("by 8 bits of each character", lambda name: "".join(chr(ord(each) & 0xFF) for each in name)),
    "ascii": ("in ASCII, with ? for other characters", lambda name: name.encode("ascii", "replace").decode()),
    "paths": ("as paths", posixpath.normpath),
    "percent": ("as parts of URLs", urllib.parse.unquote_plus),
    "separators": ("without regard to which separator they have", lambda name: name.replace("/", ".")),
}


def _channels_by(key: Key) -> None:
    def by_key(original: Any, self: Broker, owner: Any, channel_id: str, *frame: bytes) -> None:
        made = channel_id if channel_id.startswith("\0") else "\0" + key(channel_id)
        original(self, owner, made, *frame)

    for name in ("subscribe", "unsubscribe", "publish"):
        around(Broker, name)(by_key)


def _channel_mutant(name: str, how: str, key: Key) -> None:
    def patch() -> None:
        _channels_by(key)

    patch.__doc__ = f"The names of channels are compared {how}."
    mutant(f"SUB-011/{name}")(patch)


for _name, (_how, _key) in CHANNEL_KEYS.items():
    _channel_mutant(_name, _how, _key)


@mutant("SUB-011/patterns")
def patterns() -> None:
    """A subscription with * in its name is one to every channel that matches."""
    _channels_match(fnmatch.fnmatchcase)


@mutant("SUB-011/topics")
def topics() -> None:
    """A subscription with # or + in its name is one to all topics that match, as in MQTT."""
    _channels_match(lambda name, pattern: fnmatch.fnmatchcase(name, pattern.replace("#", "*").replace("+", "*")))


def _channels_match(matches: Callable[[str, str], bool]) -> None:
    @around(Broker, "publish")
    def publish(_original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        application = self._applications.get(app_id)
        for pattern, subscribers in list(application.channels.items()) if application else ():
            if pattern == channel_id or matches(channel_id, pattern):
                for each in list(subscribers):
                    each.deliver(frame)


@mutant("ENC-008/names")
def names_as_written() -> None:
    """The channel of a subscribe is compared as it was written, escapes included."""

    @around(connection, "read_message")
    def read(original: Any, message: Message, frame: bytes, *context: Any) -> Any:
        if message.get("message_type") == "subscribe" and str(message["channel_id"]).encode() not in frame:
            message = message | {"channel_id": f"written {message['channel_id']}"[:255]}
        return original(message, frame, *context)


@mutant("ENC-008/connection-ids")
def ids_as_written() -> None:
    """A connection_id with escapes is another one than the same without."""

    @around(Broker, "connect")
    def connect(original: Any, self: Broker, newer: Connection, event: ConnectReceived) -> None:
        if not event.connection_id.isascii():
            application = self._applications.get(event.app_id)
            if application and (older := application.connections.pop(event.connection_id, None)):
                application.connections[f"{older.connection_id}\0"] = older
        original(self, newer, event)


# Applications

APPLICATION_KEYS: dict[str, tuple[str, Key]] = {
    "folded": ("without regard to case", str.casefold),
    "composed": ("in composed form (NFC)", composed),
    "trimmed": ("without blanks around them", str.strip),
    "nul": ("up to a NUL", until_nul),
    "64-characters": ("by their first 64 characters", lambda name: name[:64]),
    "crc": ("by their CRC-32", crc),
}


def _applications_by(key: Key) -> None:
    @around(Broker, "publish")
    def publish(original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        for each in list(self._applications):
            if key(each) == key(app_id):
                original(self, each, channel_id, frame)


def _application_mutant(name: str, how: str, key: Key) -> None:
    def patch() -> None:
        _applications_by(key)

    patch.__doc__ = f"The names of applications are compared {how}."
    mutant(f"ISO-003/{name}")(patch)


for _name, (_how, _key) in APPLICATION_KEYS.items():
    _application_mutant(_name, _how, _key)


def _joined_by(separator: str) -> None:
    @around(Broker, "publish")
    def publish(original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        wanted = app_id + separator + channel_id
        for name, application in list(self._applications.items()):
            for channel in list(application.channels):
                if name + separator + channel == wanted:
                    original(self, name, channel, frame)


@mutant("ISO-003/joined-by-colon")
def joined_by_colon() -> None:
    """Application and channel are joined by a colon, so that a:b and c are a and b:c."""
    _joined_by(":")


@mutant("ISO-003/joined-by-slash")
def joined_by_slash() -> None:
    """Application and channel are joined by a slash."""
    _joined_by("/")


@mutant("ISO-003/joined-by-dot")
def joined_by_dot() -> None:
    """Application and channel are joined by a dot."""
    _joined_by(".")


@mutant("ISO-003/joined")
def joined_by_nothing() -> None:
    """Application and channel are joined by nothing."""
    _joined_by("")


@mutant("ISO-001/folded")
def foreign_in_other_case() -> None:
    """The app_id of a message is compared without regard to case."""

    @around(connection, "read_message")
    def read(original: Any, message: Message, frame: bytes, app_id: str, *context: Any) -> Any:
        if isinstance(message.get("app_id"), str) and message["app_id"].casefold() == app_id.casefold():
            message = message | {"app_id": app_id}
        return original(message, frame, app_id, *context)


# Connections

CONNECTION_KEYS: dict[str, tuple[str, Key]] = {
    "folded": ("in lower case", str.lower),
    "composed": ("in composed form (NFC)", composed),
    "trimmed": ("without blanks around them", str.strip),
    "nul": ("up to a NUL", until_nul),
    "64-characters": ("by their first 64 characters", lambda name: name[:64]),
    "numbers": ("as numbers, where they are numbers", as_number),
    "java": ("by the hash that Java makes", hash_of_java),
}


def _connections_by(key: Key) -> None:
    @around(Broker, "connect")
    def connect(original: Any, self: Broker, newer: Connection, event: ConnectReceived) -> None:
        application = self._applications.get(event.app_id)
        for each in list(application.connections.values()) if application else ():
            if key(each.connection_id) == key(event.connection_id):
                each.fail(ErrorCode.SESSION_REPLACED)
        original(self, newer, event)


def _connection_mutant(name: str, how: str, key: Key) -> None:
    def patch() -> None:
        _connections_by(key)

    patch.__doc__ = f"The ids of connections are compared {how}."
    mutant(f"ISO-005/ids-{name}")(patch)


for _name, (_how, _key) in CONNECTION_KEYS.items():
    _connection_mutant(_name, _how, _key)


@mutant("HSK-024/joined")
def joined_with_connection() -> None:
    """Application and connection_id are joined by a colon, and the joined names are compared."""

    @around(Broker, "connect")
    def connect(original: Any, self: Broker, newer: Connection, event: ConnectReceived) -> None:
        for name, application in list(self._applications.items()):
            for each in list(application.connections.values()):
                if f"{name}:{each.connection_id}" == f"{event.app_id}:{event.connection_id}":
                    each.fail(ErrorCode.SESSION_REPLACED)
        original(self, newer, event)


@mutant("ENV-014")
def connections_folded() -> None:
    """A connection replaces one of its application whose id is the same but for case."""

    @around(Broker, "connect")
    def connect(original: Any, self: Broker, newer: Connection, event: ConnectReceived) -> None:
        application = self._applications.get(event.app_id)
        for name, older in list(application.connections.items()) if application else ():
            if name != event.connection_id and name.casefold() == event.connection_id.casefold():
                older.fail(ErrorCode.SESSION_REPLACED)
        original(self, newer, event)


@mutant("SUB-003/folded")
def forbidden_without_case() -> None:
    """Whom a subscription names is compared without regard to case and blanks."""

    def check(message: Message, connection_id: str) -> None:
        validation._check_payload(validation._SUBSCRIPTION, message)
        if message["payload"]["connection_id"].strip().lower() != connection_id.strip().lower():
            raise WireError(ErrorCode.FORBIDDEN, "", message)

    replace(validation, "_check_subscription", check)


@mutant("SUB-003/nul")
def forbidden_until_nul() -> None:
    """Whom a subscription names is compared up to a NUL."""

    def check(message: Message, connection_id: str) -> None:
        validation._check_payload(validation._SUBSCRIPTION, message)
        if until_nul(message["payload"]["connection_id"]) != until_nul(connection_id):
            raise WireError(ErrorCode.FORBIDDEN, "", message)

    replace(validation, "_check_subscription", check)


@mutant("HSK-004/ids-trimmed")
def acknowledged_trimmed() -> None:
    """The acknowledgement states the connection_id without blanks around it."""
    change_acknowledgement(lambda payload: payload.update(connection_id=payload["connection_id"].strip()))


@mutant("HSK-004/ids-composed")
def acknowledged_composed() -> None:
    """The acknowledgement states the connection_id in composed form."""
    change_acknowledgement(lambda payload: payload.update(connection_id=composed(payload["connection_id"])))


# Messages


def _reply_with(key: Key) -> None:
    @around(Connection, "_respond")
    def respond(original: Any, self: Connection, payload: Any, channel_id: str, reply_to: str | None) -> None:
        original(self, payload, channel_id, reply_to and (key(reply_to) or reply_to))


@mutant("REQ-003/trimmed")
def reply_to_trimmed() -> None:
    """A response is to the message_id without blanks around it."""
    _reply_with(str.strip)


@mutant("REQ-003/composed")
def reply_to_composed() -> None:
    """A response is to the message_id in composed form."""
    _reply_with(composed)


@mutant("REQ-003/nul")
def reply_to_until_nul() -> None:
    """A response is to the message_id up to a NUL."""
    _reply_with(until_nul)


@mutant("REQ-003/numbers")
def reply_to_number() -> None:
    """A message_id that is a number loses its zeros in front."""
    _reply_with(lambda name: str(int(name)) if name.isdecimal() else name)


@mutant("REQ-001/folded")
def in_flight_without_case() -> None:
    """Of two requests in flight whose ids differ in case alone, the second is lost."""
    _one_in_flight_by(str.casefold)


@mutant("REQ-001/composed")
def in_flight_composed() -> None:
    """Of two requests in flight whose ids have the same composed form, the second is lost."""
    _one_in_flight_by(composed)


@mutant("REQ-001/hashed")
def in_flight_by_hash() -> None:
    """Of two requests in flight whose ids have the same hash, the second is lost."""
    _one_in_flight_by(hash_of_java)


def _one_in_flight_by(key: Key) -> None:
    @around(HandlerRunner, "start_request")
    def start(original: Any, self: HandlerRunner, handler: Any, event: Any, drop: Any) -> None:
        known = self.__dict__.setdefault("known", {})
        if known.setdefault(key(event.message_id), event.message_id) == event.message_id:
            original(self, handler, event, drop)


# Handlers and reserved channels


def _handlers_by(key: Key) -> None:
    @around(HandlerTable, "find")
    def find(original: Any, self: HandlerTable, kind: Any, app_id: str, channel_id: str) -> Any:
        return original(self, kind, app_id, key(channel_id))


@mutant("REQ-012/folded")
def handlers_without_case() -> None:
    """The handler of a channel is found without regard to case."""
    _handlers_by(str.lower)


@mutant("REQ-012/trimmed")
def handlers_trimmed() -> None:
    """The handler of a channel is found without regard to blanks, dots and slashes around its name."""
    _handlers_by(lambda name: name.strip(" ./"))


@mutant("REQ-012/compatible")
def handlers_compatible() -> None:
    """The handler of a channel is found by the compatible form (NFKC) of its name."""
    _handlers_by(lambda name: unicodedata.normalize("NFKC", name))


@mutant("REQ-012/prefix")
def handlers_by_prefix() -> None:
    """A channel without a handler has that of a channel with which its name begins."""
    _handlers_by(lambda name: "conformance.echo" if name.startswith("conformance.echo") else name)


@mutant("REQ-012/patterns")
def handlers_by_pattern() -> None:
    """A request on a channel with * in its name goes to a handler that matches."""
    _handlers_by(lambda name: "conformance.echo" if "*" in name and fnmatch.fnmatch("conformance.echo", name) else name)


@mutant("SUB-010/system")
def reserved_without_case() -> None:
    """The channel `system` is reserved in every case, and with blanks around it."""

    @around(Capabilities, "reserves")
    def reserves(original: Any, self: Capabilities, channel_id: str) -> bool:
        return bool(original(self, channel_id.strip().lower()))


@mutant("SUB-010/prefix")
def reserved_by_prefix() -> None:
    """A channel whose name begins with `system` is reserved."""

    @around(Capabilities, "reserves")
    def reserves(original: Any, self: Capabilities, channel_id: str) -> bool:
        return channel_id.startswith("system") or bool(original(self, channel_id))


# Queues and services


def _queues_by(key: Key) -> None:
    for name in ("enqueue", "dequeue", "stats"):

        @around(JobStore, name)
        def by_key(original: Any, self: JobStore, queue: tuple[str, str], *arguments: Any) -> Any:
            return original(self, (queue[0], key(queue[1])), *arguments)


@mutant("QUE-009/composed")
def queues_composed() -> None:
    """The names of queues are compared in composed form (NFC)."""
    _queues_by(composed)


@mutant("QUE-009/64-characters")
def queues_cut() -> None:
    """The names of queues are compared by their first 64 characters."""
    _queues_by(lambda name: name[:64])


@mutant("QUE-009/hashed")
def queues_hashed() -> None:
    """The names of queues are compared by their CRC-32."""
    _queues_by(crc)


@mutant("QUE-009/numbers")
def queues_as_numbers() -> None:
    """The names of queues are compared as numbers, where they are numbers."""
    _queues_by(as_number)


@mutant("QUE-023/joined")
def queues_joined() -> None:
    """Application and queue are joined by a colon, and the joined names are compared."""
    for name in ("enqueue", "dequeue", "stats"):

        @around(JobStore, name)
        def by_key(original: Any, self: JobStore, queue: tuple[str, str], *arguments: Any) -> Any:
            return original(self, ("", ":".join(queue)), *arguments)


def _jobs_by(key: Key) -> None:
    known: dict[tuple[str, str], str] = {}

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: tuple[str, str], job: Any, room: int) -> None:
        if known.setdefault((queue[0], key(job["id"])), job["id"]) == job["id"]:
            original(self, queue, job, room)


@mutant("QUE-004/composed")
def jobs_composed() -> None:
    """The ids of jobs are compared in composed form (NFC)."""
    _jobs_by(composed)


@mutant("QUE-004/nul")
def jobs_until_nul() -> None:
    """The ids of jobs are compared up to a NUL."""
    _jobs_by(until_nul)


@mutant("QUE-004/numbers")
def jobs_as_numbers() -> None:
    """The ids of jobs are compared as numbers, where they are numbers."""
    _jobs_by(as_number)


@mutant("DSC-005/composed")
def services_composed() -> None:
    """The names of services are compared in composed form (NFC)."""
    _services_by(composed)


@mutant("DSC-005/nul")
def services_until_nul() -> None:
    """The names of services are compared up to a NUL."""
    _services_by(until_nul)


def _services_by(key: Key) -> None:
    @around(ServiceRegistry, "get_service_instances")
    def get(original: Any, self: ServiceRegistry, message: Message) -> Any:
        answer = original(self, message)
        for (_, name), instances in self._services.items():
            if not answer["instances"] and key(name) == key(answer["service_type"]):
                answer["instances"] = list(instances.values())
        return answer


@mutant("DSC-004/nul")
def instances_until_nul() -> None:
    """The ids of instances are compared up to a NUL, so one takes the place of the other."""

    @around(ServiceRegistry, "_set")
    def put(original: Any, self: ServiceRegistry, where: Any, instance: Any) -> None:
        instances = self._services.get(where, {})
        for each in list(instances):
            if each != instance["id"] and until_nul(each) == until_nul(instance["id"]):
                del instances[each]
        original(self, where, instance)
