"""Holds in the database: made over every cap at once, ended exactly once, each with its row in the audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import astuple, replace
from sqlalchemy import Connection, bindparam, func, insert, literal_column, null, select, update

from pointsman.core import budget
from pointsman.core.budget import Account, Short, Subject
from pointsman.store import accounts, audit, cached_connection, grants, hold_rows, rollup
from pointsman.store.accounts import HOLDS
from pointsman.store.cached_connection import CachedConnection, Kept, Open, Part, Place
from pointsman.store.grants import Standing, Use
from pointsman.store.prepared import Found, Straight
from pointsman.store.rollup import METERS, OPEN

CRASHED = "Pointsman stopped before this ended: charged what was held."
"""Why a hold that a crash left open was charged."""


class HoldRequest(Struct, frozen=True, kw_only=True):
    """What an attempt may cost at most (`amount`), and the grants and allowances that it may use.

    `price` is JSON of the rates that the amount was reckoned with.
    """

    id: str
    request: str
    attempt: int
    subject: Subject
    target: str
    amount: int
    estimate: int
    bindings: tuple[str, ...] = ()
    standing: tuple[Standing, ...] = ()
    price_source: str = ""
    price: str = "{}"


class Reserved(Struct, frozen=True):
    """The money is held."""

    hold: str
    amount: int


class Charge(Struct, frozen=True, kw_only=True):
    """What an attempt did cost, and the five meters; `estimated` when the provider told no usage.

    `price` is JSON of the rates used, None for those of the hold; `saved` is what a cloud answer would have cost.
    """

    amount: int
    estimated: bool
    fresh_input: int = 0
    cache_read: int = 0
    cache_write_short: int = 0
    cache_write_long: int = 0
    output: int = 0
    why: str = ""
    price: str | None = None
    saved: int = 0


FREE = Charge(amount=0, estimated=False)
_SUBJECT = Subject.__struct_fields__[:-1]  # the request stands beside it
_MADE = (
    "id",
    "gateway",
    "request",
    "attempt",
    "made",
    *_SUBJECT,
    "target",
    "price_source",
    "price",
    "amount",
    "estimate",
)
_NOTHING_YET: dict[str, Any] = dict.fromkeys(
    ("counts", "charge", "saved", "estimated", *METERS), literal_column("0")
) | {
    "state": OPEN,
    "ended": null(),
    "why": literal_column("''"),
}
_ADD = Straight(insert(HOLDS).values(_NOTHING_YET), *_MADE, columns=_MADE)
_CHARGED = ("charge", "saved", "estimated", *METERS, "why", "counts", "state", "ended")
_THIS = HOLDS.c.id == bindparam("hold")
_STILL_OPEN = update(HOLDS).where(_THIS, HOLDS.c.state == bindparam("open"))
_PRICED = _STILL_OPEN.values(price=func.coalesce(bindparam("priced"), HOLDS.c.price))
_END = Straight(_PRICED, *_CHARGED, "priced", "hold", "open", columns=_CHARGED)
_LEFT = Straight(
    select(HOLDS.c.request, HOLDS.c.amount).where(_THIS, HOLDS.c.state == bindparam("open")), "hold", "open"
)


class Books(Struct, frozen=True):
    """Whose books are kept: the calendar of the windows, and the gateway that makes the holds."""

    zone: tzinfo
    gateway: str


class _Ending(Struct, frozen=True):
    """How a hold ends: its state, what it costs, and the row that says so."""

    state: str
    charge: Charge
    row: audit.Row | None = None


def reserve(connection: Connection, books: Books, hold: HoldRequest, now: float) -> Reserved | tuple[Short, ...]:
    """Hold the amount under every cap, or say where it does not fit, even with the grants that it may use."""
    cached = cached_connection.of(connection)
    cached.revalidate()
    found = accounts.opened(cached, hold.subject, now, books.zone)
    shorts = budget.admit([kept.account for kept in found], hold.amount)
    loans = _loans(connection, shorts, use(hold, now)) if shorts else {}
    uncovered = tuple([short for short in shorts if loans[cached_connection.place(short.account)].lender is None])
    if not uncovered:
        _ADD(cached, _columns(hold, now, books.gateway))
        cached.holds[hold.id] = Open(hold.request, hold.amount, _pledge(cached, found, hold, loans))
    cached.synced()
    return uncovered or Reserved(hold.id, hold.amount)


def use(hold: HoldRequest, now: float) -> Use:
    """What a hold may use to pass a cap."""
    return Use(request=hold.request, bindings=hold.bindings, standing=hold.standing, now=now)


def settle(connection: Connection, hold_id: str, charge: Charge, now: float, row: audit.Row | None = None) -> bool:
    """End an open hold with what it cost; the audit's row says so too. False, and nothing done, if it has ended."""
    return _end(connection, hold_id, _Ending("settled", charge, row), now)


def refund(connection: Connection, hold_id: str, now: float, row: audit.Row | None = None) -> bool:
    """End an open hold for which nothing was sent. False, and nothing done, if it has ended."""
    return _end(connection, hold_id, _Ending("refunded", FREE, row), now)


