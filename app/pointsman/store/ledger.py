"""The ledger: money is held before it is spent, over every cap at once, and each hold ends exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import tzinfo

from sqlalchemy import Connection

from pointsman.core import budget
from pointsman.core.budget import Account, Cap, Short, Subject
from pointsman.core.errors import BadRequest
from pointsman.core.savings import Use
from pointsman.store import accounts, audit, caps, grants, holds, spending
from pointsman.store.db import Away, Database
from pointsman.store.grants import Grant, Standing
from pointsman.store.holds import CRASHED, Books, Charge, HoldRequest, Reserved
from pointsman.store.pruning import prune
from pointsman.store.spending import Day, Report, SpendRow

__all__ = [
    "CRASHED",
    "Charge",
    "Day",
    "Grant",
    "HoldRequest",
    "Ledger",
    "Report",
    "Reserved",
    "SpendRow",
    "Standing",
]

_PRUNED_EVERY = 600.0
_COMMIT_DELAY = 0.002
"""Seconds that the end of a hold may wait for what comes next, to be committed with it."""
_COMMIT_SIBLINGS = 4
"""From so many holds on that are open here, those that come in one turn of the loop are made in one transaction."""


class Ledger:
    """Caps, holds and grants. All of an operation happens in one transaction of the writer.

    `gateway` names who makes holds here: after a crash each gateway ends only its own.
    """

    def __init__(self, db: Database, zone: tzinfo, gateway: str = "") -> None:
        self._db = db
        self._books = Books(zone, gateway)
        self._pruned = 0.0
        self._held = 0
        self._later: set[asyncio.Future[bool | None]] = set()
        self.on_moved: Callable[[], None] | None = None
        """Called when money came free that no caller of ours knows of."""

    async def reserve(self, hold: HoldRequest, now: float) -> Reserved | tuple[Short, ...]:
        """Hold the amount under every cap, or say where it does not fit. A caller that is cancelled holds nothing."""
        holds.no_negatives(hold.amount, hold.estimate)
        if hold.subject.request != hold.request:
            raise ValueError(f"a hold for {hold.request} has the subject of {hold.subject.request}")
        self._tidy(now)
        delay = 0.0 if self._held >= _COMMIT_SIBLINGS else None
        waiting = self._db.submit(lambda connection: self._reserve(connection, hold, now), short=True, delay=delay)
        try:
            found = await waiting
        except (asyncio.CancelledError, Away) as error:
            if not isinstance(error, Away) or error.unsure:
                self._undo(hold.id, now)
            elif hold.amount == 0:
                return await self._free(hold, now)
            raise
        self._held += isinstance(found, Reserved)
        return found

    async def settle(
        self, hold_id: str, charge: Charge, now: float, row: audit.Row | None = None, *, later: bool = False
    ) -> bool:
        """End a hold with what it cost, and write the audit's row, whose cost is the charge's. False: it has ended.

        While the shared ledger is away this waits for it, in its order, and is True. With `later` this takes up to two
        milliseconds, in which the next hold or reader may come, which sees it done.
        """
        holds.no_negatives(charge.amount, charge.saved, *holds.meters(charge))
        return await self._end(lambda connection: holds.settle(connection, hold_id, charge, now, row), later=later)

    async def refund(self, hold_id: str, now: float, row: audit.Row | None = None, *, later: bool = False) -> bool:
        """End a hold for which nothing was sent, and write the audit's row, whose cost is 0; else as `settle`."""
        return await self._end(lambda connection: holds.refund(connection, hold_id, now, row), later=later)

    async def recover(self, now: float) -> list[str]:
        """Charge the holds that a crash left open with all they held, marked as estimated. Their ids."""
        return await self._db.write(lambda connection: self._recover(connection, now))

    async def headroom(self, hold: HoldRequest, now: float, *, soft: bool = False) -> int | None:
        """The largest amount that a hold like this could have now, with one of its grants under each cap.

        With `soft` it passes no soft mark that wants a word either. None where no cap is about it.
        """
        return await self._db.read(lambda connection: self._headroom(connection, hold, now, soft))

    async def add_grant(self, grant: Grant, now: float) -> None:
        """Keep a grant; for a cap that is gone there is nothing to keep."""
        await self._db.write(lambda connection: grants.add(connection, grant, now))

    async def grants(self, now: float) -> list[Grant]:
        """The grants that a hold could still use, with what is left of each."""
        return await self._db.read(lambda connection: grants.live(connection, now))

    async def revoke(self, grant_id: str) -> bool:
        """End a grant; an allowance ends for its window. False where there is none of this id."""
        return await self._db.write(lambda connection: grants.revoke(connection, grant_id))

    async def raise_cap(self, cap_id: str, key: str, amount: int, now: float) -> bool:
        """Raise one account of a cap, for its present window and for everybody. False when the cap is gone."""
        if not 0 <= amount <= budget.LARGEST:
            raise BadRequest(f"A cap cannot be raised by {amount} micro-dollars: use 0 to {budget.LARGEST}.")
        place, zone = (cap_id, key), self._books.zone
        return await self._db.write(lambda connection: caps.lift(connection, place, amount, now, zone))

    async def caps(self) -> list[Cap]:
        """All caps, by name."""
        return await self._db.read(lambda connection: [kept.cap for kept in accounts.caps(connection)])

    async def set_cap(self, cap: Cap, now: float | None = None) -> Cap:
        """Add a cap, or change the one of this name. What was spent in its window counts, also before it was made."""
        if wrong := budget.check(cap):
            raise BadRequest(wrong)
        made = time.time() if now is None else now
        return await self._db.write(lambda connection: caps.put(connection, cap, made, self._books.zone))

    async def remove_cap(self, name: str) -> bool:
        """Take a cap away. False when there is none of this name."""
        return await self._db.write(lambda connection: caps.remove(connection, name))

    async def accounts(self, now: float, subject: Subject | None = None) -> list[Account]:
        """The accounts of a subject; without one, every cap's accounts of the present window, newest 200 of each."""
        return await self._db.read(lambda connection: accounts.looked_at(connection, subject, now, self._books.zone))

    async def listed(self, now: float) -> list[Account]:
        """The same without a subject; a cap that nothing was held under yet has one account without an owner."""
        known, found = await self.caps(), await self.accounts(now)
        used = {account.cap.id for account in found}
        nothing = {"spent": 0, "held": 0, "raised": 0, "overrun": 0}
        fresh = [
            Account(cap=cap, key=cap.match, window=budget.window(cap.window, now, self._books.zone), **nothing)
            for cap in known
            if cap.id not in used
        ]
        return sorted([*found, *fresh], key=lambda account: (account.cap.name, account.key))

    async def day(self, now: float) -> Day:
        """The money of the local day around `now`."""
        return await self._db.read(lambda connection: spending.day(connection, now, self._books.zone))

    async def spend(self, by: str, since: float | None = None, until: float | None = None) -> list[SpendRow]:
        """What was charged for holds made from `since` to before `until`, by a scope, by tier or by day."""
        return await self._db.read(lambda connection: spending.spend(connection, by, since, until, self._books.zone))

    async def report(self, by: str, since: float | None = None, until: float | None = None) -> Report:
        """The same with its total, at most 1,000 sessions or tasks."""
        return await self._db.read(lambda connection: spending.report(connection, by, since, until, self._books.zone))

    async def use(self, now: float) -> Use:
        """What local and private answers did in the last 30 days."""
        return await self._db.read(lambda connection: spending.use(connection, now))

    def _reserve(self, connection: Connection, hold: HoldRequest, now: float) -> Reserved | tuple[Short, ...]:
        return holds.reserve(connection, self._books, hold, now)

    def _tidy(self, now: float) -> None:
        """What takes longer than a hold may wait for, now and then, in the writer's thread."""
        if abs(now - self._pruned) >= _PRUNED_EVERY:  # also when the clock went back
            self._pruned = now
            done = self._db.submit(lambda connection: prune(connection, now))
            done.add_done_callback(lambda _: done.cancelled() or done.exception())  # it will be tried again

    async def _free(self, hold: HoldRequest, now: float) -> Reserved | tuple[Short, ...]:
        """While the shared ledger is away, what costs nothing goes on: its hold is written later, before its end is."""
        try:
            found = await self._db.ensure(lambda connection: self._reserve(connection, hold, now))
        except asyncio.CancelledError:
            self._undo(hold.id, now)
            raise
        return Reserved(hold.id, hold.amount) if found is None else found

    async def _end(self, work: Callable[[Connection], bool], *, later: bool) -> bool:
        self._held = max(0, self._held - 1)
        return await self._db.ensure(work, always=True, delay=_COMMIT_DELAY if later else None) is not False

    def _recover(self, connection: Connection, now: float) -> list[str]:
        self._pruned = now
        prune(connection, now)
        return holds.recover(connection, self._books.gateway, now)

    def _headroom(self, connection: Connection, hold: HoldRequest, now: float, soft: bool) -> int | None:
        found = accounts.looked_at(connection, hold.subject, now, self._books.zone)
        use = holds.use(hold, now)
        return min((_room(account, grants.most(connection, account, use), soft) for account in found), default=None)

    def _undo(self, hold_id: str, now: float) -> None:
        """Give back what a caller that left did not come to use."""

        def refund(connection: Connection) -> bool:
            return holds.refund(connection, hold_id, now)

        with contextlib.suppress(RuntimeError):  # closed meanwhile: the next start settles the hold
            undone = self._db.submit(refund, short=True)
            undone.add_done_callback(lambda _: self._undone(undone, refund))

    def _undone(self, undone: asyncio.Future[bool], refund: Callable[[Connection], bool]) -> None:
        if undone.cancelled():
            return
        if isinstance(undone.exception(), Away):
            later = asyncio.ensure_future(self._db.ensure(refund, always=True))
            self._later.add(later)
            later.add_done_callback(self._done)
        elif undone.exception() is None and undone.result() and self.on_moved is not None:
            self.on_moved()

    def _done(self, later: asyncio.Future[bool | None]) -> None:
        self._later.discard(later)
        if not later.cancelled():
            later.exception()  # looked at: closed meanwhile, so the next start settles the hold


def _room(account: Account, lent: int | None, soft: bool) -> int:
    """A grant, also one of nothing, answers the soft mark."""
    return budget.room(account, lent or 0, soft=soft and lent is None)
