"""Caps in the database: set, raised and taken away, without a way out of what was spent."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import tzinfo

from msgspec.structs import asdict, replace
from sqlalchemy import Connection, insert, select, update

from pointsman.core.budget import Cap
from pointsman.store import accounts, cached_connection, raises
from pointsman.store.accounts import CAPS
from pointsman.store.cached_connection import CapKept, Kept


def put(connection: Connection, cap: Cap, now: float, zone: tzinfo) -> Cap:
    """Add a cap, or change the one of its name; with the id that it has from now on."""
    known = {kept.cap.name: kept.cap for kept in accounts.caps(connection)}
    old = known.get(cap.name)
    if old and _shape(old) == _shape(cap):
        same = replace(cap, id=old.id)
        connection.execute(update(CAPS).where(CAPS.c.id == old.id).values(asdict(same)))
        return same
    if old:
        accounts.forget(connection, old.id)
    taken = cap.id in {other.id for other in known.values()}
    new = replace(cap, id=uuid.uuid4().hex) if taken or not cap.id else cap
    connection.execute(insert(CAPS), asdict(new) | {"made": now})
    accounts.open_for_holds(connection, CapKept(new, now), now, zone)
    return new


def lift(connection: Connection, place: tuple[str, str], amount: int, now: float, zone: tzinfo) -> bool:
    """Raise the account of a cap (its id) and a key in its present window, which is kept as a grant is.

    False where the cap is gone.
    """
    cap_id, key = place
    found = next((kept for kept in accounts.caps(connection) if kept.cap.id == cap_id), None)
    if found is None:
        return False
    cached = cached_connection.of(connection)
    cached.revalidate()
    kept = accounts.open_one(cached, found, key, now, zone)
    account = kept.account
    accounts.save(cached, [Kept(kept.row, kept.place, replace(account, raised=account.raised + amount))])
    if amount:
        raises.note(connection, account, amount, now)
    return True


def remove(connection: Connection, name: str) -> bool:
    """Take a cap away. False when there is none of this name."""
    found = connection.execute(select(CAPS.c.id).where(CAPS.c.name == name)).scalar_one_or_none()
    if found is None:
        return False
    accounts.forget(connection, found)
    return True


def _shape(cap: Cap) -> Sequence[str]:
    """What makes a cap's accounts its own; with another shape they are counted anew."""
    return cap.scope, cap.match, cap.window
