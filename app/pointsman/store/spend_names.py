"""The dearest sessions and tasks of a time, among however many there are.

Nearly all lie wholly inside the time or outside it, and their sums are kept. Those that cross an end of it are
found by when they began (within a day before, or marked as long), and their sums made from their holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, func, literal_column, select

from pointsman.store import rollup
from pointsman.store.rollup import DAY, HOLDS, NAMES, SETTLED, SUMS
from pointsman.store.spans import HOLD_SUMS, Sums, added

_N = NAMES.c
_FEW = 20_000
_CHUNK = 500


def dearest(connection: Connection, kind: str, since: float, until: float, limit: int) -> dict[str, Sums]:
    """At most so many names of this kind that lie inside, all that cross an end, and all of just now."""
    crossing = {name for edge in (since, until) for name in _crossing(connection, kind, edge)}
    crossing |= {hold[kind] for hold in rollup.waiting(connection)}  # their sums are not whole yet
    return _inside(connection, kind, (since, until), limit) | of_names(connection, kind, crossing, (since, until))


def of_names(connection: Connection, kind: str, names: Iterable[str], time: tuple[float, float]) -> dict[str, Sums]:
    """The sums of these alone, from their holds."""
    column, ordered = HOLDS.c[kind], sorted(names)
    inside = (HOLDS.c.state == SETTLED, HOLDS.c.made >= time[0], HOLDS.c.made < time[1])

    def rows() -> Iterator[tuple[str, Sums]]:
        for at in range(0, len(ordered), _CHUNK):
            some = column.in_(ordered[at : at + _CHUNK])
            query = select(column, *HOLD_SUMS).where(some, *inside).group_by(column)
            yield from ((row[0], tuple(map(int, row[1:]))) for row in connection.execute(query))

    return added(rows())


def _crossing(connection: Connection, kind: str, edge: float) -> list[str]:
    short = (_N.kind == kind, _N.first < edge, _N.first >= edge - DAY, _N.last >= edge)
    long = (_N.kind == kind, _N.long == literal_column("1"), _N.last >= edge, _N.first + 0 < edge)
    found = [connection.execute(select(_N.name).where(*which)).scalars().all() for which in (short, long)]
    return [name for names in found for name in names]


def _inside(connection: Connection, kind: str, time: tuple[float, float], limit: int) -> dict[str, Sums]:
    begun = (_N.kind == kind, _N.first >= time[0], _N.first < time[1])
    some = select(literal_column("1")).where(*begun).limit(_FEW).subquery()
    few = connection.execute(select(func.count()).select_from(some)).scalar_one() < _FEW
    # Adding nothing to a column keeps its index out of use: few are sorted, many are read in the order of their cost.
    first, charge = (_N.first, _N.charge + 0) if few else (_N.first + 0, _N.charge)
    inside = (_N.kind == kind, first >= time[0], first < time[1], _N.last < time[1])
    query = select(_N.name, *(_N[name] for name in SUMS)).where(*inside)
    rows = connection.execute(query.order_by(charge.desc(), _N.name.desc()).limit(limit))
    return {row[0]: tuple(row[1:]) for row in rows}
