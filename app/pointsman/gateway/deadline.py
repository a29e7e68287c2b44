"""A time by which something has to have happened, moved often and seldom reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_SOON = 0.001  # seconds; no clock of a loop is finer


class Deadline:
    """`late` is called once it is reached. One timer serves many: it looks again where it rang too early."""

    __slots__ = ("_late", "_loop", "_rings", "_timer", "due")

    def __init__(self, loop: asyncio.AbstractEventLoop, late: Callable[[], object]) -> None:
        self.due: float | None = None  # None: nothing is waited for
        self._loop = loop
        self._late = late
        self._timer: asyncio.TimerHandle | None = None
        self._rings = 0.0  # when the timer does

    def within(self, seconds: float) -> None:
        """So long from now."""
        self.due = self._loop.time() + seconds
        if self._timer is None or self._rings > self.due:
            self._wait(seconds)

    def end(self) -> None:
        """Nothing will be waited for any more."""
        self.due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = self._loop.time() + seconds
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self.due is None:
            return
        left = self.due - self._loop.time()
        if left > _SOON:
            self._wait(left)
        else:
            self.due = None
            self._late()
