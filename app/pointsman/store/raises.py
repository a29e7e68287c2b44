"""By how much a person raised a cap: kept beside the grants, so that it can be listed and taken back.

No hold names such a row: the money is in the account itself.
"""

from __future__ import annotations

import uuid

from sqlalchemy import Connection, and_, func, insert, select, update
from sqlalchemy.engine import RowMapping

from pointsman.core import approval
from pointsman.core.budget import Account
from pointsman.store.accounts import ACCOUNTS, CAPS, PLEDGES
from pointsman.store.columns import table

SCOPE = "cap"
NEVER = 253_402_300_799.0
"""When a permission for a window without an end expires: with the year 9999."""
_GRANTS = table("grants")


def note(connection: Connection, account: Account, amount: int, now: float) -> None:
    """Keep that an account was raised, as long as its window lasts; a request's for a day."""
    ends = account.window.ends
    if ends is None:
        ends = now + approval.DAY if account.cap.scope == "request" else NEVER
    row = {
        "id": uuid.uuid4().hex[:12],
        "cap": account.cap.id,
        "key": account.key,
        "binding": approval.binding(SCOPE, account.window.key),
        "window": "",
        "given": amount,
        "amount": amount,
        "made": now,
        "expires": ends,
        "taken": None,
        "revoked": 0,
    }
    connection.execute(insert(_GRANTS), row)


def lower(connection: Connection, grant: RowMapping) -> None:
    """Take a raise out of its account, but for what is spent of it; what grants lend to open holds stays theirs.

    Open holds go on: what they hold stands above the limit until they end, as it does under a cap that is lowered.

    Nothing for a grant of another scope: it is in no account until it is lent.
    """
    scope, span = approval.bound(grant["binding"])
    if scope != SCOPE:
        return
    here = and_(ACCOUNTS.c.cap == grant["cap"], ACCOUNTS.c.key == grant["key"], ACCOUNTS.c.window == span)
    lent = (
        select(func.coalesce(func.sum(PLEDGES.c.lent), 0)).where(PLEDGES.c.account == ACCOUNTS.c.id).scalar_subquery()
    )
    sums = select(ACCOUNTS.c.raised - lent, ACCOUNTS.c.raised, ACCOUNTS.c.spent, CAPS.c.limit)
    for own, raised, spent, limit in connection.execute(sums.where(here, CAPS.c.id == ACCOUNTS.c.cap)).all():
        back = max(0, min(grant["amount"], own, limit + own - spent))
        connection.execute(update(ACCOUNTS).where(here).values(raised=raised - back))
