"""Prices: whose wins, and that ours and the list's own arithmetic agree."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from genai_prices.types import ModelInfo
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.catalog import Provider, Target
from pointsman.core.pricing import FREE, Meters, Rates, bound, cost
from pointsman.store import price_list
from pointsman.store.prices import LASTING, PriceBook, listed

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADDRESSES = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai",
    "deepseek": "https://api.deepseek.com/v1",
    "perplexity": "https://api.perplexity.ai",
}
BOOK = PriceBook()


def rates(provider: str, model: str, now: datetime | float = NOW) -> Rates | None:
    """The list's rates for a model of a provider."""
    target = Target(name="t", tier="cloud", provider=provider, model=model)
    return BOOK.rates(Provider(name=provider, base_url=ADDRESSES[provider]), target, now)


def known(provider: str, model: str, now: datetime = NOW) -> Rates:
    """The same, for a model that has a price."""
    found = rates(provider, model, now)
    assert found is not None
    return found


def test_a_flat_price_is_read() -> None:
    """gpt-5-mini: $0.25 in, $0.025 cached, $2 out, per million; a cache write costs what input costs."""
    found = known("openai", "gpt-5-mini")
    assert (found.input, found.cache_read, found.cache_write_short, found.output) == (
        250_000,
        25_000,
        250_000,
        2_000_000,
    )
    assert found.source.startswith("genai-prices ")
    assert found.dated <= "2026-11-20"


def test_long_context_rates_are_read() -> None:
    """gpt-5.4 costs double for input and half as much again for output above 272,000 tokens."""
    found = known("openai", "gpt-5.4")
    ((start, higher),) = found.above
    assert (found.input, found.output, start, higher.input, higher.output) == (
        2_500_000,
        15_000_000,
        272_000,
        5_000_000,
        22_500_000,
    )


def test_the_two_cache_writes_have_their_own_rates() -> None:
    """Claude Haiku 4.5 writes its cache for $1.25 for minutes and $2 for an hour."""
    found = known("anthropic", "claude-haiku-4-5")
    assert (found.cache_write_short, found.cache_write_long) == (1_250_000, 2_000_000)


def test_an_hours_cache_has_its_rate_at_a_broker_too() -> None:
    """OpenRouter's list leaves it out: Claude Sonnet 4.5 writes it for $6, and for $12 past 200,000 tokens."""
    model = LIST.find("https://openrouter.ai/api/v1", "anthropic/claude-sonnet-4.5")
    assert model is not None
    found = listed(model, LIST, NOW)
    assert found is not None
    assert (found.cache_write_long, found.above[0][1].cache_write_long) == (6_000_000, 12_000_000)


def test_a_fee_per_request_is_read() -> None:
    """Perplexity's sonar adds $12 per thousand requests."""
    assert known("perplexity", "sonar").per_request == 12_000


def test_a_dated_price_changes_on_its_day() -> None:
    """The Luna of GPT-5.6 fell from $1 to $0.20 on 30 July 2026, and says since when its price holds."""
    before = known("openai", "gpt-5.6-luna", datetime(2026, 7, 29, tzinfo=UTC))
    after = known("openai", "gpt-5.6-luna", datetime(2026, 7, 30, tzinfo=UTC))
    assert (before.input, after.input, after.dated) == (1_000_000, 200_000, "2026-07-30")


def test_a_price_by_the_hour_follows_the_clock() -> None:
    """DeepSeek asks double between 01:00 and 04:00 UTC; a Unix time says the same as a date."""
    night = datetime(2026, 11, 20, 2, tzinfo=UTC)
    assert known("deepseek", "deepseek-v4-pro", night).input == 2 * known("deepseek", "deepseek-v4-pro").input
    assert rates("deepseek", "deepseek-v4-pro", night.timestamp()) == rates("deepseek", "deepseek-v4-pro", night)


def test_before_a_price_rises_the_dearer_one_holds() -> None:
    """DeepSeek bills by when an answer ends: at 00:50 UTC it may end after 01:00, at 03:50 it may end before 04:00."""
    cheap, dear = known("deepseek", "deepseek-v4-pro").input, 2 * known("deepseek", "deepseek-v4-pro").input
    times = {(0, 40): cheap, (0, 50): dear, (3, 50): dear, (4, 0): cheap}
    for (hour, minute), expected in times.items():
        moment = datetime(2026, 11, 20, hour, minute, tzinfo=UTC)
        assert known("deepseek", "deepseek-v4-pro", moment).input == expected


def test_pictures_that_come_out_have_the_picture_rate() -> None:
    """Gemini's picture model writes text for $2.50 and pictures for $30: tokens told do not say which."""
    assert known("google", "gemini-2.5-flash-image").output == 30_000_000


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "no-such-model"),
        ("openai", "text-embedding-3-small"),
        ("google", "gemma-3-27b-it"),
        ("openai", "claude-haiku-4-5"),
    ],
)
def test_what_the_list_does_not_price_both_ways_has_no_price(provider: str, model: str) -> None:
    """Unknown, without output price, without any price, or another provider's: never free."""
    assert rates(provider, model) is None


def test_a_price_belongs_to_an_address() -> None:
    """A server elsewhere that calls itself openai does not get OpenAI's prices."""
    target = Target(name="gpt-5-mini", tier="cloud", provider="openai")
    assert BOOK.rates(Provider(name="openai", base_url="http://10.0.0.7/v1"), target, NOW) is None


