"""Places for so many at once, in turn."""

from __future__ import annotations

import asyncio
from collections import deque


class Room:
    """So many at once, `free` of them now; whoever waits comes in turn."""

    def __init__(self, most: int) -> None:
        self.free = most
        self._waiting: deque[asyncio.Future[None]] = deque()

    def enter(self) -> bool:
        """A place, if one is free."""
        if not self.free:
            return False
        self.free -= 1
        return True

    async def turn(self) -> None:
        """Returns with a place. Whoever is cancelled has none."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # it came in the moment of leaving
                self.leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """The place goes over to whoever waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
