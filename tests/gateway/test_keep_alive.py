"""Streams that are silent for long are kept alive, whole and between events."""

from __future__ import annotations

import asyncio
from typing import Any

from pointsman.gateway.reply import COMMENT, Reply
from pointsman.wire import sse

STREAM = [(b"content-type", b"text/event-stream; charset=utf-8")]
EVENT = b'data: {"a":1}\n\n'


class Client:
    """Writes down what it gets; `beaten` is set with the first beat."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.beaten = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, message: dict[str, Any]) -> None:
        """One message of the server."""
        await self.open.wait()
        self.got.append(message.get("body", b""))
        if message.get("body") == COMMENT:
            self.beaten.set()


async def test_a_silent_stream_beats() -> None:
    """A comment in one write, which no reader of events takes for one."""
    client = Client()
    reply = Reply(client.send, every=0.01)
    await reply.start(200, STREAM)
    await reply.send(EVENT)
    await asyncio.wait_for(client.beaten.wait(), 10)
    await reply.send(EVENT, last=True)
    assert client.got[:3] == [b"", EVENT, COMMENT]
    events = sse.Parser().feed(b"".join(client.got))
    assert [event.data for event in events if event.data] == [b'{"a":1}'] * 2


async def test_nothing_follows_the_end() -> None:
    """The last piece stops it; so does a client that left."""
    for ended in (True, False):
        client = Client()
        reply = Reply(client.send, every=0.001)
        await reply.start(200, STREAM)
        if ended:
            await reply.send(b"", last=True)
        else:
            reply.still()
        count = len(client.got)
        assert reply._timer is None
        await asyncio.sleep(0)
        assert len(client.got) == count


async def test_only_streams_that_have_begun_beat() -> None:
    """A whole answer never does, nor does what has no status yet."""
    client = Client()
    reply = Reply(client.send, every=0.001)
    assert reply._timer is None
    await reply.start(200, [(b"content-type", b"application/json")])
    assert reply._timer is None


async def test_a_client_that_does_not_read_gets_one_beat_at_most() -> None:
    """They do not pile up behind what it has not taken."""
    client = Client()
    reply = Reply(client.send, every=0.001)
    await reply.start(200, STREAM)
    client.open.clear()
    reply._due()
    first = reply._beating
    reply._due()
    assert reply._beating is first
    reply.still()
    assert first is not None
    await asyncio.wait({first})
    assert first.cancelled()
