"""How many rows of the audit fared alike, by the hour, so that the counters of a week do not read each of its rows.

Rows are added up some dozens at a time; whoever reads the sums adds what is not in them yet.
"""

from __future__ import annotations

from collections import Counter
from math import ceil, floor
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, literal_column, select, update

from pointsman.store import cached_connection
from pointsman.store.columns import table
from pointsman.store.prepared import Straight, upsert
from pointsman.store.rollup import HOUR
from pointsman.store.spans import EARLIEST, LATEST

_AUDIT = table("audit")
_C = _AUDIT.c
_HEAD = table("audit_head")
_FARES = table("fares")
_READ_HEAD = Straight(select(_HEAD.c.seq, _HEAD.c.fared))
_SPAN = (_C.seq > bindparam("after"), _C.seq <= bindparam("upto"), _C.counted != literal_column("''"))
_NEW = Straight(select(_C.at, _C.counted).where(*_SPAN), "after", "upto")
_MOVE = Straight(update(_HEAD), "fared", columns=("fared",))
EVERY = 64
"""After so many rows they are added up, which then takes less than a millisecond."""
_MOST = 1_024  # rows that are added up at once, while others wait: an earlier version's ledger has more
Fared = dict[str, int]


def add_up(connection: Connection) -> None:
    """Add what is not in the sums yet, or as much of it as is done at once, in the transaction of this connection."""
    cached = cached_connection.of(connection)
    for newest, fared in _READ_HEAD.rows(cached, ()):
        upto = min(newest, fared + _MOST)
        sums = Counter((int(at // HOUR) * HOUR, counted) for at, counted in _NEW.rows(cached, (fared, upto)))
        if sums:
            rows = [(hour, counted, count) for (hour, counted), count in sorted(sums.items())]
            upsert(_FARES, cached.dialect, _summed).many(cached, rows)
        if upto > fared:
            _MOVE(cached, (upto,))


def _summed(old: Any, new: Any) -> dict[str, Any]:
    return {"count": old["count"] + new["count"]}


def between(connection: Connection, since: float | None, until: float | None) -> Fared:
    """How many rows fared each way from `since` to before `until`."""
    fared = connection.execute(select(_HEAD.c.fared)).scalar() or 0
    first, last = EARLIEST if since is None else since, LATEST if until is None else until
    low, high = ceil(first / HOUR) * HOUR, floor(last / HOUR) * HOUR
    found: Counter[str] = Counter()
    if low < high:
        found.update(_hours(connection, low, high))
        found.update(_rows(connection, (first, low), fared))
        found.update(_rows(connection, (high, last), fared))
    else:
        found.update(_rows(connection, (first, last), fared))
    found.update(_waiting(connection, (first, last), fared))
    return found


def _hours(connection: Connection, low: float, high: float) -> Fared:
    hour, counted = _FARES.c.hour, _FARES.c.counted
    times = (hour >= int(low), hour < int(high))
    query = select(counted, func.sum(_FARES.c["count"])).where(*times).group_by(counted)
    return {what: int(count) for what, count in connection.execute(query)}


def _rows(connection: Connection, span: tuple[float, float], fared: int) -> Fared:
    """Of less than an hour at an end, row by row."""
    if span[0] >= span[1]:
        return {}
    times = (_C.at >= bindparam("since"), _C.at < bindparam("until"), _C.seq <= bindparam("fared"))
    return _counted(connection, times, span, fared)


def _waiting(connection: Connection, span: tuple[float, float], fared: int) -> Fared:
    """Of the rows that are not in the sums yet, found by their numbers: as an expression, time has no index."""
    times = (_C.at + 0 >= bindparam("since"), _C.at + 0 < bindparam("until"), _C.seq > bindparam("fared"))
    return _counted(connection, times, span, fared)


def _counted(
    connection: Connection, times: tuple[ColumnElement[bool], ...], span: tuple[float, float], fared: int
) -> Fared:
    query = select(_C.counted, func.count()).where(_C.counted != "", *times).group_by(_C.counted)
    values = {"since": span[0], "until": span[1], "fared": fared}
    return {counted: int(count) for counted, count in connection.execute(query, values)}
