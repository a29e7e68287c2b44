"""What local and private answers saved, and whether the machine pays for itself, in words."""

from __future__ import annotations

from pointsman.core import pricing, savings
from pointsman.core.pricing import Meters
from pointsman.gateway.house import House
from pointsman.wire.admin import Savings

_TYPICAL = Meters(fresh_input=4_000, output=500)


async def of(house: House, saved: int, now: float) -> Savings | None:
    """The savings of some time; None where nothing was saved and nothing is paid for that could be."""
    costs = savings.costs(house.catalog)
    against = _against(house, now)
    even = None
    if costs or house.catalog.machine.watts:
        even = savings.break_even(costs, house.catalog.machine, await house.ledger.use(now))
    said = [savings.told(saved, against)] if saved and against else []
    said += [even.sentence] if even else []
    return Savings(saved, against, " ".join(said)) if said else None


def _against(house: House, now: float) -> str:
    """The cheapest cloud target that has a price, for a typical request."""
    rates = {
        target.name: house.rates(target, now)
        for target in house.catalog.by_tier("cloud")
        if "embeddings" not in target.can
    }
    priced = [(pricing.cost(_TYPICAL, known), name) for name, known in rates.items() if known is not None]
    return min(priced)[1] if priced else ""
