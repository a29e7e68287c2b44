"""A client that leaves a connection: who is told, how often, and what is left of its request, on each of the loops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import pytest

from pointsman.core.errors import Refusal
from pointsman.gateway import connection
from pointsman.gateway.connection import Connection
from pointsman.gateway.exchange import Exchange
from pointsman.gateway.reply import Written
from pointsman.gateway.seats import Seats
from pointsman.gateway.service import Patience, Service
from tests.fakes.line import FakeLine
from tests.gateway.test_connection import GET, Waiting, Watched, connected, hello, served

ASKS = b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n"


async def seen(exchange: Exchange, door: Callable[[Exchange], Awaitable[None]]) -> None:
    """What a door does once the connection is lost."""
    while exchange.line in exchange.line._service.connections:  # type: ignore[attr-defined]  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await door(exchange)


@pytest.mark.parametrize("half", [False, True])
async def test_whoever_leaves_is_told_once(half: bool) -> None:
    """A second word would cut off what settles its request. Who only sends no more has left as well."""
    told, over = list[str](), asyncio.Event()

    async def door(asked: Exchange) -> None:
        asked.on_leave = lambda: told.append(asked.path)
        await seen(asked, over_now)

    async def over_now(_: Exchange) -> None:
        over.set()

    async with served(door) as port, connected(port) as client:
        await client.say(GET)
        if half:
            client.writer.write_eof()
        else:
            client.writer.transport.abort()
        async with asyncio.timeout(20):
            await over.wait()
    assert told == ["/"]


@pytest.mark.parametrize("many", [8, 500])
async def test_all_in_line_are_told_and_none_of_them_begins(many: int) -> None:
    """One of them is being answered, and however long the line is: nothing runs for somebody who has left."""
    waiting = Waiting()
    async with served(waiting) as port:
        async with connected(port) as client:
            await client.say(b"".join(GET.replace(b"/ ", b"/%d " % number) for number in range(many)))
            await waiting.until(lambda it: it.began == ["/0"])
        await waiting.until(lambda it: it.left == ["/0"])
    assert waiting.began == ["/0"]


async def test_a_client_that_left_before_its_body_is_asked_for_is_no_error() -> None:
    """It is not told to go on either: its connection is closed."""
    said = asyncio.get_running_loop().create_future()

    async def read(asked: Exchange) -> None:
        try:
            await asked.body(100)
        except Refusal as refusal:
            said.set_result(refusal.sentence)
        except Exception as error:  # noqa: BLE001 whatever it is, it is what came of it
            said.set_exception(error)

    async def door(asked: Exchange) -> None:
        await seen(asked, read)

    async with served(door) as port:
        async with connected(port) as client:
            await client.say(ASKS)
        async with asyncio.timeout(20):
            assert "client left" in await said


async def test_what_was_sent_by_one_who_left_is_let_go() -> None:
    """Nobody will read it."""
    asked = Exchange(FakeLine(), "POST", ("/", ""), {})
    asked.add(b"words")
    asked.leave()
    assert asked._pieces == []


@pytest.mark.parametrize(
    "head",
    [GET, *(GET[:-2] + more + b"\r\n" for more in (b"x: %b\r\n" % (b"a" * 8_000), b"x:\r\n" * 5_000))],
    ids=["many", "large", "headers"],
)
async def test_a_line_has_a_bound_that_heads_count_for(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it the client has to go, and its request with it."""
    monkeypatch.setattr(connection, "_MOST_AHEAD", 100_000)
    waiting = Waiting()
    async with served(waiting) as port, connected(port) as client:
        with contextlib.suppress(ConnectionError):
            await client.say(GET.replace(b"/ ", b"/first ") + head * 60)
        await waiting.until(lambda it: it.left == ["/first"])


async def test_a_line_that_moves_has_no_end() -> None:
    """What was answered counts no longer."""
    seats, post = Watched(1), b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
    async with served(hello, seats=seats) as port, connected(port) as client:
        await client.say((post + GET) * 50)
        for _ in range(100):
            await client.answer()
        assert seats.given[0]._ahead == 0


async def test_a_client_that_is_gone_as_it_is_answered_is_no_error() -> None:
    """Its answer was to be the last, and it is not there to be told so."""
    errors = list[OSError]()

    async def door(asked: Exchange) -> None:
        bare.close()
        try:
            await hello(asked)
        except OSError as error:
            errors.append(error)
        answered.set()

    answered = asyncio.Event()
    async with served(door) as port:
        bare = socket.create_connection(("127.0.0.1", port))
        bare.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n")
        async with asyncio.timeout(20):
            await answered.wait()
    assert errors == []


async def test_a_connection_that_is_gone_as_it_comes_has_no_address() -> None:
    """The system does not tell one of a socket that was reset; that is no error of anybody's."""

    class Reset(asyncio.Transport):
        def get_extra_info(self, name: str, default: object = None) -> object:
            """Nothing is known."""
            return default

    made = Connection(Service(hello, Seats(1), Patience()))
    made.connection_made(Reset())
    assert made.port == 0
    made.connection_lost(None)


async def test_a_client_older_than_chunks_is_sent_none() -> None:
    """Whatever it calls its version, it is not 1.1."""

    async def two(asked: Exchange) -> None:
        reply = Written(asked)
        await reply.start(200, [])
        await reply.send(b"he")
        await reply.send(b"llo", last=True)

    async with served(two) as port:
        for version in (b"0.9", b"1.0", b"2.0"):
            async with connected(port) as client:
                await client.say(b"GET / HTTP/%b\r\nhost: x\r\n\r\n" % version)
                assert (await client.rest()).endswith(b"\r\nconnection: close\r\n\r\nhello")


async def test_a_length_may_have_noughts_before_it() -> None:
    """As many as its client likes."""

    async def door(asked: Exchange) -> None:
        await Written(asked).whole(await asked.body(100))

    async with served(door) as port, connected(port) as client:
        await client.say(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %b5\r\n\r\nhe" % (b"0" * 5_000))
        await asyncio.sleep(0)
        await client.say(b"llo")
        assert (await client.answer()).endswith(b"hello")


async def test_a_client_that_leaves_is_heard_behind_a_large_body() -> None:
    """What it sent ahead is read, though it waits in line."""
    waiting = Waiting()
    behind = b"POST /second HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n" + b"a" * 900_000
    async with served(waiting) as port:
        async with connected(port) as client:
            await client.say(GET.replace(b"/ ", b"/first ") + behind)
            await waiting.until(lambda it: it.began == ["/first"])
        await waiting.until(lambda it: it.left == ["/first"])


async def test_what_waits_in_line_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it the client has to go, and its request with it."""
    monkeypatch.setattr(connection, "_MOST_AHEAD", 100_000)
    waiting = Waiting()
    behind = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n" + b"a" * 900_000
    async with served(waiting) as port, connected(port) as client:
        with contextlib.suppress(ConnectionError):
            await client.say(GET.replace(b"/ ", b"/first ") + behind)
        await waiting.until(lambda it: it.left == ["/first"])
