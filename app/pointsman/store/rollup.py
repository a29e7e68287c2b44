"""Sums of what was charged, so that a report of a year does not read ten million holds.

A charge is noted as not summed up yet, in its own transaction; every so many of them are added to the sums together,
which costs a tenth of adding each. Whoever reads sums adds what is not in them yet, so they are never behind.
Spans are of UTC time: they fit every time zone, also when the person travels or several machines share a ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from operator import add as plus
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, case, delete, insert, literal_column, select, update

from pointsman.store.columns import table
from pointsman.store.prepared import Found, Prepared

HOLDS = table("holds")
SPANS = table("spend_spans")
NAMES = table("spend_names")
LATER = table("unsummed")
NOTED = LATER.c.hold.concat(literal_column("''")) == HOLDS.c.id
"""The holds that wait, found by the few notes: as an expression, so that no engine looks each hold up in the notes."""
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


@cache
def _adding(onto: Table, dialect: str) -> Prepared:
    """The statement that adds to a row, made if it is missing. A server's dialect is read in where there is one."""
    insert: Any = import_module(f"sqlalchemy.dialects.{dialect}").insert(onto)
    new: Any = insert.excluded
    change: dict[str, Any] = {name: onto.c[name] + new[name] for name in SUMS}
    if onto is NAMES:
        first = case((new.first < NAMES.c.first, new.first), else_=NAMES.c.first)
        last = case((new.last > NAMES.c.last, new.last), else_=NAMES.c.last)
        change |= {"first": first, "last": last, "long": case((last - first > DAY, 1), else_=0)}
    return Prepared(insert.on_conflict_do_update(index_elements=list(onto.primary_key), set_=change))


_SAME_REQUEST = (
    HOLDS.c.request == bindparam("wanted"),
    HOLDS.c.id != bindparam("but"),
    HOLDS.c.counts == literal_column("1"),
)
_COUNTED = Prepared(select(HOLDS).where(*_SAME_REQUEST))
_UNCOUNT = Prepared(update(HOLDS).where(*_SAME_REQUEST).values(counts=literal_column("0")))
_NOTE = Prepared(insert(LATER))
_NOTED = Prepared(select(LATER.c.hold).where(LATER.c.hold == bindparam("wanted")))
_WAITING = Prepared(select(HOLDS).join_from(LATER, HOLDS, NOTED))
_ALL_DONE = Prepared(delete(LATER))
MOST_WAITING = 256
"""So many charges of one gateway wait at most; a ledger sums up before that, and at its start what a crash left."""

_Key = tuple[Any, ...]
_Sums = tuple[int, ...]


def add(connection: Connection, hold: Found) -> None:
    """Count a hold that has just ended; in its transaction, with all of its columns. One that was refunded is nothing.

    A request is counted with the latest of its charged holds, so that each column of a report adds up.
    """
    if hold["state"] != "settled":
        return
    same = {"wanted": hold["request"], "but": hold["id"]}
    for earlier in _COUNTED(connection, same):
        if not _NOTED(connection, {"wanted": earlier["id"]}):
            _put(connection, [(earlier, _ONE_LESS)])
        _UNCOUNT(connection, same)
    _NOTE(connection, {"hold": hold["id"]})
    noted = connection.info["unsummed"] = connection.info.get("unsummed", 0) + 1
    if noted >= MOST_WAITING:
        sum_up(connection)


def sum_up(connection: Connection) -> None:
    """Add to the sums what is not in them yet, in the transaction of this connection."""
    connection.info["unsummed"] = 0
    found = waiting(connection)
    if found:
        _put(connection, [(hold, sums(hold)) for hold in found])
        _ALL_DONE(connection, {})


def waiting(connection: Connection) -> list[Found]:
    """The holds that are not in the sums yet."""
    return _WAITING(connection, {})


def sums(hold: Found) -> _Sums:
    """What one charged hold adds, in the order of `SUMS`."""
    own = {
        "requests": hold["counts"],
        "paid": int(hold["charge"] > 0),
        "busy_ms": max(0, int((hold["ended"] - hold["made"]) * 1000)),
        "estimated": hold["charge"] if hold["estimated"] else 0,
    }
    return tuple(own[name] if name in own else hold[name] for name in SUMS)


_ONE_LESS: _Sums = tuple(-1 if name == "requests" else 0 for name in SUMS)


def _put(connection: Connection, each: Sequence[tuple[Found, _Sums]]) -> None:
    """Add them, those of one row together; the rows in one order, so that two gateways never wait for each other."""
    dialect, spans, names = connection.dialect.name, dict[_Key, _Sums](), dict[_Key, _Sums]()
    lives: dict[_Key, tuple[float, float]] = {}
    for hold, more in each:
        for span in _spans(hold):
            spans[span] = tuple(map(plus, spans[span], more)) if span in spans else more
        for name in ((kind, hold[kind]) for kind in KINDS):
            names[name] = tuple(map(plus, names[name], more)) if name in names else more
            first, last = lives.get(name, (hold["made"], hold["made"]))
            lives[name] = min(first, hold["made"]), max(last, hold["made"])
    _adding(SPANS, dialect).many(connection, [_row(_SPAN, key, more) for key, more in sorted(spans.items())])
    _adding(NAMES, dialect).many(
        connection, [_row(_NAME, (*key, *_life(*lives[key])), more) for key, more in sorted(names.items())]
    )


_SPAN = ("seconds", "scope", "starts", *OWNERS)
_NAME = ("kind", "name", "first", "last", "long")


def _spans(hold: Found) -> Iterator[_Key]:
    """The rows of spans in which a hold counts."""
    made, whose = hold["made"], tuple(hold[name] or "" for name in OWNERS)
    day, nobody = int(made // DAY) * DAY, ("",) * len(OWNERS)
    yield (HOUR, "", int(made // HOUR) * HOUR, *whose)
    yield (HALF, "", int(made // HALF) * HALF, *nobody)
    for at, name in enumerate(OWNERS):
        yield (DAY, name, day, *nobody[:at], whose[at], *nobody[at + 1 :])


def _life(first: float, last: float) -> _Key:
    return first, last, int(last - first > DAY)


def _row(columns: Sequence[str], key: _Key, more: _Sums) -> dict[str, Any]:
    return {**dict(zip(columns, key, strict=True)), **dict(zip(SUMS, more, strict=True))}
