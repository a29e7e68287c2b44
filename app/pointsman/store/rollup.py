"""Sums of what was charged, so that a report of a year does not read ten million holds.

A charge is noted as not summed up yet, in its own transaction; every so many of them are added to the sums together,
which costs a fraction of adding each. Whoever reads sums adds what is not in them yet, so they are never behind.
Spans are of UTC time: they fit every time zone, also when the person travels or several machines share a ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import add as plus
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, insert, literal_column, select, update

from pointsman.store import cached_connection
from pointsman.store.cached_connection import CachedConnection
from pointsman.store.columns import table
from pointsman.store.prepared import Found, Prepared, Straight, upsert

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
METERS = ("fresh_input", "cache_read", "cache_write_short", "cache_write_long", "output")
SUMS = ("requests", "paid", "busy_ms", "charge", "estimated", "saved", *METERS)
SETTLED: ColumnElement[str] = literal_column("'settled'")
OPEN: ColumnElement[str] = literal_column("'open'")
"""As text in the statement: an index over open holds alone is not used for a value bound later."""
_DAY: ColumnElement[int] = literal_column(str(DAY))
_YES: ColumnElement[int] = literal_column("1")
_NO: ColumnElement[int] = literal_column("0")


def _summed(old: Any, new: Any) -> dict[str, Any]:
    return {name: old[name] + new[name] for name in SUMS}


def _lived(old: Any, new: Any) -> dict[str, Any]:
    first = case((new.first < old.first, new.first), else_=old.first)
    last = case((new.last > old.last, new.last), else_=old.last)
    lived = {"first": first, "last": last, "long": case((last - first > _DAY, _YES), else_=_NO)}
    return _summed(old, new) | lived


_SAME_REQUEST = (
    HOLDS.c.request == bindparam("wanted"),
    HOLDS.c.id != bindparam("but"),
    HOLDS.c.counts == literal_column("1"),
)
_COUNTED = Prepared(select(HOLDS).where(*_SAME_REQUEST))
_IS_COUNTED = Straight(select(HOLDS.c.id).where(*_SAME_REQUEST), "wanted", "but")
_UNCOUNT = Straight(update(HOLDS).where(*_SAME_REQUEST).values(counts=literal_column("0")), "wanted", "but")
_NOTE = Straight(insert(LATER), "hold")
_NOTED = Straight(select(LATER.c.hold).where(LATER.c.hold == bindparam("wanted")), "wanted")
_READ = ("made", "ended", "charge", "estimated", "saved", "counts", *KINDS, *OWNERS, *METERS)
_WAITING = Prepared(select(*[HOLDS.c[name] for name in _READ]).join_from(LATER, HOLDS, NOTED))
_ALL_DONE = Prepared(delete(LATER))
MOST_WAITING = 32
"""The charge that makes it so many sums them up, which takes about a millisecond. A start sums up what a crash left."""

_owners = itemgetter(*OWNERS)
_meters = itemgetter(*METERS)
_Key = tuple[Any, ...]
_Sums = tuple[int, ...]


def add(cached: CachedConnection, hold_id: str, request: str) -> None:
    """Count a hold that was just charged, in its transaction.

    A request is counted with the latest of its charged holds, so that each column of a report adds up.
    """
    if _IS_COUNTED.rows(cached, (request, hold_id)):
        _count_no_more(cached, request, hold_id)
    _NOTE(cached, (hold_id,))
    cached.unsummed += 1
    if cached.unsummed >= MOST_WAITING:
        cached.best_effort(sum_up)


def _count_no_more(cached: CachedConnection, request: str, but: str) -> None:
    for earlier in _COUNTED(cached.connection, {"wanted": request, "but": but}):
        if not _NOTED.rows(cached, (earlier["id"],)):
            _put(cached, [(earlier, _ONE_LESS)])
    _UNCOUNT(cached, (request, but))


def sum_up(connection: Connection) -> None:
    """Add to the sums what is not in them yet, in the transaction of this connection."""
    cached = cached_connection.of(connection)
    cached.unsummed = 0
    found = waiting(connection)
    if found:
        _put(cached, [(hold, sums(hold)) for hold in found])
        _ALL_DONE(connection, {})


def waiting(connection: Connection) -> list[Found]:
    """The holds that are not in the sums yet."""
    return _WAITING(connection, {})


def sums(hold: Found) -> _Sums:
    """What one charged hold adds, in the order of `SUMS`."""
    charge = hold["charge"]
    busy = max(0, int((hold["ended"] - hold["made"]) * 1000))
    estimated = charge if hold["estimated"] else 0
    return (hold["counts"], int(charge > 0), busy, charge, estimated, hold["saved"], *_meters(hold))


_ONE_LESS: _Sums = tuple(-1 if name == "requests" else 0 for name in SUMS)


def _put(cached: CachedConnection, holds: Iterable[tuple[Found, _Sums]]) -> None:
    """Add what each of these holds adds; the rows in one order, so that two gateways never wait for each other."""
    groups, spans, names = dict[_Key, _Sums](), dict[_Key, _Sums](), dict[_Key, _Sums]()
    lives: dict[_Key, tuple[float, float]] = {}
    for hold, more in holds:
        made = hold["made"]
        _add(groups, (int(made // HALF) * HALF, *_owners(hold)), more)
        for kind in KINDS:
            name = kind, hold[kind]
            _add(names, name, more)
            first, last = lives.get(name, (made, made))
            lives[name] = min(first, made), max(last, made)
    for group, more in groups.items():  # the holds are many, the groups are few
        for span in _spans(group):
            _add(spans, span, more)
    upsert(SPANS, cached.dialect, _summed).many(cached, [(*key, *more) for key, more in sorted(spans.items())])
    named = [(*key, *_life(*lives[key]), *more) for key, more in sorted(names.items())]
    upsert(NAMES, cached.dialect, _lived).many(cached, named)


def _add(so_far: dict[_Key, _Sums], key: _Key, more: _Sums) -> None:
    before = so_far.get(key)
    so_far[key] = more if before is None else tuple(map(plus, before, more))


def _spans(group: _Key) -> Iterator[_Key]:
    """The rows of spans in which holds count that have the half hour and the owners in common."""
    half, *names = group
    whose = tuple([name or "" for name in names])
    day, nobody = half // DAY * DAY, ("",) * len(OWNERS)
    yield (HOUR, "", half // HOUR * HOUR, *whose)
    yield (HALF, "", half, *nobody)
    for at, name in enumerate(OWNERS):
        yield (DAY, name, day, *nobody[:at], whose[at], *nobody[at + 1 :])


def _life(first: float, last: float) -> _Key:
    return first, last, int(last - first > DAY)
