"""The client's side of an HTTP request at the agent door: what is written to it, one message for each piece."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]

KEEP_ALIVE = 15.0  # seconds of silence in a stream, after which its client is told that it goes on
COMMENT = b": keep-alive\n\n"
SLOWEST_READ = 300.0  # seconds without a byte taken before a client counts as gone: its hold must not stay for ever


class Reply:
    """`started` once a status is out, `finished` with the last piece. Waits while the client is slow.

    Raises `ConnectionError` when the client has read nothing for `patience` seconds. A stream that has begun and is
    silent for `every` seconds is kept alive by `beat`, whole and between events.
    """

    def __init__(self, send: Send, patience: float = SLOWEST_READ, every: float = KEEP_ALIVE) -> None:
        self._send = send
        self._patience = patience
        self._every = every
        self._wrote = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None
        self.beat = COMMENT
        self.started = False
        self.finished = False

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status and headers."""
        self.started = True
        await self.put({"type": "http.response.start", "status": status, "headers": headers})
        if status == 200 and any(value.startswith(b"text/event-stream") for _, value in headers):
            self._wait(self._every)

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """A piece of the body, in one write."""
        self.finished = last
        self._wrote = time.monotonic()
        if last:
            self.still()
        await self.put({"type": "http.response.body", "body": data, "more_body": not last})

    def still(self) -> None:
        """No more beats: the answer is whole, or nobody goes on with it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._beating is not None:
            self._beating.cancel()

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._due)

    def _due(self) -> None:
        """Beat, if it is time and the client takes what is written."""
        left = self._every - (time.monotonic() - self._wrote)
        if left <= 0 and (self._beating is None or self._beating.done()):
            self._beating = asyncio.create_task(self._beat())
        self._wait(left if left > 0 else self._every)

    async def _beat(self) -> None:
        with contextlib.suppress(ConnectionError):  # whoever writes next hears of it
            await self.put({"type": "http.response.body", "body": self.beat, "more_body": True})

    async def whole(self, body: bytes) -> None:
        """A whole answer of JSON."""
        await self.start(200, [(b"content-type", b"application/json")])
        await self.send(body, last=True)

    async def put(self, message: dict[str, Any]) -> None:
        """One message to the client."""
        sending = self._send(message)
        try:
            waited = sending.send(None)
        except StopIteration:  # the client takes it at once, as nearly always: no clock is set up for that
            return
        try:
            async with asyncio.timeout(self._patience):
                await _rest(sending, waited)
        except TimeoutError:
            raise ConnectionError("the client does not read its answer") from None


@types.coroutine
def _rest(begun: Coroutine[Any, Any, None], waited: Any) -> Generator[Any, Any, None]:
    """What is left of a coroutine that has begun and waits for something."""
    while True:
        try:
            told = yield waited
        except BaseException as error:  # noqa: BLE001 whatever it is, it is for what waits
            step = functools.partial(begun.throw, error)
        else:
            step = functools.partial(begun.send, told)
        try:
            waited = step()
        except StopIteration:
            return
