"""Facts, rules and plans, on a small catalog written as a person would write it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core import facts as facts_
from pointsman.core import policy, routing
from pointsman.core.catalog import Catalog, Source, read
from pointsman.core.pricing import FREE, Rates
from pointsman.core.request import Finding, Hints, Message, Request, Verdict
from pointsman.core.routing import Circumstances, Plan
from pointsman.core.session import attribute

TEXT = """
preset = "local-first"
[tiers.local]
[tiers.private]
[tiers.cloud]
[providers.lab]
dialect = "chat"
base_url = "http://127.0.0.1:8000/v1"
key = "none"
[providers.far]
dialect = "chat"
base_url = "https://far.example/v1"
key = "none"
[targets.small]
tier = "local"
engine = "llama_cpp"
source = "starter"
context = 4096
can = ["tools", "json_schema"]
[targets.lab-model]
tier = "private"
provider = "lab"
context = 32768
can = ["tools"]
price = "free"
[targets.far-model]
tier = "cloud"
provider = "far"
context = 200000
can = ["tools", "vision", "json_schema"]
price = { input = 1.0, output = 10.0 }
[targets.unpriced]
tier = "cloud"
provider = "far"
context = 200000
can = ["tools", "vision", "json_schema"]
[aliases]
smart = ["far-model"]
[routing]
default_tier = "local"
[[rules]]
name = "reviews go up"
when = { class = "code_review" }
then = { target = "smart" }
[[rules]]
name = "clients stay here"
when = { path = "/clients/*" }
then = { sensitivity = "personal" }
[sensitivity]
secret = "personal"
personal_data = "personal"
default = "public"
public = ["local", "private", "cloud"]
internal = ["local", "private"]
personal = ["local", "ask"]
[fallback]
cloud_unavailable = "local"
local_unavailable = "cloud"
"""
CATALOG: Catalog = read([Source("test.toml", TEXT)])
RATES: dict[str, Rates | None] = {
    "small": FREE,
    "lab-model": FREE,
    "far-model": Rates(
        input=10**6,
        cache_read=10**6,
        cache_write_short=10**6,
        cache_write_long=10**6,
        output=10**7,
        source="mine",
        dated="2026-01-01",
    ),
    "unpriced": None,
}


def request(text: str = "Hello", *, kinds: tuple[str, ...] = (), **more: Any) -> Request:
    """A request with one user message."""
    verdict = Verdict(tuple(Finding(kind, 1) for kind in kinds))
    message = Message(role="user", digest=text, size=len(text), images=more.pop("images", 0), verdict=verdict)
    given_ = {"model": "auto", "stream": False, "messages": (message,), "size": len(text), "last_user": text, **more}
    return Request(id="r", dialect="chat", **given_)


def planned(
    one: Request, *, down: dict[str, str] | None = None, taint: tuple[str, ...] = (), catalog: Catalog = CATALOG
) -> Plan:
    """The plan for a request of agent `a`."""
    who = attribute(one, "a", "p")
    facts = facts_.gather(one, catalog.sensitivity, taint)
    ruling = policy.rule(one, who, facts, catalog)
    return routing.plan(one, facts, ruling, catalog, Circumstances(rates=RATES, down=down or {}))


def order(plan: Plan) -> list[str]:
    """Names in the order of trying."""
    return [attempt.target for attempt in plan.attempts]


def test_simple_work_starts_here() -> None:
    """A short question is for the local model; the rest of the plan is what follows if it fails."""
    assert order(planned(request()))[0] == "small"


def test_hard_work_starts_at_the_stronger() -> None:
    """Code goes to the private server first, then the cloud, then here; an unknown price comes last."""
    assert order(planned(request("Refactor this class Foo:"))) == ["lab-model", "far-model", "small", "unpriced"]


def test_a_title_is_a_background_call() -> None:
    """What agents ask for themselves stays here, unless tools show that it is no such call."""
    text = "Please write a 5-10 word title for the following conversation"
    assert "background" in planned(request(text)).reason
    assert "background" not in planned(request(text, tools=3)).reason


def test_a_name_is_a_name() -> None:
    """A target that is asked for comes first, then its fallback."""
    assert order(planned(request(model="far-model"))) == ["far-model", "small"]


def test_no_fallback_means_one_attempt() -> None:
    """The client may forbid the rest of the plan."""
    plan = planned(request(model="far-model", hints=Hints(fallback=False)))
    assert order(plan) == ["far-model"]
    assert routing.Dropped("small", "the client allows no fallback") in plan.dropped


@pytest.mark.parametrize(
    ("model", "header", "down", "tried"),
    [
        ("far-model", None, "far-model", []),
        ("cloud", None, "far-model", ["unpriced"]),
        ("local", None, "small", []),
        ("smart", "private", "lab-model", []),
        ("auto", None, "small", ["lab-model"]),
        ("smart", None, "small", ["far-model"]),
    ],
)
def test_no_fallback_takes_nothing_else_than_what_was_named(
    model: str, header: str | None, down: str, tried: list[str]
) -> None:
    """While the model or the tier that was named rests, nothing answers; what nobody named is free to choose."""
    one = request(model=model, hints=Hints(fallback=False, tier=header))
    assert order(planned(one, down={down: "it rests"})) == tried


def test_a_rules_target_is_what_counts_without_fallback() -> None:
    """It stands over the name that the client asked for."""
    one = request(model="small", hints=Hints(fallback=False, class_="code_review"))
    assert order(planned(one)) == ["far-model"]
    assert order(planned(one, down={"far-model": "it rests"})) == []


@pytest.mark.parametrize(
    ("model", "tier", "down", "tried"),
    [
        ("local", None, "", ["far-model"]),
        ("local", None, "far-model", ["lab-model"]),
        ("either", None, "far-model", ["lab-model"]),
        ("either", "cloud", "far-model", []),
    ],
)
def test_an_alias_is_one_wish_without_fallback(model: str, tier: str | None, down: str, tried: list[str]) -> None:
    """Whether a rule names it or the client: the first of its targets that can answer does; a header narrows it."""
    text = TEXT.replace("[aliases]", '[aliases]\neither = ["far-model", "lab-model"]')
    catalog = read([Source("test.toml", text.replace('target = "smart"', 'target = "either"'))])
    class_ = "code_review" if model == "local" else None
    one = request(model=model, hints=Hints(fallback=False, tier=tier, class_=class_))
    assert order(planned(one, down={down: "it rests"}, catalog=catalog)) == tried


def test_a_rule_sends_a_class() -> None:
    """The first rule that matches decides, and the reason names it."""
    plan = planned(request(hints=Hints(class_="code_review")))
    assert order(plan)[0] == "far-model"
    assert "reviews go up" in plan.reason


def test_the_folder_of_clients_stays_here() -> None:
    """A rule raises the sensitivity: other tiers are asked about."""
    plan = planned(request("Refactor def f():", hints=Hints(project="/clients/acme")))
    assert order(plan)[0] == "small"
    assert all(attempt.ask is not None for attempt in plan.attempts if attempt.tier != "local")


def test_private_data_asks_even_for_a_name() -> None:
    """Who asks for a cloud model by name still needs the person's consent for a key in the text."""
    assert planned(request(model="far-model", kinds=("secret_key",))).attempts[0].ask == "consent"


