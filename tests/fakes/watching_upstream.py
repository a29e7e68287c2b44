"""A provider on bare sockets that notes what becomes of its connections: asked, closed, and how much was taken."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

PIECE = 65_536
ENOUGH = 96 * 2**20  # bytes that nobody takes who does not read
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def event(text: str) -> bytes:
    """One piece of an answer."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return (
        b"data: " + json.dumps({"id": "f", "object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"
    )


class WatchingUpstream:
    """The model's name says what it does: `silent` says nothing, `begins` one word, `floods` writes without end."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.closed = asyncio.Event()
        self.full = asyncio.Event()
        self.sent = 0
        self.patience = 0.5  # seconds after which a write that is not taken counts as pushed back
        self.base_url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side closes it."""
        try:
            await self._answer(await _read(reader), writer)
            while await reader.read(1):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.closed.set()
            writer.close()

    async def _answer(self, model: str, writer: asyncio.StreamWriter) -> None:
        self.asked.set()
        if model == "silent":
            return
        writer.write(_HEAD + event("Hello"))
        while model == "floods" and self.sent < ENOUGH:
            writer.write(event("x" * PIECE))
            self.sent += PIECE
            await self._taken(writer)

    async def _taken(self, writer: asyncio.StreamWriter) -> None:
        taken = asyncio.ensure_future(writer.drain())
        done, _ = await asyncio.wait({taken}, timeout=self.patience)
        if not done:
            self.full.set()
        await taken


async def _read(reader: asyncio.StreamReader) -> str:
    """A request's model."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    return str(json.loads(await reader.readexactly(length))["model"])


@contextlib.asynccontextmanager
async def watching() -> AsyncIterator[WatchingUpstream]:
    """It runs in this loop."""
    upstream = WatchingUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield upstream
    finally:
        server.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 5)
