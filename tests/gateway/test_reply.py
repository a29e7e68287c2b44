"""What is written to a client."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.gateway.exchange import Exchange
from pointsman.gateway.reply import Written
from tests.fakes.line import FakeLine, exchange


async def test_a_whole_answer_is_one_write() -> None:
    """Head, length and body."""
    line = FakeLine()
    reply = Written(exchange(line))
    await reply.start(200, [(b"content-type", b"application/json")])
    assert (reply.started, reply.finished, line.wrote) == (True, False, [])
    await reply.send(b"{}", last=True)
    assert reply.finished
    assert line.wrote == [
        b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    ]


async def test_each_piece_of_a_stream_is_one_write() -> None:
    """The first with the head, the last with the end."""
    line = FakeLine()
    reply = Written(exchange(line))
    await reply.start(200, [])
    for piece, last in ((b"one", False), (b"", False), (b"three", False), (b"four", True)):
        await reply.send(piece, last=last)
    head = b"HTTP/1.1 200 OK\r\ndate: now\r\ntransfer-encoding: chunked\r\n\r\n"
    assert line.wrote == [head + b"3\r\none\r\n", b"5\r\nthree\r\n", b"4\r\nfour\r\n0\r\n\r\n"]
    assert len(line.over) == 1


async def test_a_head_that_says_what_it_may_not_is_not_begun() -> None:
    """Another answer may still be given."""
    line = FakeLine()
    reply = Written(exchange(line))
    with pytest.raises(ValueError, match="control"):
        await reply.start(200, [(b"x", b"a\r\nset-cookie: b")])
    assert not reply.started
    await reply.whole(b"{}", 500)
    assert line.wrote[0].startswith(b"HTTP/1.1 500 ")


async def test_a_refusal_in_place_of_an_answer_without_a_body_has_one() -> None:
    """What was not begun leaves nothing behind."""
    line = FakeLine()
    reply = Written(exchange(line))
    await reply.start(204, [])
    await reply.whole(b"{}", 500)
    assert line.wrote[0].endswith(b"\r\ncontent-length: 2\r\n\r\n{}")


async def test_an_answer_has_one_head() -> None:
    """A refusal is never written into what has begun."""
    line = FakeLine()
    reply = Written(exchange(line))
    await reply.start(200, [])
    await reply.send(b"one")
    with pytest.raises(RuntimeError):
        await reply.whole(b"{}", 400)
    assert len(line.wrote) == 1


async def test_a_client_that_never_reads_counts_as_gone() -> None:
    """Else its hold would stay for as long as it likes."""
    line = FakeLine()
    line.full = True
    with pytest.raises(ConnectionError):
        await Written(exchange(line), patience=0.01).send(b"one")
    assert line.wrote == []


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_slow_client_is_waited_for(leaves: bool) -> None:
    """Until it takes what was written, or has left; then nothing more is."""
    line = FakeLine()
    asked = exchange(line)
    reply = Written(asked)
    await reply.start(200, [])
    line.full = True
    sending = asyncio.create_task(reply.send(b"one"))
    await line.waits.wait()
    assert line.wrote == []
    if leaves:
        asked.leave()
    line.flows()
    await sending
    assert len(line.wrote) == (not leaves)


def old(asked: Exchange) -> Exchange:
    """The same from a client of HTTP/1.0."""
    asked.old, asked.keep = True, False
    return asked


async def test_an_old_client_hears_the_end_of_a_stream_by_the_end_of_its_connection() -> None:
    """It knows no chunks."""
    line = FakeLine()
    reply = Written(old(exchange(line)))
    await reply.start(200, [])
    await reply.send(b"one")
    await reply.send(b"two", last=True)
    assert line.wrote == [b"HTTP/1.1 200 OK\r\ndate: now\r\nconnection: close\r\n\r\none", b"two"]


async def test_a_head_has_no_body() -> None:
    """Only its length."""
    line = FakeLine()
    await Written(exchange(line, "HEAD")).whole(b"{}")
    assert line.wrote[0].endswith(b"content-length: 2\r\n\r\n")
