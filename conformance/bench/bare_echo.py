"""A raw subject for comparison: a server that only splits the stream into frames and sends each of them back.

Start it with ``python -m conformance.bench.bare_echo --port PORT``. It writes each frame separately, as a plain
``asyncio.Protocol`` does. With ``--joined`` it writes all frames of one read at once: the upper bound for frames on
asyncio.
"""

from __future__ import annotations

import asyncio

import click

from conformance.protocol import codec


class BareEcho(asyncio.Protocol):
    """One connection: every frame is sent back unchanged.

    Args:
        joined: write all frames of one read at once instead of one by one.
    """

    def __init__(self, *, joined: bool = False) -> None:
        self._joined = joined
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker; servers make no others
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Send back every complete frame."""
        buffer = self._buffer + data
        frames = []
        start = 0
        while len(buffer) - start >= codec.HEADER_BYTES:
            end = start + codec.HEADER_BYTES + int.from_bytes(buffer[start : start + codec.HEADER_BYTES], "big")
            if end > len(buffer):
                break
            frames.append(buffer[start:end])
            start = end
        self._buffer = buffer[start:]
        for piece in (b"".join(frames),) if self._joined else frames:
            self._transport.write(piece)


async def serve(port: int, *, joined: bool) -> None:
    """Serve on the loopback interface until cancelled."""
    server = await asyncio.get_running_loop().create_server(lambda: BareEcho(joined=joined), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), required=True, help="Listen here.")
@click.option("--joined", is_flag=True, help="Write the frames of one read at once.")
def main(port: int, *, joined: bool) -> None:
    """Send frames back until a signal ends the server."""
    asyncio.run(serve(port, joined=joined))


if __name__ == "__main__":
    main()
