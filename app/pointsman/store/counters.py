"""How requests fared, by target and by agent, counted from the audit's rows: each number can be checked against them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, case, func, literal_column, select

from pointsman.store.audit import within
from pointsman.store.db import Database
from pointsman.store.tables import table

WAITED_MS = 1000.0
"""A request that began to be answered later than this was queued: for a slot, for money or for a person."""

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


def _number(condition: Any) -> Any:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


_REQUEST = _C.kind == "request"


def _ended(*outcomes: str) -> Any:
    return _number(_REQUEST & _C.outcome.in_(outcomes))


_COUNTED: dict[str, Any] = {
    "requests": _number(_REQUEST),
    "answered_first": _ended("done"),
    "by_fallback": _ended("failed_over"),
    "rejected": _ended("rejected", "refused"),
    "failed": _ended("failed"),
    "stopped": _ended("stopped", "cancelled"),
    "queued": _number(_REQUEST & (_C.queue_ms >= WAITED_MS)),
    "escalated": _number(_C.outcome == "escalated"),
    "timed_out": _number(_C.code == "timed_out"),
}


class Counters:
    """Reads the audit; keeps nothing of its own, so it cannot differ from it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def between(self, since: float | None, until: float | None = None) -> Tables:
        """The counters over requests that came from `since` to before `until`."""
        return await self._db.read(lambda connection: _tables(connection, since, until))


def _tables(connection: Connection, since: float | None, until: float | None) -> Tables:
    target, agent = func.coalesce(_C.target, _NONE), func.coalesce(_C.agent, _NONE)
    sums = [sum_.label(name) for name, sum_ in _COUNTED.items()]
    query = select(target.label("target"), agent.label("agent"), *sums).group_by(target, agent)
    asked = query.where(_C.kind.in_(("request", "attempt")), *within(since, until))
    rows = connection.execute(asked).mappings().all()
    return Tables(
        by_target=_folded(rows, lambda row: row["target"]),
        by_agent=_folded(rows, lambda row: row["agent"]),
        handovers=_handovers(connection, since, until),
    )


def _folded(rows: Sequence[Any], name_of: Callable[[Any], str]) -> list[Count]:
    """The rows of one name added up, the busiest first."""
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        known = sums.setdefault(name_of(row), dict.fromkeys(_COUNTED, 0))
        for name in _COUNTED:
            known[name] += row[name]
    return sorted(
        (Count(name=name, **known) for name, known in sums.items()), key=lambda one: (-one.requests, one.name)
    )


def _handovers(connection: Connection, since: float | None, until: float | None) -> list[Handover]:
    """Attempts that failed, each with the one that came after it."""
    follows = (_NEXT.c.request == _C.request) & (_NEXT.c.attempt == _C.attempt + 1)
    fields = (func.coalesce(_C.target, _NONE), func.coalesce(_NEXT.c.target, _NONE), func.coalesce(_C.code, _NONE))
    query = select(*fields, func.count()).join_from(_AUDIT, _NEXT, follows).group_by(*fields)
    real = query.where(_C.kind == "attempt", _NEXT.c.kind.in_(("request", "attempt")), *within(since, until))
    found = [
        Handover(source=one, target=two, why=why, count=count) for one, two, why, count in connection.execute(real)
    ]
    return sorted(found, key=lambda one: (-one.count, one.source, one.target, one.why))
