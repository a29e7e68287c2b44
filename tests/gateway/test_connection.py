"""What a connection to a door may do, and for how long, on each of the loops that the gateway runs on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pointsman.gateway import listening
from pointsman.gateway.connection import MOST_HEAD
from pointsman.gateway.exchange import Answering, Exchange
from pointsman.gateway.reply import Written
from pointsman.gateway.seats import Seats
from pointsman.gateway.service import Patience

SOON = Patience(head=0.05, parting=0.05)
NEVER = Patience(head=3600, parting=3600)
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def hello(asked: Exchange) -> None:
    """An answer at once, whatever the body."""
    await Written(asked).whole(b"hello")


class Waiting:
    """Answers nothing, and notes which requests began and which were told that their client left."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.left: list[str] = []
        self.changed = asyncio.Condition()

    async def __call__(self, asked: Exchange) -> None:
        """Until the client has left."""
        left = asyncio.Event()
        asked.on_leave = left.set
        await self._note(self.began, asked.path)
        await left.wait()
        await self._note(self.left, asked.path)

    async def _note(self, where: list[str], path: str) -> None:
        async with self.changed:
            where.append(path)
            self.changed.notify_all()

    async def until(self, true: Callable[[Waiting], bool]) -> None:
        """Returns once it is so."""
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: true(self))


@contextlib.asynccontextmanager
async def served(door: Answering, patience: Patience = NEVER, seats: Seats | None = None) -> AsyncIterator[int]:
    """The port of a server like that of a door."""
    (first, *others) = listening.listen(0, "PORT")
    server = listening.server(door, seats or Seats(100), patience)
    serving = asyncio.create_task(server.serve([first]))
    await server.open.wait()
    try:
        yield first.getsockname()[1]
    finally:
        server.stop()
        await serving
        for one in (first, *others):
            one.close()


