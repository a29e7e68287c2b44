"""Grants in the database: a person's permissions to pass a cap, each bound to who, what and how much."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, and_, bindparam, case, func, insert, or_, select, update

from pointsman.core.budget import Account, Short
from pointsman.store import raises
from pointsman.store.accounts import CAPS
from pointsman.store.columns import table
from pointsman.store.prepared import Found, Prepared
from pointsman.store.raises import NEVER

GRANTS = table("grants")


class Grant(Struct, frozen=True, kw_only=True):
    """A person's permission to pass one account by `amount`, for holds that name its `binding`.

    One that is bound to a request ("request:...") belongs to the first request that uses it.
    """

    id: str
    cap: str
    key: str
    binding: str
    amount: int
    expires: float


class Standing(Struct, frozen=True):
    """An allowance by a person's rule: worth `amount` in each window of each cap it meets; 0 passes soft marks.

    It meets the cap of this name, or every one where it names none.
    """

    binding: str
    amount: int
    cap: str = ""

    def meets(self, account: Account) -> bool:
        """Whether it speaks of this account's cap."""
        return self.cap in ("", account.cap.name)


class Use(Struct, frozen=True, kw_only=True):
    """Who would pass a cap: its request, the grants and the allowances it names, in the order they are tried."""

    request: str
    bindings: tuple[str, ...]
    standing: tuple[Standing, ...]
    now: float


_C = GRANTS.c
_OF_ACCOUNT = and_(_C.cap == bindparam("cap"), _C.key == bindparam("key"), _C.binding == bindparam("binding"))
_LIVE = and_(
    _OF_ACCOUNT,
    _C.expires > bindparam("now"),
    _C.amount >= bindparam("over"),
    _C.revoked == 0,
    or_(_C.taken.is_(None), _C.taken == bindparam("request")),
)
_FIND = Prepared(select(GRANTS).where(_LIVE).order_by(_C.expires, _C.id).limit(1))
_MOST = Prepared(select(func.max(_C.amount).label("most")).where(_LIVE))
_MADE = Prepared(select(GRANTS).where(_OF_ACCOUNT, _C.window == bindparam("span")))
_ADD = Prepared(insert(GRANTS))
_RESIZE = Prepared(update(GRANTS).where(_C.id == bindparam("grant")), "given", "amount")
_LEND = Prepared(
    update(GRANTS).where(_C.id == bindparam("grant")).values(amount=_C.amount - bindparam("lent")), "taken"
)


def add(connection: Connection, grant: Grant, now: float) -> None:
    """Keep a grant. For a cap that is gone there is nothing to keep."""
    if connection.execute(select(func.count()).where(CAPS.c.id == grant.cap)).scalar_one():
        _keep(connection, grant, "", now)


def live(connection: Connection, now: float) -> list[Grant]:
    """The grants that a hold could still use, those that expire first in front."""
    usable = (_C.expires > now, _C.revoked == 0, _C.taken.is_(None), or_(_C.amount > 0, _C.given == 0))
    columns = [_C[field] for field in Grant.__struct_fields__]
    found = connection.execute(select(*columns).where(*usable).order_by(_C.expires, _C.id)).mappings()
    return [Grant(**row) for row in found]


def revoke(connection: Connection, grant_id: str) -> bool:
    """End a grant: no hold may use it any more. What it lent to open holds stays theirs. False where none is live."""
    # The row stays until its time: a standing allowance that was revoked is not made again in this window.
    change = update(GRANTS).where(_C.id == grant_id, _C.revoked == 0).values(revoked=1)
    if not connection.execute(change).rowcount:
        return False
    raises.lower(connection, connection.execute(select(GRANTS).where(_C.id == grant_id)).mappings().one())
    return True


def lender(connection: Connection, short: Short, use: Use) -> Found | None:
    """A live grant that covers what is missing; an allowance that was not yet made in this window is made."""
    wanted = _wanted(short.account, use) | {"over": short.over}
    for binding in use.bindings:
        if found := _FIND(connection, wanted | {"binding": binding}):
            return found[0]
    for standing in use.standing:
        if not standing.meets(short.account):
            continue
        _stand(connection, short.account, standing, use.now)
        if found := _FIND(connection, wanted | {"binding": standing.binding}):
            return found[0]
    return None


def most(connection: Connection, account: Account, use: Use) -> int | None:
    """The most that one grant would lend in this account; None where there is none at all."""
    return max(_each(connection, account, use), default=None)


def lend(connection: Connection, grant: Found, lent: int, request: str) -> None:
    """Take what a grant lends out of it. One for a request now belongs to this request."""
    taken = request if grant["binding"].startswith("request:") else None
    _LEND(connection, {"grant": grant["id"], "lent": lent, "taken": taken})


def give_back(connection: Connection, grant: str, unused: int, charged: int) -> None:
    """Return what a hold did not need. A request's grant under which nothing was charged is free to be used again."""
    whole = _C.amount + unused >= _C.given
    taken = _C.taken if charged else case((whole, None), else_=_C.taken)
    connection.execute(update(GRANTS).where(_C.id == grant).values(amount=_C.amount + unused, taken=taken))


def _wanted(account: Account, use: Use) -> dict[str, object]:
    return {"cap": account.cap.id, "key": account.key, "now": use.now, "request": use.request}


def _each(connection: Connection, account: Account, use: Use) -> Iterator[int]:
    for binding in use.bindings:
        [found] = _MOST(connection, _wanted(account, use) | {"over": 0, "binding": binding})
        if found["most"] is not None:
            yield found["most"]
    for standing in use.standing:
        made = _made(connection, account, standing.binding)
        if not made or not made[0]["revoked"]:
            yield max(0, standing.amount - (_lent(made[0]) if made else 0))


def _lent(grant: Found) -> int:
    lent: int = grant["given"] - grant["amount"]
    return lent


def _made(connection: Connection, account: Account, binding: str) -> list[Found]:
    wanted = {"cap": account.cap.id, "key": account.key, "binding": binding, "span": account.window.key}
    return _MADE(connection, wanted)


def _stand(connection: Connection, account: Account, standing: Standing, now: float) -> None:
    """Make the grant of an allowance for this window, once; one whose amount was edited since is resized."""
    expires = NEVER if account.window.ends is None else account.window.ends
    found = _made(connection, account, standing.binding)
    if not found:
        grant = Grant(
            id=uuid.uuid4().hex,
            cap=account.cap.id,
            key=account.key,
            binding=standing.binding,
            amount=standing.amount,
            expires=expires,
        )
        _keep(connection, grant, account.window.key, now)
    elif found[0]["given"] != standing.amount:
        lent = _lent(found[0])
        given = max(standing.amount, lent)
        _RESIZE(connection, {"grant": found[0]["id"], "given": given, "amount": given - lent})


def _keep(connection: Connection, grant: Grant, span: str, now: float) -> None:
    more = {"window": span, "given": grant.amount, "made": now, "taken": None, "revoked": 0}
    _ADD(connection, asdict(grant) | more)
