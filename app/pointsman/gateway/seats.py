"""How many connections a door holds. Where all places are taken, whoever rests longest gives way."""

from __future__ import annotations

from typing import Protocol


class Seated(Protocol):
    """A connection."""

    def evict(self) -> None:
        """End it: it rests."""


class Seats:
    """`most` places. A connection rests until its first request has come, and between two of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: set[Seated] = set()
        self._resting: dict[Seated, None] = {}  # whoever rests longest comes first

    def take(self, one: Seated) -> bool:
        """A place for a connection that rests at first; False where all are busy."""
        if len(self._taken) >= self._most:
            oldest = next(iter(self._resting), None)
            if oldest is None:
                return False
            self.leave(oldest)
            oldest.evict()
        self._taken.add(one)
        self._resting[one] = None
        return True

    def idle(self, one: Seated) -> None:
        """It rests from now on."""
        if one in self._taken:
            self._resting[one] = None

    def busy(self, one: Seated) -> None:
        """Its request is being answered."""
        self._resting.pop(one, None)

    def leave(self, one: Seated) -> None:
        """Its place is free."""
        self._taken.discard(one)
        self._resting.pop(one, None)
