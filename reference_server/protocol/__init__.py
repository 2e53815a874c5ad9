"""The core of the protocol: octets in, events and octets out. Opens nothing, and loads no asyncio, socket or ssl."""
