"""The body of a request at a door, on each of the loops: how much of it, how fast, and who waits for whom."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pointsman.core.errors import Refusal
from pointsman.gateway.exchange import Exchange
from pointsman.gateway.reply import Written
from tests.gateway.test_connection import Watched, connected, served

POST = b"POST /a HTTP/1.1\r\nhost: x\r\n"


class Reader:
    """Says how long the body was, or what was wrong with it; reads once it may."""

    def __init__(self, most: int = 2**20, seconds: float = 60) -> None:
        self.may = asyncio.Event()
        self.asked = asyncio.Event()
        self._given = (most, seconds)

    async def __call__(self, asked: Exchange) -> None:
        """One request."""
        self.asked.set()
        await self.may.wait()
        try:
            said = b"%d" % len(await asked.body(*self._given))
        except Refusal as refusal:
            said = refusal.sentence.encode()
        await Written(asked).whole(said)


def reader(**given: Any) -> Reader:
    """One that reads at once."""
    made = Reader(**given)
    made.may.set()
    return made


async def test_a_body_in_pieces_is_whole() -> None:
    """By its length or in chunks."""
    async with served(reader()) as port, connected(port) as client:
        await client.say(POST + b"content-length: 5\r\n\r\nhe")
        await client.say(b"llo")
        assert (await client.answer()).endswith(b"\r\n\r\n5")
        await client.say(POST + b"transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n")
        await client.say(b"3\r\nllo\r\n0\r\n\r\n")
        assert (await client.answer()).endswith(b"\r\n\r\n5")


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    """But not one of HTTP/1.0, which would take that for its answer."""
    async with served(reader()) as port:
        async with connected(port) as client:
            await client.say(POST + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n")
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.say(b"ab")
            assert (await client.answer()).startswith(b"HTTP/1.1 200 ")
        async with connected(port) as client:
            await client.say(b"POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
            await client.say(b"ab")
            assert (await client.answer()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "said",
    [
        b"content-length: 9\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"content-length: 9\r\n\r\n123456789",
    ],
)
async def test_a_body_that_is_too_large_is_refused_at_once(said: bytes) -> None:
    """By what it says of itself, or as soon as it is."""
    async with served(reader(most=4)) as port, connected(port) as client:
        await client.say(POST + said)
        assert b"The body is over " in await client.answer()


@pytest.mark.parametrize(
    "said",
    [
        b"transfer-encoding: identity\r\n\r\nhello",
        b"transfer-encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n5\nhello\n0\n\n",
        b"transfer-encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello",
    ],
)
async def test_a_body_whose_end_cannot_be_read_is_refused(said: bytes) -> None:
    """Nothing behind it is taken for a request, and the connection is not used on."""
    async with served(reader()) as port, connected(port) as client:
        await client.say(POST + said + POST + b"\r\n")
        answer = await client.rest()
    assert answer.endswith(b"Where this body ends cannot be read. Send it with its length or in chunks.")
    assert answer.count(b"HTTP/1.1") == 1 and b"\r\nconnection: close\r\n" in answer


async def test_a_body_that_takes_its_time_is_not_waited_for() -> None:
    """Its bytes may trickle: what counts is when it is whole."""
    async with served(reader(seconds=0.05)) as port, connected(port) as client:
        await client.say(POST + b"content-length: 9\r\n\r\nhe")
        assert b"did not arrive within" in await client.answer()


async def test_a_body_that_nobody_reads_yet_waits_with_its_client() -> None:
    """No more of it is held than a part; once it is read, it comes whole."""
    seats, slow, size = Watched(9), Reader(2**26), 2**25
    async with served(slow, seats=seats) as port, connected(port) as client:
        sending = asyncio.create_task(client.say(POST + b"content-length: %d\r\n\r\n" % size + b"a" * size))
        while not (seats.given and seats.given[0]._paused):  # noqa: ASYNC110 nothing tells
            await asyncio.sleep(0.001)
        assert seats.given[0]._coming.size < 2**20
        slow.may.set()
        assert (await client.answer()).endswith(b"\r\n\r\n%d" % size)
        await sending


async def test_a_client_that_leaves_in_its_body_is_heard() -> None:
    """Its door waits no longer."""
    heard = asyncio.Event()

    async def door(asked: Exchange) -> None:
        with pytest.raises(Refusal, match="left"):
            await asked.body(100)
        heard.set()

    async with served(door) as port:
        async with connected(port) as client:
            await client.say(POST + b"content-length: 9\r\n\r\nhe")
        async with asyncio.timeout(20):
            await heard.wait()


async def test_a_door_that_says_nothing_is_a_500() -> None:
    """A client is never left without an answer."""

    async def silent(_asked: Exchange) -> None:
        pass

    async with served(silent) as port, connected(port) as client:
        await client.say(POST + b"\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 500 ")


async def test_an_answer_that_breaks_off_ends_its_connection() -> None:
    """Without its last chunk, so that nobody takes it for whole."""

    async def broken(asked: Exchange) -> None:
        reply = Written(asked)
        await reply.start(200, [])
        await reply.send(b"one")
        raise ZeroDivisionError

    async with served(broken) as port, connected(port) as client:
        await client.say(POST + b"\r\n")
        assert (await client.rest()).endswith(b"\r\n\r\n3\r\none\r\n")
