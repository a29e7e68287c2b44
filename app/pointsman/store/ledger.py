"""The ledger: money is held before it is spent, over every cap at once, and each hold ends exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Sequence
from datetime import tzinfo

from msgspec import Struct
from msgspec.structs import asdict, replace
from sqlalchemy import Connection, bindparam, case, delete, func, insert, or_, select, update

from pointsman.core import budget
from pointsman.core.budget import Account, Cap, Short, Subject
from pointsman.core.errors import BadRequest
from pointsman.store import accounts, spending
from pointsman.store.accounts import ACCOUNTS, CAPS, HOLDS, PLEDGES, CapKept, Kept
from pointsman.store.db import Database
from pointsman.store.prepared import Found, Prepared
from pointsman.store.spending import Day, SpendRow
from pointsman.store.tables import table

__all__ = ["Charge", "Day", "Grant", "HoldRequest", "Ledger", "Reserved", "SpendRow"]

GRANTS = table("grants")
CRASHED = "Pointsman stopped before this ended: charged what was held."
"""Why a hold that a crash left open was charged."""


class HoldRequest(Struct, frozen=True, kw_only=True):
    """What an attempt may cost at most (`amount`), and the grants that it may use (`bindings`)."""

    id: str
    request: str
    attempt: int
    subject: Subject
    target: str
    amount: int
    estimate: int
    bindings: tuple[str, ...] = ()
    soft_ok: bool = False
    price_source: str = ""


class Reserved(Struct, frozen=True):
    """The money is held."""

    hold: str
    amount: int


class Charge(Struct, frozen=True, kw_only=True):
    """What an attempt did cost, and the five meters; `estimated` when the provider told no usage."""

    amount: int
    estimated: bool
    fresh_input: int = 0
    cache_read: int = 0
    cache_write_short: int = 0
    cache_write_long: int = 0
    output: int = 0
    why: str = ""


class Grant(Struct, frozen=True, kw_only=True):
    """A person's permission to pass one account by `amount`, for holds that name its `binding`.

    One that is bound to a request ("request:...") belongs to the first request that uses it.
    """

    id: str
    cap: str
    key: str
    binding: str
    amount: int
    expires: float


_FREE = Charge(amount=0, estimated=False)
_CHARGED = (
    "estimated",
    "fresh_input",
    "cache_read",
    "cache_write_short",
    "cache_write_long",
    "output",
    "why",
    "charge",
)
_ADD_HOLD = Prepared(insert(HOLDS))
_OPEN = update(HOLDS).where(HOLDS.c.id == bindparam("hold"), HOLDS.c.state == bindparam("open"))
_END = Prepared(_OPEN.returning(HOLDS.c.amount), *_CHARGED, "state", "ended")
_PLEDGED = Prepared(
    select(ACCOUNTS, PLEDGES.c.lent, PLEDGES.c.lender).join(PLEDGES).where(PLEDGES.c.hold == bindparam("hold"))
)
_DROP = Prepared(delete(PLEDGES).where(PLEDGES.c.hold == bindparam("hold")))
_LIVE_GRANT = Prepared(
    select(GRANTS)
    .where(
        GRANTS.c.cap == bindparam("cap"),
        GRANTS.c.key == bindparam("key"),
        GRANTS.c.binding == bindparam("binding"),
        GRANTS.c.expires > bindparam("now"),
        GRANTS.c.amount >= bindparam("over"),
        or_(GRANTS.c.taken.is_(None), GRANTS.c.taken == bindparam("request")),
    )
    .order_by(GRANTS.c.expires)
    .limit(1)
)


class Ledger:
    """Caps, holds and grants. All of an operation happens in one transaction of the writer."""

    def __init__(self, db: Database, zone: tzinfo) -> None:
        self._db = db
        self._zone = zone

    async def reserve(self, hold: HoldRequest, now: float) -> Reserved | tuple[Short, ...]:
        """Hold the amount under every cap, or say where it does not fit. A caller that is cancelled holds nothing."""
        _no_negatives(hold.amount, hold.estimate)
        waiting = self._db.submit(lambda connection: self._reserve(connection, hold, now))
        try:
            return await waiting
        except asyncio.CancelledError:
            with contextlib.suppress(RuntimeError):  # closed meanwhile: the next start settles the hold
                self._db.submit(lambda connection: _end(connection, hold.id, _FREE, "refunded", now))
            raise

    async def settle(self, hold_id: str, charge: Charge, now: float) -> bool:
        """End a hold with what it cost. False when it has ended already."""
        _no_negatives(*(value for value in asdict(charge).values() if isinstance(value, int)))
        return await self._db.write(lambda connection: _end(connection, hold_id, charge, "settled", now))

    async def refund(self, hold_id: str, now: float) -> bool:
        """End a hold for which nothing was sent. False when it has ended already."""
        return await self._db.write(lambda connection: _end(connection, hold_id, _FREE, "refunded", now))

    async def recover(self, now: float) -> list[str]:
        """Charge the holds that a crash left open with all they held, marked as estimated. Their ids."""
        return await self._db.write(lambda connection: _recover(connection, now))

    async def add_grant(self, grant: Grant, now: float) -> None:
        """Keep a grant; for a cap that is gone there is nothing to keep. Expired ones are cleared away."""
        await self._db.write(lambda connection: _add_grant(connection, grant, now))

    async def raise_cap(self, cap_id: str, key: str, amount: int, now: float) -> bool:
        """Allow everybody this much more in the account's present window. False when the cap is gone."""
        if not 0 <= amount <= budget.LARGEST:
            raise BadRequest(f"A cap cannot be raised by {amount} micro-dollars: use 0 to {budget.LARGEST}.")
        return await self._db.write(lambda connection: self._raise(connection, cap_id, key, amount, now))

    async def caps(self) -> list[Cap]:
        """All caps, by name."""
        return [kept.cap for kept in await self._db.read(accounts.caps)]

    async def set_cap(self, cap: Cap, now: float | None = None) -> Cap:
        """Make a cap, or change the one of this name. What was spent in its window counts, also before it was made."""
        if wrong := budget.check(cap):
            raise BadRequest(wrong)
        made = time.time() if now is None else now
        return await self._db.write(lambda connection: self._set_cap(connection, cap, made))

    async def remove_cap(self, name: str) -> bool:
        """Take a cap away. False when there is none of this name."""
        return await self._db.write(lambda connection: _remove_cap(connection, name))

    async def accounts(self, now: float, subject: Subject | None = None) -> list[Account]:
        """The accounts of a subject; without one, every cap's accounts of the present window, newest 200 of each."""
        return await self._db.read(lambda connection: accounts.looked_at(connection, subject, now, self._zone))

    async def day(self, now: float) -> Day:
        """The money of the local day around `now`."""
        return await self._db.read(lambda connection: spending.day(connection, now, self._zone))

    async def spend(self, by: str, since: float | None = None, until: float | None = None) -> list[SpendRow]:
        """What was charged for holds made from `since` to before `until`, by a scope, by tier or by day."""
        return await self._db.read(lambda connection: spending.spend(connection, by, since, until, self._zone))

    def _reserve(self, connection: Connection, hold: HoldRequest, now: float) -> Reserved | tuple[Short, ...]:
        found = accounts.opened(connection, hold.subject, now, self._zone)
        shorts = budget.admit([kept.account for kept in found], hold.amount)
        if hold.soft_ok:
            shorts = tuple(short for short in shorts if not short.soft)
        lenders = {_place(short.account): _lender(connection, short, hold, now) for short in shorts}
        uncovered = tuple(short for short in shorts if lenders[_place(short.account)] is None)
        if uncovered:
            return uncovered
        _ADD_HOLD(connection, _hold_row(hold, now))
        lent = {_place(short.account): short.over for short in shorts}
        for kept in found:
            place = _place(kept.account)
            _hold(connection, kept, hold, lent.get(place, 0), lenders.get(place))
        return Reserved(hold.id, hold.amount)

    def _raise(self, connection: Connection, cap_id: str, key: str, amount: int, now: float) -> bool:
        found = next((kept for kept in accounts.caps(connection) if kept.cap.id == cap_id), None)
        if found is None:
            return False
        row, account = accounts.open_one(connection, found, key, now, self._zone)
        accounts.save(connection, row, replace(account, raised=account.raised + amount))
        return True

    def _set_cap(self, connection: Connection, cap: Cap, now: float) -> Cap:
        known = {kept.cap.name: kept.cap for kept in accounts.caps(connection)}
        old = known.get(cap.name)
        if old and _shape(old) == _shape(cap):
            same = replace(cap, id=old.id)
            connection.execute(update(CAPS).where(CAPS.c.id == old.id).values(asdict(same)))
            return same
        if old:
            accounts.forget(connection, old.id)
        taken = cap.id in {other.id for other in known.values()}
        new = replace(cap, id=uuid.uuid4().hex) if taken or not cap.id else cap
        connection.execute(insert(CAPS), asdict(new) | {"made": now})
        accounts.open_for_holds(connection, CapKept(new, now), now, self._zone)
        return new


