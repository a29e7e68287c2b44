"""When what is waited for is late."""

from __future__ import annotations

import asyncio

from pointsman.gateway.deadline import Deadline


class Clock(asyncio.AbstractEventLoop):
    """A loop whose time is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[asyncio.TimerHandle] = []
        self.made = 0

    def time(self) -> float:
        """Now."""
        return self.now

    def get_debug(self) -> bool:
        """No."""
        return False

    def call_later(self, delay, callback, *args, context=None):
        """Once its time has come."""
        self.made += 1
        self.timers.append(asyncio.TimerHandle(self.now + delay, callback, args, self, context))
        return self.timers[-1]

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.timers.remove(handle)

    def until(self, now: float) -> None:
        """Move on, and ring what is to be rung."""
        while self.timers and (first := min(self.timers, key=asyncio.TimerHandle.when)).when() <= now:
            self.timers.remove(first)
            self.now = first.when()
            first._run()
        self.now = now


def test_what_is_late_is_told_once() -> None:
    """At its time, not before."""
    late: list[float] = []
    deadline = Deadline(clock := Clock(), lambda: late.append(clock.now))
    deadline.within(5)
    clock.until(4.9)
    assert late == []
    clock.until(100)
    assert late == [5]


def test_it_may_be_moved_either_way() -> None:
    """The last word counts."""
    late: list[float] = []
    deadline = Deadline(clock := Clock(), lambda: late.append(clock.now))
    deadline.within(5)
    clock.until(4)
    deadline.within(60)
    clock.until(63.9)
    assert late == []
    deadline.within(1)
    clock.until(100)
    assert late == [64.9]


def test_moving_it_on_takes_no_timer() -> None:
    """A connection does so with each request."""
    deadline = Deadline(clock := Clock(), lambda: None)
    for at in range(1_000):
        clock.until(at / 1_000)
        deadline.due = None
        deadline.within(65)
    assert clock.made == 1


def test_what_came_or_is_over_is_never_late() -> None:
    """Nothing is waited for then."""
    for ended in (False, True):
        late: list[float] = []
        deadline = Deadline(clock := Clock(), lambda late=late, clock=clock: late.append(clock.now))
        deadline.within(5)
        if ended:
            deadline.end()
            assert clock.timers == []
        deadline.due = None
        clock.until(100)
        assert late == []
