"""Accounts of caps in the database. One that is not there yet is made up from the holds that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from pointsman.core.budget import Account, Cap, Subject, Window, account_key, has_one_account, window
from pointsman.store import counted
from pointsman.store.columns import table
from pointsman.store.prepared import Found, Prepared
from pointsman.store.rollup import OPEN

ACCOUNTS = table("accounts")
CAPS = table("caps")
HOLDS = table("holds")
PLEDGES = table("pledges")

_MOST = 200
_CAPS = Prepared(select(CAPS).order_by(CAPS.c.name))
_NOW = select(ACCOUNTS).where(ACCOUNTS.c.cap == bindparam("cap"), ACCOUNTS.c.window == bindparam("window"))
_ONE = Prepared(_NOW.where(ACCOUNTS.c.key == bindparam("key")))
_NEWEST = _NOW.order_by(ACCOUNTS.c.opened.desc(), ACCOUNTS.c.id.desc()).limit(_MOST)
_EACH = Prepared(_NEWEST)
_RUNNING = Prepared(_NEWEST.where(ACCOUNTS.c.held > 0))
_ADD = Prepared(
    insert(ACCOUNTS).returning(ACCOUNTS.c.id),
    *("cap", "key", "window", "starts", "ends", "opened", "spent", "held", "raised", "overrun"),
)
_PLEDGE = Prepared(insert(PLEDGES))
_SAVE = Prepared(update(ACCOUNTS).where(ACCOUNTS.c.id == bindparam("account")), "spent", "held", "raised", "overrun")


class Kept(NamedTuple):
    """An account and the number of its row."""

    row: int
    account: Account


class CapKept(NamedTuple):
    """A cap and when it, in its present shape, was made."""

    cap: Cap
    made: float


def caps(connection: Connection) -> list[CapKept]:
    """All caps, by name."""
    return [CapKept(as_cap(row), row["made"]) for row in _CAPS(connection, {})]


def as_cap(row: Found) -> Cap:
    """The cap in a row that holds its columns."""
    return Cap(**{field: row[field] for field in Cap.__struct_fields__})


def as_account(row: Found, cap: Cap) -> Account:
    """The account in a row of its table."""
    span = Window(row["window"], row["starts"], row["ends"])
    return Account(
        cap=cap,
        key=row["key"],
        window=span,
        spent=row["spent"],
        held=row["held"],
        raised=row["raised"],
        overrun=row["overrun"],
    )


def save(connection: Connection, changed: Sequence[Kept]) -> None:
    """Write the four sums of these accounts."""
    if changed:
        _SAVE.many(
            connection,
            [
                {"account": row, "spent": one.spent, "held": one.held, "raised": one.raised, "overrun": one.overrun}
                for row, one in changed
            ],
        )


class Pledge(NamedTuple):
    """An open hold's part in the account of a row, and what a grant lends it there."""

    hold: str
    row: int
    lent: int = 0
    lender: str | None = None


def pledge(connection: Connection, parts: Sequence[Pledge]) -> None:
    """Note that open holds have parts in accounts."""
    if parts:
        _PLEDGE.many(
            connection,
            [{"hold": one.hold, "account": one.row, "lent": one.lent, "lender": one.lender} for one in parts],
        )


def opened(connection: Connection, subject: Subject, now: float, zone: tzinfo) -> list[Kept]:
    """The accounts that a hold of this subject falls into; those that are missing are opened."""
    found = []
    for kept in caps(connection):
        key = account_key(kept.cap, subject)
        if key is not None:
            found.append(open_one(connection, kept, key, now, zone))
    return found


def open_one(connection: Connection, kept: CapKept, key: str, now: float, zone: tzinfo) -> Kept:
    """The cap's account for this key now, opened if it is missing: holds that belong to it count from the start."""
    span = window(kept.cap.window, now, zone)
    row = _find(connection, kept.cap, key, span)
    if row is not None:
        return Kept(row["id"], as_account(row, kept.cap))
    account = _made_up(connection, kept, key, span)
    values = {"cap": kept.cap.id, "key": key, "window": span.key, "starts": span.starts, "ends": span.ends}
    sums = {"spent": account.spent, "held": account.held, "raised": 0, "overrun": 0, "opened": now}
    [added] = _ADD(connection, values | sums)
    open_ = counted.open_ids(connection, counted.of(*kept, key, span))
    pledge(connection, [Pledge(hold, added["id"]) for hold in open_])
    return Kept(added["id"], account)


def open_for_holds(connection: Connection, kept: CapKept, now: float, zone: tzinfo) -> None:
    """Open the accounts of a new cap into which open holds fall, so that it sees how they end."""
    columns = [HOLDS.c[field] for field in Subject.__struct_fields__]
    subjects = connection.execute(select(*columns).where(HOLDS.c.state == OPEN).distinct()).mappings().all()
    for row in subjects:
        key = account_key(kept.cap, Subject(**row))
        if key is not None:
            open_one(connection, kept, key, now, zone)


def looked_at(connection: Connection, subject: Subject | None, now: float, zone: tzinfo) -> list[Account]:
    """The accounts of a subject, or all of now, without opening any; of requests only those for which money is held."""
    found: list[Account] = []
    for kept in caps(connection):
        span = window(kept.cap.window, now, zone)
        if subject is None and not has_one_account(kept.cap):
            each = _RUNNING if kept.cap.scope == "request" else _EACH
            rows = each(connection, {"cap": kept.cap.id, "window": span.key})
            found += [as_account(row, kept.cap) for row in rows]
            continue
        key = kept.cap.match if subject is None else account_key(kept.cap, subject)
        if key is not None:
            row = _find(connection, kept.cap, key, span)
            found.append(_made_up(connection, kept, key, span) if row is None else as_account(row, kept.cap))
    return found


def forget(connection: Connection, cap: str) -> None:
    """Take a cap away with its accounts and grants; the holds stay, so one made again counts them again."""
    connection.execute(delete(CAPS).where(CAPS.c.id == cap))


def _find(connection: Connection, cap: Cap, key: str, span: Window) -> Found | None:
    return next(iter(_ONE(connection, {"cap": cap.id, "key": key, "window": span.key})), None)


def _made_up(connection: Connection, kept: CapKept, key: str, span: Window) -> Account:
    holds = counted.of(*kept, key, span)
    spent, held = counted.spent(connection, holds), counted.held(connection, holds)
    return Account(cap=kept.cap, key=key, window=span, spent=spent, held=held, raised=0, overrun=0)
