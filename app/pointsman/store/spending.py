"""What was spent, by day and by whom. A hold belongs to the time at which it was made, as it does in its accounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from itertools import accumulate
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Integer, and_, cast, func, select

from pointsman.core.budget import window
from pointsman.core.errors import BadRequest
from pointsman.store.tables import table

BY = ("person", "project", "label", "agent", "session", "task", "model", "tier", "day")
_HOLDS = table("holds")
_C = _HOLDS.c
_POINTS = 200
_TOKENS = _C.fresh_input + _C.cache_read + _C.cache_write_short + _C.cache_write_long + _C.output
_SUMS = (func.count(_C.request.distinct()), func.sum(_C.charge), func.sum(_TOKENS))


class Day(Struct, frozen=True, kw_only=True):
    """A local day's money. `points` are (time, spent so far), one for each hold that cost something, at most 200."""

    starts: float
    ends: float
    spent: int
    held: int
    points: list[tuple[float, int]]
    by_agent: dict[str, int]


class SpendRow(Struct, frozen=True):
    """What one person, agent, day and so on spent. A name that is not known is empty."""

    name: str
    requests: int
    amount: int
    tokens: int


def day(connection: Connection, now: float, zone: tzinfo) -> Day:
    """The day around `now`."""
    starts, ends = _span(now, zone)
    today = and_(_C.made >= starts, _C.made < ends)
    holding = select(func.coalesce(func.sum(_C.amount), 0)).where(today, _C.state == "open")
    held = connection.execute(holding).scalar_one()
    agents = select(_C.agent, func.sum(_C.charge)).where(today, _C.state == "settled").group_by(_C.agent)
    by_agent: dict[str, int] = {row[0]: row[1] for row in connection.execute(agents)}
    points = _points(connection, and_(today, _C.charge > 0), starts, ends)
    return Day(starts=starts, ends=ends, spent=sum(by_agent.values()), held=held, points=points, by_agent=by_agent)


def _points(connection: Connection, paid: ColumnElement[bool], starts: float, ends: float) -> list[tuple[float, int]]:
    each = select(_C.ended, _C.charge).where(paid).order_by(_C.ended).limit(_POINTS + 1)
    found = connection.execute(each).all()
    if len(found) > _POINTS:
        # What was made before midnight may end after it: it goes into the day's last slice.
        piece = func.min(cast((_C.ended - starts) / (ends - starts) * _POINTS, Integer), _POINTS - 1)
        slices = select(func.max(_C.ended), func.sum(_C.charge)).where(paid).group_by(piece).order_by(piece)
        found = connection.execute(slices).all()
    sums = accumulate(amount for _, amount in found)
    return [(at, total) for (at, _), total in zip(found, sums, strict=True)]


def spend(connection: Connection, by: str, since: float | None, until: float | None, zone: tzinfo) -> list[SpendRow]:
    """The rows of a report, the dearest first; days in their order."""
    if by not in BY:
        raise BadRequest(f'Spend cannot be shown by "{by}": use one of {", ".join(BY)}.')
    wanted = [_C.state == "settled"]
    if since is not None:
        wanted.append(_C.made >= since)
    if until is not None:
        wanted.append(_C.made < until)
    if by == "day":
        return list(_days(connection, wanted, zone))
    query = select(_C[by], *_SUMS).where(*wanted).group_by(_C[by]).order_by(func.sum(_C.charge).desc(), _C[by])
    return _rows(connection.execute(query))


def _rows(found: Iterable[Any]) -> list[SpendRow]:
    return [SpendRow(name or "", requests, amount, tokens) for name, requests, amount, tokens in found]


def _days(connection: Connection, wanted: list[ColumnElement[bool]], zone: tzinfo) -> Iterator[SpendRow]:
    """Day by day, as the calendar has them: no arithmetic in SQL knows when clocks change."""
    at = connection.execute(select(func.min(_C.made)).where(*wanted)).scalar_one()
    while at is not None:
        starts, ends = _span(at, zone)
        name = window("day", at, zone).key
        sums = connection.execute(select(*_SUMS).where(*wanted, _C.made >= starts, _C.made < ends)).one()
        yield SpendRow(name, *sums)
        at = connection.execute(select(func.min(_C.made)).where(*wanted, _C.made >= ends)).scalar_one()


def _span(now: float, zone: tzinfo) -> tuple[float, float]:
    today = window("day", now, zone)
    assert today.starts is not None
    assert today.ends is not None
    return today.starts, today.ends
