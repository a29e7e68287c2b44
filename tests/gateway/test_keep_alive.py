"""Streams that are silent for long are kept alive, whole and between events."""

from __future__ import annotations

import asyncio

from pointsman.gateway.reply import COMMENT, Written
from pointsman.wire import sse
from tests.fakes.line import FakeLine, exchange

STREAM = [(b"content-type", b"text/event-stream; charset=utf-8")]
EVENT = b'data: {"a":1}\n\n'


class Client(FakeLine):
    """Takes its answer without a frame; `beaten` is set with the first beat."""

    def __init__(self) -> None:
        super().__init__()
        self.beaten = asyncio.Event()

    def reply(self, every: float) -> Written:
        """An answer to it."""
        asked = exchange(self)
        asked.old = True
        return Written(asked, every=every)

    def write(self, data: bytes) -> None:
        """Noted."""
        super().write(data.partition(b"\r\n\r\n")[2] if data.startswith(b"HTTP") else data)
        if data == COMMENT:
            self.beaten.set()


async def test_a_silent_stream_beats() -> None:
    """A comment in one write, which no reader of events takes for one."""
    client = Client()
    reply = client.reply(every=0.01)
    await reply.start(200, STREAM)
    await reply.send(EVENT)
    await asyncio.wait_for(client.beaten.wait(), 10)
    await reply.send(EVENT, last=True)
    assert client.wrote[:2] == [EVENT, COMMENT]
    events = sse.Parser().feed(b"".join(client.wrote))
    assert [event.data for event in events if event.data] == [b'{"a":1}'] * 2


async def test_nothing_follows_the_end() -> None:
    """The last piece stops it; so does a client that left."""
    for ended in (True, False):
        client = Client()
        reply = client.reply(every=0.001)
        await reply.start(200, STREAM)
        await reply.send(EVENT)
        if ended:
            await reply.send(b"", last=True)
        else:
            reply.still()
        count = len(client.wrote)
        assert reply._timer is None
        await asyncio.sleep(0)
        assert len(client.wrote) == count


async def test_only_streams_that_have_begun_beat() -> None:
    """A whole answer never does, nor does what has no status yet."""
    client = Client()
    reply = client.reply(every=0.001)
    assert reply._timer is None
    await reply.start(200, [(b"content-type", b"application/json")])
    await reply.send(b"{")
    assert reply._timer is None


async def test_a_client_that_does_not_read_gets_no_beat() -> None:
    """They do not pile up behind what it has not taken; once it reads again, they go on."""
    client = Client()
    reply = client.reply(every=0)
    await reply.start(200, STREAM)
    await reply.send(EVENT)
    client.full = True
    reply._due()
    assert client.wrote == [EVENT]
    client.full = False
    reply._due()
    assert client.wrote == [EVENT, COMMENT]
    reply.still()
