"""Money is never understated: cost and bound, by example and as properties."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.pricing import FREE, Meters, Rates, bound, charged, cost, dearest, kept, origin, told

LONG = Rates(
    input=4_000_000,
    cache_read=400_000,
    cache_write_short=5_000_000,
    cache_write_long=5_000_000,
    output=15_000_000,
    source="a list",
    dated="2026-11-20",
)
RATES = msgspec.structs.replace(
    LONG,
    input=2_000_000,
    cache_read=200_000,
    cache_write_short=2_500_000,
    cache_write_long=2_500_000,
    output=10_000_000,
    above=((272_000, LONG),),
)

tokens = st.integers(0, 2_000_000)
meters = st.builds(
    Meters, fresh_input=tokens, cache_read=tokens, cache_write_short=tokens, cache_write_long=tokens, output=tokens
)
rate = st.integers(0, 200_000_000)


def flat(amounts: list[int]) -> Rates:
    """Rates without long-context rates, from six numbers."""
    names = ("input", "cache_read", "cache_write_short", "cache_write_long", "output", "per_request")
    return Rates(**dict(zip(names, amounts, strict=True)), source="a test", dated="2026-11-20")


flats = st.lists(rate, min_size=6, max_size=6).map(flat)
tiers = st.lists(st.tuples(st.integers(0, 3_000_000), flats), max_size=3, unique_by=lambda tier: tier[0])
any_rates = st.builds(lambda base, above: msgspec.structs.replace(base, above=tuple(above)), flats, tiers)


@st.composite
def rising_rates(draw: st.DrawFn) -> Rates:
    """Rates whose long-context rates are never lower, as price lists have them."""
    base = draw(flats)
    factors = sorted(draw(st.lists(st.integers(1, 5), max_size=3)))
    starts = sorted(draw(st.lists(st.integers(0, 3_000_000), min_size=3, max_size=3, unique=True)))
    above = [(start, _times(base, factor)) for start, factor in zip(starts, factors, strict=False)]
    return msgspec.structs.replace(base, above=tuple(above))


def _times(rates: Rates, factor: int) -> Rates:
    return flat(
        [
            factor * amount
            for amount in (
                rates.input,
                rates.cache_read,
                rates.cache_write_short,
                rates.cache_write_long,
                rates.output,
                rates.per_request,
            )
        ]
    )


def test_each_meter_has_its_own_rate() -> None:
    """1,000 fresh at $2, 10,000 cached at $0.20, 400 written at $2.50, 500 out at $10 are 10,000 micro-dollars."""
    used = Meters(fresh_input=1000, cache_read=10_000, cache_write_short=300, cache_write_long=100, output=500)
    assert cost(used, RATES) == 2000 + 2000 + 1000 + 5000


def test_a_fraction_is_rounded_up_once() -> None:
    """Three meters of a third of a micro-dollar each cost one micro-dollar, not three."""
    cheap = flat([333_333, 333_333, 333_333, 0, 0, 0])
    assert cost(Meters(fresh_input=1, cache_read=1, cache_write_short=1), cheap) == 1


def test_long_context_rates_hold_for_the_whole_input() -> None:
    """At 272,000 tokens the usual rate holds; one more, and all tokens cost the higher rate."""
    assert cost(Meters(fresh_input=272_000), RATES) == 544_000
    assert cost(Meters(fresh_input=272_001), RATES) == 1_088_004


def test_cached_tokens_count_towards_long_context() -> None:
    """The threshold looks at all of the input, whatever meter it is in."""
    assert cost(Meters(cache_read=272_001, output=1), RATES) == cost(Meters(cache_read=272_001, output=1), LONG)


def test_a_fee_per_request_is_added() -> None:
    """A request that used nothing still costs its fee."""
    assert cost(Meters(), flat([0, 0, 0, 0, 0, 12_000])) == 12_000


def test_choices_multiply_the_output_only() -> None:
    """Three choices are three outputs and one input."""
    assert bound(1000, 100, RATES, n=3) == 2500 + 3 * 1000


@given(any_rates)
def test_nothing_used_costs_nothing(rates: Rates) -> None:
    """Zero tokens without a fee are zero, and what runs here is free."""
    assert cost(Meters(), msgspec.structs.replace(rates, per_request=0)) == 0


@given(meters)
def test_this_machine_is_free(used: Meters) -> None:
    """However much a local model says, it costs nothing."""
    assert cost(used, FREE) == 0


@given(meters, meters, rising_rates())
def test_more_tokens_never_cost_less(used: Meters, more: Meters, rates: Rates) -> None:
    """Cost grows with each meter where long-context rates are not lower."""
    both = Meters(**{name: getattr(used, name) + getattr(more, name) for name in Meters.__struct_fields__})
    assert cost(used, rates) <= cost(both, rates)


@given(meters, any_rates, st.integers(0, 100_000), st.integers(0, 100_000))
def test_no_usage_within_the_bound_costs_more(used: Meters, rates: Rates, spare_in: int, spare_out: int) -> None:
    """Any split, any long-context rate, any usage below what was foreseen: never above the bound."""
    assert cost(used, rates) <= bound(used.input + spare_in, used.output + spare_out, rates)


@given(meters, any_rates, st.integers(1, 5))
def test_the_bound_covers_every_choice(used: Meters, rates: Rates, n: int) -> None:
    """All outputs of `n` choices together stay below the bound."""
    together = msgspec.structs.replace(used, output=used.output * n)
    assert cost(together, rates) <= bound(used.input, used.output, rates, n)


USED = Meters(fresh_input=1000, output=100)


@pytest.mark.parametrize(
    ("meters", "billed", "owed"),
    [(USED, None, 3000), (USED, 7, 7), (USED, 0, 3000), (None, 7, 7), (None, 0, None), (None, None, None)],
)
def test_what_the_provider_bills_wins_unless_it_is_nothing(
    meters: Meters | None, billed: int | None, owed: int | None
) -> None:
    """A bill of nothing for tokens that have a price is not believed; without tokens it says nothing at all."""
    assert charged(meters, billed, RATES) == owed


def test_a_bill_of_nothing_is_right_where_tokens_are_free() -> None:
    """A free model costs nothing, whoever says so."""
    assert charged(USED, 0, FREE) == 0


@given(any_rates)
def test_rates_come_back_as_they_were_told(rates: Rates) -> None:
    """With source, date and long-context rates: a charge can be reckoned again from its row."""
    assert kept(told(rates)) == rates


def test_what_is_told_names_source_and_date_and_leaves_out_nothing_else() -> None:
    """The JSON that a charge keeps."""
    assert told(FREE) == (
        '{"input":0,"cache_read":0,"cache_write_short":0,"cache_write_long":0,"output":0,'
        '"source":"this machine","dated":""}'
    )


@given(meters, any_rates, any_rates)
def test_the_dearest_of_two_costs_no_less_than_either(used: Meters, one: Rates, other: Rates) -> None:
    """Whatever is used, before or after a price changes."""
    assert cost(used, dearest(one, other)) >= max(cost(used, one), cost(used, other))


def test_an_hour_of_a_server_is_in_no_request() -> None:
    """It is paid whether anybody asks or not."""
    assert cost(USED, msgspec.structs.replace(FREE, per_hour=1_200_000)) == 0


def test_a_price_names_its_origin() -> None:
    """Where it is from and of which day, as far as each is known."""
    assert origin(FREE) == "this machine"
    assert origin(msgspec.structs.replace(FREE, source="mine", dated="2026-01-01")) == "mine, 2026-01-01"