def _no_negatives(*numbers: int) -> None:
    if min(numbers) < 0:
        raise ValueError(f"money and tokens are never negative: {numbers}")


def _place(account: Account) -> tuple[str, str]:
    return account.cap.id, account.key


def _hold_row(hold: HoldRequest, now: float) -> dict[str, object]:
    row = _charged(_FREE, "open") | asdict(hold.subject) | asdict(hold) | {"made": now, "ended": None}
    for field in ("subject", "bindings", "soft_ok"):
        del row[field]
    return row


def _charged(charge: Charge, state: str) -> dict[str, object]:
    """The columns that a charge fills; the column `amount` is what was held."""
    row = asdict(charge) | {"charge": charge.amount, "estimated": int(charge.estimated), "state": state}
    del row["amount"]
    return row


def _hold(connection: Connection, kept: Kept, hold: HoldRequest, lent: int, lender: Found | None) -> None:
    """Hold the amount in one account, with what a grant lends."""
    accounts.save(connection, kept.row, budget.hold(kept.account, hold.amount, lent))
    accounts.pledge(connection, hold.id, kept.row, lent, lender["id"] if lender else None)
    if lender:
        taken = hold.request if lender["binding"].startswith("request:") else None
        change = update(GRANTS).where(GRANTS.c.id == lender["id"])
        connection.execute(change.values(amount=GRANTS.c.amount - lent, taken=taken))


