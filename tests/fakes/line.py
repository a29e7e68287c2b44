"""A connection that only notes what is written to it."""

from __future__ import annotations

import asyncio

from pointsman.gateway.exchange import Exchange


class FakeLine:
    """Takes what is written unless it is `full`; `waits` is set once somebody waits for that to end."""

    def __init__(self) -> None:
        self.port = 4477
        self.full = False
        self.wrote: list[bytes] = []
        self.over: list[Exchange] = []
        self.waits = asyncio.Event()
        self._flows = asyncio.Event()

    def date(self) -> bytes:
        """No clock."""
        return b"date: now\r\n"

    def write(self, data: bytes) -> None:
        """Noted."""
        self.wrote.append(data)

    def read_on(self) -> None:
        """Nothing comes."""

    def answered(self, exchange: Exchange) -> None:
        """Noted."""
        self.over.append(exchange)

    async def taken(self) -> None:
        """Once it flows."""
        self.waits.set()
        await self._flows.wait()

    def flows(self) -> None:
        """The client takes more."""
        self.full = False
        self._flows.set()


def exchange(line: FakeLine, method: str = "GET", headers: dict[str, str] | None = None) -> Exchange:
    """A request whose body is whole, of a client of HTTP/1.1."""
    made = Exchange(line, method, ("/", ""), headers or {})
    made.keep = True
    made.end()
    return made
