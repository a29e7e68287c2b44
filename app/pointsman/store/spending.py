"""What was spent, by day and by whom. A hold belongs to the time at which it was made, as it does in its accounts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from math import ceil

from msgspec import Struct
from sqlalchemy import Connection, and_, select

from pointsman.core import savings
from pointsman.core.budget import window
from pointsman.core.errors import BadRequest
from pointsman.core.savings import Use
from pointsman.store import spans, spend_names
from pointsman.store.rollup import DAY, HALF, HOLDS, KINDS, SETTLED, SUMS
from pointsman.store.spans import NONE, Sums

BY = ("person", "project", "label", "agent", "session", "task", "model", "tier", "day")
MOST = 1_000
"""So many sessions or tasks are told at most, the dearest."""
_POINTS = 200
_C = HOLDS.c
_REQUESTS, _PAID, _BUSY, _CHARGE, _SAVED = map(SUMS.index, ("requests", "paid", "busy_ms", "charge", "saved"))


class Day(Struct, frozen=True, kw_only=True):
    """A local day's money.

    `points` are (time, spent so far): one for each hold that cost something, or, where those are more than 200, one
    for each half hour.
    """

    starts: float
    ends: float
    spent: int
    held: int
    saved: int
    points: list[tuple[float, int]]
    by_agent: dict[str, int]


class SpendRow(Struct, frozen=True):
    """What one person, agent, day and so on spent. A name that is not known is empty.

    `held` is apart from `amount`; `estimated` is the part of `amount` that no provider confirmed; `saved` is what
    answers here and on servers of one's own would have cost in the cloud. The five meters add up to `tokens`.
    """

    name: str
    requests: int
    amount: int
    tokens: int
    held: int = 0
    estimated: int = 0
    saved: int = 0
    fresh_input: int = 0
    cache_read: int = 0
    cache_write_short: int = 0
    cache_write_long: int = 0
    output: int = 0


class Report(Struct, frozen=True, kw_only=True):
    """Spend by a scope. `total` is over everything in the time, also where `more` rows are left out than are here."""

    by: str
    rows: list[SpendRow]
    total: SpendRow
    more: bool


def day(connection: Connection, now: float, zone: tzinfo) -> Day:
    """The day around `now`."""
    today = window("day", now, zone)
    assert today.starts is not None
    assert today.ends is not None
    starts, ends = today.starts, today.ends
    agents = spans.by_owner(connection, "agent", starts, ends)
    many = sum(sums[_PAID] for sums in agents.values()) > _POINTS
    return Day(
        starts=starts,
        ends=ends,
        spent=sum(sums[_CHARGE] for sums in agents.values()),
        saved=sum(sums[_SAVED] for sums in agents.values()),
        held=sum(hold["amount"] for hold in spans.held(connection, starts, ends)),
        points=_added_up(_slices(connection, now, starts, ends) if many else _each(connection, starts, ends)),
        by_agent={name: sums[_CHARGE] for name, sums in sorted(agents.items())},
    )


def _each(connection: Connection, starts: float, ends: float) -> list[tuple[float, int]]:
    paid = and_(_C.made >= starts, _C.made < ends, _C.state == SETTLED, _C.charge > 0)
    return [(at, amount) for at, amount in connection.execute(select(_C.ended, _C.charge).where(paid))]


def _slices(connection: Connection, now: float, starts: float, ends: float) -> list[tuple[float, int]]:
    found = spans.by_half(connection, starts, ends)
    return [(min(begun + HALF, max(now, begun), ends), sums[_CHARGE]) for begun, sums in found]


def _added_up(each: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """The sum so far, in order; moments that fall together are one."""
    points: dict[float, int] = {}
    total = 0
    for at, amount in sorted(each):
        total += amount
        points[at] = total
    return list(points.items())


def report(connection: Connection, by: str, since: float | None, until: float | None, zone: tzinfo) -> Report:
    """The dearest first; days in their order."""
    if by not in BY:
        raise BadRequest(f'Spend cannot be shown by "{by}": use one of {", ".join(BY)}.')
    time = spans.EARLIEST if since is None else since, spans.LATEST if until is None else until
    held = _held(connection, by, time, zone)
    found = _sums(connection, by, time, zone, held)
    rows = [_row(name, sums, held.get(name, 0)) for name, sums in found.items()]
    rows.sort(key=lambda row: row.name if by == "day" else (-row.amount, row.name))
    everything = spans.by_owner(connection, "tier", *time) if by in KINDS else found
    total = spans.added(("", sums) for sums in everything.values()).get("", NONE)
    most = MOST if by in KINDS else len(rows)
    return Report(by=by, rows=rows[:most], total=_row("", total, sum(held.values())), more=len(rows) > most)


def _held(connection: Connection, by: str, time: tuple[float, float], zone: tzinfo) -> dict[str, int]:
    """What is held, by the same names."""
    found: dict[str, int] = {}
    for hold in spans.held(connection, *time):
        name = window("day", hold["made"], zone).key if by == "day" else hold[by] or ""
        found[name] = found.get(name, 0) + hold["amount"]
    return found


def _sums(
    connection: Connection, by: str, time: tuple[float, float], zone: tzinfo, held: Mapping[str, int]
) -> dict[str, Sums]:
    """The sums by name; a name under which something is held is there in any case."""
    if by == "day":
        found = spans.by_day(connection, *time, zone)
    elif by in KINDS:
        found = spend_names.dearest(connection, by, *time, MOST + 1)
        found |= spend_names.of_names(connection, by, held.keys() - found.keys(), time)
    else:
        found = spans.by_owner(connection, by, *time)
    return dict.fromkeys(held, NONE) | found


def _row(name: str, sums: Sums, held: int) -> SpendRow:
    requests, _, _, amount, *rest = sums
    estimated, saved, *meters = rest
    return SpendRow(name, requests, amount, sum(meters), held, estimated, saved, *meters)


def use(connection: Connection, now: float) -> Use:
    """What local and private answers did lately, for the break-even."""
    since = now - savings.DAYS * DAY
    tiers = spans.by_owner(connection, "tier", since, now)
    local, private = tiers.get("local", NONE), tiers.get("private", NONE)
    oldest = max(since, spans.edge(connection, first=True) or now)
    return Use(
        days=min(savings.DAYS, ceil((now - oldest) / DAY)),
        requests=local[_REQUESTS] + private[_REQUESTS],
        saved=local[_SAVED] + private[_SAVED],
        local_ms=local[_BUSY],
    )


def spend(connection: Connection, by: str, since: float | None, until: float | None, zone: tzinfo) -> list[SpendRow]:
    """The rows of a report."""
    return report(connection, by, since, until, zone).rows
