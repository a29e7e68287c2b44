from __future__ import annotations

import pytest

from pointsman.core.catalog import Allowance, Batch, Catalog, CatalogError, Source, read

BASE = """\
[providers.acme]
base_url = "https://api.acme.example/v1/"
batch = { service_tier = "flex", percent = 50 }

[targets.big]
tier = "cloud"
provider = "acme"
"""
RULE = '[[allowances]]\nname = "n"\nagent = "a"\ntarget = "big"\ncap = "daily"\nover = 0.70\n'


def catalog(text: str) -> Catalog:
    """The catalog of BASE and a text over it."""
    return read([Source("base.toml", BASE), Source("own.toml", text)])


def test_an_allowance_is_read_in_micro_dollars() -> None:
    """Who, with what, past which cap, by how much in each window."""
    assert catalog(RULE).allowances == (Allowance(name="n", agent="a", target="big", cap="daily", over=700_000),)


def test_a_batch_price_is_the_providers() -> None:
    """Its service tier, and the part of the price in percent."""
    assert catalog("").providers["acme"].batch == Batch(service_tier="flex", percent=50)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (RULE.replace('"big"', '"bag"'), "own.toml, line 4: 'bag' is not a target. Write 'big'."),
        (RULE.replace("over = 0.70\n", ""), "own.toml, line 1: an allowance needs 'over'."),
        (RULE + RULE, "own.toml, line 7: another allowance is called 'n'. Give one of them another name."),
        (RULE.replace("0.70", "-1"), "own.toml, line 6: 'over' must be an amount in dollars such as 3.75."),
        (RULE + "ovr = 1\n", "own.toml, line 7: 'ovr' is not a setting of an allowance. Write 'over'."),
        ("[allowances]\n", "own.toml, line 1: each allowance begins with a line [[allowances]]."),
        (
            "[providers.acme.batch]\npercent = 101\n",
            "own.toml, line 2: 'percent' must be a whole number from 1 to 100.",
        ),
        ("[providers.acme.batch]\npercent = 0\n", "own.toml, line 2: 'percent' must be a whole number of at least 1."),
    ],
)
def test_a_mistake_is_one_sentence(text: str, sentence: str) -> None:
    """File, line, and what to write instead."""
    with pytest.raises(CatalogError) as caught:
        catalog(text)
    assert caught.value.sentence == sentence
