"""What counts in an account, made up from the holds and their sums: of its owner, and made in its window."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Table, bindparam, func, select

from pointsman.core.budget import Cap, Window, owner
from pointsman.store import spans
from pointsman.store.prepared import Prepared
from pointsman.store.rollup import HOLDS, LATER, NOTED, OPEN, OWNERS, SPANS

_Query = Callable[[tuple[str, ...], bool, bool], Prepared]


class Holds(Struct, frozen=True):
    """The holds of one account, as who they are of and when they were made; None is open at that end."""

    whose: dict[str, str]
    since: float | None
    until: float | None


def of(cap: Cap, made: float, key: str, span: Window) -> Holds:
    """The holds of a cap that was made at this time, for this key, in this window."""
    # What counts once counts from when the cap was made; a request, which is short, counts as a whole.
    since = made if cap.window == "once" and cap.scope != "request" else span.starts
    return Holds(owner(cap, key), since, span.ends)


def spent(connection: Connection, wanted: Holds) -> int:
    """What was charged. Where it is not by session, task or request, whole days and hours are not read hold by hold."""
    if wanted.whose.keys() - set(OWNERS):
        return _sum(connection, _charged, wanted)
    since = spans.EARLIEST if wanted.since is None else wanted.since
    until = spans.LATEST if wanted.until is None else wanted.until
    found = 0
    for part in spans.pieces(since, until):
        found += _part(connection, part, wanted.whose)
    return found


def held(connection: Connection, wanted: Holds) -> int:
    """What is held."""
    return _sum(connection, _held, wanted)


def open_ids(connection: Connection, wanted: Holds) -> list[str]:
    """The open holds, also those that hold nothing."""
    return [row["id"] for row in _open(*_shape(wanted))(connection, _values(wanted))]


def _part(connection: Connection, part: spans.Piece, whose: dict[str, str]) -> int:
    if not part.seconds:
        return _sum(connection, _charged, Holds(whose, part.since, part.until))
    scope = spans.scope_of(part, next(iter(whose), "tier"))
    span = {"of_seconds": part.seconds, "of_scope": scope, "of_since": int(part.since), "of_until": int(part.until)}
    [row] = _in_spans(tuple(whose))(connection, span | {f"of_{name}": value for name, value in whose.items()})
    return int(row["total"]) + _sum(connection, _waiting, Holds(whose, part.since, part.until))


def _sum(connection: Connection, query: _Query, wanted: Holds) -> int:
    [row] = query(*_shape(wanted))(connection, _values(wanted))
    return int(row["total"])


def _shape(wanted: Holds) -> tuple[tuple[str, ...], bool, bool]:
    return tuple(wanted.whose), wanted.since is not None, wanted.until is not None


def _values(wanted: Holds) -> dict[str, object]:
    times = {"of_since": wanted.since, "of_until": wanted.until}
    known: dict[str, object] = {name: value for name, value in times.items() if value is not None}
    return known | {f"of_{name}": value for name, value in wanted.whose.items()}


@cache
def _charged(whose: tuple[str, ...], since: bool, until: bool) -> Prepared:
    total = func.coalesce(func.sum(HOLDS.c.charge), 0).label("total")
    return Prepared(select(total).where(*_belonging(whose, since, until)))


@cache
def _waiting(whose: tuple[str, ...], since: bool, until: bool) -> Prepared:
    """Of holds that are not in the spans yet."""
    total = func.coalesce(func.sum(HOLDS.c.charge), 0).label("total")
    found = select(total).join_from(LATER, HOLDS, NOTED)
    times = [HOLDS.c.made + 0 >= bindparam("of_since")] if since else []
    times += [HOLDS.c.made + 0 < bindparam("of_until")] if until else []
    return Prepared(found.where(*times, *_are(HOLDS, whose)))


@cache
def _held(whose: tuple[str, ...], since: bool, until: bool) -> Prepared:
    total = func.coalesce(func.sum(HOLDS.c.amount), 0).label("total")
    return Prepared(select(total).where(HOLDS.c.state == OPEN, *_belonging(whose, since, until)))


@cache
def _open(whose: tuple[str, ...], since: bool, until: bool) -> Prepared:
    return Prepared(select(HOLDS.c.id).where(HOLDS.c.state == OPEN, *_belonging(whose, since, until)))


@cache
def _in_spans(whose: tuple[str, ...]) -> Prepared:
    total = func.coalesce(func.sum(SPANS.c.charge), 0).label("total")
    starts = SPANS.c.starts
    times = (starts >= bindparam("of_since"), starts < bindparam("of_until"))
    rows = (SPANS.c.seconds == bindparam("of_seconds"), SPANS.c.scope == bindparam("of_scope"))
    return Prepared(select(total).where(*rows, *times, *_are(SPANS, whose)))


def _belonging(whose: tuple[str, ...], since: bool, until: bool) -> list[ColumnElement[bool]]:
    first = [HOLDS.c.made >= bindparam("of_since")] if since else []
    last = [HOLDS.c.made < bindparam("of_until")] if until else []
    return [*first, *last, *_are(HOLDS, whose)]


def _are(rows: Table, whose: tuple[str, ...]) -> list[ColumnElement[bool]]:
    return [rows.c[name] == bindparam(f"of_{name}") for name in whose]
