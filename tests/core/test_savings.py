"""Savings: which cloud target an answer stands for, and sums that a person can follow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core import facts, routing, savings
from pointsman.core.catalog import CatalogError, Machine, Prices, Source, read
from pointsman.core.policy import Ruling
from pointsman.core.pricing import FREE, Meters, Rates, cost
from pointsman.core.request import Message, Request
from pointsman.core.routing import Attempt, Circumstances, Plan
from pointsman.core.savings import Cost, Use, break_even, replaced, saved

DOLLAR = 1_000_000
USED = Meters(fresh_input=1000, output=100)


def rates(input_: int, output: int) -> Rates:
    """Flat rates, in micro-dollars per million tokens."""
    return Rates(
        input=input_,
        cache_read=input_,
        cache_write_short=input_,
        cache_write_long=input_,
        output=output,
        source="s",
        dated="",
    )


def attempt(target: str, tier: str, known: Rates | None) -> Attempt:
    """One try."""
    return Attempt(target=target, tier=tier, about=1, at_most=1, output=10, rates=known)


def plan(*attempts: Attempt) -> Plan:
    """These, in this order."""
    return Plan(attempts=attempts, dropped=(), reason="")


LOCAL = attempt("small", "local", FREE)
DEAR, CHEAP = attempt("dear", "cloud", rates(10, 100)), attempt("cheap", "cloud", rates(1, 10))


@pytest.mark.parametrize(
    ("planned", "possible", "expected"),
    [
        (plan(LOCAL, DEAR, CHEAP), plan(CHEAP), "dear"),
        (plan(LOCAL), plan(DEAR, CHEAP), "cheap"),
        (plan(LOCAL, attempt("unknown", "cloud", None)), plan(DEAR), "dear"),
        (plan(LOCAL), plan(attempt("unknown", "cloud", None)), None),
        (plan(LOCAL), plan(LOCAL), None),
    ],
)
def test_which_target_an_answer_stands_for(planned: Plan, possible: Plan, expected: str | None) -> None:
    """The first cloud target of its plan; else the cheapest that could have answered; never one without a price."""
    found = replaced(planned, possible, Meters(fresh_input=10**6, output=10**6))
    assert (found.target if found else None) == expected


CLOUD = """
[providers.far]
base_url = "https://far.example/v1"
[targets.small]
tier = "local"
engine = "llama_cpp"
source = "starter"
context = 4096
[targets.far-model]
tier = "cloud"
provider = "far"
[targets.other]
tier = "cloud"
provider = "far"
"""


def test_what_is_possible_looks_past_sensitivity_and_rules() -> None:
    """A private request that stayed here stands for the cloud target that could have answered it."""
    catalog = read([Source("models.toml", CLOUD)])
    message = Message(role="user", digest="d", size=5)
    request = Request(id="r", dialect="chat", model="small", stream=False, messages=(message,), size=5)
    kept_here = Ruling(allowed=frozenset({"local"}), ask=frozenset(), sensitivity="personal", rule="r", target="small")
    asked, ruling = savings.as_if_cloud(request, kept_here)
    gathered = facts.gather(asked, catalog.sensitivity, ())
    known = {name: rates(1, 1) for name in catalog.targets}
    found = routing.plan(asked, gathered, ruling, catalog, Circumstances(rates=known, down={}))
    assert [one.target for one in found.attempts if one.tier == "cloud"] == ["far-model", "other"]


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_an_answer_never_saves_less_than_nothing(input_: int, output: int, paid: int) -> None:
    """A server of one's own that costs more than the cloud saved nothing; else the difference."""
    known = rates(input_, output)
    found = saved(USED, known, paid)
    assert found == max(0, cost(USED, known) - paid)


def test_the_assumption_is_said() -> None:
    """Of what, compared with what, and how."""
    assert savings.told(12_400_000, "gpt-5.4-mini") == (
        "Local and private answers saved $12.40, as if a cloud model such as gpt-5.4-mini had answered with the same "
        "number of tokens."
    )


MACHINE = Machine(price=2400 * DOLLAR, months=36, watts=60, electricity=300_000)
COSTS = [Cost("The machine", 66_666_666)]
HOURS = 172 * 3_600_000


def test_cloud_only_is_simpler_where_little_is_saved() -> None:
    """The sum is shown: 2400 dollars over 36 months, 60 W for 172 hours at 30 cents, against what was saved."""
    found = break_even(COSTS, MACHINE, Use(days=30, requests=3_000, saved=12_400_000, local_ms=HOURS))
    assert found is not None
    assert found.sentence == (
        "The machine costs $66.67 a month, electricity $3.10; local and private answers saved $12.40 in the last 30 "
        "days: cloud only is simpler at your volume. It pays for itself from about 717 requests a day; you make 100."
    )
    assert (found.fixed, found.electricity, found.needed, found.made, found.pays) == (
        66_666_666,
        3_096_000,
        717,
        100,
        False,
    )


