"""An upstream that says what it is told to: every byte of an answer is a test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from pointsman.providers.failures import UpstreamError
from pointsman.providers.upstream import Upstream

Says = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@asynccontextmanager
async def said(says: Says, silence: float = 5) -> AsyncIterator[Upstream]:
    """An upstream that does this on each of its connections, after the head of the first request."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await says(reader, writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        serving.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    one = Upstream("fake", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", silence=silence)
    try:
        yield one
    finally:
        await one.close()
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def bytes_of(*pieces: bytes, leave: bool = True) -> Says:
    """Send these, each on its own, then leave or stay."""

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if not leave:
            await reader.read()

    return says


async def read(one: Upstream, body: bytes = b"{}", headers: dict[str, str] | None = None) -> bytes:
    """One whole answer."""
    async with one.post("/chat/completions", body, headers or {}) as answer:
        return b"".join([piece async for piece in one.pieces(answer)])


async def failure(one: Upstream, headers: dict[str, str] | None = None) -> UpstreamError:
    """How a request fails."""
    with pytest.raises(UpstreamError) as failed:
        await read(one, headers=headers)
    return failed.value
