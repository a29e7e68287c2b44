"""While answers are streamed, requests are decided one in each turn of the loop.

An event that arrives then waits for one of them at most, not for all that came together.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """`streams` is how many answers are being streamed; whoever does it counts it."""

    def __init__(self) -> None:
        self.streams = 0
        self._line: deque[asyncio.Future[None]] = deque()

    async def mine(self) -> None:
        """Returns in a turn of the loop that is this request's alone; at once where nothing is streamed."""
        if not self.streams:
            return
        loop = asyncio.get_running_loop()
        if not self._line:
            loop.call_soon(self._next)
        waiter: asyncio.Future[None] = loop.create_future()
        self._line.append(waiter)
        await waiter

    def _next(self) -> None:
        """Whoever has left meanwhile needs no turn."""
        while self._line and self._line[0].done():
            self._line.popleft()
        if self._line:
            self._line[0].set_result(None)
            asyncio.get_running_loop().call_soon(self._next)