def test_the_persons_own_price_wins() -> None:
    """What models.toml says is taken, whatever the list says."""
    own = Rates(input=1, cache_read=1, cache_write_short=1, cache_write_long=1, output=2, source="mine", dated="")
    target = Target(name="gpt-5-mini", tier="cloud", provider="openai", price=own)
    assert BOOK.rates(Provider(name="openai", base_url=ADDRESSES["openai"]), target, NOW) == own


def test_this_machine_is_free() -> None:
    """The local tier costs nothing, and needs no provider."""
    assert BOOK.rates(None, Target(name="starter", tier="local", engine="llama_cpp", source="starter"), NOW) == FREE


def test_a_server_of_ones_own_is_free_only_when_it_says_so() -> None:
    """Without a price a private server's model is unknown; with price = "free" it costs nothing."""
    provider = Provider(name="rack", base_url="http://rack:8000/v1")
    assert BOOK.rates(provider, Target(name="m", tier="private", provider="rack"), NOW) is None
    free = BOOK.rates(provider, Target(name="m", tier="private", provider="rack", price="free"), NOW)
    assert free is not None
    assert cost(Meters(fresh_input=10**6, output=10**6), free) == 0


tokens = st.integers(0, 400_000)
models = st.sampled_from(
    [
        ("openai", "gpt-5-mini"),
        ("openai", "gpt-5.4"),
        ("openai", "gpt-6.1-sol"),
        ("anthropic", "claude-haiku-4-5"),
        ("anthropic", "claude-haiku-5-5"),
        ("google", "gemini-3.1-pro-preview"),
    ]
)


@settings(max_examples=200, deadline=None)
@given(models, tokens, tokens, tokens, tokens)
def test_our_cost_is_the_lists_own_rounded_up(
    model: tuple[str, str], fresh: int, read: int, write: int, out: int
) -> None:
    """For any usage ours is the list's amount, or less than one micro-dollar above it."""
    provider, name = model
    usage = {"input_tokens": fresh + read + write, "cache_read_tokens": read, "output_tokens": out}
    usage |= {"cache_write_tokens": write} if provider == "anthropic" or name.startswith("gpt-6") else {}
    theirs = genai_prices.calc_price(
        genai_prices.Usage(**usage), name, provider_api_url=ADDRESSES[provider], genai_request_timestamp=NOW
    )
    ours = cost(Meters(fresh_input=fresh, cache_read=read, cache_write_short=write, output=out), known(provider, name))
    assert 0 <= Decimal(ours) - theirs.total_price * 1_000_000 < 1


def usage(meters: Meters, model: ModelInfo) -> genai_prices.Usage:
    """The same usage as the list's own arithmetic takes it, with as many dear tokens among it as can be."""
    written = meters.cache_write_short + meters.cache_write_long
    told = {"input_tokens": meters.input, "output_tokens": meters.output}
    priced = {key for prices in every_price(model) for key, value in vars(prices).items() if value is not None}
    cached = {"cache_read_mtok": ("cache_read_tokens", meters.cache_read)}
    cached |= {"cache_write_mtok": ("cache_write_tokens", written)}
    cached |= {"cache_write_1h_mtok": ("cache_write_1h_tokens", meters.cache_write_long)}
    cached |= {"output_image_mtok": ("output_image_tokens", meters.output)}
    cached |= {"output_reasoning_mtok": ("output_reasoning_tokens", meters.output // 2)}
    return genai_prices.Usage(**told, **dict(cached[key] for key in cached if key in priced))


def every_price(model: ModelInfo) -> list[Any]:
    """Each price that a model ever had or will have."""
    return [each.prices for each in model.prices] if isinstance(model.prices, list) else [model.prices]


LIST = price_list.bundled()
HOURS = [
    datetime(2026, 11, day, hour, 55, tzinfo=UTC) for day, hour in ((20, 0), (20, 3), (20, 12), (21, 16), (30, 23))
]
splits = st.builds(
    Meters,
    fresh_input=tokens,
    cache_read=tokens,
    cache_write_short=tokens,
    cache_write_long=tokens,
    output=st.integers(0, 128_000),
)


def never_above(model: ModelInfo, used: Meters, moment: datetime) -> bool:
    """Whether no amount for this usage, ours or the list's, at its beginning or end, passes the bound."""
    found = listed(model, LIST, moment)
    if found is None:
        return False
    most = bound(used.input, used.output, found)
    assert cost(used, found) <= most
    for end in (moment, moment + LASTING):
        theirs = model.get_prices(end).calc_price(usage(used, model))["total_price"]
        assert theirs * 1_000_000 <= most, (model.id, used, end)
    return True


@pytest.mark.filterwarnings("ignore:Unsupported price key")
def test_the_bound_is_never_passed_by_any_model_of_the_list() -> None:
    """Each model, with inputs below and above long-context limits, shortly before prices change."""
    splits = [
        Meters(fresh_input=size - 30, cache_read=10, cache_write_short=10, cache_write_long=10, output=9_000)
        for size in ((100, 128_001, 200_000, 200_001, 272_001, 512_001) if SOAK else (100, 272_001))
    ]
    hours = HOURS if SOAK else HOURS[:1]
    priced = sum(never_above(model, used, hour) for model in LIST.models() for used in splits for hour in hours)
    assert priced > len(splits) * len(hours) * 2_000


@settings(max_examples=5_000 if SOAK else 200)
@given(st.sampled_from(LIST.models()), splits, st.sampled_from(HOURS))
def test_the_bound_holds_for_any_split(model: ModelInfo, used: Meters, moment: datetime) -> None:
    """Whatever part was cached, written or fresh, and however long the input."""
    never_above(model, used, moment)
