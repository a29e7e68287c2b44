"""Work for the writer, and who waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Job(Generic[T]):
    """One piece of it; `room` is how many may wait for the server when it joins them."""

    def __init__(self, work: Callable[[Connection], T], loop: asyncio.AbstractEventLoop, room: int) -> None:
        self.room = room
        self._work = work
        self.loop = loop
        self.future: asyncio.Future[T] = loop.create_future()
        self._result: T | None = None
        self.error: Exception | None = None

    def run(self, connection: Connection) -> None:
        """Do the work, also once more; what it raises is kept for the one who waits, and raised."""
        self.error = None
        try:
            self._result = self._work(connection)
        except Exception as error:
            self.error = error
            raise

    def wait(self) -> None:
        """Forget the failure: it will be done later, and who waits is told so with None."""
        self._result = self.error = None

    def answer(self) -> None:
        """Tell the waiter, on its own loop."""
        self._resolve(self._result, self.error)

    def deliver(self) -> None:
        """Tell the waiting loop. A loop that is closed, or a waiter that left, is nobody's harm: the work is done."""
        result, error = self._result, self.error
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._resolve, result, error)

    def _resolve(self, result: Any, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)
