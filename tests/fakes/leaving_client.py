"""An agent's client on a bare connection, which may leave at any moment, politely or not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

import msgspec

from tests.fakes.billing_upstream import Wish

LEAVES = ("head", "half", "now", "soon", "queued", "asking", "piece", "never")
"""With its head alone sent, half its body, all of it, a moment later, while it waits or asks, after a piece, never."""


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One request, and when its client leaves: `after` is seconds for `soon`, and pieces for `piece`."""

    wish: Wish
    key: str
    model: str
    stream: bool = True
    max_tokens: int = 100
    headers: dict[str, str] = {}
    leave: str = "never"
    after: float = 0.0
    rude: bool = False

    def head_and_body(self) -> tuple[bytes, bytes]:
        """The request's bytes."""
        messages = [{"role": "user", "content": self.wish.text()}]
        asked = {"model": self.model, "messages": messages, "stream": self.stream, "max_tokens": self.max_tokens}
        body = json.dumps(asked).encode()
        fields = {
            "host": "127.0.0.1",
            "authorization": f"Bearer {self.key}",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            "x-pointsman-task": self.wish.id,
            **self.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST /v1/chat/completions HTTP/1.1\r\n{lines}\r\n".encode(), body


State = Callable[[str, str], Awaitable[None]]
"""Returns when the request of this name is in this state."""


async def send(port: int, errand: Errand, state: State) -> bytes:
    """Do it; whatever came back before the client left."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await _sent(reader, writer, errand, state)
    except ConnectionError:
        return b""
    finally:
        if errand.rude:
            writer.transport.abort()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _sent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, errand: Errand, state: State) -> bytes:
    head, body = errand.head_and_body()
    cut = {"head": 0, "half": len(body) // 2}.get(errand.leave, len(body))
    writer.write(head + body[:cut])
    await writer.drain()
    if errand.leave in ("head", "half", "now"):
        return b""
    if errand.leave == "soon":
        await asyncio.sleep(errand.after)
        return b""
    if errand.leave in ("queued", "asking"):
        return await _first(reader, state(errand.wish.id, errand.leave))
    if errand.leave == "piece":
        return await _pieces(reader, int(errand.after))
    return await reader.read()


async def _first(reader: asyncio.StreamReader, reached: Awaitable[None]) -> bytes:
    """Until the state is reached, or the answer begins before that."""
    waiting = asyncio.ensure_future(reached)
    reading = asyncio.ensure_future(reader.read(1))
    await asyncio.wait({waiting, reading}, return_when=asyncio.FIRST_COMPLETED)
    for one in (waiting, reading):
        one.cancel()
    await asyncio.gather(waiting, reading, return_exceptions=True)
    return b""


async def _pieces(reader: asyncio.StreamReader, count: int) -> bytes:
    """So many events, or all there are."""
    got = b""
    while got.count(b"data:") < count and (more := await reader.read(4096)):
        got += more
    return got
