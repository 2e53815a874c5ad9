"""Requests that wait for their response."""

from __future__ import annotations

import asyncio

from reference_server.client.errors import ClientError
from reference_server.client.messages import Message


class PendingRequests:
    """The requests in flight, by message id."""

    def __init__(self) -> None:
        self._responses: dict[str, asyncio.Future[Message]] = {}

    def __len__(self) -> int:
        return len(self._responses)

    def add(self, message_id: str) -> asyncio.Future[Message]:
        """Return a future for the response to a request. Call `forget` in the end."""
        response = self._responses[message_id] = asyncio.get_running_loop().create_future()
        return response

    def resolve(self, message_id: str, response: Message) -> bool:
        """Hand over a response (REQ-016); return false if no request waits for it (REQ-017)."""
        waiting = self._responses.pop(message_id, None)
        if waiting is None:
            return False
        if not waiting.done():
            waiting.set_result(response)
        return True

    def fail(self, message_id: str, error: ClientError) -> bool:
        """Let a request fail; return false if there is none."""
        waiting = self._responses.pop(message_id, None)
        if waiting is None:
            return False
        if not waiting.done():
            waiting.set_exception(error)
        return True

    def fail_all(self, code: str, text: str) -> None:
        """Let every request fail at once (REQ-018), each with an error of its own."""
        for message_id in list(self._responses):
            self.fail(message_id, ClientError(code, text))

    def forget(self, message_id: str) -> None:
        """Wait no longer; a later response is ignored (REQ-017)."""
        waiting = self._responses.pop(message_id, None)
        if waiting is not None:
            waiting.cancel()
