"""Caps as arithmetic: whose account a hold falls into, in which window, and whether it fits.

Money is integer micro-dollars. An account is one cap, for one value of its scope, in one window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

SCOPES = ("everything", "person", "project", "label", "agent", "session", "task", "model", "tier", "request")
WINDOWS = ("once", "hour", "day", "week", "month", "session")
AT_SOFT = ("go", "ask", "local", "cheaper", "shorten", "defer")
AT_LIMIT = ("ask", "local", "cheaper", "shorten", "defer", "refuse")
LARGEST = 10**15
"""A thousand million dollars: sums of such limits stay far inside 64 bits."""
_APART = "\x1f"


class Cap(Struct, frozen=True, kw_only=True):
    """A limit on a scope and a window. An empty `match` gives each value of the scope an account of its own."""

    id: str
    name: str
    scope: str
    match: str = ""
    window: str
    limit: int
    soft_percent: int = 80
    at_soft: str = "go"
    at_limit: str = "ask"


class Subject(Struct, frozen=True, kw_only=True):
    """To whom, and to what, a hold belongs."""

    person: str
    project: str | None
    label: str | None
    agent: str
    session: str
    task: str
    model: str
    tier: str
    request: str


class Window(Struct, frozen=True):
    """A span of the local calendar; the same key is the same account. None means open at that end."""

    key: str
    starts: float | None
    ends: float | None


class Account(Struct, frozen=True, kw_only=True):
    """What is spent and held under a cap; `raised` was allowed on top, `overrun` taken beyond by a provider."""

    cap: Cap
    key: str
    window: Window
    spent: int
    held: int
    raised: int
    overrun: int

    @property
    def limit(self) -> int:
        """The cap's limit and what it was raised by."""
        return self.cap.limit + self.raised

    @property
    def left(self) -> int:
        """What is neither spent nor held."""
        return max(0, self.limit - self.spent - self.held)

    @property
    def soft_mark(self) -> int:
        """From here on the cap may want a word."""
        return self.limit * self.cap.soft_percent // 100


class Short(Struct, frozen=True):
    """Where an amount does not fit. `over` is what is missing under the limit: 0 when only the soft mark is passed."""

    account: Account
    over: int
    soft: bool


def check(cap: Cap) -> str | None:
    """The sentence that says why this cap makes no sense, or None."""
    if not cap.name.strip() or not cap.name.isprintable():
        return "A cap needs a name of printable characters."
    for what, value, allowed in (
        ("scope", cap.scope, SCOPES),
        ("window", cap.window, WINDOWS),
        ("at_soft", cap.at_soft, AT_SOFT),
        ("at_limit", cap.at_limit, AT_LIMIT),
    ):
        if value not in allowed:
            return f'The cap "{cap.name}" has {what} "{value}": use one of {", ".join(allowed)}.'
    if not 0 <= cap.limit <= LARGEST:
        return f'The cap "{cap.name}" has a limit of {cap.limit} micro-dollars: use 0 to {LARGEST}.'
    if not 1 <= cap.soft_percent <= 100:
        return f'The cap "{cap.name}" has its soft mark at {cap.soft_percent} percent: use 1 to 100.'
    return _check_scope(cap)


def _check_scope(cap: Cap) -> str | None:
    if cap.scope == "everything" and cap.match:
        return f'The cap "{cap.name}" is on everything, yet matches "{cap.match}": name a scope, or leave match out.'
    if cap.scope == "request" and (cap.match or cap.window != "once"):
        return f'The cap "{cap.name}" is on each request: leave match out, and use the window "once".'
    return None


def window(kind: str, now: float, zone: tzinfo) -> Window:
    """The window of this kind around `now`, on the calendar of `zone`; it begins and ends on a whole second."""
    if kind in ("once", "session"):
        return Window(kind, None, None)
    return _on_calendar(kind, math.floor(now), zone)


@lru_cache(256)
def _on_calendar(kind: str, now: int, zone: tzinfo) -> Window:
    if kind == "hour":
        return _hour(now, zone)
    today = _today(now, zone)
    if kind == "day":
        return _span(today.isoformat(), today, today + timedelta(days=1), zone)
    if kind == "week":
        year, week, weekday = today.isocalendar()
        monday = today - timedelta(days=weekday - 1)
        return _span(f"{year}-W{week:02}", monday, monday + timedelta(days=7), zone)
    if kind == "month":
        first = today.replace(day=1)
        return _span(f"{first:%Y-%m}", first, (first + timedelta(days=32)).replace(day=1), zone)
    raise ValueError(f"no window is called {kind!r}")


