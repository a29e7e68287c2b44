"""The client's side of an HTTP request: what it is answered, piece by piece."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod

from pointsman.gateway.exchange import Exchange
from pointsman.gateway.turns import Turns

KEEP_ALIVE = 15.0  # seconds of silence in a stream, after which its client is told that it goes on
COMMENT = b": keep-alive\n\n"
SLOWEST_READ = 300.0  # seconds without a byte taken before a client counts as gone: its hold must not stay for ever
_JSON = [(b"content-type", b"application/json")]


class Reply(ABC):
    """Where an answer goes. `started` once there is a status, `finished` with the last piece."""

    def __init__(self) -> None:
        self.started = False
        self.finished = False

    @abstractmethod
    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status and headers; what frames the body is not said here."""

    @abstractmethod
    async def send(self, data: bytes, *, last: bool = False) -> None:
        """A piece of the body; of a stream, one event."""

    async def whole(self, body: bytes, status: int = 200) -> None:
        """A whole answer of JSON."""
        await self.start(status, _JSON)
        await self.send(body, last=True)


class Written(Reply):
    """Written to the client, the head with the first piece. Waits while the client is slow.

    Raises `ConnectionError` when the client has read nothing for `patience` seconds. A stream that has begun and is
    silent for `every` seconds is kept alive by `beat`, whole and between events.
    """

    def __init__(
        self,
        asked: Exchange,
        patience: float = SLOWEST_READ,
        every: float = KEEP_ALIVE,
        turns: Turns | None = None,
    ) -> None:
        super().__init__()
        self._turns = turns or Turns()
        self._asked = asked
        self._patience = patience
        self._every = every
        self._wrote = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._events = False
        self.beat = COMMENT

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status and headers."""
        self._asked.start(status, headers)
        self.started = True
        events = status == 200 and dict(headers).get(b"content-type", b"").startswith(b"text/event-stream")
        self._turns.streams += events - self._events
        self._events = events

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """A piece of the body, in one write."""
        self.finished = last
        if self._events:
            self._keep_alive(last=last)
        if self._asked.full:
            await self._taken()
        self._asked.write(data, last=last)

    def still(self) -> None:
        """It is no stream any more: the answer is whole, or nobody goes on with it."""
        self._turns.streams -= self._events
        self._events = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _keep_alive(self, *, last: bool) -> None:
        self._wrote = time.monotonic()
        if last:
            self.still()
        elif self._timer is None:
            self._wait(self._every)

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._due)

    def _due(self) -> None:
        """Beat, if it is time; a client that has not taken what was written needs none."""
        left = self._every - (time.monotonic() - self._wrote)
        if left <= 0 and not self._asked.full:
            self._asked.write(self.beat, last=False)
        self._wait(left if left > 0 else self._every)

    async def _taken(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._asked.taken()
        except TimeoutError:
            raise ConnectionError("the client does not read its answer") from None
