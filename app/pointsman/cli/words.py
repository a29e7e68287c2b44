"""Money, moments and spans: what people type, and what they read."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from decimal import ROUND_CEILING, Decimal, InvalidOperation

import typer

from pointsman.core.amounts import dollars as said

MICROS = 1_000_000
_SPAN = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
UNKNOWN = "–"  # noqa: RUF001 an en dash is how the app writes what is not known


def dollars(text: str) -> int:
    """'4.00' or '$4' to micro-dollars."""
    try:
        amount = Decimal(text.strip().removeprefix("$")) * MICROS
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is not an amount; write dollars with a point, such as 4.00") from None
    if amount.is_finite() and amount < 0:
        raise typer.BadParameter(f"{text!r} is below zero; write an amount such as 4.00, or 0 for nothing")
    if not amount.is_finite() or amount > 10**15 or amount != amount.to_integral_value():
        raise typer.BadParameter(f"{text!r} is not an amount; write dollars with at most six decimals, such as 4.00")
    return int(amount)


def seconds(text: str) -> float:
    """'45s', '30m', '2h' or '1d' to seconds."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a span of time; write one such as 30m, 2h or 1d")
    return float(int(found[1]) * _SECONDS[found[2]])


def moment(text: str) -> float:
    """A local date (its midnight), a date and time, or a span before now such as 7d, to Unix seconds."""
    return _read(text).astimezone().timestamp()


def end_moment(text: str) -> float:
    """The same, but a date alone stands for its whole day."""
    read = _read(text)
    whole_day = ":" not in text and not _SPAN.fullmatch(text.strip()) and read.time() == time.min
    return (read + timedelta(days=1) if whole_day else read).astimezone().timestamp()


def _read(text: str) -> datetime:
    if _SPAN.fullmatch(text.strip()):
        return datetime.now().astimezone() - timedelta(seconds=seconds(text))
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a date; write one such as 2026-11-20 or 2026-11-20T14:30, or a span such as 7d or 24h"
        ) from None


def money(micros: int | None) -> str:
    """As sentences say it; None is not known."""
    return UNKNOWN if micros is None else said(micros)


def rest(micros: int) -> str:
    """What is left: never said higher than it is."""
    return said(micros, down=True)


def exact(micros: int | None) -> str:
    """Four decimals, for the price of one request; as many as it has where four say nothing."""
    if micros is None:
        return UNKNOWN
    return "free" if micros == 0 else f"${Decimal(micros) / MICROS:,.{_decimals(micros)}f}"


def bound(micros: int | None) -> str:
    """Rounded up to the hundredth of a cent, so that it is never too little."""
    if micros is None:
        return UNKNOWN
    raised = (Decimal(micros) / MICROS).quantize(Decimal(1).scaleb(-_decimals(micros)), ROUND_CEILING)
    return "free" if micros == 0 else f"${raised:,f}"


def _decimals(micros: int) -> int:
    return 4 if micros >= MICROS // 10_000 else 6


def clock(at: float | None, now: float) -> str:
    """A moment as local people read it: the hour today, else the date too."""
    if at is None:
        return UNKNOWN
    there, here = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(now).astimezone()
    return f"{there:%H:%M}" if there.date() == here.date() else f"{there:%Y-%m-%d %H:%M}"


def left(until: float, now: float) -> str:
    """Minutes and seconds until then; '0:00' when it is over."""
    rest = max(0, int(until - now))
    return f"{rest // 60}:{rest % 60:02}"


def rate(micros: int) -> str:
    """A price with all the decimals that it has, two at least."""
    amount = Decimal(micros) / MICROS
    return f"${amount:,.2f}" if micros % 10_000 == 0 else f"${amount:,f}"


def owner(key: str) -> str:
    """Whose account of a cap it is; one of a session may have two parts."""
    return ", ".join(key.split("\x1f"))
