"""The events of a response as its client follows them: from any number on, while it is made and after."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pointsman.gateway.reply import Reply
from pointsman.wire import stored
from pointsman.wire.scan import UNREADABLE

_QUEUED = 2  # events until a response is on its way: as many as `stored.replayed` has before its first item
_LAST = {"completed": "response.completed", "incomplete": "response.incomplete"}
_ODD = (AttributeError, KeyError, TypeError, ValueError)  # what comes of a response of another shape
_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class Told:
    """The events of a response on its way, each at the place of its number; whoever comes later hears all of them."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.over = False
        self._more = asyncio.Event()

    def add(self, frame: bytes) -> None:
        """One more."""
        self.frames.append(frame)
        self._moved()

    def end(self, response: bytes) -> None:
        """There will be no more; what was not told of the whole response is."""
        if stored.ended(self.frames[-1]) is None:
            begun = len(self.frames)
            self.frames += _whole(response, begun - 1) if begun == _QUEUED else [_end(response, begun)]
        self.over = True
        self._moved()

    async def after(self, number: int) -> AsyncIterator[bytes]:
        """Those after a number, as they come; always one that ends it, for whoever counted further than these go."""
        at = number + 1
        while not self.over or at < len(self.frames):
            if at < len(self.frames):
                yield self.frames[at]
                at += 1
            else:
                await self._more.wait()
        if number + 1 >= len(self.frames) and (response := stored.ended(self.frames[-1])) is not None:
            yield _end(response, number + 1)

    def _moved(self) -> None:
        more, self._more = self._more, asyncio.Event()
        more.set()


def _end(response: bytes, number: int) -> bytes:
    """The event that ends a stream."""
    status = ""
    with contextlib.suppress(*UNREADABLE):
        status = stored.status(response)
    return stored.event(_LAST.get(status, "response.failed"), number, response)


def _whole(response: bytes, number: int) -> list[bytes]:
    """The events of a response after a number; only the last where there are no more, or a provider wrote it oddly."""
    frames: list[bytes] = []
    with contextlib.suppress(*UNREADABLE, *_ODD):
        frames = stored.replayed(response, number)
    return frames or [_end(response, number + 1)]


async def replayed(response: bytes, number: int) -> AsyncIterator[bytes]:
    """The events of a response that is whole, after a number."""
    for frame in _whole(response, number):
        yield frame


async def tell(reply: Reply, frames: AsyncIterator[bytes]) -> None:
    """A stream of events; a client that reads no more has left."""
    with contextlib.suppress(ConnectionError):
        await reply.start(200, _STREAM)
        async for frame in frames:
            await reply.send(frame)
        await reply.send(b"", last=True)
