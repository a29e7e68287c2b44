"""Sums over a span of time: whole days and hours as `rollup` keeps them, what is cut from one from the holds."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from itertools import chain
from math import ceil, floor
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Select, and_, bindparam, case, cast, func, literal_column, select

from pointsman.core.budget import window
from pointsman.store import rollup
from pointsman.store.prepared import Prepared
from pointsman.store.rollup import DAY, HALF, HOLDS, HOUR, LATER, NOTED, OPEN, SETTLED, SPANS, SUMS

Sums = tuple[int, ...]
"""In the order of `rollup.SUMS`."""
NONE: Sums = (0,) * len(SUMS)
EARLIEST, LATEST = -DAY * 10.0**6, DAY * 10.0**6
_H, _S = HOLDS.c, SPANS.c
_OF_HOLDS: dict[str, Any] = {
    "requests": _H.counts,
    "paid": case((_H.charge > 0, 1), else_=0),
    "busy_ms": case((_H.ended > _H.made, cast((_H.ended - _H.made) * 1000, BigInteger)), else_=0),
    "estimated": case((_H.estimated == 1, _H.charge), else_=0),
}
HOLD_SUMS = tuple(func.coalesce(func.sum(_OF_HOLDS[name] if name in _OF_HOLDS else _H[name]), 0) for name in SUMS)
_SPAN_SUMS = tuple(func.coalesce(func.sum(_S[name]), 0) for name in SUMS)


_IN_TIME = (_S.starts >= bindparam("since"), _S.starts < bindparam("until"))
_HALVES = Prepared(
    select(*(one.label(name) for one, name in zip(_SPAN_SUMS, SUMS, strict=True))).where(
        _S.seconds == literal_column(str(HALF)), _S.scope == literal_column("''"), *_IN_TIME
    )
)
_MADE = (_H.made + 0 >= bindparam("since"), _H.made + 0 < bindparam("until"))  # few rows: no index over all holds
_WAITING = Prepared(
    select(*(one.label(name) for one, name in zip(HOLD_SUMS, SUMS, strict=True)))
    .join_from(LATER, HOLDS, NOTED)
    .where(*_MADE)
)
"""Of the holds that are not in the sums yet."""


class Piece(NamedTuple):
    """A part of a time: of whole spans of so many seconds, or, with 0, less than a span."""

    seconds: int
    since: float
    until: float


class _Day(NamedTuple):
    name: str
    starts: float
    ends: float


def pieces(since: float, until: float, sizes: tuple[int, ...] = (DAY, HOUR)) -> Iterator[Piece]:
    """The time from `since` to before `until`, in spans as large as fit."""
    if since >= until:
        return
    if not sizes:
        yield Piece(0, since, until)
        return
    size, smaller = sizes[0], sizes[1:]
    low, high = ceil(since / size) * size, floor(until / size) * size
    if low >= high:
        yield from pieces(since, until, smaller)
        return
    yield from pieces(since, low, smaller)
    yield Piece(size, low, high)
    yield from pieces(high, until, smaller)


def scope_of(part: Piece, owner: str = "tier") -> str:
    """Which rows hold the sums of a piece by this owner; every charge is in those of each owner, once."""
    return owner if part.seconds == DAY else ""


def added(found: Iterable[tuple[Any, Sums]]) -> dict[Any, Sums]:
    """The sums of each key together; what is nothing is left out."""
    sums: dict[Any, Sums] = {}
    for key, more in found:
        sums[key] = tuple(map(operator.add, sums.get(key, NONE), more))
    return {key: one for key, one in sums.items() if any(one)}


def by_owner(connection: Connection, owner: str, since: float, until: float) -> dict[str, Sums]:
    """By one of the names that a span's rows have."""
    known = func.coalesce(_H[owner], literal_column("''"))
    return added(row for part in pieces(since, until) for row in _read(connection, part, _S[owner], known, owner))


def by_half(connection: Connection, since: float, until: float) -> list[tuple[float, Sums]]:
    """By the beginning of each half hour; the first and the last may be cut."""
    found: list[tuple[float, Sums]] = []
    for part in pieces(since, until, (HALF,)):
        if part.seconds:
            found += chain(_summed(connection, part, _S.starts), _waiting_halves(connection, part))
        else:
            found += ((part.since, sums) for _, sums in _read(connection, part, None, None))
    return found


