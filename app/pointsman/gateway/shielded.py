"""Work that is done to its end, whoever is cancelled meanwhile."""

from __future__ import annotations

import asyncio
import functools
import types
from collections.abc import Coroutine, Generator
from typing import Any


async def shielded(work: Coroutine[Any, Any, None]) -> None:
    """Do the work to its end. What need not wait for anything is done here and now, without a task of its own.

    It begins in the caller's task and may end in another, so it must hold nothing that belongs to a task: no `timeout`.
    """
    try:
        waited = work.send(None)
    except StopIteration:
        return
    await asyncio.shield(_rest(work, waited))


async def _rest(work: Coroutine[Any, Any, None], waited: Any) -> None:
    await _steps(work, waited)


@types.coroutine
def _steps(begun: Coroutine[Any, Any, None], waited: Any) -> Generator[Any, Any, None]:
    """What is left of a coroutine that has begun and waits for something."""
    while True:
        try:
            told = yield waited
        except BaseException as error:  # noqa: BLE001 whatever it is, it is for what waits
            step = functools.partial(begun.throw, error)
        else:
            step = functools.partial(begun.send, told)
        try:
            waited = step()
        except StopIteration:
            return
