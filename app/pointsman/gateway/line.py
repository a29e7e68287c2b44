"""Requests that wait for held money to come back, in the order in which they came.

A small request that came later does not take what a large one waits for; it passes where they share no account.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from pointsman.core import squeeze
from pointsman.core.budget import Account, Short, Subject
from pointsman.gateway.bus import Bus

PATIENCE = 20.0  # seconds to wait for holds of others, which shrink within seconds, before the person is asked


class Line:
    """Who waits, and for which accounts."""

    def __init__(self, bus: Bus, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._bus = bus
        self._tickets = itertools.count(1)
        self._waiting: dict[int, Sequence[Account]] = {}

    def ticket(self) -> int:
        """A place: lower ones go first."""
        return next(self._tickets)

    def wait_for(self, ticket: int, shorts: Sequence[Short]) -> None:
        """This ticket waits for these accounts now."""
        self._waiting[ticket] = [short.account for short in shorts]

    def behind(self, ticket: float, subject: Subject) -> bool:
        """Whether somebody who came earlier waits for an account that this subject would use."""
        return any(first < ticket and squeeze.uses(accounts, subject) for first, accounts in self._waiting.items())

    @property
    def empty(self) -> bool:
        """Whether nobody waits."""
        return not self._waiting

    def leave(self, ticket: int) -> None:
        """Whoever stands in line leaves it in the end, and those behind look again."""
        if self._waiting.pop(ticket, None) is not None:
            self._bus.money_moved()
