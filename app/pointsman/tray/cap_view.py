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
    "once": "One-time cap",
}
_BY_ID = {"session", "task", "request"}  # their accounts are named by an id that says nothing to a person
_AT_SOFT = {
    "ask": "you are asked",
    "local": "it goes to a local model",
    "cheaper": "it goes to a cheaper model",
    "shorten": "it shortens the answer",
    "defer": "background requests wait",
}
_AT_LIMIT = {**_AT_SOFT, "refuse": "it refuses"}
_UNHELPED = {
    "local": ", and no local model can answer it",
    "cheaper": ", and no cheaper model fits",
    "shorten": ", and what is left pays for no useful answer",
    "defer": ", and it cannot wait",
}
_REACHED = {
    "cheaper": "Cap reached, only free models answer",
    "defer": "Cap reached, background requests wait",
}

Level = Literal["calm", "warn", "full"]


class Pace(msgspec.Struct, frozen=True):
    """How fast today's money goes; all None in the first part of the day, when nothing can be said."""

    words: str = ""
    even: float | None = None
    by_end: int | None = None


class MeterView(msgspec.Struct, frozen=True):
    """Ratios of the limit; `sentence` is the value that a screen reader says, `does` what the cap does."""

    spent: float
    held: float
    soft: float
    even: float | None
    level: Level
    sentence: str
    does: str = ""


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
    if cap.scope == "request":
        return "Cap for each request"
    name = _TITLES.get(cap.window, cap.name)
    return f"{name} of {cap.match}" if cap.match and cap.scope not in _BY_ID else name


def lower(text: str) -> str:
    """The text inside a sentence."""
    return text[:1].lower() + text[1:]


def actions(cap: CapState) -> str:
    """What happens at the soft mark, where anything does, and at the limit."""
    parts = [f"at the limit {_AT_LIMIT[cap.at_limit]}"] if cap.at_limit in _AT_LIMIT else []
    if cap.at_soft in _AT_SOFT:
        parts.insert(0, f"from {words.percent(cap.soft_percent)} on {_AT_SOFT[cap.at_soft]}")
    said = ", ".join(parts)
    return f"{said[0].upper()}{said[1:]}." if said else ""


def in_the_way(at_limit: str) -> str:
    """Why the person is asked although the cap would rather do something else: that did not help."""
    return _UNHELPED.get(at_limit, "")


def reached(cap: CapState) -> str:
    """What a full cap means, in a few words."""
    return _REACHED.get(cap.at_limit, "Cap reached, local models still answer")


def anew(cap: CapState, now: datetime) -> str:
    """When the window ends, as a sentence; empty for a cap that does not start anew by the clock."""
    if cap.ends is None or cap.window in {"session", "once"}:
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
    return MeterView(spent, held, cap.soft_percent / 100, speed.even, level, _meter_sentence(cap, speed), actions(cap))


def _meter_sentence(cap: CapState, speed: Pace) -> str:
    parts = [
        f"{words.money(cap.spent)} spent, {words.bound(cap.held)} held, of {words.money(cap.limit)}",
        f"{words.left(cap.left)} left",
    ]
    if cap.overrun:
        parts.append(f"{words.bound(cap.overrun)} was charged over a bound")
    if cap.raised:
        parts.append(f"{words.money(cap.raised)} of it added by you")
    if speed.words:
        parts.append(lower(speed.words))
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
