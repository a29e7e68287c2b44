"""How numbers read: money, times, ages, shares. Pure; times are Unix seconds and `now` carries the time zone."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Literal

import msgspec

from pointsman.core.amounts import dollars

CENT = 10_000
DOLLAR = 1_000_000
UNKNOWN = "\u2013"
NO_BREAK = "\u00a0"

Rounding = Literal["nearest", "up", "down"]

_AMOUNT = re.compile(r"^\s*\$?\s*(\d{1,7})(?:[.,](\d{1,2}))?\s*$")
_PRICE = re.compile(r"^\s*\$?\s*(\d{1,5})(?:[.,](\d{1,6}))?\s*$")
_FOUND = {
    "mail_address": ("e-mail address", "e-mail addresses"),
    "card_number": ("card number", "card numbers"),
    "secret_key": ("secret key", "secret keys"),
}


class Span(msgspec.Struct, frozen=True):
    """A piece of a sentence; names and money are strong."""

    text: str
    strong: bool = False


Sentence = tuple[Span, ...]


def plain(sentence: Sentence) -> str:
    """The sentence as a screen reader says it."""
    return "".join(span.text for span in sentence)


def marked(text: str) -> Sentence:
    """`**strong**` pieces as spans; the words between them as they are."""
    pieces = text.split("**")
    return tuple(Span(piece, at % 2 == 1) for at, piece in enumerate(pieces) if piece)


def money(micro: int | None, rounding: Rounding = "nearest") -> str:
    """Two decimals; under a cent as many as say something; unknown is an en dash."""
    if micro is None:
        return UNKNOWN
    if 0 < micro < CENT:
        return dollars(micro, up=rounding == "up", down=rounding == "down")
    cents = {"up": -(-micro // CENT), "down": micro // CENT, "nearest": (micro + CENT // 2) // CENT}[rounding]
    return f"${cents // 100:,}.{cents % 100:02d}"


def bound(micro: int | None) -> str:
    """An upper bound: a cent is never rounded away."""
    return money(micro, "up")


def left(micro: int | None) -> str:
    """What may still be spent: never said higher than it is."""
    return money(micro, "down")


def short_money(micro: int) -> str:
    """`$10` for whole dollars, `$0.50` else: for the label of a line in a chart."""
    return f"${micro // DOLLAR:,}" if micro % DOLLAR == 0 else money(micro)


def free_or(micro: int | None) -> str:
    """A price in a table: nothing to pay is the word."""
    return "free" if not micro else money(micro)


def parse_money(text: str) -> int | None:
    """What a person wrote, with a point or a comma, as micro-dollars; None when it is no amount above zero."""
    match = _AMOUNT.match(text)
    if match is None:
        return None
    cents = int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0"))
    return cents * CENT or None


def parse_price(text: str) -> int | None:
    """A price per million tokens, with a point or a comma, as micro-dollars; None when it is none."""
    match = _PRICE.match(text)
    return None if match is None else int(match[1]) * DOLLAR + int((match[2] or "0").ljust(6, "0"))


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 request`, `1,204 requests`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def clock(at: float, now: datetime) -> str:
    """A time of day."""
    return datetime.fromtimestamp(at, now.tzinfo).strftime("%H:%M")


def moment(at: float, now: datetime) -> str:
    """Today 14:32, within a week Tue 14:32, else 12 Nov, in another year with the year."""
    then = datetime.fromtimestamp(at, now.tzinfo)
    days = abs((then.date() - now.date()).days)
    if days == 0:
        return then.strftime("%H:%M")
    if days < 7:
        return f"{then:%a %H:%M}"
    return f"{then.day} {then:%b}" if then.year == now.year else f"{then.day} {then:%b %Y}"


def age(seconds: float) -> str:
    """`just now`, `2 min ago`, `1 h ago`, `3 days ago`."""
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86_400:
        return f"{int(seconds // 3600)} h ago"
    return f"{count(int(seconds // 86_400), 'day')} ago"


def span_of_time(seconds: float) -> str:
    """How long a session lasts: `18 min`, `3 h 12 min`."""
    minutes = int(max(seconds, 0) // 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def run_time(seconds: float) -> str:
    """Minutes and seconds that have passed."""
    whole = int(max(seconds, 0))
    return f"{whole // 60}:{whole % 60:02d}"


def countdown(seconds: float) -> str:
    """Minutes and seconds that remain; zero only when none do."""
    return run_time(math.ceil(max(seconds, 0)))


def memory(size: int) -> str:
    """Gigabytes with one decimal, megabytes under a tenth of one."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{max(round(size / 1e6), 1)} MB"


def speed(rate: float) -> str:
    """How fast bytes come: `38 MB/s`, `640 kB/s`."""
    if rate >= 1e7:
        return f"{rate / 1e6:.0f} MB/s"
    return f"{rate / 1e6:.1f} MB/s" if rate >= 1e6 else f"{max(round(rate / 1e3), 1)} kB/s"


def time_left(seconds: float) -> str:
    """`40 s left`, `2 min left`, `1 h 5 min left`: rounded up, so that it is not over before it is."""
    if seconds < 60:
        return f"{max(math.ceil(seconds), 1)} s left"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min left" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min left"


def percentages(parts: tuple[int, ...]) -> tuple[int, ...]:
    """Whole percentages that sum to 100, by largest remainder; all zero when there is nothing to share."""
    total = sum(parts)
    if total == 0:
        return tuple(0 for _ in parts)
    floors = [part * 100 // total for part in parts]
    order = sorted(range(len(parts)), key=lambda at: (-(parts[at] * 100 % total), at))
    for at in order[: 100 - sum(floors)]:
        floors[at] += 1
    return tuple(floors)


def percent(number: int) -> str:
    """With a no-break space."""
    return f"{number}{NO_BREAK}%"


def found(kind: str, number: int) -> str:
    """`2 e-mail addresses`; a kind without words of its own reads as its name."""
    one, many = _FOUND.get(kind, (kind.replace("_", " "), kind.replace("_", " ") + "s"))
    return count(number, one, many)


def initials(name: str) -> str:
    """Two letters for a tile: of two words, also written as one (OpenClaw), else of one."""
    words = re.split(r"[\s_-]+|(?<=[a-z])(?=[A-Z])", name.strip())
    if len(words) > 1 and words[1]:
        return (words[0][:1] + words[1][:1]).upper()
    return name[:1].upper() + name[1:2].lower()
