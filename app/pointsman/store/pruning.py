"""What nobody needs any more: accounts and grants of the past go, so that both tables stay small.

An account is only what its holds add up to, and they stay: one that is asked for again is made up from them.
What is lost with it is what it was raised by, so it errs on the safe side, and only long after its time.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, or_, select

from pointsman.store.accounts import ACCOUNTS, CAPS, PLEDGES
from pointsman.store.grants import GRANTS

_DAY = 86_400.0
_AFTER_WINDOW = 7 * _DAY  # far more than a clock that was set wrong by a day or a zone
_AFTER_REQUEST = _DAY
_AFTER_LIFE = 30 * _DAY
_MOST = 1_000


def prune(connection: Connection, now: float) -> int:
    """Clear away accounts, at most 1,000 at a time, and grants that are past their time. How many accounts."""
    idle = ACCOUNTS.c.id.not_in(select(PLEDGES.c.account))
    past = or_(_window_over(now), _request_over(now), _life_unused(now))
    some = select(ACCOUNTS.c.id).where(idle, past).limit(_MOST)
    gone = connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.id.in_(some))).rowcount
    expired = and_(GRANTS.c.window == "", GRANTS.c.expires <= now - _AFTER_WINDOW)
    connection.execute(delete(GRANTS).where(or_(expired, _without_account())))
    return gone


def _window_over(now: float) -> ColumnElement[bool]:
    return ACCOUNTS.c.ends <= now - _AFTER_WINDOW


def _request_over(now: float) -> ColumnElement[bool]:
    requests = select(CAPS.c.id).where(CAPS.c.scope == "request")
    return and_(ACCOUNTS.c.cap.in_(requests), ACCOUNTS.c.opened <= now - _AFTER_REQUEST)


def _life_unused(now: float) -> ColumnElement[bool]:
    """An account of a session or task that was never raised is made up again to the micro-dollar."""
    lives = select(CAPS.c.id).where(or_(CAPS.c.window == "session", CAPS.c.scope.in_(("session", "task"))))
    untouched = and_(ACCOUNTS.c.raised == 0, ACCOUNTS.c.overrun == 0)
    return and_(ACCOUNTS.c.cap.in_(lives), ACCOUNTS.c.ends.is_(None), ACCOUNTS.c.opened <= now - _AFTER_LIFE, untouched)


def _without_account() -> ColumnElement[bool]:
    """An allowance of a window goes with its account, never before: else it would be given twice in one window."""
    same = and_(ACCOUNTS.c.cap == GRANTS.c.cap, ACCOUNTS.c.key == GRANTS.c.key, ACCOUNTS.c.window == GRANTS.c.window)
    return and_(GRANTS.c.window != "", ~exists().where(same))
