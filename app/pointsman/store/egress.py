"""What left this machine: summed up from the audit's rows of attempts that were sent to a provider."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, Connection, cast, func, literal_column, select

from pointsman.store.audit import within
from pointsman.store.columns import table
from pointsman.store.db import Database

_C = table("audit").c
_NONE: ColumnElement[str] = literal_column("''")  # PostgreSQL takes two parameters of one value for two expressions


class EgressRow(Struct, frozen=True, kw_only=True):
    """What went to one provider in one region, of one sensitivity; `consent` is "", consented or masked.

    `attempts` counts each sending, `requests` what agents asked for. `region` "" means that nobody told it.
    """

    provider: str
    region: str
    tier: str
    sensitivity: str
    consent: str
    requests: int
    attempts: int
    bytes: int
    cost: int
    first: float
    last: float


class Egress:
    """Reads the audit."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def between(self, since: float | None, until: float | None = None) -> list[EgressRow]:
        """What was sent from `since` to before `until`, the most bytes first."""
        return await self._db.read(lambda connection: _egress(connection, since, until))


def _egress(connection: Connection, since: float | None, until: float | None) -> list[EgressRow]:
    told = {name: func.coalesce(_C[name], _NONE) for name in ("region", "tier", "sensitivity")}
    groups = [_C.provider, *(part.label(name) for name, part in told.items()), _C.consent]
    sums = {
        "requests": func.count(_C.request.distinct()),
        "attempts": func.count(),
        "bytes": cast(func.sum(_C.bytes_sent), BigInteger),
        "cost": cast(func.sum(_C.cost), BigInteger),
        "first": func.min(_C.at),
        "last": func.max(_C.at),
    }
    query = select(*groups, *(sum_.label(name) for name, sum_ in sums.items()))
    sent = (
        _C.kind.in_(("request", "attempt")),
        _C.provider.is_not(None),
        func.coalesce(_C.tier, _NONE) != "local",
        _C.bytes_sent > 0,
    )
    asked = query.where(*sent, *within(since, until)).group_by(_C.provider, *told.values(), _C.consent)
    rows = [EgressRow(**row) for row in connection.execute(asked).mappings()]
    return sorted(rows, key=lambda row: (-row.bytes, row.provider, row.region, row.sensitivity, row.consent))
