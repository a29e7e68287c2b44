"""The audit: one row for each request, approval and change, each sealed with the hash of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import compress
from operator import itemgetter
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple
from sqlalchemy import ColumnElement, Connection, func, insert, literal_column, null, select, text, update
from sqlalchemy.engine import RowMapping

from pointsman.store import cached_connection, chain, fares
from pointsman.store.cached_connection import CachedConnection
from pointsman.store.chain import Checked, Link
from pointsman.store.columns import table
from pointsman.store.db import Database
from pointsman.store.kinds import CHANGE, REQUEST
from pointsman.store.prepared import Straight

_AUDIT = table("audit")
_HEAD = table("audit_head")
_AGENTS = table("agents")
_C = _AUDIT.c
_MOVE_HEAD = Straight(update(_HEAD), "seq", "hash", columns=("seq", "hash"))
_FIRST: dict[str, Any] = {"id": literal_column("1"), "fared": literal_column("0")}
_START_HEAD = Straight(insert(_HEAD).values(_FIRST), "seq", "hash", columns=("seq", "hash"))
_NOBODY: ColumnElement[str] = literal_column("''")


WAITED_MS = 1000.0
"""A request that began to be answered later than this was queued: for a slot, for money or for a person."""
COUNTED_KINDS = ("request", "attempt")
APART = "\x1f"


class Row(Struct, frozen=True, kw_only=True):
    """What happened. `plan`, `validators`, `price` and `detail` are JSON; `attempt` 0 means none.

    `cost` is what the row's own attempt cost, so that the sum over all rows is all that was charged. `saved` is what
    a local answer would have cost in the cloud. `seq`, `previous` and `hash` are given by the audit.
    """

    at: float
    kind: str = "request"
    request: str | None = None
    attempt: int = 0
    agent: str | None = None
    session: str | None = None
    task: str | None = None
    person: str | None = None
    project: str | None = None
    label: str | None = None
    model_asked: str | None = None
    target: str | None = None
    provider: str | None = None
    region: str | None = None
    tier: str | None = None
    class_: str | None = None
    sensitivity: str | None = None
    consent: str = ""
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
    tokens_per_second: float | None = None
    finish: str | None = None
    bytes_sent: int = 0
    peak_memory: int | None = None
    validators: str = "{}"
    cost: int = 0
    held: int = 0
    saved: int = 0
    price_source: str = ""
    price: str = "{}"
    detail: str = "{}"
    counted: str = ""
    seq: int = 0
    previous: str = ""
    hash: str = ""


_in_order = itemgetter(*map(Row.__struct_fields__.index, chain.COLUMNS))
_SEQ, _PREVIOUS, _ESTIMATED, _COUNTED = map(chain.COLUMNS.index, ("seq", "previous", "estimated", "counted"))


class Page(Struct, frozen=True, kw_only=True):
    """Up to `limit` rows after row `after`, that happened from `since` to before `until`."""

    after: int = 0
    limit: int = 1000
    since: float | None = None
    until: float | None = None


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
        """Add a row to the chain. While the shared ledger is away it waits for it."""
        await self._db.ensure(_Once(row))

    async def newest(self, limit: int, agent: str | None = None) -> list[Row]:
        """The newest rows, of one agent or of all, newest first."""
        query = select(_AUDIT).order_by(_C.seq.desc()).limit(limit)
        wanted = query if agent is None else query.where(_C.agent == agent)
        return await self._db.read(lambda connection: _rows(connection, wanted))

    async def show(self, request: str) -> list[Row]:
        """All rows about one request, in order."""
        query = select(_AUDIT).where(_C.request == request).order_by(_C.seq)
        return await self._db.read(lambda connection: _rows(connection, query))

    async def latest(self, kind: str) -> Row | None:
        """The newest row of a kind of change."""
        query = select(_AUDIT).where(_C.kind == kind, text(CHANGE)).order_by(_C.seq.desc()).limit(1)
        found = await self._db.read(lambda connection: _rows(connection, query))
        return found[0] if found else None

    async def day(self, starts: float) -> DayCounts:
        """The requests since a moment, as the tray counts them."""
        return await self._db.read(lambda connection: _day(connection, starts))

    async def page(self, page: Page) -> list[Row]:
        """Rows in the order in which they were written, for one page."""
        return await self._db.read(lambda connection: _page(connection, page))

    async def verify(self) -> str | None:
        """The sentence that names the first row that was changed, removed or put elsewhere, or None."""
        checked = Checked(link=chain.START)
        while not checked.done and checked.problem is None:
            checked = await self.check(checked.link, chain.PAGE)
        return checked.problem

    async def check(self, link: Link, limit: int) -> Checked:
        """Check up to `limit` rows after a link that was checked already."""
        return await self._db.read(lambda connection: chain.check(connection, link, limit))


class _Once:
    """Adds a row, and nothing if it is done again after a commit that came through unheard."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._link: Link | None = None

    def __call__(self, connection: Connection) -> None:
        if self._link is None or not chain.has(connection, self._link):
            self._link = append(connection, self._row)