def _hour(now: int, zone: tzinfo) -> Window:
    # The offset is part of the key: when clocks go back, the same hour comes twice, each with its own account.
    # Where they change within an hour of the clock (by half an hour on Lord Howe), the change is an edge too.
    offset = _offset(now, zone)
    starts = (now + offset) // 3600 * 3600 - offset
    first, ends = starts, starts + 3600
    if _offset(starts, zone) != offset:
        first = _change(starts, now, zone)
    if _offset(ends - 1, zone) != offset:
        ends = _change(now, ends - 1, zone)
    return Window(f"{datetime.fromtimestamp(now, zone):%Y-%m-%dT%H%z}", first, ends)


def _today(now: int, zone: tzinfo) -> date:
    """The local date. One that has begun goes on, also where clocks go back over the midnight before it."""
    found = datetime.fromtimestamp(now, zone).date()
    following = found + timedelta(days=1)
    return following if now >= _midnight(following, zone) else found


def _span(key: str, first: date, after: date, zone: tzinfo) -> Window:
    return Window(key, _midnight(first, zone), _midnight(after, zone))


def _midnight(day: date, zone: tzinfo) -> float:
    early, late = (datetime(day.year, day.month, day.day, fold=fold, tzinfo=zone).timestamp() for fold in (0, 1))
    # A midnight that comes twice counts the first time. One that clocks skip is read the wrong way round: the day
    # begins at the very moment of the change.
    return early if early <= late else _change(late, early, zone)


def _offset(at: float, zone: tzinfo) -> float:
    return (datetime.fromtimestamp(at, zone).utcoffset() or timedelta()).total_seconds()


def _change(before: float, after: float, zone: tzinfo) -> float:
    """The whole second, after the one and up to the other, from which on the offset is that of the later."""
    low, high, new = math.floor(before), math.ceil(after), _offset(after, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(middle, zone) == new else (middle, high)
    return float(high)


def account_key(cap: Cap, subject: Subject) -> str | None:
    """Which account of the cap this subject uses; None when the cap is not about it."""
    parts: list[str] = []
    if cap.scope != "everything":
        value: str | None = getattr(subject, cap.scope)
        if value is None or (cap.match and cap.match != value):
            return None
        parts.append(value)
    if cap.window == "session" and cap.scope != "session":
        parts.append(subject.session)
    return _APART.join(parts)


def owner(cap: Cap, key: str) -> dict[str, str]:
    """The fields of a subject that put it into this account, the other way round than `account_key`."""
    fields = [] if cap.scope == "everything" else [cap.scope]
    if cap.window == "session" and cap.scope != "session":
        fields.append("session")
    return dict(zip(fields, key.split(_APART), strict=True)) if fields else {}


def has_one_account(cap: Cap) -> bool:
    """Whether the cap has a single account in each window, rather than one for each value."""
    return cap.window != "session" and (cap.scope == "everything" or bool(cap.match))


def admit(accounts: Sequence[Account], amount: int) -> tuple[Short, ...]:
    """Where `amount` does not fit; empty when it fits everywhere. What is free always fits."""
    if amount == 0:
        return ()
    shorts = []
    for account in accounts:
        short = _short(account, amount)
        if short is not None:
            shorts.append(short)
    return tuple(shorts)


def _short(account: Account, amount: int) -> Short | None:
    used, limit = account.spent + account.held + amount, account.limit
    if used > limit:
        return Short(account, used - limit, soft=False)
    if account.cap.at_soft != "go" and used > account.soft_mark:
        return Short(account, 0, soft=True)
    return None


def room(account: Account, lent: int = 0, *, soft: bool = False) -> int:
    """The most that one account pays for, with what a grant lends; `soft`: and no soft mark that wants a word."""
    watched = soft and account.cap.at_soft != "go"
    bound = account.soft_mark if watched else account.limit
    return max(0, bound + lent - account.spent - account.held)


def headroom(accounts: Sequence[Account], *, soft: bool = False) -> int | None:
    """The largest amount that passes no limit, nor with `soft` a mark. None where there is no cap at all."""
    return min((room(account, soft=soft) for account in accounts), default=None)


def hold(account: Account, amount: int, lent: int = 0) -> Account:
    """The account with `amount` held; a grant `lent` what was missing."""
    return replace(account, held=account.held + amount, raised=account.raised + lent)


def unused(amount: int, lent: int, charged: int) -> int:
    """How much of what a grant lent to a hold of `amount` goes back to it: all, where nothing was charged.

    What was lent may also cover what a lowered cap was over before: that part stays only with a charge on top of it.
    """
    return max(0, min(lent, amount - charged)) if charged else lent


def settle(account: Account, amount: int, lent: int, charged: int) -> Account:
    """The account after a hold of `amount` ended with `charged`. What passes both hold and limit is an overrun."""
    spent = account.spent + charged
    held = account.held - amount
    if charged <= amount and not lent:  # as nearly all
        return replace(account, spent=spent, held=held)
    raised = account.raised - unused(amount, lent, charged)
    beyond = min(charged - amount, spent + held - account.cap.limit - raised)
    return replace(account, spent=spent, held=held, raised=raised, overrun=account.overrun + max(0, beyond))
