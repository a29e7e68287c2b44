"""The client's connections against servers that speak as they please: every byte of an answer is written here."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import select

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.providers.connection import Answer, Connection
from pointsman.providers.failures import UpstreamError
from pointsman.providers.upstream import Upstream
from tests.providers.speaking import WHOLE, bytes_of, failure, read, said


@pytest.mark.parametrize("interim", [b"100 Continue", b"103 Early Hints"])
async def test_an_interim_answer_is_passed_over(interim: bytes) -> None:
    """What counts is the answer behind it, and none of the interim's headers."""
    says = bytes_of(b"HTTP/1.1 " + interim + b"\r\nlink: x\r\n\r\n", WHOLE)
    async with said(says) as one, one.post("/chat/completions", b"{}", {}) as answer:
        assert (answer.status, answer.headers) == (200, {"content-length": "2"})
        assert await answer.piece() == b"{}"


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    """As in HTTP/1.0."""
    async with said(bytes_of(b"HTTP/1.1 200 OK\r\n\r\nall of", b" it")) as one:
        assert await read(one) == b"all of it"


async def test_an_answer_shorter_than_its_length_was_cut() -> None:
    """It may be billed."""
    async with said(bytes_of(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")) as one:
        failed = await failure(one)
    assert (failed.sent, failed.reason) == (True, "fake broke off in the middle of its answer")


@pytest.mark.parametrize(
    "noise",
    [
        b"220 ready\r\n",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 300_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnone\r\n",
    ],
    ids=["no-http", "upgrade", "endless-head", "bad-chunk"],
)
async def test_what_is_no_answer_is_told(noise: bytes) -> None:
    """It was sent, and what came of it nobody knows."""
    async with said(bytes_of(noise, leave=False)) as one:
        assert (await failure(one)).sent


async def test_a_head_without_end_is_bounded() -> None:
    """Only so much of it is kept."""
    async with said(bytes_of(b"HTTP/1.1 200 OK\r\n", *[b"x: " + b"y" * 1_000 + b"\r\n"] * 500, leave=False)) as one:
        assert (await failure(one)).reason == "fake ended the connection without an answer"


OTHER = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged"


@pytest.mark.parametrize("more", [OTHER, b"x", *(OTHER[:end] for end in range(1, 45, 6))])
async def test_a_connection_that_says_more_than_was_asked_is_not_used_again(more: bytes) -> None:
    """The next request would take it for its own answer."""
    asked = 0

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(WHOLE + more)
        await reader.read()

    async with said(says) as one:
        assert [await read(one), await read(one)] == [b"{}", b"{}"]
    assert asked == 2


async def test_a_connection_that_closes_is_not_used_again() -> None:
    """The upstream said so."""
    asked = 0

    async def says(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(WHOLE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))

    async with said(says) as one:
        assert [await read(one), await read(one)] == [b"{}", b"{}"]
    assert asked == 2


async def test_the_rest_of_a_forged_answer_reaches_nobody() -> None:
    """It began behind the first answer, and would end where the second one is waited for."""

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WHOLE + OTHER[:20])
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OTHER[20:])

    async with said(says) as one:
        assert await read(one) == b"{}"
        assert not one.pool._idle


async def test_what_comes_behind_the_body_is_bounded() -> None:
    """Headers there may have no end either."""
    endless = [b"x: " + b"y" * 1_000 + b"\r\n"] * 500
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    async with said(bytes_of(head, *endless, leave=False)) as one:
        assert (await failure(one)).reason == "fake broke off in the middle of its answer"


async def test_a_head_may_come_before_all_is_written() -> None:
    """An upstream that answers as it reads gets all there is to read."""
    taken = 0

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
        while taken < 30_000_000:
            taken += len(await reader.read(65_536))
        writer.write(b"done")

    async with said(says) as one:
        assert await read(one, bytes(30_000_000)) == b"done"