def test_taint_outlives_its_message() -> None:
    """What was found earlier in the session counts, though this message is clean."""
    assert planned(request(model="far-model"), taint=("card_number",)).attempts[0].ask == "consent"


def test_a_hint_only_raises() -> None:
    """`public` from a client does not wash private data clean."""
    one = request(kinds=("card_number",), hints=Hints(sensitivity="public"))
    assert facts_.gather(one, CATALOG.sensitivity).sensitivity == "personal"


def test_consent_is_no_price() -> None:
    """Private data for a model without a price is asked about its price, which no consent answers."""
    assert planned(request(model="unpriced", kinds=("card_number",))).attempts[0].ask == "price"


def test_a_tier_in_the_header_narrows_a_name() -> None:
    """Who asks for a cloud model and for `local` gets local."""
    assert order(planned(request(model="far-model", hints=Hints(tier="local"))))[0] == "small"


def test_private_keeps_everything_out_of_the_cloud() -> None:
    """The preset `private` has no cloud, asked or not."""
    one = request(model="far-model")
    who, catalog = attribute(one, "a", "p"), msgspec.structs.replace(CATALOG, preset="private")
    facts = facts_.gather(one, catalog.sensitivity)
    ruling = policy.rule(one, who, facts, catalog)
    plan = routing.plan(one, facts, ruling, catalog, Circumstances(rates=RATES, down={}))
    assert order(plan) == ["small"]


def test_an_unknown_price_is_never_free() -> None:
    """It is asked about."""
    attempt = planned(request(model="unpriced")).attempts[0]
    assert (attempt.ask, attempt.at_most) == ("price", None)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"images": 1}, "it cannot see images"),
        ({"n": 2}, "it gives one answer at a time"),
        ({"size": 100_000}, "do not fit its 4096"),
    ],
)
def test_what_a_target_cannot_do_is_said(more: dict[str, Any], reason: str) -> None:
    """A dropped target is a value with its reason."""
    dropped = {one.target: one.reason for one in planned(request(**more)).dropped}
    assert reason in dropped["small"]


