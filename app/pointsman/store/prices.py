"""What a target costs now: the person's own price, else the bundled price list, else nobody knows.

A model without a price is never free: `None` means ask or refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from pointsman.core.catalog import Provider, Target
from pointsman.core.pricing import FREE, Rates

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

_BOTH_WAYS = ("input_mtok", "output_mtok")
_PER_MILLION = 1_000_000  # dollars per million tokens -> micro-dollars per million tokens
_PER_THOUSAND = 1_000  # dollars per thousand requests -> micro-dollars per request


class PriceBook:
    """Prices by provider and model. The list is loaded with the first question about a cloud model (0.2 s)."""

    def rates(self, provider: Provider | None, target: Target, now: datetime | float) -> Rates | None:
        """The rates in force at `now`, with their source and date; None where no price is known."""
        if isinstance(target.price, Rates):
            return target.price
        if target.tier == "local":
            return FREE
        if target.price == "free":
            return msgspec.structs.replace(FREE, source="models.toml")
        if provider is None:
            return None
        moment = now if isinstance(now, datetime) else datetime.fromtimestamp(now, UTC)
        return _listed(provider.base_url, target.model or target.name, moment)


def _listed(base_url: str, name: str, moment: datetime) -> Rates | None:
    """The list's price for a model at this very address: a name alone says nothing about who sends the bill."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, model = get_snapshot().find_provider_model(name, None, None, base_url)
    except LookupError:
        return None
    return _rates(model.get_prices(moment), f"genai-prices {version('genai-prices')}", _since(model, moment))


def _rates(price: ModelPrice, source: str, dated: str) -> Rates | None:
    """Rates from dollars per million tokens. A cache rate that the list leaves out is the input's."""
    amounts = {key: amount for key, amount in vars(price).items() if amount is not None}
    if any(key not in amounts for key in _BOTH_WAYS):
        return None
    starts = sorted({tier.start for amount in amounts.values() for tier in getattr(amount, "tiers", ())})
    above = tuple((start, _flat(amounts, start + 1, source, dated)) for start in starts)
    return msgspec.structs.replace(_flat(amounts, 0, source, dated), above=above)


def _flat(amounts: Mapping[str, Any], input_tokens: int, source: str, dated: str) -> Rates:
    """The rates that hold for an input of so many tokens."""
    at = {key: _amount(amount, input_tokens) for key, amount in amounts.items()}
    input_, output = at["input_mtok"], at["output_mtok"]
    short = at.get("cache_write_5m_mtok", at.get("cache_write_mtok", input_))
    return Rates(
        input=_micro(input_, _PER_MILLION),
        cache_read=_micro(at.get("cache_read_mtok", input_), _PER_MILLION),
        cache_write_short=_micro(short, _PER_MILLION),
        cache_write_long=_micro(at.get("cache_write_1h_mtok", at.get("cache_write_mtok", short)), _PER_MILLION),
        output=_micro(max(output, at.get("output_reasoning_mtok", output)), _PER_MILLION),
        per_request=_micro(at.get("requests_kcount", Decimal(0)), _PER_THOUSAND),
        source=source,
        dated=dated,
    )


def _amount(amount: Any, input_tokens: int) -> Decimal:
    passed = [tier.price for tier in getattr(amount, "tiers", ()) if input_tokens > tier.start]
    return Decimal(passed[-1] if passed else getattr(amount, "base", amount))


def _micro(dollars: Decimal, scale: int) -> int:
    """Rounded up: a price is never understated."""
    return int((dollars * scale).to_integral_value(ROUND_CEILING))


def _since(model: ModelInfo, moment: datetime) -> str:
    """The day since which this price holds, where the list says so; else the newest day the list knows of."""
    starts = _starts(model.prices)
    begun = [start for start in starts if start <= moment.date().isoformat()]
    return max(begun) if begun else max((day for day in _days() if day <= moment.date().isoformat()), default="")


@cache
def _days() -> tuple[str, ...]:
    """All days on which a price in the list began to hold."""
    from genai_prices.data_snapshot import get_snapshot

    models = (model for provider in get_snapshot().providers for model in provider.models)
    return tuple(sorted({day for model in models for day in _starts(model.prices)}))


def _starts(prices: Any) -> list[str]:
    conditions = prices if isinstance(prices, list) else []
    days = (getattr(condition.constraint, "start_date", None) for condition in conditions)
    return [day.isoformat() for day in days if day is not None]
