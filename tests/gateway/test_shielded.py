"""Work that is done to its end, whoever is cancelled meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.gateway.shielded import shielded


async def test_what_need_not_wait_is_done_without_a_task() -> None:
    """Here and now, in the task of whoever asks for it."""
    did: list[asyncio.Task[None] | None] = []

    async def work() -> None:
        did.append(asyncio.current_task())

    tasks = len(asyncio.all_tasks())
    await shielded(work())
    assert (did, len(asyncio.all_tasks())) == ([asyncio.current_task()], tasks)


async def test_what_waits_goes_on_without_whoever_was_cancelled() -> None:
    """At once cancelled, and the work is done all the same."""
    begun, may, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await may.wait()
        await asyncio.sleep(0)
        done.set()

    task = asyncio.create_task(shielded(work()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not done.is_set()
    may.set()
    await asyncio.wait_for(done.wait(), 5)


@pytest.mark.parametrize("turns", range(1, 6))
async def test_whenever_its_caller_is_cancelled_it_is_done(turns: int) -> None:
    """Before the rest of it has a task, while that waits, or in the turn in which what it waits for comes."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    async def work() -> None:
        for _ in range(2):
            told: asyncio.Future[None] = loop.create_future()
            loop.call_soon(told.set_result, None)
            await told
            await told
        done.set()

    task = asyncio.create_task(shielded(work()))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.wait_for(done.wait(), 5)


async def test_an_error_is_told() -> None:
    """Before it waited, or after."""

    async def work(*, waits: bool) -> None:
        if waits:
            await asyncio.sleep(0)
        raise ValueError("no")

    for waits in (False, True):
        with pytest.raises(ValueError, match="no"):
            await shielded(work(waits=waits))


async def test_what_waits_hears_of_an_error() -> None:
    """Of what it waits for, as if nobody stood between."""
    told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    heard: list[str] = []

    async def work() -> None:
        try:
            await told
        except OSError as error:
            heard.append(str(error))

    task = asyncio.create_task(shielded(work()))
    await asyncio.sleep(0)
    told.set_exception(OSError("gone"))
    await task
    assert heard == ["gone"]
