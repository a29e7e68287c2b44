"""Sums of what was charged, kept with each charge, so that a report of a year does not read ten million holds.

Spans are of UTC time: they fit every time zone, also when the person travels or several machines share a ledger.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, case, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pointsman.store.prepared import Found, Prepared
from pointsman.store.tables import table

HOLDS = table("holds")
SPANS = table("spend_spans")
NAMES = table("spend_names")
HALF, HOUR, DAY = 1800, 3600, 86_400
OWNERS = ("person", "project", "label", "agent", "model", "tier")
"""By what an hour's rows are kept apart, and each of a day's."""
KINDS = ("session", "task")
SUMS = (
    "requests",
    "paid",
    "busy_ms",
    "charge",
    "estimated",
    "saved",
    "fresh_input",
    "cache_read",
    "cache_write_short",
    "cache_write_long",
    "output",
)
SETTLED: ColumnElement[str] = literal_column("'settled'")
OPEN: ColumnElement[str] = literal_column("'open'")
"""As text in the statement: an index over open holds alone is not used for a value bound later."""
_NOBODY = dict.fromkeys(OWNERS, "")


def _adding(onto: Table) -> dict[str, Prepared]:
    """The statement that adds to a row, made if it is missing, by dialect."""
    return {"sqlite": _upsert(sqlite.insert(onto), onto), "postgresql": _upsert(postgresql.insert(onto), onto)}


def _upsert(insert: Any, onto: Table) -> Prepared:
    new: Any = insert.excluded
    change: dict[str, Any] = {name: onto.c[name] + new[name] for name in SUMS}
    if onto is NAMES:
        first = case((new.first < NAMES.c.first, new.first), else_=NAMES.c.first)
        last = case((new.last > NAMES.c.last, new.last), else_=NAMES.c.last)
        change |= {"first": first, "last": last, "long": case((last - first > DAY, 1), else_=0)}
    return Prepared(insert.on_conflict_do_update(index_elements=list(onto.primary_key), set_=change))


_ADD_SPAN = _adding(SPANS)
_ADD_NAME = _adding(NAMES)
_SAME_REQUEST = (
    HOLDS.c.request == bindparam("wanted"),
    HOLDS.c.id != bindparam("but"),
    HOLDS.c.counts == literal_column("1"),
)
_COUNTED = Prepared(select(HOLDS).where(*_SAME_REQUEST))
_UNCOUNT = Prepared(update(HOLDS).where(*_SAME_REQUEST).values(counts=literal_column("0")))


def add(connection: Connection, hold: Found) -> None:
    """Count a hold that has just ended; in its transaction, with all of its columns. One that was refunded is nothing.

    A request is counted with the latest of its charged holds, so that each column of a report adds up.
    """
    if hold["state"] != "settled":
        return
    same = {"wanted": hold["request"], "but": hold["id"]}
    for earlier in _COUNTED(connection, same):
        _put(connection, earlier, dict.fromkeys(SUMS, 0) | {"requests": -1})
        _UNCOUNT(connection, same)
    _put(connection, hold, _sums(hold))


def _sums(hold: Found) -> dict[str, int]:
    own = {
        "requests": 1,
        "paid": int(hold["charge"] > 0),
        "busy_ms": max(0, int((hold["ended"] - hold["made"]) * 1000)),
        "estimated": hold["charge"] if hold["estimated"] else 0,
    }
    return {name: own[name] if name in own else hold[name] for name in SUMS}


def _put(connection: Connection, hold: Found, sums: dict[str, int]) -> None:
    dialect, made = connection.dialect.name, hold["made"]
    whose = {name: hold[name] or "" for name in OWNERS}
    days = ((DAY, name, _NOBODY | {name: whose[name]}) for name in OWNERS)
    spans = ((HOUR, "", whose), (HALF, "", _NOBODY), *days)
    _ADD_SPAN[dialect].many(
        connection,
        [
            {"seconds": seconds, "scope": scope, "starts": int(made // seconds) * seconds, **owner, **sums}
            for seconds, scope, owner in spans
        ],
    )
    life = {"first": made, "last": made, "long": 0, **sums}
    _ADD_NAME[dialect].many(connection, [{"kind": kind, "name": hold[kind], **life} for kind in KINDS])
