"""A connection to a door whose client offers another protocol: the offer is passed over, on each of the loops."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.gateway.exchange import Exchange
from pointsman.gateway.reply import Written
from tests.gateway.test_connection import GET, connected, served


class Echo:
    """Says the path and the body; notes that it was asked."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def __call__(self, asked: Exchange) -> None:
        """What came."""
        self.asked.set()
        await Written(asked).whole(asked.path.encode() + await asked.body(100))


OFFERS = b"host: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
SIZED = b"POST /a HTTP/1.1\r\n" + OFFERS + b"content-length: 5\r\n\r\nhello"
CHUNKED = b"POST /a HTTP/1.1\r\n" + OFFERS + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
BARE = b"GET /a HTTP/1.1\r\n" + OFFERS + b"\r\n"


@pytest.mark.parametrize(("said", "heard"), [(SIZED, b"/ahello"), (CHUNKED, b"/ahello"), (BARE, b"/a")])
@pytest.mark.parametrize("apart", [False, True])
async def test_an_upgrade_that_is_offered_is_passed_over(said: bytes, heard: bytes, apart: bool) -> None:
    """Java's client offers one with every request: it is answered as any other, and so is the next one."""
    echo, (head, end, body) = Echo(), said.partition(b"\r\n\r\n")
    async with served(echo) as port, connected(port) as client:
        for _ in range(2):
            if apart:
                echo.asked.clear()
                await client.say(head + end)
                await echo.asked.wait()
            await client.say(body if apart else said)
            answer = await client.answer()
            assert answer.endswith(b"\r\n\r\n" + heard)
            assert b"connection: close" not in answer
        await client.say(said * 3 + GET)
        assert [(await client.answer()).rpartition(b"\r\n\r\n")[2] for _ in range(4)] == [heard] * 3 + [b"/"]


async def test_many_offers_in_one_piece_are_no_pit() -> None:
    """Each is passed over in its turn."""
    async with served(Echo()) as port, connected(port) as client:
        await client.say(BARE * 1_500)
        for _ in range(1_500):
            assert (await client.answer()).endswith(b"/a")