def test_it_pays_for_itself_where_much_is_saved() -> None:
    """With the number of requests from which on it does."""
    found = break_even(COSTS, MACHINE, Use(days=30, requests=30_000, saved=124_000_000, local_ms=HOURS))
    assert found is not None
    assert found.sentence.endswith("it pays for itself. It does from about 552 requests a day; you make 1,000.")


def test_a_few_days_are_taken_for_a_month() -> None:
    """Ten dollars in three days are a hundred in a month."""
    found = break_even(COSTS, Machine(), Use(days=3, requests=300, saved=10 * DOLLAR))
    assert found is not None
    assert found.pays
    assert "saved $10.00 in 3 days" in found.sentence


def test_nothing_answered_here_pays_for_nothing() -> None:
    """No number of requests is made up."""
    found = break_even(COSTS, MACHINE, Use(days=30, requests=0, saved=0))
    assert found is not None
    assert (found.needed, found.pays) == (None, False)
    assert found.sentence.endswith("saved $0.00 in the last 30 days: cloud only is simpler at your volume.")


def test_electricity_dearer_than_the_cloud_never_pays() -> None:
    """However many requests there are."""
    found = break_even(COSTS, MACHINE, Use(days=30, requests=100, saved=DOLLAR, local_ms=HOURS))
    assert found is not None
    assert (found.needed, found.pays) == (None, False)


def test_without_a_price_there_is_no_break_even() -> None:
    """The person said nothing of what the machine costs."""
    assert break_even([], Machine(), Use(days=30, requests=100, saved=DOLLAR)) is None


@given(st.integers(1, 10**6), st.integers(1, 10**9), st.integers(1, 30), st.integers(1, 10**9))
def test_it_pays_exactly_from_the_number_said(requests: int, saved_: int, days: int, monthly: int) -> None:
    """Whoever makes that many a day is told that it pays, and whoever is told that it does not makes fewer."""
    found = break_even([Cost("It", monthly)], Machine(), Use(days=days, requests=requests, saved=saved_))
    assert found is not None
    assert found.needed is not None
    assert (found.needed - 1) * days < requests if found.pays else found.needed * days > requests


def costs_of(text: str) -> list[Cost]:
    """What a models.toml says is paid."""
    return savings.costs(read([Source("models.toml", text)]))


SERVER = (
    '[providers.rack]\nbase_url = "http://rack:8000/v1"\nkey = "none"\n[targets.big]\ntier = "{}"\nprovider = "rack"\n'
)


def test_what_is_paid_each_month() -> None:
    """The machine over its months, and a server for all hours of thirty days."""
    text = "[machine]\nprice = 2400\nmonths = 36\n" + SERVER.format("private") + "price = { per_hour = 1.20 }\n"
    assert costs_of(text) == [Cost("The machine", 66_666_666), Cost("big", 864 * DOLLAR)]


def test_nothing_is_paid_by_default() -> None:
    """And nothing is fetched."""
    catalog = read([])
    assert (savings.costs(catalog), catalog.machine, catalog.prices) == ([], Machine(), Prices(refresh=False))


def test_a_server_by_the_hour_costs_nothing_for_its_tokens() -> None:
    """Its hour is paid anyway."""
    price = read([Source("m", SERVER.format("private") + "price = { per_hour = 1.20 }\n")]).targets["big"].price
    assert isinstance(price, Rates)
    assert (cost(USED, price), price.per_hour, price.source) == (0, 1_200_000, "m")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[machine]\nprice = 2400\n", "models.toml, line 1: 'price' and 'months' belong together"),
        ("[machine]\nwatts = 60\n", "models.toml, line 1: 'watts' and 'electricity' belong together"),
        ("[machine]\nwatts = -1\n", "line 2: 'watts' must be a whole number of at least 1"),
        ("[machine]\ncost = 1\n", "line 2: 'cost' is not a setting of"),
        ("[prices]\nrefresh = 1\n", "line 2: 'refresh' must be true or false"),
        ("[prices]\ninterval = 1\n", "line 2: 'interval' must be a time such as"),
        (SERVER.format("cloud") + "price = { per_hour = 1 }\n", "line 4: 'per_hour' is the price of a private server"),
        (SERVER.format("private") + "price = { per_hour = 1, input = 2 }\n", "a price needs 'output'"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, problem: str) -> None:
    """And with what to write instead."""
    with pytest.raises(CatalogError) as failed:
        read([Source("models.toml", text)])
    assert problem in failed.value.sentence
