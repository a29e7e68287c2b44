"""A breaker for each target: closed while it answers, open after failures in a row, half-open to try once again."""

from __future__ import annotations

import msgspec

TRIP = 3
REST = 15.0
LONGEST = 300.0


class Breaker(msgspec.Struct, frozen=True):
    """`failures` in a row; `opened` is when the last of them came, 0.0 while closed."""

    failures: int = 0
    opened: float = 0.0

    def state(self, now: float) -> str:
        """closed, open, or half-open: one request may try."""
        if self.failures < TRIP:
            return "closed"
        return "open" if now < self.retry_at else "half-open"

    @property
    def retry_at(self) -> float:
        """When an open breaker lets the next request try; the rest doubles with each failure."""
        doublings = min(max(0, self.failures - TRIP), 8)  # more would pass the longest rest anyway
        return self.opened + min(LONGEST, REST * 2.0**doublings)

    def failed(self, now: float) -> Breaker:
        """One more failure in a row."""
        return Breaker(self.failures + 1, now)

    def answered(self) -> Breaker:
        """It works: closed again."""
        return Breaker()
