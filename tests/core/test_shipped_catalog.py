"""The models.toml that ships: every cloud target is known to the bundled price list, and nothing is claimed beyond it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pointsman.core.catalog import Catalog, Source, Target, read
from pointsman.core.pricing import Rates
from pointsman.store.price_list import PriceList, bundled
from pointsman.store.prices import PriceBook

TEXT = (Path(__file__).parents[2] / "models.toml").read_text(encoding="utf-8")
CATALOG: Catalog = read([Source("models.toml", TEXT)])
CLOUD = CATALOG.by_tier("cloud")
AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
NAMED = ("openai", "anthropic", "google", "openrouter", "mistral", "groq", "deepseek", "xai")
HOSTS = ("together", "fireworks", "cerebras")


@pytest.fixture(scope="module")
def prices() -> PriceList:
    """The bundled list."""
    return bundled()


def test_the_providers_that_ship() -> None:
    """Those with an address of their own; each has terms to read and a variable for its key."""
    assert set(CATALOG.providers) == {*NAMED, *HOSTS}
    assert all(one.terms and one.key_env and one.base_url.startswith("https://") for one in CATALOG.providers.values())


@pytest.mark.parametrize("name", ["azure", "bedrock", "vllm", "ray", "tgi", "llama-server", "sglang"])
def test_the_providers_whose_address_is_the_persons_own(name: str) -> None:
    """They stand as comments, which are right once the marks before them are gone."""
    start = TEXT.index(f"# [providers.{name}]")
    block = TEXT[start : min(at for at in (TEXT.find("\n#\n", start), TEXT.find("\n\n", start)) if at > 0)]
    found = read([Source("example", "\n".join(line.removeprefix("# ") for line in block.splitlines()))])
    assert found.providers[name].base_url.startswith(("https://", "http://"))


@pytest.mark.parametrize("target", CLOUD, ids=lambda target: target.name)
def test_a_cloud_target_is_known_and_has_a_price(target: Target, prices: PriceList) -> None:
    """Its provider's address sells this model, at a price that holds on the file's date, with at least that context."""
    provider = CATALOG.providers[target.provider or ""]
    model = prices.find(provider.base_url, target.model or "")
    assert model is not None, f"{target.model} is not in the list"
    rates = PriceBook().rates(provider, target, AS_OF)
    assert isinstance(rates, Rates)
    assert (rates.input if "embeddings" in target.can else rates.output) > 0
    assert model.context_window is not None
    assert target.context <= model.context_window
    assert (target.max_output or 0) < target.context


def test_each_kind_of_work_has_a_name() -> None:
    """An alias for each, of at least two providers, so that one key is enough to use most of them."""
    assert {"fast", "smart", "code", "reasoning", "summary", "vision", "extraction"} <= set(CATALOG.aliases)
    for members in CATALOG.aliases.values():
        assert len({CATALOG.targets[name].provider for name in members}) >= 2


def test_aliases_hold_what_their_name_says() -> None:
    """Whatever `vision` names can see, `code` uses tools, `reasoning` reasons, `extraction` keeps to a schema."""
    for alias, can in (
        ("vision", "vision"),
        ("code", "tools"),
        ("reasoning", "reasoning"),
        ("extraction", "json_schema"),
    ):
        assert all(can in CATALOG.targets[name].can for name in CATALOG.aliases[alias])


def test_the_newest_family_of_openai_takes_tools_in_responses() -> None:
    """In chat completions it would want its reasoning switched off."""
    newest = [target for target in CLOUD if target.name.startswith("gpt-6")]
    assert newest
    assert all("tools" in target.can and target.tools_dialect == "responses" for target in newest)


def test_no_word_of_training_where_terms_differ_by_plan() -> None:
    """A key without billing has other terms at these: what does not hold for every key is not promised."""
    assert all(CATALOG.providers[name].trains_on_data is None for name in ("google", "mistral", "openrouter"))


def test_the_file_says_of_which_day_it_is() -> None:
    """Prices and names age."""
    assert f"as of {AS_OF:%Y-%m-%d}" in TEXT


def test_local_servers_are_looked_for() -> None:
    """Who has one wants it used."""
    assert CATALOG.discovery.local


def test_who_takes_reasoning_back() -> None:
    """Those whose models read it; elsewhere a request may be refused for it."""
    takes = {name for name, one in CATALOG.providers.items() if one.takes_reasoning}
    assert takes == {"deepseek", "fireworks", "openrouter"}


def test_who_compacts() -> None:
    """Only where the most that it may cost is known: each of its models has a largest answer."""
    assert {name for name, one in CATALOG.providers.items() if one.compacts} == {"openai"}
    makers = [one for one in CATALOG.targets.values() if one.provider == "openai" and "embeddings" not in one.can]
    assert all(CATALOG.compacts(one, tools=tools) for one in makers for tools in (True, False))
    assert not any(CATALOG.compacts(one, tools=False) for one in CATALOG.targets.values() if one.provider == "deepseek")
