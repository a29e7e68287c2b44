"""How requests fared, by target and by agent, counted from the audit's rows: each number can be checked against them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, literal_column, select, text

from pointsman.store import fares
from pointsman.store.audit import APART, within
from pointsman.store.columns import table
from pointsman.store.db import Database
from pointsman.store.kinds import ATTEMPT

_AUDIT = table("audit")
_C = _AUDIT.c
_NEXT = _AUDIT.alias("next")
_NONE: ColumnElement[str] = literal_column("''")  # PostgreSQL takes two parameters of one value for two expressions


class Count(Struct, frozen=True, kw_only=True):
    """How requests fared. Of `requests`, each is one of answered_first, by_fallback, rejected, failed and stopped.

    `queued` are those of them that waited. `escalated` and `timed_out` count attempts: one request may have several.
    """

    name: str
    requests: int = 0
    answered_first: int = 0
    by_fallback: int = 0
    rejected: int = 0
    failed: int = 0
    stopped: int = 0
    queued: int = 0
    escalated: int = 0
    timed_out: int = 0


class Handover(Struct, frozen=True, kw_only=True):
    """So many times, the attempt after the one at `source` went to `target`; `why` is the code of what failed."""

    source: str
    target: str
    why: str
    count: int


class Tables(Struct, frozen=True, kw_only=True):
    """All counters. A request that never came to a target has the name ""."""

    by_target: list[Count]
    by_agent: list[Count]
    handovers: list[Handover]


_ENDINGS = {
    "done": "answered_first",
    "failed_over": "by_fallback",
    "rejected": "rejected",
    "refused": "rejected",
    "failed": "failed",
    "stopped": "stopped",
    "cancelled": "stopped",
}


class Counters:
    """Reads the audit, and what is added up of it by hours."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def between(self, since: float | None, until: float | None = None) -> Tables:
        """The counters over requests that came from `since` to before `until`."""
        return await self._db.read(lambda connection: _tables(connection, since, until))


def _tables(connection: Connection, since: float | None, until: float | None) -> Tables:
    rows = [(counted.split(APART), count) for counted, count in fares.between(connection, since, until).items()]
    return Tables(
        by_target=_folded((fare, fare[2], count) for fare, count in rows),
        by_agent=_folded((fare, fare[1], count) for fare, count in rows),
        handovers=_handovers(connection, since, until),
    )


def _folded(rows: Iterable[tuple[list[str], str, int]]) -> list[Count]:
    """The rows of one name added up, the busiest first."""
    sums: dict[str, dict[str, int]] = {}
    for fare, name, count in rows:
        known = sums.setdefault(name, {})
        for what in _what(fare):
            known[what] = known.get(what, 0) + count
    counts = (Count(name=name, **known) for name, known in sums.items())
    return sorted(counts, key=lambda one: (-one.requests, one.name))


def _what(fare: list[str]) -> Iterator[str]:
    """What one row counts as."""
    kind, _, _, outcome, code, waited = fare
    if kind == "request":
        yield "requests"
        if outcome in _ENDINGS:
            yield _ENDINGS[outcome]
        if waited:
            yield "queued"
    if outcome == "escalated":
        yield "escalated"
    if code == "timed_out":
        yield "timed_out"


def _handovers(connection: Connection, since: float | None, until: float | None) -> list[Handover]:
    """Attempts that failed, each with the one that came after it."""
    follows = (_NEXT.c.request == _C.request) & (_NEXT.c.attempt == _C.attempt + 1)
    fields = (func.coalesce(_C.target, _NONE), func.coalesce(_NEXT.c.target, _NONE), func.coalesce(_C.code, _NONE))
    query = select(*fields, func.count()).join_from(_AUDIT, _NEXT, follows).group_by(*fields)
    real = query.where(text(f"audit.{ATTEMPT}"), _NEXT.c.kind.in_(("request", "attempt")), *within(since, until))
    found = [
        Handover(source=one, target=two, why=why, count=count) for one, two, why, count in connection.execute(real)
    ]
    return sorted(found, key=lambda one: (-one.count, one.source, one.target, one.why))
