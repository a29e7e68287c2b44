"""Accounts of caps in the database. One that is not there yet is made up from the holds that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, literal_column, null, select, update

from pointsman.core.budget import Account, Cap, Subject, Window, account_key, has_one_account, window
from pointsman.store import cached_connection, counted
from pointsman.store.cached_connection import CachedConnection, CapKept, Kept, Part
from pointsman.store.columns import table
from pointsman.store.prepared import Found, Prepared, Straight
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
_HERE = Straight(_NOW.where(ACCOUNTS.c.key == bindparam("key")), "cap", "key", "window")
_ADD = Prepared(
    insert(ACCOUNTS).returning(ACCOUNTS.c.id),
    *("cap", "key", "window", "starts", "ends", "opened", "spent", "held", "raised", "overrun"),
)
_OF_HOLD = PLEDGES.c.hold == bindparam("of_hold")
_PLEDGED = Straight(select(ACCOUNTS, PLEDGES.c.lent, PLEDGES.c.lender).join(PLEDGES).where(_OF_HOLD), "of_hold")
_PLEDGE = Straight(insert(PLEDGES), "hold", "account", "lent", "lender")
_DROP = Straight(delete(PLEDGES).where(_OF_HOLD), "of_hold")
_SUMS = ("spent", "held", "raised", "overrun")
_SAVE = Straight(update(ACCOUNTS).where(ACCOUNTS.c.id == bindparam("account")), *_SUMS, "account", columns=_SUMS)
_NO_LOAN = {"lent": literal_column("0"), "lender": null()}


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


def known(cached: CachedConnection) -> tuple[CapKept, ...]:
    """All caps, as the connection knows them."""
    if cached.caps is None:
        cached.caps = tuple(caps(cached.connection))
    return cached.caps


def save(cached: CachedConnection, changed: Sequence[Kept]) -> None:
    """Write the four sums of these accounts."""
    if not changed:
        return
    sums = []
    for kept in changed:
        one = kept.account
        sums.append((one.spent, one.held, one.raised, one.overrun, kept.row))
    _SAVE.many(cached, sums)
    for kept in changed:
        cached.accounts[kept.place] = kept


def pledge(cached: CachedConnection, hold: str, parts: Sequence[Part]) -> None:
    """Note that an open hold has parts in accounts."""
    if any(part.lender for part in parts):
        for part in parts:
            _PLEDGE(cached, (hold, part.row, part.lent, part.lender))
    elif parts:
        _pledging(len(parts))(cached, (hold, *[part.row for part in parts]))


def pledged(cached: CachedConnection, hold: str) -> list[tuple[Part, Account]]:
    """The parts of an open hold, and their accounts."""
    rows = _PLEDGED.rows(cached, (hold,))
    of = {kept.cap.id: kept.cap for kept in known(cached)} if rows else {}
    found = []
    for *row, lent, lender in rows:
        kept = _kept(row, of[row[1]])
        cached.accounts[kept.place] = kept
        found.append((Part(kept.row, kept.place, lent, lender), kept.account))
    return found


def release(cached: CachedConnection, hold: str) -> None:
    """The hold has no part in any account any more."""
    _DROP(cached, (hold,))


def opened(cached: CachedConnection, subject: Subject, now: float, zone: tzinfo) -> list[Kept]:
    """The accounts that a hold of this subject falls into; those that are missing are opened."""
    found = []
    for kept in known(cached):
        key = account_key(kept.cap, subject)
        if key is not None:
            found.append(open_one(cached, kept, key, now, zone))
    return found


def open_one(cached: CachedConnection, kept: CapKept, key: str, now: float, zone: tzinfo) -> Kept:
    """The cap's account for this key now, opened if it is missing: holds that belong to it count from the start."""
    span = window(kept.cap.window, now, zone)
    here = (kept.cap.id, key, span.key)
    if found := cached.accounts.get(here):
        return found
    rows = _HERE.rows(cached, here)
    cached.accounts[here] = one = _kept(rows[0], kept.cap) if rows else _open(cached, kept, key, now, span)
    return one


def _open(cached: CachedConnection, kept: CapKept, key: str, now: float, span: Window) -> Kept:
    account = _made_up(cached.connection, kept, key, span)
    values = {"cap": kept.cap.id, "key": key, "window": span.key, "starts": span.starts, "ends": span.ends}
    sums = {"spent": account.spent, "held": account.held, "raised": 0, "overrun": 0, "opened": now}
    [added] = _ADD(cached.connection, values | sums)
    one = Kept(added["id"], cached_connection.place(account), account)
    for hold in counted.open_ids(cached.connection, counted.of(*kept, key, span)):
        pledge(cached, hold, [Part(one.row, one.place)])
        cached.holds.pop(hold, None)
    return one


def open_for_holds(connection: Connection, kept: CapKept, now: float, zone: tzinfo) -> None:
    """Open the accounts of a new cap into which open holds fall, so that it sees how they end."""
    cached = cached_connection.of(connection)
    cached.revalidate()
    columns = [HOLDS.c[field] for field in Subject.__struct_fields__]
    subjects = connection.execute(select(*columns).where(HOLDS.c.state == OPEN).distinct()).mappings().all()
    for row in subjects:
        key = account_key(kept.cap, Subject(**row))
        if key is not None:
            open_one(cached, kept, key, now, zone)


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


def _kept(row: Sequence[Any], cap: Cap) -> Kept:
    """From a row with the columns of the table, in their order."""
    id_, _, key, name, starts, ends, _, spent, held, raised, overrun = row
    span = Window(name, starts, ends)
    account = Account(cap=cap, key=key, window=span, spent=spent, held=held, raised=raised, overrun=overrun)
    return Kept(id_, (cap.id, key, name), account)


@lru_cache(64)
def _pledging(count: int) -> Straight:
    rows = [f"account{at}" for at in range(count)]
    parts = [{"hold": bindparam("of_hold"), "account": bindparam(row), **_NO_LOAN} for row in rows]
    return Straight(insert(PLEDGES).values(parts), "of_hold", *rows)
