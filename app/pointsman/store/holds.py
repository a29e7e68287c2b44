"""Holds in the database: made over every cap at once, ended exactly once, each with its row in the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from msgspec import Struct
from msgspec.structs import asdict, replace
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from pointsman.core import budget
from pointsman.core.budget import Account, Short, Subject
from pointsman.store import accounts, audit, grants, hold_rows, rollup
from pointsman.store.accounts import ACCOUNTS, HOLDS, PLEDGES, Kept, Pledge
from pointsman.store.grants import Standing, Use
from pointsman.store.prepared import Found, Prepared
from pointsman.store.rollup import OPEN

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
_CHARGED = (
    "estimated",
    "fresh_input",
    "cache_read",
    "cache_write_short",
    "cache_write_long",
    "output",
    "why",
    "saved",
    "counts",
    "charge",
)
_ADD = Prepared(insert(HOLDS))
_OPEN = update(HOLDS).where(HOLDS.c.id == bindparam("hold"), HOLDS.c.state == bindparam("open"))
_PRICED = _OPEN.values(price=func.coalesce(bindparam("priced"), HOLDS.c.price))
_END = Prepared(_PRICED.returning(HOLDS), *_CHARGED, "state", "ended")
_PLEDGED = Prepared(
    select(ACCOUNTS, PLEDGES.c.lent, PLEDGES.c.lender).join(PLEDGES).where(PLEDGES.c.hold == bindparam("hold"))
)
_DROP = Prepared(delete(PLEDGES).where(PLEDGES.c.hold == bindparam("hold")))


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
    found = accounts.opened(connection, hold.subject, now, books.zone)
    shorts = budget.admit([kept.account for kept in found], hold.amount)
    used = use(hold, now)
    lenders = {_place(short.account): grants.lender(connection, short, used) for short in shorts}
    uncovered = tuple(short for short in shorts if lenders[_place(short.account)] is None)
    if uncovered:
        return uncovered
    _ADD(connection, _row(hold, now, books.gateway))
    _pledge(connection, found, hold, {_place(one.account): (one.over, lenders[_place(one.account)]) for one in shorts})
    return Reserved(hold.id, hold.amount)


def use(hold: HoldRequest, now: float) -> Use:
    """What a hold may use to pass a cap."""
    return Use(request=hold.request, bindings=hold.bindings, standing=hold.standing, now=now)


def settle(connection: Connection, hold_id: str, charge: Charge, now: float, row: audit.Row | None = None) -> bool:
    """End an open hold with what it cost; the audit's row says so too. False, and nothing done, if it has ended."""
    return _end(connection, hold_id, _Ending("settled", charge, row), now) is not None


def refund(connection: Connection, hold_id: str, now: float, row: audit.Row | None = None) -> bool:
    """End an open hold for which nothing was sent. False, and nothing done, if it has ended."""
    return _end(connection, hold_id, _Ending("refunded", FREE, row), now) is not None


def recover(connection: Connection, gateway: str, now: float) -> list[str]:
    """Charge the holds that a crash of this gateway left open with all they held. Their ids, in order."""
    mine = (HOLDS.c.state == OPEN, HOLDS.c.gateway == gateway)
    left = connection.execute(select(HOLDS.c.id, HOLDS.c.amount).where(*mine).order_by(HOLDS.c.made, HOLDS.c.id)).all()
    for hold_id, amount in left:
        charge = Charge(amount=amount, estimated=True, why=CRASHED)
        ended = _end(connection, hold_id, _Ending("settled", charge), now)
        assert ended is not None  # it was open a moment ago, in this very transaction
        audit.append(connection, hold_rows.crashed(ended))
    rollup.sum_up(connection)
    return [hold_id for hold_id, _ in left]


def no_negatives(*numbers: int) -> None:
    """No arithmetic slip can print money."""
    if min(numbers) < 0:
        raise ValueError(f"money and tokens are never negative: {numbers}")


_Place = tuple[str, str]


def _place(account: Account) -> _Place:
    return account.cap.id, account.key


def _row(hold: HoldRequest, now: float, gateway: str) -> dict[str, object]:
    ends = _charged(FREE, "open") | {"ended": None, "price": hold.price}
    row = ends | asdict(hold.subject) | asdict(hold) | {"made": now, "gateway": gateway}
    for field in ("subject", "bindings", "standing"):
        del row[field]
    return row


def _charged(charge: Charge, state: str) -> dict[str, object]:
    """The columns that a charge fills; the column `amount` is what was held."""
    row = asdict(charge) | {"charge": charge.amount, "estimated": int(charge.estimated)}
    del row["amount"], row["price"]
    return row | {"state": state, "counts": int(state == "settled")}


def _pledge(
    connection: Connection, found: Sequence[Kept], hold: HoldRequest, loans: Mapping[_Place, tuple[int, Found | None]]
) -> None:
    """Hold the amount in every account, with what grants lend."""
    after, parts = list[Kept](), list[Pledge]()
    for row, account in found:
        lent, lender = loans.get(_place(account), (0, None))
        after.append(Kept(row, budget.hold(account, hold.amount, lent)))
        parts.append(Pledge(hold.id, row, lent, lender["id"] if lender else None))
        if lender:
            grants.lend(connection, lender, lent, hold.request)
    accounts.save(connection, after)
    accounts.pledge(connection, parts)


def _end(connection: Connection, hold_id: str, ending: _Ending, now: float) -> Found | None:
    """End an open hold in every account that it has a part in; what it was, or None if it has ended."""
    charge, row = ending.charge, ending.row
    columns = _charged(charge, ending.state) | {"priced": charge.price, "ended": now}
    ended = _END(connection, columns | {"hold": hold_id, "open": "open"})
    if not ended:
        return None
    parts = _parts(connection, hold_id)
    after = [_released(connection, part, ended[0]) for part in parts]
    accounts.save(connection, after)
    if parts:
        _DROP(connection, {"hold": hold_id})
    rollup.add(connection, ended[0])
    if row is not None:
        audit.append(connection, row if row.cost == charge.amount else replace(row, cost=charge.amount))
    for (_, before), (_, now_) in zip(parts, after, strict=True):
        if now_.overrun > before.overrun:
            audit.append(connection, hold_rows.overrun(now_, ended[0], now_.overrun - before.overrun))
    return ended[0]


def _parts(connection: Connection, hold_id: str) -> Sequence[tuple[Found, Account]]:
    pledged = _PLEDGED(connection, {"hold": hold_id})
    caps = {kept.cap.id: kept.cap for kept in accounts.caps(connection)} if pledged else {}
    return [(row, accounts.as_account(row, caps[row["cap"]])) for row in pledged]


def _released(connection: Connection, part: tuple[Found, Account], hold: Found) -> Kept:
    """An account after a hold's part in it has ended; what a grant lent and was not needed is given back."""
    row, account = part
    held, charged = hold["amount"], hold["charge"]
    if row["lender"] is not None:
        grants.give_back(connection, row["lender"], budget.unused(held, row["lent"], charged), charged)
    return Kept(row["id"], budget.settle(account, held, row["lent"], charged))
