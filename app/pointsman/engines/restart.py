"""Whether a worker that crashed may be started again, and when."""

from __future__ import annotations

import msgspec

CRASHES_UNTIL_BROKEN = 3


class Wait(msgspec.Struct, frozen=True):
    """Start it after this many seconds."""

    seconds: float


class GiveUp(msgspec.Struct, frozen=True):
    """It crashed too often in a row: a person has to look at it."""


def next_restart(crashes: int, crashed_at: float, now: float, first_wait: float = 0.5) -> Wait | GiveUp:
    """`crashes` counts those since the last finished answer; the wait doubles with each and runs from the crash."""
    if crashes >= CRASHES_UNTIL_BROKEN:
        return GiveUp()
    if crashes == 0:
        return Wait(0.0)
    due = crashed_at + first_wait * 2.0 ** (crashes - 1)
    return Wait(max(0.0, due - now))
