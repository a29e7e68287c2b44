"""What vectors cost: the list's price of what goes in is enough."""

from __future__ import annotations

from pointsman.core.catalog import Provider, Target
from pointsman.store.prices import PriceBook

NOON = 1_795_262_400.0  # 2026-11-21, 12:00 UTC
OPENAI = Provider(name="openai", base_url="https://api.openai.com/v1")


def target(*can: str) -> Target:
    """A target of OpenAI's small model of vectors."""
    return Target(name="vectors", tier="cloud", provider="openai", model="text-embedding-3-small", can=frozenset(can))


def test_input_alone_is_a_price_for_vectors() -> None:
    """They have no output that could cost."""
    rates = PriceBook().rates(OPENAI, target("embeddings"), NOON)
    assert rates is not None
    assert (rates.input, rates.output) == (20_000, 0)


def test_an_answer_without_a_price_of_output_has_none() -> None:
    """The same row of the list says nothing of a model that answers."""
    assert PriceBook().rates(OPENAI, target("tools"), NOON) is None
