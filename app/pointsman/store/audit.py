"""The audit: one row for each request, approval and change, each sealed with the hash of the one before."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, case, func, insert, select, update
from sqlalchemy.engine import RowMapping

from pointsman.store.db import Database
from pointsman.store.prepared import Prepared
from pointsman.store.tables import table

_AUDIT = table("audit")
_HEAD = table("audit_head")
_AGENTS = table("agents")
_C = _AUDIT.c
_READ_HEAD = Prepared(select(_HEAD.c.seq, _HEAD.c.hash))
_MOVE_HEAD = Prepared(update(_HEAD), "seq", "hash")
_START_HEAD = Prepared(insert(_HEAD))
_ADD = Prepared(insert(_AUDIT))
_PAGE = 1000


class Row(Struct, frozen=True, kw_only=True):
    """What happened. `plan` and `detail` are JSON; `saved` is what a local answer would have cost in the cloud.

    `seq`, `previous` and `hash` are given by the audit.
    """

    at: float
    kind: str = "request"
    request: str | None = None
    agent: str | None = None
    session: str | None = None
    task: str | None = None
    person: str | None = None
    project: str | None = None
    label: str | None = None
    model_asked: str | None = None
    target: str | None = None
    tier: str | None = None
    class_: str | None = None
    sensitivity: str | None = None
    outcome: str = "done"
    reason: str = ""
    code: str | None = None
    plan: str = "{}"
    fresh_input: int = 0
    cache_read: int = 0
    cache_write_short: int = 0
    cache_write_long: int = 0
    output: int = 0
    estimated: bool = False
    queue_ms: float | None = None
    first_token_ms: float | None = None
    latency_ms: float | None = None
    finish: str | None = None
    cost: int = 0
    held: int = 0
    saved: int = 0
    price_source: str = ""
    detail: str = "{}"
    seq: int = 0
    previous: str = ""
    hash: str = ""


class DayCounts(Struct, frozen=True, kw_only=True):
    """Requests since a moment. `by_agent` gives each agent's requests since then, and when its last one was, ever."""

    requests: int
    local: int
    private: int
    cloud: int
    by_agent: dict[str, tuple[int, float | None]]
    last_request: float | None
    saved: int


class Audit:
    """Rows are only ever added."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def append(self, row: Row) -> None:
        """Add a row to the chain."""
        await self._db.write(lambda connection: _append(connection, row))

    async def newest(self, limit: int, agent: str | None = None) -> list[Row]:
        """The newest rows, of one agent or of all, newest first."""
        query = select(_AUDIT).order_by(_C.seq.desc()).limit(limit)
        wanted = query if agent is None else query.where(_C.agent == agent)
        return await self._db.read(lambda connection: _rows(connection, wanted))

    async def show(self, request: str) -> list[Row]:
        """All rows about one request, in order."""
        query = select(_AUDIT).where(_C.request == request).order_by(_C.seq)
        return await self._db.read(lambda connection: _rows(connection, query))

    async def day(self, starts: float) -> DayCounts:
        """The requests since a moment, as the tray counts them."""
        return await self._db.read(lambda connection: _day(connection, starts))

    async def verify(self) -> str | None:
        """The sentence that names the first row that was changed, removed or put elsewhere, or None."""
        return await self._db.read(_verify)


def _append(connection: Connection, row: Row) -> None:
    seq, previous = _head(connection)
    values = asdict(row) | {"estimated": int(row.estimated), "seq": seq + 1, "previous": previous}
    values["hash"] = _seal(values)
    _ADD(connection, values)
    move = _MOVE_HEAD if seq else _START_HEAD
    move(connection, {"id": 1, "seq": values["seq"], "hash": values["hash"]})


def _head(connection: Connection) -> tuple[int, str]:
    """The number and the hash of the newest row."""
    found = _READ_HEAD(connection, {})
    return (found[0]["seq"], found[0]["hash"]) if found else (0, "")


def _seal(values: dict[str, Any]) -> str:
    """The hash over everything in the row but the hash itself; the previous row's hash is one of the fields."""
    sealed = {name: value for name, value in values.items() if name != "hash"}
    return hashlib.sha256(msgspec.json.encode(sealed, order="sorted")).hexdigest()


def _row(found: RowMapping) -> Row:
    return Row(**{**found, "estimated": bool(found["estimated"])})


def _rows(connection: Connection, query: Any) -> list[Row]:
    return [_row(found) for found in connection.execute(query).mappings()]


def _day(connection: Connection, starts: float) -> DayCounts:
    tiers = [func.coalesce(func.sum(case((_C.tier == tier, 1), else_=0)), 0) for tier in ("local", "private", "cloud")]
    today = (_C.kind == "request", _C.at >= starts)
    sums = select(func.count(), *tiers, func.max(_C.at), func.coalesce(func.sum(_C.saved), 0)).where(*today)
    requests, local, private, cloud, last, saved = connection.execute(sums).one()
    return DayCounts(
        requests=requests,
        local=local,
        private=private,
        cloud=cloud,
        by_agent=_by_agent(connection, today),
        last_request=last,
        saved=saved,
    )


def _by_agent(connection: Connection, today: Any) -> dict[str, tuple[int, float | None]]:
    counted = select(_C.agent, func.count(), func.max(_C.at)).where(*today, _C.agent.is_not(None)).group_by(_C.agent)
    found = {name: (count, last) for name, count, last in connection.execute(counted)}
    before = select(_C.at).where(_C.agent == _AGENTS.c.name, _C.kind == "request").order_by(_C.seq.desc()).limit(1)
    ever = connection.execute(select(_AGENTS.c.name, before.scalar_subquery())).all()
    return {name: (0, last) for name, last in ever} | found


def _verify(connection: Connection) -> str | None:
    head, sealed = _head(connection)
    previous, expected = "", 1
    pages = connection.execute(select(_AUDIT).order_by(_C.seq).execution_options(yield_per=_PAGE))
    for found in pages.mappings():
        if wrong := _wrong(found, expected, previous):
            return wrong
        previous, expected = found["hash"], expected + 1
    if (expected - 1, previous) != (head, sealed):
        return f"The audit ends at row {expected - 1}, but row {head} was written: rows were removed from its end."
    return None


def _wrong(found: RowMapping, expected: int, previous: str) -> str | None:
    if found["seq"] != expected:
        return f"Row {expected} of the audit is missing: it was removed or renumbered."
    if found["previous"] != previous:
        return f"Row {expected} of the audit does not follow row {expected - 1}: rows were moved or replaced."
    if found["hash"] != _seal(dict(found)):
        return f"Row {expected} of the audit was changed after it was written."
    return None
