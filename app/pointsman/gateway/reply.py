"""The client's side of an HTTP request at the agent door: what is written to it, one message for each piece."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_SLOWEST_READ = 300.0  # seconds without a byte taken before a client counts as gone: its hold must not stay for ever


class Reply:
    """`started` once a status is out, `finished` with the last piece. Waits while the client is slow.

    Raises `ConnectionError` when the client has not read for five minutes.
    """

    def __init__(self, send: Send, patience: float = _SLOWEST_READ) -> None:
        self._send = send
        self._patience = patience
        self.started = False
        self.finished = False

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status and headers."""
        self.started = True
        await self._put({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """A piece of the body, in one write."""
        self.finished = last
        await self._put({"type": "http.response.body", "body": data, "more_body": not last})

    async def whole(self, body: bytes) -> None:
        """A whole answer of JSON."""
        await self.start(200, [(b"content-type", b"application/json")])
        await self.send(body, last=True)

    async def _put(self, message: dict[str, Any]) -> None:
        sending = self._send(message)
        try:
            async with asyncio.timeout(self._patience):
                await sending
        except TimeoutError:
            raise ConnectionError("the client does not read its answer") from None
