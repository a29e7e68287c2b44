"""[privacy]: clouds that do not say of themselves what the person wants are left out by name; other tiers are not asked."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.core import facts, policy, privacy, routing
from pointsman.core.catalog import CatalogError, Privacy, Provider, Source, read
from pointsman.core.pricing import FREE
from pointsman.core.request import Message, Request
from pointsman.core.routing import Circumstances, Plan
from pointsman.core.session import attribute

TEXT = """
[providers.europe]
base_url = "https://eu.example/v1"
region = "eu-west-1"
retention_days = 30
trains_on_data = false
[providers.silent]
base_url = "https://silent.example/v1"
[providers.lab]
base_url = "http://gpu.lan:8000/v1"
key = "none"
[targets.europe-model]
tier = "cloud"
provider = "europe"
[targets.silent-model]
tier = "cloud"
provider = "silent"
[targets.lab-model]
tier = "private"
provider = "lab"
"""


def planned(setting: str, model: str = "auto", text: str = "Hello") -> Plan:
    """The plan for a public request under this [privacy]."""
    catalog = read([Source("test.toml", f"{TEXT}\n[privacy]\n{setting}\n")])
    message = Message(role="user", digest="d", size=5)
    request = Request(id="r", dialect="chat", model=model, stream=False, messages=(message,), size=5, last_user=text)
    known = facts.gather(request, catalog.sensitivity)
    ruling = policy.rule(request, attribute(request, "a", "p"), known, catalog)
    rates = dict.fromkeys(catalog.targets, FREE)
    return routing.plan(request, known, ruling, catalog, Circumstances(rates=rates, down={}))


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ('regions = ["eu"]', "silent does not say where data stays, and [privacy] allows eu"),
        ("max_retention_days = 30", "silent does not say for how long it keeps data, and [privacy] allows 30 days"),
        ('training = "never"', "silent does not say that it never trains on data, and [privacy] allows no training"),
    ],
)
def test_a_cloud_that_does_not_say_it_is_left_out_by_name(setting: str, reason: str) -> None:
    """The one that says it stays, and so do servers of the person's own."""
    plan = planned(setting)
    assert {one.target for one in plan.attempts} == {"europe-model", "lab-model"}
    assert [(one.target, one.reason) for one in plan.dropped] == [("silent-model", reason)]


def test_asking_by_name_is_no_way_around() -> None:
    """What the person wants of clouds holds for every request."""
    assert not planned('training = "never"', "silent-model").attempts


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Privacy(regions=("us", "ch")), "far keeps data in eu, and [privacy] allows us, ch"),
        (Privacy(max_retention_days=7), "far keeps data for 30 days, and [privacy] allows 7 days"),
        (Privacy(training="never"), "far trains on data, and [privacy] allows no training"),
        (Privacy(regions=("EU",), max_retention_days=30), None),
        (Privacy(), None),
    ],
)
def test_what_it_says_counts(wanted: Privacy, said: str | None) -> None:
    """Another region, a longer time, and training are told as such; a region is the same in capitals."""
    far = Provider(name="far", base_url="https://far.example", region="eu", retention_days=30, trains_on_data=True)
    assert privacy.problem(far, wanted) == said


def test_a_region_is_no_beginning_of_a_word() -> None:
    """A region may lie in another, and eu is not in e."""
    there = Provider(name="far", base_url="https://far.example", region="eu-central-1")
    assert privacy.problem(there, Privacy(regions=("eu",))) is None
    assert privacy.problem(there, Privacy(regions=("e",))) is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[privacy]\nregion = "eu"\n', "one.toml, line 2: 'region' is not a setting of [privacy]. Write 'regions'."),
        (
            "[privacy]\nregions = []\n",
            "one.toml, line 2: 'regions' must be a list of texts in quotes, and not empty.",
        ),
        (
            "[privacy]\nmax_retention_days = -1\n",
            "one.toml, line 2: 'max_retention_days' must be a whole number of at least 0.",
        ),
        ("[privacy]\ntraining = false\n", "one.toml, line 2: 'training' must be one of any, never."),
        ("[discovery]\nlocal = 1\n", "one.toml, line 2: 'local' must be true or false."),
        ("[discovery]\nports = 1\n", "one.toml, line 2: 'ports' is not a setting of [discovery]. Known are local."),
        (
            '[targets.lab-model]\ntools_dialect = "responses"\n',
            "one.toml, line 2: 'responses' is not a dialect of its provider. Known are chat.",
        ),
        (
            "[targets.lab-model]\nimage_tokens = 0\n",
            "one.toml, line 2: 'image_tokens' must be a whole number of at least 1.",
        ),
        ("[providers.lab]\nca_file = 1\n", "one.toml, line 2: 'ca_file' must be text in quotes, and not empty."),
    ],
)
def test_a_mistake_is_told_with_file_and_line(text: str, expected: str) -> None:
    """As everywhere in models.toml."""
    with pytest.raises(CatalogError) as caught:
        read([Source("base.toml", TEXT), Source("one.toml", text)])
    assert caught.value.sentence == expected


RULE = """
[[rules]]
name = "clients stay in Europe"
when = { text = "client" }
then = { %s }
"""


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ('regions = ["eu"]', "silent does not say where data stays, and rule 'clients stay in Europe' allows eu"),
        (
            "max_retention_days = 30",
            "silent does not say for how long it keeps data, and rule 'clients stay in Europe' allows 30 days",
        ),
        (
            'training = "never"',
            "silent does not say that it never trains on data, and rule 'clients stay in Europe' allows no training",
        ),
    ],
)
def test_a_rule_may_want_more_of_clouds(wanted: str, reason: str) -> None:
    """For the requests that it is about, and for no others."""
    plan = ruled(wanted, "This is of a client.")
    assert [(one.target, one.reason) for one in plan.dropped] == [("silent-model", reason)]
    assert ruled(wanted, "Hello").dropped == ()


def test_a_rule_takes_nothing_away_from_what_holds_for_all() -> None:
    """Both count."""
    plan = ruled('training = "any"', "This is of a client.", 'training = "never"')
    assert [one.target for one in plan.dropped] == ["silent-model"]


def ruled(wanted: str, text: str, setting: str = "") -> Plan:
    """The plan for a text under a rule."""
    return planned(f"{setting}\n{RULE % wanted}", text=text)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            {},
            "far does not say where data stays, does not say for how long it keeps it, and does not say whether it trains on it.",
        ),
        (
            {"region": "eu", "retention_days": 30, "trains_on_data": False},
            "far keeps data in eu, keeps it for 30 days, and does not train on it.",
        ),
        (
            {"region": "us", "retention_days": 0, "trains_on_data": True},
            "far keeps data in us, keeps nothing, and trains on it.",
        ),
    ],
)
def test_what_becomes_of_data_is_one_sentence(said: dict[str, Any], sentence: str) -> None:
    """For whoever is asked for consent."""
    assert privacy.told(Provider(name="far", base_url="https://far.example", **said)) == sentence