class Client:
    """A bare connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        """Write."""
        self.writer.write(data)
        await self.writer.drain()

    async def talk(self) -> None:
        """Send on and on."""
        async with asyncio.timeout(20):
            while True:
                await self.say(b"a")
                await asyncio.sleep(0)

    async def rest(self) -> bytes:
        """All until the other side ends the connection."""
        async with asyncio.timeout(20):
            return await self.reader.read()

    async def answer(self) -> bytes:
        """One answer of five bytes, or of what its length says."""
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            return head + await self.reader.readexactly(length)


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    """A connection that ends with the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_head_that_never_ends_is_ended() -> None:
    """With the status that says why."""
    async with served(hello, SOON) as port, connected(port) as client:
        await client.say(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-slow: ")
        said = await client.rest()
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b'"type":"error"' in said
    assert b"did not arrive" in said


async def test_bytes_that_trickle_win_no_time() -> None:
    """What counts is when the head began."""
    async with served(hello, Patience(head=0.2, parting=0.05)) as port, connected(port) as client:
        with contextlib.suppress(ConnectionError):
            await client.say(GET[:-2])
            while not client.reader.at_eof():
                await client.say(b"x-slow: 1\r\n")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(client.reader.read(1), 0.02)
    assert client.reader.at_eof() or client.reader.exception()


@pytest.mark.parametrize("said", [b"", b"\r\n"])
async def test_a_silent_connection_is_ended(said: bytes) -> None:
    """Nothing or empty lines: nothing was asked, so nothing is answered."""
    async with served(hello, SOON) as port, connected(port) as client:
        await client.say(said)
        assert await client.rest() == b""


async def test_a_head_that_came_in_time_has_no_bound_any_more() -> None:
    """However long its answer takes."""
    over, seats = asyncio.Event(), Watched(9)

    async def slow(asked: Exchange) -> None:
        await over.wait()
        await Written(asked).whole(b"hello")

    async with served(slow, Patience(head=0.1, parting=0.1), seats) as port, connected(port) as client:
        await client.say(GET[:-2])
        while not (seats.given and seats.given[0]._begun):  # noqa: ASYNC110 nothing tells
            await asyncio.sleep(0.001)
        await client.say(GET[-2:])
        asyncio.get_running_loop().call_later(0.2, over.set)
        assert (await client.answer()).endswith(b"hello")


async def test_a_connection_rests_no_longer_than_it_may() -> None:
    """From its last answer on, and without a word."""
    async with served(hello, Patience(head=3600, rest=0.05)) as port, connected(port) as client:
        for _ in range(2):
            await client.say(GET)
            assert (await client.answer()).endswith(b"hello")
        assert await client.rest() == b""


async def test_an_old_client_is_answered_and_let_go() -> None:
    """HTTP/1.0 has no next request."""
    async with served(hello) as port, connected(port) as client:
        await client.say(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        answer = await client.rest()
        assert b"\r\nconnection: close\r\n" in answer and answer.endswith(b"\r\n\r\nhello")


async def test_a_header_behind_a_body_is_nobodys() -> None:
    """A trailer adds nothing to the head that was checked."""
    seen: list[dict[str, str]] = []

    async def door(asked: Exchange) -> None:
        await asked.body(100)
        seen.append(asked.headers)
        await Written(asked).whole(b"hello")

    trailer = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-late: 1\r\n\r\n"
    async with served(door) as port, connected(port) as client:
        await client.say(trailer + GET)
        await client.answer()
        await client.answer()
    assert seen == [{"transfer-encoding": "chunked"}, {"host": "x"}]


async def test_an_endless_trailer_is_ended() -> None:
    """It is held in memory as a head is."""
    async with served(hello) as port, connected(port) as client:
        await client.say(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ")
        with contextlib.suppress(ConnectionError):
            await client.say(b"a" * 2**24)
            await client.rest()


async def test_a_second_head_has_a_bound_too() -> None:
    """A connection that was answered once may not hold its next head back for ever."""
    async with served(hello, SOON) as port, connected(port) as client:
        await client.say(GET)
        assert (await client.answer()).endswith(b"hello")
        await client.say(GET[:-2])
        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("head", [b"GET /" + b"a" * 2**20, b"GET / HTTP/1.1\r\nx: " + b"a" * 2**20])
async def test_an_endless_head_is_refused(head: bytes) -> None:
    """Long before it is held in memory."""
    async with served(hello) as port, connected(port) as client:
        with contextlib.suppress(ConnectionError):
            await client.say(head)
        client.writer.write_eof()
        assert (await client.rest()).startswith(b"HTTP/1.1 431 ")


async def test_many_headers_within_the_bound_are_taken() -> None:
    """And a body of any size beside them does not count."""
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n" + b"x: 1\r\n" * (MOST_HEAD // 8) + b"\r\n"
    async with served(hello) as port, connected(port) as client:
        await client.say(head + b"a" * 100_000)
        assert (await client.answer()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "said",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"CONNECT x:80 HTTP/1.1\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_http_is_one_sentence(said: bytes) -> None:
    """400 in the vendors' envelope; the connection is not used again."""
    async with served(hello) as port, connected(port) as client:
        await client.say(said)
        client.writer.write_eof()
        answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"message":"This is no HTTP request' in answer


async def test_an_answer_before_the_body_arrives_whole() -> None:
    """The client hears it though it still sends, and that the connection ends."""
    async with served(hello) as port, connected(port) as client:
        await client.say(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                await client.say(b"a" * 100_000)
        answer = await client.rest()
    assert answer.endswith(b"hello")
    assert b"connection: close" in answer


async def test_a_client_that_never_ends_its_body_is_let_go() -> None:
    """It was answered; its connection does not stay."""
    async with served(hello, SOON) as port, connected(port) as client:
        await client.say(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n")
        assert (await client.rest()).endswith(b"hello")
        with pytest.raises(ConnectionError):
            await client.talk()


async def test_a_whole_request_keeps_its_connection() -> None:
    """Body or not, one after the other, and sent all at once."""
    post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
    async with served(hello) as port, connected(port) as client:
        for asked in (GET, post, post, GET):
            await client.say(asked)
            assert b"connection: close" not in await client.answer()
        await client.say(GET * 5)
        assert [(await client.answer())[-5:] for _ in range(5)] == [b"hello"] * 5


async def test_everybody_in_line_hears_that_the_client_left() -> None:
    """Not only the last of several requests that were sent ahead: the first is the one that costs."""
    waiting = Waiting()
    async with served(waiting) as port:
        async with connected(port) as client:
            await client.say(GET.replace(b"/ ", b"/first ") + GET)
            await waiting.until(lambda it: it.began == ["/first"])
            await client.say(GET)
        await waiting.until(lambda it: it.left == ["/first"])


async def test_nonsense_behind_a_request_is_not_written_into_its_answer() -> None:
    """The connection ends, and so does the request."""
    waiting = Waiting()
    async with served(waiting) as port, connected(port) as client:
        await client.say(GET)
        await waiting.until(lambda it: it.began == ["/"])
        await client.say(b"nonsense\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert await client.rest() == b""
        await waiting.until(lambda it: it.left == ["/"])


async def test_a_client_that_reads_nothing_of_a_last_answer_is_let_go() -> None:
    """What is written to it is not kept for ever."""
    seats = Seats(1)
    async with served(large, SOON, seats) as port, connected(port) as client:
        await client.say(GET.replace(b"host: x", b"connection: close"))
        async with asyncio.timeout(20):
            while seats._taken or not await client.reader.read(1):  # noqa: ASYNC110 nothing tells
                await asyncio.sleep(0.01)


async def test_whoever_rests_gives_way() -> None:
    """With all places taken a new client is served; a busy one keeps its place."""
    waiting = Waiting()
    async with served(waiting, seats=Seats(2)) as port, connected(port) as busy, connected(port) as resting:
        await busy.say(GET)
        await waiting.until(lambda it: it.began == ["/"])
        async with connected(port) as late:
            await late.say(GET.replace(b"/ ", b"/late "))
            await waiting.until(lambda it: it.began == ["/", "/late"])
            assert await resting.rest() == b""
        assert waiting.left in ([], ["/late"])


async def test_with_everybody_busy_a_new_client_is_told() -> None:
    """In the vendors' envelope."""
    waiting = Waiting()
    async with served(waiting, seats=Seats(1)) as port, connected(port) as busy:
        await busy.say(GET)
        await waiting.until(lambda it: it.began == ["/"])
        async with connected(port) as late:
            assert (await late.rest()).startswith(b"HTTP/1.1 503 ")


async def test_an_error_nobody_caught_is_a_500_and_shows_no_values(capfd: pytest.CaptureFixture[str]) -> None:
    """The log gets its lines."""

    async def broken(_asked: Exchange) -> None:
        raise ValueError("sk-secret")

    async with served(broken) as port, connected(port) as client:
        await client.say(GET)
        assert (await client.answer()).startswith(b"HTTP/1.1 500 ")
    shown = capfd.readouterr()
    assert "sk-secret" not in shown.out + shown.err


class Watched(Seats):
    """Notes who was given a place."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.given: list[Any] = []

    def take(self, one: Any) -> bool:
        """A place."""
        self.given.append(one)
        return super().take(one)


async def large(asked: Exchange) -> None:
    """More than the kernel's buffers hold."""
    await Written(asked).whole(b"a" * 2**26)


@pytest.mark.parametrize("by", ["evict", "_late"])
async def test_a_client_that_rests_without_having_read_its_answer_is_let_go(by: str) -> None:
    """Whole answers are held for it, and a descriptor: neither for ever."""
    seats = Watched(9)
    async with served(large, SOON, seats) as port, connected(port) as client:
        await client.say(GET)
        assert await client.reader.read(1)
        (one,) = seats.given
        getattr(one, by)()
        async with asyncio.timeout(20):
            while one in one._service.connections:  # noqa: ASYNC110 nothing tells
                await asyncio.sleep(0.01)
