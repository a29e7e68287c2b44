"""A cap as a meter, a pace and a chart. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from pointsman.tray import words
from pointsman.wire.admin import CapState, Today

FIRST_PART = 0.03
HEAD_ROOM = 1.06
_TITLES = {
    "hour": "Hourly cap",
    "day": "Daily cap",
    "week": "Weekly cap",
    "month": "Monthly cap",
    "session": "Session cap",
    "request": "Cap for each request",
}
_NEVER_ANEW = {"session", "request"}

Level = Literal["calm", "warn", "full"]


class Pace(msgspec.Struct, frozen=True):
    """How fast today's money goes; all None in the first part of the day, when nothing can be said."""

    words: str = ""
    even: float | None = None
    by_end: int | None = None


class MeterView(msgspec.Struct, frozen=True):
    """Ratios of the limit; `sentence` is the value that a screen reader says."""

    spent: float
    held: float
    soft: float
    even: float | None
    level: Level
    sentence: str


class ChartView(msgspec.Struct, frozen=True):
    """Dollars over the day: `x` from 0 to 1, `y` in dollars; `cap`, `end` None where unknown."""

    points: tuple[tuple[float, float], ...]
    cap: float | None
    cap_label: str
    end: float | None
    top: float
    ticks: tuple[tuple[float, str], ...]
    spoken: str


def title(cap: CapState) -> str:
    """`Daily cap`, `Hourly cap of codex`."""
    name = _TITLES.get(cap.window, cap.name)
    return f"{name} of {cap.match}" if cap.match else name


def anew(cap: CapState, now: datetime) -> str:
    """When the window ends, as a sentence; empty for a cap that does not start anew by the clock."""
    if cap.ends is None or cap.window in _NEVER_ANEW:
        return ""
    then = datetime.fromtimestamp(cap.ends, now.tzinfo)
    midnight = (then.hour, then.minute) == (0, 0) and 0 < cap.ends - now.timestamp() <= 25 * 3600
    return f"The cap starts anew at {'midnight' if midnight else words.moment(cap.ends, now)}."


def pace(today: Today, now: datetime) -> Pace:
    """The even rate of the day so far, and where it leads."""
    passed = (now.timestamp() - today.starts) / (today.ends - today.starts)
    if not FIRST_PART <= passed <= 1 or today.spent == 0:
        return Pace()
    by_end = int(today.spent / passed)
    if today.cap is None:
        return Pace("", passed, by_end)
    if by_end > today.cap.limit:
        out = today.starts + today.cap.limit * (now.timestamp() - today.starts) / today.spent
        return Pace(f"Runs out {words.clock(max(out, now.timestamp()), now)}", passed, by_end)
    return Pace(f"On pace, about {words.money(by_end)} by midnight", passed, by_end)


def meter_view(cap: CapState, speed: Pace) -> MeterView:
    """Spent and held as parts of the limit; together they never pass the end."""
    limit = max(cap.limit, 1)
    spent = min(cap.spent / limit, 1.0)
    held = min(cap.held / limit, 1.0 - spent)
    used = (cap.spent + cap.held) * 100
    level: Level = "full" if cap.left == 0 else "warn" if used >= cap.soft_percent * limit else "calm"
    return MeterView(spent, held, cap.soft_percent / 100, speed.even, level, _meter_sentence(cap, speed))


def _meter_sentence(cap: CapState, speed: Pace) -> str:
    parts = [
        f"{words.money(cap.spent)} spent, {words.bound(cap.held)} held, of {words.money(cap.limit)}",
        f"{words.left(cap.left)} left",
    ]
    if cap.overrun:
        parts.append(f"{words.bound(cap.overrun)} was charged over a bound")
    if speed.words:
        parts.append(speed.words[0].lower() + speed.words[1:])
    return "; ".join(parts)


def chart_view(today: Today, speed: Pace, now: datetime) -> ChartView:
    """Today's spend as a line from midnight to its newest point."""
    length = today.ends - today.starts
    last = min(max(now.timestamp(), today.starts), today.ends)
    times = [(today.starts, 0), *today.points, (last, today.spent)]
    points = tuple(((at - today.starts) / length, amount / words.DOLLAR) for at, amount in times if at <= last)
    cap = None if today.cap is None else today.cap.limit / words.DOLLAR
    end = None if speed.by_end is None else speed.by_end / words.DOLLAR
    highest = max(points[-1][1], end or 0.0, 0.01)
    capped = "" if today.cap is None else f", cap {words.money(today.cap.limit)}"
    spoken = f"Spend today: {words.money(today.spent)} at {words.clock(last, now)}{capped}"
    label = "" if today.cap is None else f"cap {words.short_money(today.cap.limit)}"
    return ChartView(points, cap, label, end, HEAD_ROOM * (cap or highest), _ticks(today, now), spoken)


def _ticks(today: Today, now: datetime) -> tuple[tuple[float, str], ...]:
    length = today.ends - today.starts
    quarters = tuple((part, words.clock(today.starts + part * length, now)) for part in (0.0, 0.25, 0.5, 0.75))
    return (*quarters, (1.0, "24:00"))
