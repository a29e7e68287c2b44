"""What the person's rules still lend in the present windows."""

from __future__ import annotations

from sqlalchemy import func, select

from pointsman.store.columns import table
from pointsman.store.db import Database

_C = table("grants").c


async def left(db: Database, now: float) -> dict[str, int]:
    """By binding, what is left of each allowance that was used in a window that lasts; unused ones are not there."""
    sums = select(_C.binding, func.min(_C.amount)).where(_C.window != "", _C.expires > now, _C.revoked == 0)
    grouped = sums.group_by(_C.binding)
    return await db.read(lambda connection: {row[0]: row[1] for row in connection.execute(grouped)})
