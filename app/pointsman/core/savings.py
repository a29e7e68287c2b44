"""What answers here and on servers of one's own saved, and whether the machine pays for itself.

Money is integer micro-dollars; each figure is said with what was assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import msgspec
from msgspec import Struct

from pointsman.core.amounts import dollars
from pointsman.core.catalog import Catalog, Machine
from pointsman.core.policy import Ruling
from pointsman.core.pricing import Meters, Rates, cost
from pointsman.core.request import Request
from pointsman.core.routing import Attempt, Plan

DAYS = 30
"""A break-even looks at so many days, which count as a month."""
_HOUR_MS = 3_600_000
_WATT_HOURS = 1_000  # in a kilowatt-hour


class Use(Struct, frozen=True, kw_only=True):
    """What local and private answers did in the last `days`, at most 30: how many, how long, what they saved."""

    days: int
    requests: int
    saved: int
    local_ms: int = 0


class Cost(Struct, frozen=True):
    """What something costs in a month whether it is used or not."""

    name: str
    monthly: int


class BreakEven(Struct, frozen=True, kw_only=True):
    """The sum. `fixed` and `electricity` are for a month; `needed` and `made` are requests a day.

    `needed` None: however many there are, they do not pay for it, or nothing is paid but electricity.
    """

    fixed: int
    electricity: int
    saved: int
    needed: int | None
    made: int
    pays: bool
    sentence: str


def saved(meters: Meters, rates: Rates, paid: int = 0) -> int:
    """What an answer would have cost at these rates beyond what was paid for it; never less than nothing."""
    return max(0, cost(meters, rates) - paid)


def as_if_cloud(request: Request, ruling: Ruling) -> tuple[Request, Ruling]:
    """The request and the ruling for which a plan holds every cloud target that could have answered."""
    hints = msgspec.structs.replace(request.hints, tier="cloud", fallback=True)
    return (
        msgspec.structs.replace(request, model="cloud", hints=hints),
        msgspec.structs.replace(ruling, target=None, tier=None, allowed=ruling.allowed | {"cloud"}),
    )


def replaced(planned: Plan, possible: Plan, meters: Meters) -> Attempt | None:
    """The cloud attempt that an answer stands for: the first one of its plan, else the cheapest that is possible."""
    for attempt in planned.attempts:
        if attempt.tier == "cloud" and attempt.rates is not None:
            return attempt
    priced = [(cost(meters, one.rates), one) for one in possible.attempts if one.tier == "cloud" and one.rates]
    return min(priced, key=lambda found: found[0])[1] if priced else None


def told(amount: int, against: str) -> str:
    """The assumption, in words."""
    return (
        f"Local and private answers saved {dollars(amount)}, "
        f"as if a cloud model such as {against} had answered with the same number of tokens."
    )


def costs(catalog: Catalog) -> list[Cost]:
    """What is paid each month for the machine and for servers by the hour."""
    machine, hours = catalog.machine, DAYS * 24
    own = [Cost("The machine", machine.price // machine.months)] if machine.price and machine.months else []
    prices = ((target.name, target.price) for target in catalog.targets.values())
    return own + [Cost(name, price.per_hour * hours) for name, price in prices if _hourly(price)]


def _hourly(price: str | Rates) -> TypeGuard[Rates]:
    return isinstance(price, Rates) and price.per_hour > 0


def break_even(fixed: Sequence[Cost], machine: Machine, use: Use) -> BreakEven | None:
    """Whether what is paid each month is earned back; None where nothing is paid."""
    if not fixed and not _by_the_hour(machine):
        return None
    monthly, electricity = sum(one.monthly for one in fixed), _electricity(machine, use)
    days = max(1, use.days)
    month = (use.saved - electricity) * DAYS // days
    net = use.saved - electricity
    needed = -(-monthly * use.requests // (net * DAYS)) if net > 0 and monthly else None
    found = BreakEven(
        fixed=monthly,
        electricity=electricity,
        saved=use.saved,
        needed=needed,
        made=round(use.requests / days),
        pays=use.requests > 0 and month >= monthly,
        sentence="",
    )
    return msgspec.structs.replace(found, sentence=_sentence(found, fixed, days))


def _by_the_hour(machine: Machine) -> int:
    return machine.watts * machine.electricity


def _electricity(machine: Machine, use: Use) -> int:
    """For the hours in which local models worked."""
    return _by_the_hour(machine) * use.local_ms // (_HOUR_MS * _WATT_HOURS)


def _sentence(found: BreakEven, fixed: Sequence[Cost], days: int) -> str:
    parts = [f"{one.name} costs {dollars(one.monthly)} a month" for one in fixed]
    if found.electricity:
        parts.append(f"electricity {dollars(found.electricity)}")
    span = "in the last 30 days" if days >= DAYS else f"in {days} {'day' if days == 1 else 'days'}"
    paid = ", ".join(parts) or "nothing is paid"
    start = f"{paid[0].upper()}{paid[1:]}; local and private answers saved {dollars(found.saved)} {span}"
    verdict = "it pays for itself" if found.pays else "cloud only is simpler at your volume"
    if found.needed is None:
        return f"{start}: {verdict}."
    how = "It does" if found.pays else "It pays for itself"
    return f"{start}: {verdict}. {how} from about {found.needed:,} requests a day; you make {found.made:,}."