def _waiting_halves(connection: Connection, part: Piece) -> Iterator[tuple[float, Sums]]:
    for hold in rollup.waiting(connection):
        if part.since <= hold["made"] < part.until:
            yield hold["made"] // HALF * HALF, rollup.sums(hold)


def by_day(connection: Connection, since: float, until: float, zone: tzinfo) -> dict[str, Sums]:
    """By local day, in order."""
    first, last = edge(connection, first=True), edge(connection, first=False)
    if first is None or last is None:
        return {}
    days = _days(max(since, first), min(until, last + HALF), zone)
    waiting = _waiting_edge(connection, func.min)
    oldest = until if waiting is None else waiting
    return added((day.name, sums) for day in days for sums in _of_day(connection, day, (since, until), oldest))


def edge(connection: Connection, *, first: bool) -> int | None:
    """The first or the last half hour in which something was charged."""
    order = _S.starts.asc() if first else _S.starts.desc()
    summed = connection.execute(
        select(_S.starts).where(_S.seconds == HALF, _S.scope == "").order_by(order).limit(1)
    ).scalar()
    waiting = _waiting_edge(connection, func.min if first else func.max)
    late = None if waiting is None else int(waiting // HALF) * HALF
    found = [one for one in (summed, late) if one is not None]
    return (min if first else max)(found, default=None)


def _waiting_edge(connection: Connection, end: Any) -> float | None:
    """When the first or the last of the holds was made that are not in the sums yet."""
    return connection.execute(select(end(_H.made)).join_from(LATER, HOLDS, NOTED)).scalar()


def _days(since: float, until: float, zone: tzinfo) -> Iterator[_Day]:
    while since < until:
        today = window("day", since, zone)
        assert today.starts is not None
        assert today.ends is not None
        yield _Day(today.key, today.starts, today.ends)
        since = today.ends


def _of_day(connection: Connection, day: _Day, asked: tuple[float, float], oldest: float) -> Iterator[Sums]:
    """`oldest` is when the first hold was made that waits: days before it have none."""
    for part in pieces(max(asked[0], day.starts), min(asked[1], day.ends), (HALF,)):
        if part.seconds:
            time = {"since": int(part.since), "until": int(part.until)}
            for query in (_HALVES, _WAITING) if oldest < part.until else (_HALVES,):
                [row] = query(connection, time)
                yield tuple(int(row[name]) for name in SUMS)
        else:
            yield from (sums for _, sums in _read(connection, part, None, None))


def _read(
    connection: Connection, part: Piece, of_span: Any, of_hold: Any, owner: str = ""
) -> Iterator[tuple[Any, Sums]]:
    """The sums by this column, or by None all in one."""
    made = (_H.made >= part.since, _H.made < part.until)
    if not part.seconds:
        return _grouped(connection, of_hold, select(*HOLD_SUMS).where(_H.state == SETTLED, *made))
    few = (_H.made + 0 >= part.since, _H.made + 0 < part.until)  # as in `_MADE`
    waiting = select(*HOLD_SUMS).join_from(LATER, HOLDS, NOTED).where(*few)
    return chain(_summed(connection, part, of_span, owner), _grouped(connection, of_hold, waiting))


def _summed(connection: Connection, part: Piece, of_span: Any, owner: str = "") -> Iterator[tuple[Any, Sums]]:
    rows = and_(_S.seconds == part.seconds, _S.scope == scope_of(part, owner))
    summed = select(*_SPAN_SUMS).where(rows, _S.starts >= int(part.since), _S.starts < int(part.until))
    return _grouped(connection, of_span, summed)


def _grouped(connection: Connection, key: Any, sums: Select[Any]) -> Iterator[tuple[Any, Sums]]:
    query = sums.add_columns(literal_column("NULL") if key is None else key)
    found = connection.execute(query if key is None else query.group_by(key))
    return ((row[-1], tuple(map(int, row[:-1]))) for row in found)


def held(connection: Connection, since: float, until: float) -> list[Any]:
    """The open holds that were made in this time."""
    inside = (_H.state == OPEN, _H.made >= since, _H.made < until)
    return list(connection.execute(select(HOLDS).where(*inside)).mappings())