def counted(row: Row) -> str:
    """What the counters look at, in one text: they read a day of rows from one index, and group by one column."""
    if row.kind not in COUNTED_KINDS:
        return ""
    waited = "waited" if row.queue_ms is not None and row.queue_ms >= WAITED_MS else ""
    return APART.join((row.kind, row.agent or "", row.target or "", row.outcome, row.code or "", waited))


def append(connection: Connection, row: Row) -> Link:
    """Add a row to the chain, in the transaction of this connection."""
    cached = cached_connection.of(connection)
    cached.revalidate()
    link = add(cached, row)
    cached.synced()
    return link


def add(cached: CachedConnection, row: Row) -> Link:
    """The same, on a cached connection."""
    seq, previous = cached.head or chain.head(cached.connection)
    values = list(_in_order(astuple(row)))
    values[_SEQ], values[_PREVIOUS] = seq + 1, previous
    values[_ESTIMATED], values[_COUNTED] = int(row.estimated), counted(row)
    link = Link(seq + 1, chain.sealed(values))
    missing = tuple([value is None for value in values])
    _adding(missing)(cached, (*[value for value in values if value is not None], link.hash))
    move = _MOVE_HEAD if seq else _START_HEAD
    move(cached, (link.seq, link.hash))
    cached.head = link.seq, link.hash
    if link.seq % fares.EVERY == 0:
        cached.best_effort(fares.add_up)
    return link


@lru_cache(64)
def _adding(missing: tuple[bool, ...]) -> Straight:
    """The statement for a row in which these are not known: to a driver NULL is the dearest of values."""
    unknown = dict.fromkeys(compress(chain.COLUMNS, missing), null())
    given = tuple([name for name in (*chain.COLUMNS, "hash") if name not in unknown])
    return Straight(insert(_AUDIT).values(unknown), *given, columns=given)


def _row(found: RowMapping) -> Row:
    return Row(**{**found, "estimated": bool(found["estimated"])})


def _rows(connection: Connection, query: Any) -> list[Row]:
    return [_row(found) for found in connection.execute(query).mappings()]


def _page(connection: Connection, page: Page) -> list[Row]:
    first = page.after
    if page.since is not None and page.after == 0:  # the index on time finds where to begin; numbers lead on from there
        oldest = connection.execute(select(func.min(_C.seq)).where(_C.at >= page.since)).scalar_one()
        first = (oldest or 1) - 1
    query = select(_AUDIT).where(_C.seq > first, *within(page.since, page.until)).order_by(_C.seq).limit(page.limit)
    return _rows(connection, query)


def within(since: float | None, until: float | None) -> list[Any]:
    """The conditions for rows that happened from `since` to before `until`."""
    return [*([] if since is None else [_C.at >= since]), *([] if until is None else [_C.at < until])]


def _day(connection: Connection, starts: float) -> DayCounts:
    """All from one index: by a name that no index has, or the rows of all time would be read in its order."""
    who, tier = func.coalesce(_C.agent, _NOBODY), func.coalesce(_C.tier, _NOBODY)
    sums = select(who, tier, func.count(), func.max(_C.at), func.sum(_C.saved))
    rows = connection.execute(sums.where(text(REQUEST), _C.at >= starts).group_by(who, tier)).all()
    tiers = {name: sum(row[2] for row in rows if row[1] == name) for name in ("local", "private", "cloud")}
    return DayCounts(
        requests=sum(row[2] for row in rows),
        **tiers,
        by_agent=_by_agent(connection, rows),
        last_request=max((row[3] for row in rows), default=None),
        saved=sum(int(row[4]) for row in rows),
    )


def _by_agent(connection: Connection, rows: Sequence[Any]) -> dict[str, tuple[int, float | None]]:
    found: dict[str, tuple[int, float | None]] = {}
    for name, _, count, last, _ in rows:
        if name:
            so_far, latest = found.get(name, (0, last))
            found[name] = so_far + count, max(latest, last)
    before = select(_C.at).where(_C.agent == _AGENTS.c.name, text(REQUEST)).order_by(_C.seq.desc()).limit(1)
    ever = connection.execute(select(_AGENTS.c.name, before.scalar_subquery())).all()
    return {name: (0, last) for name, last in ever} | found