async def test_a_connection_that_its_upstream_left_unheard_is_passed_over() -> None:
    """Its leave is there to be read, and the loop had no time for it yet."""
    asked = 0

    async def says(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(WHOLE)

    async with said(says) as one:
        await read(one)
        [(_, kept)] = one.pool._idle
        socket = kept.transport.get_extra_info("socket")
        kept.transport.pause_reading()  # as a loop that is busy
        await asyncio.to_thread(select.select, [socket.fileno()], [], [], 5)
        assert kept.usable
        assert await read(one) == b"{}"
    assert asked == 2


async def test_a_pool_that_is_closed_writes_nothing_more() -> None:
    """Not even over a connection that was being opened then."""
    asked = asyncio.Event()

    async def says(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.write(WHOLE)

    async with said(says) as one:
        waiting = asyncio.ensure_future(failure(one))
        await asyncio.sleep(0)
        await one.close()
        assert not (await waiting).sent
    assert not asked.is_set()


async def test_a_slow_reader_holds_the_upstream_back() -> None:
    """What nobody reads stays with the upstream, but for a bounded part."""
    stuck = asyncio.Event()

    async def says(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n")
        for _each in range(50):
            writer.write(bytes(1_000_000))
            waiting = asyncio.ensure_future(writer.drain())
            await asyncio.wait([waiting], timeout=0.2)
            if not waiting.done():
                stuck.set()
            await waiting

    async with said(says) as one, one.post("/chat/completions", b"{}", {}) as answer:
        await asyncio.wait_for(stuck.wait(), 20)
        assert answer._size < 2_000_000
        assert sum([len(piece) async for piece in one.pieces(answer)]) == 50_000_000


async def test_an_answer_may_come_before_all_is_written() -> None:
    """An upstream that refuses a body at its beginning is heard, and nothing more is written."""
    taken = 0

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        writer.write(b"HTTP/1.1 413 Too large\r\ncontent-length: 2\r\n\r\nno")
        while piece := await reader.read(65_536):
            taken += len(piece)

    async with said(says) as one:
        with pytest.raises(UpstreamError) as failed:
            await read(one, bytes(60_000_000))
    assert failed.value.said is not None
    assert failed.value.said.status == 413
    assert taken < 60_000_000


async def test_an_upstream_that_takes_nothing_is_given_up() -> None:
    """Its silence is measured while it is written to as well."""

    async def says(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async with said(says, silence=0.3) as one:
        with pytest.raises(UpstreamError) as failed:
            await read(one, bytes(60_000_000))
    assert (failed.value.sent, failed.value.late) == (True, True)


async def test_who_goes_on_speaking_is_not_given_up() -> None:
    """It is silence that counts, not how long an answer takes."""

    async def says(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in (b"HTTP/1.1 200 OK\r\n", b"content-length: 4\r\n\r\n", b"a", b"b", b"c", b"d"):
            writer.write(piece)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 0.2)

    async with said(says, silence=0.6) as one:
        assert await read(one) == b"abcd"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("sk-1\r\nx-more: 1", "its key, or a header for it, holds a line break"),
        ("sk-\N{GREEK SMALL LETTER ALPHA}", "its key, or a header for it, holds letters that no header can hold"),
        ("sk-\0", "its key, or a header for it, holds a line break"),
    ],
    ids=["line", "letter", "zero"],
)
async def test_a_key_that_no_header_can_hold_is_not_sent(key: str, why: str) -> None:
    """Nor is it told."""
    async with said(bytes_of(WHOLE)) as one:
        failed = await failure(one, {"authorization": f"Bearer {key}"})
    assert (failed.sent, failed.reason) == (False, f"fake cannot be reached: {why}")


async def test_whoever_stops_waiting_gives_its_place_back() -> None:
    """Cancelled before the answer's head came, it leaves the connection closed and its seat free."""
    heard = asyncio.Event()
    left = asyncio.Event()

    async def says(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heard.set()
        await reader.read()
        left.set()

    async with said(says) as one:
        waiting = asyncio.ensure_future(read(one))
        await heard.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(left.wait(), 5)
        assert (len(one.pool._busy), one.pool._room.free) == (0, 512)


async def test_who_leaves_while_it_is_connected_has_written_nothing() -> None:
    """A server that takes the connection and never speaks TLS got no byte that it could bill."""
    reached = asyncio.Event()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    one = Upstream("fake", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    posted = one.post("/chat/completions", b"{}", {})
    waiting = asyncio.ensure_future(posted.__aenter__())
    await reached.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not posted.written
    assert one.pool._room.free == 512
    await one.close()
    server.close()


class _Transport(asyncio.Transport):
    """Takes everything."""

    def write(self, _: object) -> None:
        """Nobody reads it."""

    def is_closing(self) -> bool:
        """Never."""
        return False

    def abort(self) -> None:
        """It is gone anyway."""


def fed(pieces: list[bytes]) -> Answer:
    """An answer whose bytes come like this."""
    loop = asyncio.new_event_loop()
    one = Connection(loop, 5)
    one.connection_made(_Transport())
    answer = one.ask(b"")
    for piece in pieces:
        one.data_received(piece)
    one.connection_lost(None)
    loop.close()
    return answer


def told(answer: Answer) -> tuple[object, ...]:
    """All that a reader would learn of it."""
    return answer.status, answer.headers, b"".join(answer._pieces), answer.complete, type(answer.error)


ANSWERS = [
    WHOLE,
    b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE,
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nlast: 1\r\n\r\n",
    b"HTTP/1.1 429 No\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 204 Nothing\r\n\r\n",
    b"no answer at all\r\n\r\n",
]


@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 120), max_size=12))
def test_it_does_not_matter_where_an_answer_is_cut(answer: bytes, cuts: list[int]) -> None:
    """Fed in any pieces it is what it is fed whole."""
    at = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts)})
    pieces = [answer[start:end] for start, end in itertools.pairwise(at)]
    assert told(fed(pieces)) == told(fed([answer]))


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange(noise: bytes) -> None:
    """Whatever comes, there is an answer or an error, and nothing is raised at the loop."""
    answer = fed([b"HTTP/1.1 200 OK\r\n", noise])
    assert answer.complete or answer.error is not None


async def test_a_whole_answer_that_came_in_one_read_is_there_at_once() -> None:
    """One that is not whole yet is not: it is read as it comes."""
    async with said(bytes_of(WHOLE)) as one, one.post("/chat/completions", b"{}", {}) as answer:
        assert answer.at_once() == b"{}"

    async with said(bytes_of(WHOLE[:-1], leave=False)) as one, one.post("/chat/completions", b"{}", {}) as answer:
        assert answer.at_once() is None
