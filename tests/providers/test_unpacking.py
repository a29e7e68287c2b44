"""Answers that come compressed, though they were asked for as they are."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest

from pointsman.providers.unpacking import Unpacker
from tests.providers.speaking import bytes_of, failure, read, said


def raw_deflate(data: bytes) -> bytes:
    """Deflate without a head, as some servers send it."""
    work = zlib.compressobj(wbits=-15)
    return work.compress(data) + work.flush()


@pytest.mark.parametrize(
    ("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)]
)
async def test_a_compressed_answer_is_undone(name: str, pack: Callable[[bytes], bytes]) -> None:
    """Though it was asked for as it is: some proxies do as they like."""
    packed = pack(b"word " * 100_000)
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {name}\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
    async with said(bytes_of(head + packed, leave=False)) as one:
        assert await read(one) == b"word " * 100_000


@pytest.mark.parametrize("split", [1, 2, 3])
async def test_the_way_it_is_packed_shows_with_two_bytes(split: int) -> None:
    """Deflate without a head may come in pieces too, the first of one byte."""
    packed = raw_deflate(b"word " * 1_000)
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
    async with said(bytes_of(head, packed[:split], packed[split:], leave=False)) as one:
        assert await read(one) == b"word " * 1_000
    apart, work = [packed[at : at + 1] for at in range(len(packed))], Unpacker()
    assert b"".join(work.more(piece) for piece in apart) == b"word " * 1_000


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, raw_deflate])
@pytest.mark.parametrize("more", [-1, 0, 1, 100, 1_048_576])
async def test_an_answer_of_just_over_one_piece_is_whole(pack: Callable[[bytes], bytes], more: int) -> None:
    """What is still inside, with nothing left to be fed, comes too."""
    packed = pack(bytes(1_048_576 + more))
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
    async with said(bytes_of(head + packed, leave=False)) as one:
        assert len(await read(one)) == 1_048_576 + more


@pytest.mark.parametrize("apart", [False, True])
async def test_zeros_behind_a_compressed_answer_are_nothing(*, apart: bool) -> None:
    """Some servers fill up a block; another part may follow."""
    packed = [gzip.compress(b"first ") + bytes(8), gzip.compress(b"second"), bytes(8), bytes(8)]
    size = sum(map(len, packed))
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {size}\r\n\r\n".encode()
    async with said(bytes_of(head, *(packed if apart else [b"".join(packed)]), leave=False)) as one:
        assert await read(one) == b"first second"


async def test_a_compressed_answer_comes_in_bounded_pieces() -> None:
    """A few bytes may stand for very many."""
    packed = gzip.compress(bytes(20_000_000))
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
    async with (
        said(bytes_of(head + packed, leave=False)) as one,
        one.post("/chat/completions", b"{}", {}) as answer,
    ):
        sizes = [len(piece) async for piece in one.pieces(answer)]
    assert (sum(sizes), max(sizes)) == (20_000_000, 1_048_576)


async def test_a_compressed_answer_may_come_in_any_pieces() -> None:
    """Also where the first of them come to nothing yet; several parts are one answer."""
    packed = gzip.compress(b"first ") + gzip.compress(b"second")
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
    async with said(bytes_of(head, *(packed[at : at + 1] for at in range(len(packed))), leave=False)) as one:
        assert await read(one) == b"first second"


@pytest.mark.parametrize("end", [-9, -4])
async def test_a_compressed_answer_that_lacks_its_end_broke_off(end: int) -> None:
    """Though it is as long as it says."""
    packed = gzip.compress(b"word " * 1_000)[:end]
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
    async with said(bytes_of(head + packed, leave=False)) as one:
        assert (await failure(one)).sent


async def test_what_stands_behind_a_compressed_answer_is_damage() -> None:
    """It is not kept without end."""
    packed = gzip.compress(b"word") + b"garbage" * 10
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
    async with said(bytes_of(head + packed, leave=False)) as one:
        assert (await failure(one)).sent


async def test_a_compressed_answer_that_is_damaged_broke_off() -> None:
    """Nobody can say what it held."""
    async with said(bytes_of(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnone")) as one:
        assert (await failure(one)).reason == "fake broke off in the middle of its answer"
