"""Places for connections: never more than there are, handed over in turn, none lost by whoever leaves."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.providers.room import Room


async def waiting(room: Room, count: int) -> list[asyncio.Task[None]]:
    """So many that wait for a place, in this order."""
    tasks = [asyncio.create_task(room.turn()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def ended(*tasks: asyncio.Task[None]) -> list[bool]:
    """Which of them have ended."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return [task.done() for task in tasks]


def test_a_place_is_taken_until_it_is_left() -> None:
    """Where none is free, nobody enters."""
    room = Room(1)
    assert (room.enter(), room.enter()) == (True, False)
    room.leave()
    assert room.enter()


async def test_whoever_waits_longest_comes_first() -> None:
    """A place that is left goes over at once: who comes between does not take it."""
    room = Room(1)
    room.enter()
    first, second = await waiting(room, 2)
    room.leave()
    assert not room.enter()
    assert await ended(first, second) == [True, False]
    room.leave()
    assert await ended(second) == [True]
    room.leave()
    assert room.free == 1


async def test_whoever_stops_waiting_is_passed_over() -> None:
    """Its turn goes to the next one."""
    room = Room(1)
    room.enter()
    first, second = await waiting(room, 2)
    first.cancel()
    room.leave()
    assert await ended(second) == [True]
    room.leave()
    assert room.free == 1


async def test_a_place_that_came_in_the_moment_of_leaving_is_given_back() -> None:
    """Cancelled after its turn came and before it knew, it holds nothing."""
    room = Room(1)
    room.enter()
    (first,) = await waiting(room, 1)
    room.leave()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert room.free == 1
