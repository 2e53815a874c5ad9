"""The limits a server works under."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

MIB: Final = 1024 * 1024

# So many a server has to serve (LIM-008), and all may come from one address.
_LEAST_CONNECTIONS: Final = 100

# option -> the smallest and the largest value that makes sense, both allowed
RANGES: Final[dict[str, tuple[float, float]]] = {
    "max_frame_bytes": (MIB, 1 << 30),  # FRM-008
    "max_depth": (64, 500),  # ENC-009; the upper end stays clear of the decoder's own recursion limit
    "max_outbound_bytes": (MIB, 1 << 40),
    "max_connections": (_LEAST_CONNECTIONS, 1_000_000),
    "max_wrong_tokens": (1, 1_000_000),
    "max_address_connections": (_LEAST_CONNECTIONS, 1_000_000),
    "max_address_handshakes": (_LEAST_CONNECTIONS, 1_000_000),
    "handshake_timeout": (1, 30),  # HSK-017
    "max_batch_items": (1000, 1_000_000),  # BAT-008
    "max_queue_jobs": (1000, 100_000_000),  # so many one dequeue may ask for
    "max_queue_bytes": (MIB, 1 << 50),
    "max_memory": (128 * MIB, 1 << 50),
    "frame_timeout": (90, 3600),  # LIM-010
    "max_in_flight_bytes": (64 * 1024, 1 << 40),
    "handler_threads": (1, 1000),
    "drain_timeout": (0, 3600),
    "linger": (1, 60),  # ERR-009
    "flush_timeout": (1, 3600),
    "shutdown_grace": (0, 3600),
}


# A message is decoded into up to 50 times its length, and copied, and others are held meanwhile.
_MEMORY_FACTOR: Final = 64


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server allows; sizes in octets, times in seconds.

    The acknowledgement announces those that HSK-007 names.

    Raises:
        ValueError: A value lies outside its range, or `max_outbound_bytes` or `max_memory` is too small for
            `max_frame_bytes`; the text names option, value and range.
    """

    # Customary (FRM-008): as long as a message gets when somebody sends a file in one piece.
    max_frame_bytes: int = 16 * MIB
    # Twice what the specification asks for; no message written by a person comes near.
    max_depth: int = 128
    # Customary (LIM-004): a subscriber may be four of the longest messages behind.
    max_outbound_bytes: int = 64 * MIB
    # Fits the customary limit of 1024 open files, with room for what else is open.
    max_connections: int = 1000
    # None: all but a tenth of `max_connections`, at least 100. Programs on one machine or behind one proxy have one
    # address and hardly notice; others always find a place.
    max_address_connections: int | None = None
    # A quarter of the connections. A client that means it completes its handshake in milliseconds, so this many of one
    # address wait only when hundreds of clients behind it start at once.
    max_address_handshakes: int = 250
    # A person who mistypes a token and a fleet that is restarted with an old one stay below it; a dictionary does not.
    max_wrong_tokens: int = 10
    # Customary (HSK-017).
    handshake_timeout: float = 10.0
    # Ten times what the specification asks for. An item is answered in about 10 us, so the longest batch takes a tenth
    # of a second of the event loop, in slices. A client that has more items sends several batches.
    max_batch_items: int = 10_000
    # Unfinished jobs, of all queues together. A consumer that does a hundred a second may be away for a quarter of an
    # hour, and the leases of so many still end together within the second of QUE-014.
    max_queue_jobs: int = 100_000
    # What these take, with the ids of finished jobs that have to be known (QUE-007). Sixteen of the longest messages,
    # or 100 000 jobs of 2 KiB. Two of the longest messages always have room (QUE-030).
    max_queue_bytes: int = 256 * MIB
    # What the process may take. A message takes up to 50 times its length while it is decoded: 800 MiB for the longest.
    # The rest is for the process, for connections, and for what waits for slow clients.
    max_memory: int = 1280 * MIB
    # From the moment when the server reads on after the header of a long frame: 16 MiB in this time are 1 Mbit/s. A
    # client may be silent for 90 seconds (LIM-010).
    frame_timeout: float = 120.0
    # Requests and notifications that one connection may have in handlers before reading from it pauses: two of the
    # longest messages, or about 8000 short ones (each is counted with the cost of its task).
    max_in_flight_bytes: int = 32 * MIB
    # Plain handlers of one connection that run at a time; those of others do not wait for them (REQ-010). They mostly
    # wait for something; 32 of them hide that without filling memory with stacks.
    handler_threads: int = 32
    # A client that ended its sending side is owed its answers (LIM-011), but a handler that never ends must not keep
    # the connection for ever.
    drain_timeout: float = 30.0
    # Twice the second that ERR-009 asks for.
    linger: float = 2.0
    # 64 MiB pass a slow line of 20 Mbit/s in this time; whoever takes longer is not reading.
    flush_timeout: float = 30.0
    # Shorter than the ten seconds after which container runtimes kill.
    shutdown_grace: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            check_limit(field.name, getattr(self, field.name))
        if self.max_outbound_bytes < self.max_frame_bytes:  # LIM-004
            allowed = f"max_frame_bytes, {self.max_frame_bytes}, or more"
            raise ValueError(f"max_outbound_bytes is {self.max_outbound_bytes}, allowed is {allowed}")
        if self.max_memory < (least := _MEMORY_FACTOR * self.max_frame_bytes + 64 * MIB):
            allowed = f"{_MEMORY_FACTOR} times max_frame_bytes and 64 MiB, {least}, or more"
            raise ValueError(f"max_memory is {self.max_memory}, allowed is {allowed}")

    @property
    def of_address(self) -> int:
        """How many connections one address may have at a time."""
        if self.max_address_connections is None:
            return max(self.max_connections - self.max_connections // 10, _LEAST_CONNECTIONS)
        return min(self.max_address_connections, self.max_connections)

    def announced(self) -> dict[str, int]:
        """Return the object `limits` of the acknowledgement (HSK-007)."""
        return {
            "max_frame_bytes": self.max_frame_bytes,
            "max_depth": self.max_depth,
            "max_outbound_bytes": self.max_outbound_bytes,
            "max_connections": self.of_address,  # as many as a client can rely on (LIM-015)
            "handshake_timeout_ms": round(self.handshake_timeout * 1000),
        }


def check_limit(name: str, value: Any) -> None:
    """Raise `ValueError` when the limit `name` must not have this value."""
    if value is None and name == "max_address_connections":
        return
    low, high = RANGES[name]
    # Written so that NaN fails too.
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, allowed is {low} to {high}")
