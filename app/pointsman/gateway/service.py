"""What the connections of one door have in common, and how they end together."""

from __future__ import annotations

import asyncio
from typing import Protocol

import msgspec

from pointsman.gateway.exchange import Answering, Exchange
from pointsman.gateway.heads import Dates
from pointsman.gateway.seats import Seats

_LAST = 1.5  # seconds for what is cut off to say what it cost


class Patience(msgspec.Struct, frozen=True):
    """How many seconds a connection waits.

    For a request's head to be complete, for its client to take leave once it is ending, between two requests.
    """

    head: float = 30.0
    parting: float = 30.0
    rest: float = 65.0


class Ending(Protocol):
    """A connection."""

    def shutdown(self) -> None:
        """The gateway ends."""


class Service:
    """A door, its places, who is there, and what is being answered."""

    def __init__(self, door: Answering, seats: Seats, patience: Patience) -> None:
        self.door = door
        self.seats = seats
        self.patience = patience
        self.dates = Dates()
        self.connections: set[Ending] = set()
        self.served: set[Exchange] = set()
        self.ending = False
        self._waiter: asyncio.Future[None] | None = None

    async def end(self, seconds: float) -> None:
        """What is being answered has so long, and then as long as it takes to be cut off; what rests ends at once."""
        self.ending = True
        for one in list(self.connections):
            one.shutdown()
        try:
            async with asyncio.timeout(seconds):
                while self.connections or self.served:
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
        except TimeoutError:
            await self._cut_off()

    async def _cut_off(self) -> None:
        cut = [exchange.task for exchange in self.served if exchange.task is not None]
        for task in cut:
            task.cancel()
        if cut:
            await asyncio.wait(cut, timeout=_LAST)

    def over(self) -> None:
        """A connection or an exchange is."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