def _lender(connection: Connection, short: Short, hold: HoldRequest, now: float) -> Found | None:
    """A live grant that covers what is missing; bindings are tried in the order in which the hold names them."""
    account = short.account
    wanted = {"cap": account.cap.id, "key": account.key, "now": now, "over": short.over, "request": hold.request}
    for binding in hold.bindings:
        if found := _LIVE_GRANT(connection, wanted | {"binding": binding}):
            return found[0]
    return None


def _end(connection: Connection, hold_id: str, charge: Charge, state: str, now: float) -> bool:
    """End an open hold in every account that it has a part in."""
    ended = _END(connection, _charged(charge, state) | {"ended": now, "hold": hold_id, "open": "open"})
    if not ended:
        return False
    held: int = ended[0]["amount"]
    pledged = _PLEDGED(connection, {"hold": hold_id})
    caps = {kept.cap.id: kept.cap for kept in accounts.caps(connection)} if pledged else {}
    for row in pledged:
        account = accounts.as_account(row, caps[row["cap"]])
        accounts.save(connection, row["id"], budget.settle(account, held, row["lent"], charge.amount))
        if row["lender"] is not None:
            _give_back(connection, row["lender"], budget.unused(held, row["lent"], charge.amount), charge.amount)
    _DROP(connection, {"hold": hold_id})
    return True


def _give_back(connection: Connection, grant: str, unused: int, charged: int) -> None:
    """Return what a hold did not need. A request's grant under which nothing was charged is free to be used again."""
    whole = GRANTS.c.amount + unused >= GRANTS.c.given
    taken = GRANTS.c.taken if charged else case((whole, None), else_=GRANTS.c.taken)
    change = update(GRANTS).where(GRANTS.c.id == grant)
    connection.execute(change.values(amount=GRANTS.c.amount + unused, taken=taken))


def _recover(connection: Connection, now: float) -> list[str]:
    left = connection.execute(select(HOLDS.c.id, HOLDS.c.amount).where(HOLDS.c.state == "open")).all()
    for hold_id, amount in left:
        _end(connection, hold_id, Charge(amount=amount, estimated=True, why=CRASHED), "settled", now)
    return [hold_id for hold_id, _ in left]


def _add_grant(connection: Connection, grant: Grant, now: float) -> None:
    connection.execute(delete(GRANTS).where(GRANTS.c.expires <= now))
    if connection.execute(select(func.count()).where(CAPS.c.id == grant.cap)).scalar_one():
        row = asdict(grant) | {"given": grant.amount, "made": now, "taken": None}
        connection.execute(insert(GRANTS), row)


def _shape(cap: Cap) -> Sequence[str]:
    """What makes a cap's accounts its own; with another shape they are counted anew."""
    return cap.scope, cap.match, cap.window


def _remove_cap(connection: Connection, name: str) -> bool:
    found = connection.execute(select(CAPS.c.id).where(CAPS.c.name == name)).scalar_one_or_none()
    if found is None:
        return False
    accounts.forget(connection, found)
    return True
