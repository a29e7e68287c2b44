"""One file from the hub into its place: from the last byte on, hashed while it is written, and only whole and right."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from pointsman.core.errors import PointsmanError
from pointsman.engines import hub as hub_
from pointsman.engines.hub import Hub, HubProblem, Interrupted, Opened
from pointsman.engines.part import Part, Promise

if TYPE_CHECKING:  # hub.py loads it
    import httpx

_BLOCK = 1 << 20
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_LINKS_EXPIRE = {401, 403, 404, 410}
Result = TypeVar("Result")


class Patience(Struct, frozen=True):
    """In seconds: without a byte until a try ends, between two tries, until what came is on the disk.

    `tries` are those in a row that bring no new byte.
    """

    stall: float = 30.0
    first_wait: float = 1.0
    longest_wait: float = 60.0
    tries: int = 10
    flush: float = 0.5


class Remote(Struct, frozen=True):
    """A file at the hub, and what its bytes must be."""

    repo: str
    commit: str
    path: str
    promise: Promise


class Watcher:
    """Whom a download tells how it goes."""

    def received(self, count: int) -> None:
        """So many bytes of the file are on the disk."""

    def waits(self, sentence: str) -> None:
        """The next try comes by itself."""


class Line(Struct, frozen=True):
    """The way to a hub."""

    http: httpx.AsyncClient
    hub: Hub
    patience: Patience = Patience()


async def fetch(line: Line, remote: Remote, target: Path, watcher: Watcher) -> None:
    """Bring a file to `target`. Raises `PointsmanError`; what has come stays for the next time, unless it is wrong.

    Cancelling it keeps what has come.
    """
    part = Part(target, remote.promise)
    try:
        await _finished(part.open)
        watcher.received(part.received)
        await _Tries(line, remote, part, watcher).until_whole()
        await _finished(part.finish)
    finally:
        part.close()


class _Tries:
    def __init__(self, line: Line, remote: Remote, part: Part, watcher: Watcher) -> None:
        self._line = line
        self._remote = remote
        self._part = part
        self._watcher = watcher

    async def until_whole(self) -> None:
        failures, furthest = 0, self._part.received
        while self._part.received < self._remote.promise.size:
            try:
                await self._once()
            except Interrupted as cut:
                failures = failures + 1 if self._part.received <= furthest else 1
                furthest = max(furthest, self._part.received)
                await self._wait(cut, failures)

    async def _wait(self, cut: Interrupted, failures: int) -> None:
        """No connection is waited out, however long; a server that breaks off time and again is not."""
        patience = self._line.patience
        if failures >= patience.tries and not cut.offline:
            raise HubProblem(f"{cut.sentence.rstrip('.')} {failures} times in a row. Resume it later: nothing is lost.")
        own = min(patience.first_wait * 2.0 ** min(failures - 1, 16), patience.longest_wait)
        self._watcher.waits(f"{cut.sentence} It goes on by itself.")
        await asyncio.sleep(max(own, cut.wait or 0.0))

    async def _once(self) -> None:
        line, remote, start = self._line, self._remote, self._part.received
        url = line.hub.address(remote.repo, remote.commit, remote.path)
        headers = {"range": f"bytes={start}-"} if start else {}
        async with hub_.opened(line.http, line.hub, url, headers) as answer:
            await self._check(answer, start)
            await self._read(answer.response)

    async def _check(self, answer: Opened, start: int) -> None:
        """An answer that holds the bytes from `start` on, or from the first where the server knows no ranges."""
        response, size = answer.response, self._remote.promise.size
        if response.status_code not in {200, 206}:
            raise await self._refused(response)
        if answer.promised and self._checksum_differs(answer.promised):
            self._part.discard()
            raise HubProblem(f"{self._remote.path} was changed at {self._line.hub.host} meanwhile. Pull it again.")
        if response.status_code == 200 and start:
            await _finished(self._part.restart)
            self._watcher.received(0)
        expected = size - self._part.received
        if response.status_code == 206 and not _is_rest(response, start, size):
            await _finished(self._part.restart)
            raise Interrupted(f"{response.url.host} sent other bytes than asked for.")
        if int(response.headers.get("content-length", expected)) != expected:
            raise HubProblem(
                f"{response.url.host} sends something else than {self._remote.path}: its size is not the promised one. "
                "Does the network ask you to sign in?"
            )
        await _finished(lambda: self._part.note(response.headers.get("etag", "")))

    def _checksum_differs(self, promised: str) -> bool:
        checksum = self._remote.promise.checksum
        return checksum.kind == "sha256" and promised != checksum.hex

    async def _refused(self, response: httpx.Response) -> PointsmanError:
        if response.status_code == 416:
            await _finished(self._part.restart)
            return Interrupted(f"{response.url.host} does not know these bytes.")
        if response.status_code in _LINKS_EXPIRE and not self._line.hub.is_at(str(response.url)):
            return Interrupted(f"{response.url.host} does not give the file ({response.status_code}).")
        return hub_.refusal(self._line.hub, self._remote.repo, response)

    async def _read(self, response: httpx.Response) -> None:
        waiting = bytearray()
        try:
            async with contextlib.aclosing(_pieces(response, self._line.patience.flush)) as pieces:
                async for piece in pieces:
                    waiting += piece
                    if len(waiting) >= _BLOCK or (waiting and not piece):
                        block, waiting = waiting, bytearray()
                        await self._write(block)
        finally:
            if waiting:
                self._part.append(waiting)
                self._watcher.received(self._part.received)
        if self._part.received < self._remote.promise.size:
            raise Interrupted(f"{response.url.host} cut the connection.")

    async def _write(self, block: bytearray) -> None:
        await _finished(lambda: self._part.append(block))
        self._watcher.received(self._part.received)


def _is_rest(response: httpx.Response, start: int, size: int) -> bool:
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    return match is not None and int(match[1]) == start and match[3] in {str(size), "*"}


async def _pieces(response: httpx.Response, every: float) -> AsyncGenerator[bytes, None]:
    """What arrives, as it comes, and nothing now and then, so that a slow line is written down as well."""
    body = aiter(response.aiter_raw())
    with hub_.reaching(response.url.host):
        while True:
            coming = asyncio.ensure_future(anext(body, None))
            try:
                while not (await asyncio.wait({coming}, timeout=every))[0]:
                    yield b""
            finally:
                await _ended(coming)
            piece = coming.result()
            if piece is None:
                return
            yield piece


async def _ended(task: asyncio.Future[bytes | None]) -> None:
    """A read under way ends before its connection is closed."""
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


async def _finished(call: Callable[[], Result]) -> Result:
    """Work on the disk, off the loop; a cancel waits until it is done, as the file is closed next."""
    work: Awaitable[Result] = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await work
        raise
