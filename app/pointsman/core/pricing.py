"""Five disjoint token meters times dated rates make integer micro-dollars; and the most that a request may cost.

This is the only place where tokens become money. Rates are micro-dollars per million tokens, so that
a price list in dollars per million tokens is exact here; a fraction of a micro-dollar is rounded up once.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

_MILLION = 1_000_000
_TOLD = 256  # rates that are kept as JSON


class Meters(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt used. No token is in two meters; reasoning is inside `output`."""

    fresh_input: int = 0
    cache_read: int = 0
    cache_write_short: int = 0
    cache_write_long: int = 0
    output: int = 0

    @property
    def input(self) -> int:
        """The whole input, cached or not: what decides on long-context rates."""
        return self.fresh_input + self.cache_read + self.cache_write_short + self.cache_write_long


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model costs, from where and of which day that is known.

    `above` holds (N, rates): when the whole input passes N tokens, those rates hold for all of it. `per_hour` is what
    a server of one's own costs whether it is asked or not: no request adds to it, the break-even counts it.
    """

    input: int
    cache_read: int
    cache_write_short: int
    cache_write_long: int
    output: int
    per_request: int = 0
    per_hour: int = 0
    source: str
    dated: str
    above: tuple[tuple[int, Rates], ...] = ()


_RATES = ("input", "cache_read", "cache_write_short", "cache_write_long", "output", "per_request")
_reader = msgspec.json.Decoder(Rates)
FREE = Rates(input=0, cache_read=0, cache_write_short=0, cache_write_long=0, output=0, source="this machine", dated="")


def cost(meters: Meters, rates: Rates) -> int:
    """Micro-dollars for what was used, rounded up."""
    held = _at(meters.input, rates) if rates.above else rates
    tokens = (
        meters.fresh_input * held.input
        + meters.cache_read * held.cache_read
        + meters.cache_write_short * held.cache_write_short
        + meters.cache_write_long * held.cache_write_long
        + meters.output * held.output
    )
    return -(-tokens // _MILLION) + held.per_request


def bound(input_tokens: int, output_tokens: int, rates: Rates, n: int = 1) -> int:
    """The most that a request may cost: up to so many tokens in, up to so many out for each of `n` choices.

    It holds for every split of the input over the meters and every long-context rate within reach.
    """
    if not rates.above:  # nearly all: a plan reckons this for each target
        most = max(rates.input, rates.cache_read, rates.cache_write_short, rates.cache_write_long)
        return -(-(input_tokens * most + n * output_tokens * rates.output) // _MILLION) + rates.per_request
    reach = [rates, *(higher for passed, higher in rates.above if input_tokens > passed)]
    dearest_in = max(max(r.input, r.cache_read, r.cache_write_short, r.cache_write_long) for r in reach)
    dearest_out = max(r.output for r in reach)
    tokens = input_tokens * dearest_in + n * output_tokens * dearest_out
    return _round_up(tokens) + max(r.per_request for r in reach)


def charged(meters: Meters | None, billed: int | None, rates: Rates) -> int | None:
    """What is owed for a whole answer; None when neither usage nor a cost was told, so that the estimate is owed.

    A cost that the provider tells wins. A cost of nothing does not, where the tokens have a price: brokers tell it
    when they bill somewhere else. Nothing told of tokens and a cost of nothing is nothing told.
    """
    if billed:
        return billed
    if meters is None:
        return None
    return cost(meters, rates)


def dearest(one: Rates, other: Rates) -> Rates:
    """Rates under which nothing costs less than under either: for a request that may end under the other price."""
    starts = sorted({start for rates in (one, other) for start, _ in rates.above})
    above = tuple((start, _dearest(_at(start + 1, one), _at(start + 1, other))) for start in starts)
    return msgspec.structs.replace(_dearest(one, other), above=above)


def _dearest(one: Rates, other: Rates) -> Rates:
    amounts = {name: max(getattr(one, name), getattr(other, name)) for name in _RATES}
    return msgspec.structs.replace(one, **amounts, above=())


@lru_cache(_TOLD)
def told(rates: Rates) -> str:
    """The rates as JSON, with their source and date: what a charge and its row in the audit keep."""
    return msgspec.json.encode(rates).decode()


@lru_cache(_TOLD)
def origin(rates: Rates) -> str:
    """Where the rates come from and of which day they are, as far as that is known."""
    return ", ".join([part for part in (rates.source, rates.dated) if part])


def kept(text: str) -> Rates:
    """The rates that were told. Raises `msgspec.DecodeError` for anything else."""
    return _reader.decode(text)


def _at(input_tokens: int, rates: Rates) -> Rates:
    passed = [tier for tier in rates.above if input_tokens > tier[0]]
    return max(passed, key=lambda tier: tier[0])[1] if passed else rates


def _round_up(millionths: int) -> int:
    return -(-millionths // _MILLION)
