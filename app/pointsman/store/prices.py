"""What a target costs now: the person's own price, else the price list, else nobody knows.

A model without a price is never free: `None` means ask or refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pointsman.core.catalog import Provider, Target
from pointsman.core.pricing import FREE, Rates, dearest
from pointsman.store import price_list
from pointsman.store.price_list import PriceList

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

LASTING = timedelta(minutes=15)
"""A provider bills by the clock when an answer ends: so long before a price changes, the dearer one holds."""
_BOTH_WAYS = ("input_mtok", "output_mtok")
_INPUT = ("input_mtok", "input_text_mtok", "input_image_mtok")
_CACHED = ("cache_read_mtok", "cache_text_read_mtok", "cache_image_read_mtok")
_PER_MILLION = 1_000_000  # dollars per million tokens -> micro-dollars per million tokens
_PER_THOUSAND = 1_000  # dollars per thousand requests -> micro-dollars per request


class PriceBook:
    """Prices by provider and model. The list is loaded with the first question about a cloud model (0.2 s)."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._list: PriceList | None = None

    @property
    def list(self) -> PriceList:
        """The price list in use."""
        if self._list is None:
            fetched = price_list.kept(self._path) if self._path else None
            self._list = fetched or price_list.bundled()
        return self._list

    def use(self, newer: PriceList) -> None:
        """From now on this list holds."""
        self._list = newer

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
        # A name alone says nothing about who sends the bill: the address does.
        model = self.list.find(provider.base_url, target.model or target.name)
        ways = _BOTH_WAYS[:1] if "embeddings" in target.can else _BOTH_WAYS  # vectors have no price of their own
        return None if model is None else listed(model, self.list, moment, ways)


def listed(model: ModelInfo, prices: PriceList, moment: datetime, ways: tuple[str, ...] = _BOTH_WAYS) -> Rates | None:
    """The list's rates for a request that begins at this moment."""
    dated = prices.dated or _since(model, prices, moment)
    now = _rates(model.get_prices(moment), prices.source, dated, ways)
    soon = _rates(model.get_prices(moment + LASTING), prices.source, dated, ways)
    if now is None or soon is None:
        return None
    found = now if now == soon else dearest(now, soon)
    return _with_hours(found) if "claude" in model.id else found


def _with_hours(rates: Rates) -> Rates:
    """Claude's cache of an hour costs twice the input, also at brokers whose list leaves it out."""
    above = tuple((start, _with_hours(higher)) for start, higher in rates.above)
    return msgspec.structs.replace(rates, cache_write_long=max(rates.cache_write_long, 2 * rates.input), above=above)


def _rates(price: ModelPrice, source: str, dated: str, ways: tuple[str, ...]) -> Rates | None:
    """Rates from dollars per million tokens. A cache rate that the list leaves out is the input's."""
    amounts = {key: amount for key, amount in vars(price).items() if amount is not None}
    if any(key not in amounts for key in ways):
        return None
    starts = sorted({tier.start for amount in amounts.values() for tier in getattr(amount, "tiers", ())})
    above = tuple((start, _flat(amounts, start + 1, source, dated)) for start in starts)
    return msgspec.structs.replace(_flat(amounts, 0, source, dated), above=above)


def _flat(amounts: Mapping[str, Any], input_tokens: int, source: str, dated: str) -> Rates:
    """The rates that hold for an input of so many tokens.

    Pictures that go in, and whatever comes out, are among the tokens told: the dearest of their rates holds for all.
    """
    at = {key: _amount(amount, input_tokens) for key, amount in amounts.items()}
    input_ = max(at[key] for key in _INPUT if key in at)
    cached = max((at[key] for key in _CACHED if key in at), default=input_)
    short = at.get("cache_write_5m_mtok", at.get("cache_write_mtok", input_))
    outputs = (amount for key, amount in at.items() if key.startswith("output_") and key.endswith("_mtok"))
    output = max(outputs, default=Decimal(0))
    return Rates(
        input=_micro(input_, _PER_MILLION),
        cache_read=_micro(cached, _PER_MILLION),
        cache_write_short=_micro(short, _PER_MILLION),
        cache_write_long=_micro(at.get("cache_write_1h_mtok", at.get("cache_write_mtok", short)), _PER_MILLION),
        output=_micro(output, _PER_MILLION),
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


def _since(model: ModelInfo, prices: PriceList, moment: datetime) -> str:
    """The day since which this price holds, where the list says so; else the newest day the list knows of."""
    today = moment.date().isoformat()
    begun = [start for start in price_list.starts(model.prices) if start <= today]
    return max(begun) if begun else max((day for day in prices.days if day <= today), default="")