def recover(connection: Connection, gateway: str, now: float) -> list[str]:
    """Charge the holds that a crash of this gateway left open with all they held. Their ids, in order."""
    mine = (HOLDS.c.state == OPEN, HOLDS.c.gateway == gateway)
    left = connection.execute(select(HOLDS.c.id, HOLDS.c.amount).where(*mine).order_by(HOLDS.c.made, HOLDS.c.id)).all()
    for hold_id, amount in left:
        charge = Charge(amount=amount, estimated=True, why=CRASHED)
        ended = _end(connection, hold_id, _Ending("settled", charge), now)
        assert ended  # it was open a moment ago, in this very transaction
        audit.append(connection, hold_rows.crashed(_read(connection, hold_id)))
    rollup.sum_up(connection)
    return [hold_id for hold_id, _ in left]


def no_negatives(*numbers: int) -> None:
    """No arithmetic slip can print money."""
    if min(numbers) < 0:
        raise ValueError(f"money and tokens are never negative: {numbers}")


def meters(charge: Charge) -> tuple[int, ...]:
    """The five meters, in the order of `METERS`."""
    return charge.fresh_input, charge.cache_read, charge.cache_write_short, charge.cache_write_long, charge.output


class _Loan(NamedTuple):
    """What is missing in an account, and the grant that lends it, if one does."""

    over: int
    lender: Found | None


_Loans = dict[Place, _Loan]
_NO_LOAN = _Loan(0, None)


def _loans(connection: Connection, shorts: Sequence[Short], used: Use) -> _Loans:
    return {
        cached_connection.place(short.account): _Loan(short.over, grants.lender(connection, short, used))
        for short in shorts
    }


def _columns(hold: HoldRequest, now: float, gateway: str) -> tuple[object, ...]:
    """What is written of a hold that is made, in the order of `_MADE`."""
    whose = astuple(hold.subject)[:-1]
    money = hold.target, hold.price_source, hold.price, hold.amount, hold.estimate
    return hold.id, gateway, hold.request, hold.attempt, now, *whose, *money


def _charged(ending: _Ending, now: float) -> tuple[object, ...]:
    """What is written of a hold that ends, in the order of `_CHARGED`; the column `amount` is what was held."""
    charge = ending.charge
    return (
        *(charge.amount, charge.saved, int(charge.estimated)),
        *meters(charge),
        *(charge.why, int(ending.state == "settled"), ending.state, now),
    )


def _pledge(cached: CachedConnection, found: Sequence[Kept], hold: HoldRequest, loans: _Loans) -> tuple[Part, ...]:
    """Hold the amount in every account, with what grants lend."""
    after, parts = list[Kept](), list[Part]()
    for kept in found:
        lent, lender = loans.get(kept.place, _NO_LOAN)
        after.append(Kept(kept.row, kept.place, budget.hold(kept.account, hold.amount, lent)))
        parts.append(Part(kept.row, kept.place, lent, lender["id"] if lender else None))
        if lender:
            grants.lend(cached.connection, lender, lent, hold.request)
    if hold.amount or loans:
        accounts.save(cached, after)
    accounts.pledge(cached, hold.id, parts)
    return tuple(parts)


def _end(connection: Connection, hold_id: str, ending: _Ending, now: float) -> bool:
    """End an open hold in every account that it has a part in; whether it was still open."""
    cached = cached_connection.of(connection)
    cached.revalidate()
    held = cached.holds.pop(hold_id, None) or _left(cached, hold_id)
    charge, row = ending.charge, ending.row
    if held is None or not _END(cached, (*_charged(ending, now), charge.price, hold_id, "open")):
        return False
    overruns = _release(cached, hold_id, held, charge.amount)
    if ending.state == "settled":
        rollup.add(cached, hold_id, held.request)
    if row is not None:
        audit.add(cached, row if row.cost == charge.amount else replace(row, cost=charge.amount))
    for account, beyond in overruns:
        audit.add(cached, hold_rows.overrun(account, _read(connection, hold_id), beyond))
    cached.synced()
    return True


def _left(cached: CachedConnection, hold_id: str) -> Open | None:
    """An open hold that the connection does not remember."""
    for request, amount in _LEFT.rows(cached, (hold_id, "open")):
        return Open(request, amount, None)
    return None


def _release(cached: CachedConnection, hold_id: str, held: Open, charged: int) -> list[tuple[Account, int]]:
    """Take a hold out of its accounts; those where a provider took more than the limit, and by how much more.

    What a grant lent and was not needed is given back.
    """
    parts, after = _parts(cached, hold_id, held), list[Kept]()
    overruns = list[tuple[Account, int]]()
    for part, before in parts:
        now_ = budget.settle(before, held.amount, part.lent, charged)
        after.append(Kept(part.row, part.place, now_))
        if part.lender is not None:
            grants.give_back(cached.connection, part.lender, budget.unused(held.amount, part.lent, charged), charged)
        if now_.overrun > before.overrun:
            overruns.append((now_, now_.overrun - before.overrun))
    if held.amount or charged:
        accounts.save(cached, after)
    if parts:
        accounts.release(cached, hold_id)
    return overruns


def _parts(cached: CachedConnection, hold_id: str, held: Open) -> Sequence[tuple[Part, Account]]:
    """The parts of an open hold and their accounts, read anew where one of them is not remembered."""
    found = []
    for part in held.parts or ():
        kept = cached.accounts.get(part.place)
        if kept is None:
            return accounts.pledged(cached, hold_id)
        found.append((part, kept.account))
    return accounts.pledged(cached, hold_id) if held.parts is None else found


def _read(connection: Connection, hold_id: str) -> Found:
    """All of a hold."""
    return dict(connection.execute(select(HOLDS).where(HOLDS.c.id == hold_id)).mappings().one())
