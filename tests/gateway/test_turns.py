"""One request in each turn of the loop, while something is streamed."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.gateway.reply import Written
from pointsman.gateway.turns import Turns
from tests.fakes.line import FakeLine, exchange

EVENTS = [(b"content-type", b"text/event-stream")]


async def in_turns(turns: Turns, count: int, leaves: int | None = None) -> list[int]:
    """In which turn of the loop each of these requests had its own; one may leave before."""
    loop, turn, found = asyncio.get_running_loop(), 0, list[int]()

    def count_on() -> None:
        nonlocal turn
        turn += 1
        if len(found) < count - (leaves is not None):
            loop.call_soon(count_on)

    async def one() -> None:
        await turns.mine()
        found.append(turn)

    loop.call_soon(count_on)
    waiting = [asyncio.ensure_future(one()) for _ in range(count)]
    await asyncio.sleep(0)
    if leaves is not None:
        waiting[leaves].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return found


def test_nobody_waits_where_nothing_is_streamed() -> None:
    """Not even for one turn."""
    with pytest.raises(StopIteration):
        Turns().mine().send(None)


async def test_together_they_go_where_nothing_is_streamed() -> None:
    """What they hold is then committed together."""
    assert len(set(await in_turns(Turns(), 4))) == 1


async def test_one_goes_in_each_turn_while_something_is_streamed() -> None:
    """An event that comes between two of them is sent between them."""
    turns = Turns()
    turns.streams = 1
    found = await in_turns(turns, 4)
    assert len(set(found)) == 4


@pytest.mark.parametrize("leaves", [0, 1, 3])
async def test_who_leaves_keeps_nobody_waiting(leaves: int) -> None:
    """Whether it is the first, the last or one between."""
    turns = Turns()
    turns.streams = 1
    assert len(set(await in_turns(turns, 4, leaves))) == 3
    assert len(await in_turns(turns, 2)) == 2


async def test_a_stream_counts_until_its_end() -> None:
    """And once, however it ends."""
    turns = Turns()
    reply = Written(exchange(FakeLine()), turns=turns)
    await reply.start(200, EVENTS)
    assert turns.streams == 1
    await reply.send(b"data: {}\n\n", last=True)
    reply.still()
    assert turns.streams == 0


@pytest.mark.parametrize(("status", "headers"), [(200, []), (500, EVENTS)])
async def test_what_is_no_stream_does_not_count(status: int, headers: list[tuple[bytes, bytes]]) -> None:
    """A whole answer, or an error."""
    turns = Turns()
    await Written(exchange(FakeLine()), turns=turns).start(status, headers)
    assert turns.streams == 0


async def test_a_head_that_is_said_again_counts_once() -> None:
    """As where an answer was not begun yet, and another takes its place."""
    turns = Turns()
    reply = Written(exchange(FakeLine()), turns=turns)
    await reply.start(200, [*EVENTS, *EVENTS])
    await reply.start(200, EVENTS)
    assert turns.streams == 1
    await reply.whole(b"{}", 500)
    assert turns.streams == 0