def test_a_resting_target_is_dropped_with_its_reason() -> None:
    """Health counts, by the sentence that the shell gives."""
    plan = planned(request(), down={"small": "it rests"})
    assert routing.Dropped("small", "it rests") in plan.dropped


def test_unbounded_prices_keep_out_of_the_cloud() -> None:
    """What cannot be bounded is not sent where it costs."""
    assert "far-model" not in order(planned(request(unpriced="web search")))


def test_unbounded_prices_keep_out_of_a_private_server_that_is_paid_by_the_token() -> None:
    """One that is free takes them."""
    one = request(model="lab-model", unpriced="web search")
    facts, who = facts_.gather(one, CATALOG.sensitivity), attribute(one, "a", "p")
    ruling = policy.rule(one, who, facts, CATALOG)
    paid = Circumstances(rates={**RATES, "lab-model": RATES["far-model"]}, down={})
    assert "lab-model" in order(planned(one))
    assert "lab-model" not in order(routing.plan(one, facts, ruling, CATALOG, paid))


@given(
    kinds=st.sets(st.sampled_from(["card_number", "secret_key", "mail_address"])),
    hint=st.sampled_from([None, "public", "internal", "personal"]),
    model=st.sampled_from(["auto", "local", "private", "cloud", "smart", "far-model", "small", "nobody"]),
    tier=st.sampled_from([None, "local", "private", "cloud"]),
    tools=st.integers(0, 2),
)
def test_no_plan_breaks_the_policy(kinds: set[str], hint: str | None, model: str, tier: str | None, tools: int) -> None:
    """Whatever is asked for: no attempt without consent where the policy wants it, nothing tried twice."""
    one = request(kinds=tuple(kinds), model=model, tools=tools, hints=Hints(sensitivity=hint, tier=tier))
    plan = planned(one)
    names = order(plan)
    assert len(set(names)) == len(names)
    assert not set(names) & {dropped.target for dropped in plan.dropped}
    if kinds or hint == "personal":
        assert all(attempt.tier == "local" or attempt.ask is not None for attempt in plan.attempts)
    if hint == "internal" and not kinds:
        assert all(attempt.tier != "cloud" for attempt in plan.attempts)


@given(size=st.integers(1, 3000), output=st.integers(1, 5000))
def test_the_bound_is_never_below_the_estimate(size: int, output: int) -> None:
    """`at most` is at least `about`."""
    attempt = planned(request("x" * size, model="far-model", max_tokens=output)).attempts[0]
    assert attempt.about is not None
    assert attempt.at_most is not None
    assert attempt.about <= attempt.at_most


@pytest.mark.parametrize("more", [{"tools": 1}, {"schema": True}])
def test_what_a_vendor_adds_by_itself_is_in_the_bound(more: dict[str, Any]) -> None:
    """Anthropic explains tools to its models in up to 530 tokens, and the form of an answer; both are billed."""
    assert facts_.gather(request(**more), CATALOG.sensitivity).bound > 1_000
    assert facts_.gather(request(), CATALOG.sensitivity).bound < 100


def test_requests_are_values() -> None:
    """A request with other hints is another value; the first is unchanged."""
    one = request()
    other = msgspec.structs.replace(one, hints=Hints(tier="cloud"))
    assert one.hints.tier is None
    assert other.hints.tier == "cloud"


def test_a_first_choice_that_is_passed_over_is_named() -> None:
    """Whoever asked for this machine reads why something else answered."""
    found = planned(request(model="local", n=2))
    assert "; not small: it gives one answer at a time" in found.reason
    assert "small" not in order(found)


def test_a_header_keeps_a_request_on_this_machine() -> None:
    """It narrows: nothing else is tried, whatever the fallback says."""
    assert order(planned(request(hints=Hints(tier="local"), n=2))) == []


def test_each_catalog_is_planned_with_as_it_stands() -> None:
    """The order of one that was planned with before is nothing to another one."""
    newer = msgspec.structs.replace(CATALOG.targets["small"], name="newer")
    other = msgspec.structs.replace(CATALOG, targets={"newer": newer, **CATALOG.targets})
    first = order(planned(request()))
    assert sorted(order(planned(request(), catalog=other))) == sorted([*first, "newer"])
    assert order(planned(request())) == first
