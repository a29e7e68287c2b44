"""The events of a response as its client follows them: from any number on, while it is made and after."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pointsman.gateway.reply import Reply
from pointsman.wire import stored
from pointsman.wire.scan import UNREADABLE

_EACH, _MOST = 4 * 2**20, 64 * 2**20  # bytes of events that are remembered, of one response and of all
_QUEUED = 2  # events until a response is on its way: as many as `stored.replayed` has before its first item
_LAST = {"completed": "response.completed", "incomplete": "response.incomplete"}
_ODD = (AttributeError, KeyError, TypeError, ValueError)  # what comes of a response of another shape
_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class Room:
    """Bytes of events that are remembered: of one response, and of all together.

    Each that is in here remembers its newest in any case: where those alone are too much, it is `full`.
    """

    def __init__(self, each: int = _EACH, most: int = _MOST) -> None:
        self._each = each
        self._most = most
        self._told: list[Told] = []

    @property
    def used(self) -> int:
        """Of all that are in here."""
        return sum(told.size for told in self._told)

    @property
    def full(self) -> bool:
        """Whether it is too much, whatever was forgotten."""
        return self.used > self._most

    def enter(self, told: Told) -> None:
        """Its events count from now on."""
        self._told.append(told)

    def leave(self, told: Told) -> None:
        """Nobody asks for them any more."""
        if told in self._told:
            self._told.remove(told)

    def grown(self, told: Told) -> None:
        """One has more: the oldest of what is too much is forgotten, of the largest first."""
        if told.size > self._each:
            told.forget(told.size - self._each // 4 * 3)
        over = self.used - self._most
        while over > 0 and (largest := max(self._told, key=lambda one: one.spare, default=told)).spare:
            over -= largest.forget(max(over, largest.spare // 2))


class Told:
    """The events of a response on its way, each under its number; whoever comes later hears those that are remembered."""

    def __init__(self, room: Room | None = None) -> None:
        self.count = 0
        self.size = 0
        self.over = False
        self._room = room or Room()
        self._room.enter(self)
        self._frames: list[bytes] = []  # the newest; `count` is the number of the one that comes next
        self._more = asyncio.Event()

    def add(self, frame: bytes) -> None:
        """One more."""
        self._frames.append(frame)
        self.count += 1
        self.size += len(frame)
        self._room.grown(self)
        self._moved()

    def end(self, response: bytes) -> None:
        """There will be no more; what was not told of the whole response is."""
        if stored.ended(self._frames[-1]) is None:
            begun = self.count
            for frame in _whole(response, begun - 1) if begun == _QUEUED else [_end(response, begun)]:
                self.add(frame)
        self.over = True
        self._moved()

    @property
    def spare(self) -> int:
        """Bytes that could be forgotten."""
        return self.size - len(self._frames[-1]) if self._frames else 0

    def forget(self, most: int) -> int:
        """The oldest events, so many bytes at least if there are; how many it were. The newest stays."""
        gone = freed = 0
        while freed < most and gone < len(self._frames) - 1:
            freed += len(self._frames[gone])
            gone += 1
        del self._frames[:gone]
        self.size -= freed
        return freed

    async def after(self, number: int) -> AsyncIterator[bytes]:
        """Those after a number, as they come; always one that ends it, for whoever counted further than these go.

        Of events that are forgotten the whole response tells, in fewer; while it is made, its client hears the rest
        of them, whose last holds all.
        """
        at = number + 1
        if self.over and at < self._first and (response := stored.ended(self._frames[-1])) is not None:
            for frame in _whole(response, number):
                yield frame
            return
        while not self.over or at < self.count:
            at = max(at, self._first)
            if at < self.count:
                yield self._frames[at - self._first]
                at += 1
            else:
                await self._more.wait()
        if number + 1 >= self.count and (response := stored.ended(self._frames[-1])) is not None:
            yield _end(response, number + 1)

    @property
    def _first(self) -> int:
        """The number of the oldest that is remembered."""
        return self.count - len(self._frames)

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
        await reply.send(b"")  # the first event may take its time
        async for frame in frames:
            await reply.send(frame)
        await reply.send(b"", last=True)
