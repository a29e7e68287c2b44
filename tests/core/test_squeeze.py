from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core import budget, pricing, squeeze
from pointsman.core.budget import Account, Cap, Short, Subject, Window
from pointsman.core.catalog import Allowance, Batch
from pointsman.core.pricing import Meters, Rates
from pointsman.core.routing import Attempt

DAY = Window("2026-11-21", 0.0, 86_400.0)
RATES = Rates(
    input=2_000_000, cache_read=200_000, cache_write_short=2_500_000, cache_write_long=4_000_000, output=10_000_000,
    per_request=7, source="list", dated="2026-11-20",
)  # fmt: skip
LONG = replace(RATES, above=((1_000, replace(RATES, output=15_000_000, input=3_000_000)),))


def account(spent: int = 0, held: int = 0, raised: int = 0, window: Window = DAY, **cap: object) -> Account:
    """An account of a cap of 1,000,000."""
    fields = {"id": "c", "name": "daily", "scope": "everything", "window": "day", "limit": 1_000_000} | cap
    return Account(cap=Cap(**fields), key="", window=window, spent=spent, held=held, raised=raised, overrun=0)


def short(over: int = 1, *, soft: bool = False, of: Account | None = None, **more: object) -> Short:
    """Where an amount does not fit."""
    return Short(of or account(**more), 0 if soft else over, soft=soft)


def attempt(output: int = 4_000, tokens: int = 500, rates: Rates = RATES, n: int = 1) -> Attempt:
    """An attempt with the bound that planning gives it."""
    return Attempt(
        target="t", tier="cloud", about=1, at_most=pricing.bound(tokens, output, rates, n), output=output, rates=rates
    )


@pytest.mark.parametrize(
    ("said", "background", "action"),
    [
        (["ask"], False, "ask"),
        (["refuse", "local"], False, "refuse"),
        (["ask", "local"], False, "local"),
        (["ask", "cheaper"], False, "ask"),
        (["shorten", "cheaper"], False, "cheaper"),
        (["shorten"], False, "shorten"),
        (["defer"], False, "ask"),
        (["defer"], True, "defer"),
        (["defer", "ask"], True, "ask"),
    ],
)
def test_the_strictest_word_counts(said: list[str], background: bool, action: str) -> None:
    """Where caps differ, the one that lets through least is obeyed; only the background defers."""
    shorts = [short(at_limit=word, id=word) for word in said]
    assert squeeze.action(shorts, background=background) == action


@pytest.mark.parametrize(
    ("spent", "said"),
    [(996_500, "pays for 149 tokens"), (1_000_000, "does not even pay for what t has to read")],
)
def test_a_question_instead_of_a_short_answer_says_why(spent: int, said: str) -> None:
    """The person set the cap to shorten, and is asked all the same."""
    tight = short(spent=spent, at_limit="shorten")
    assert squeeze.shorten(attempt(), (tight,), 1) is None
    told = f"The daily cap shortens answers, yet what is left {said}: an answer is not cut below 256."
    assert squeeze.why_asked(attempt(), (tight,), 1) == told


def test_a_shorter_answer_that_costs_the_same_is_told() -> None:
    """Where a token of output costs nothing, cutting saves nothing."""
    tight = short(spent=1_000_000, at_limit="shorten")
    free = attempt(rates=replace(RATES, output=0))
    assert squeeze.why_asked(free, (tight,), 1).endswith("yet a shorter one of t would not cost less.")


def test_an_answer_that_takes_no_limit_is_told() -> None:
    """Where a limit would have fitted, and the person is asked all the same."""
    tight = short(spent=990_000, at_limit="shorten")
    assert squeeze.shorten(attempt(), (tight,), 1) is not None
    assert squeeze.why_asked(attempt(), (tight,), 1).endswith("yet this one cannot be given a limit.")


@pytest.mark.parametrize(("word", "said"), [("ask", ""), ("cheaper", "The daily cap takes a cheaper model, and none")])
def test_other_words_that_end_in_a_question(word: str, said: str) -> None:
    """A cap that asks needs no reason."""
    found = squeeze.why_asked(attempt(), (short(at_limit=word),), 1)
    assert found.startswith(said) and bool(found) == bool(said)


def test_at_the_soft_mark_its_own_word_counts() -> None:
    """A cap may ask at its soft mark and refuse at its limit."""
    cap = account(at_soft="ask", at_limit="refuse")
    assert squeeze.action([short(soft=True, of=cap)], background=False) == "ask"
    assert squeeze.action([short(of=cap)], background=False) == "refuse"


@pytest.mark.parametrize(
    ("of", "soft", "amount", "allowed", "helps"),
    [
        ((500_000, 400_000), False, 500_000, 0, True),
        ((500_000, 400_000), False, 500_001, 0, False),
        ((500_000, 400_000), False, 500_001, 1, True),
        ((1_000_000, 0), False, 1, 1, False),
        ((500_000, 290_000), True, 300_000, 0, True),
        ((500_000, 290_000), True, 300_001, 0, False),
    ],
)
def test_waiting_helps_where_holds_are_all_that_stand_in_the_way(
    of: tuple[int, int], soft: bool, amount: int, allowed: int, helps: bool
) -> None:
    """What is spent does not come back; what the person let pass is money too."""
    one = short(soft=soft, spent=of[0], held=of[1], at_soft="ask")
    assert squeeze.waiting_helps([one], amount, {("c", ""): allowed}) is helps


def test_one_hopeless_account_ends_the_waiting() -> None:
    """All of them must come to fit."""
    shorts = [short(spent=0, held=1_000_000), short(spent=1_000_000, held=1, id="other")]
    assert not squeeze.waiting_helps(shorts, 10, {})
    assert not squeeze.waiting_helps([], 10, {})


@pytest.mark.parametrize(
    ("of", "amount", "may"),
    [
        (account(spent=1_000_000), 1_000_000, True),
        (account(spent=1_000_000), 1_000_001, False),
        (account(spent=1_000_000, window=Window("once", None, None)), 1, False),
        (account(held=1_000_000, window=Window("once", None, None)), 1, True),
    ],
)
def test_only_what_may_fit_one_day_is_put_off(of: Account, amount: int, may: bool) -> None:
    """A cap whose window never turns, or that is too small for ever, is no reason to wait."""
    assert squeeze.deferrable([short(of=of)], amount) is may


def test_cheaper_targets_come_cheapest_first_and_without_questions() -> None:
    """Dearer ones, those that would have to be asked about, and those without a price are left out."""
    dear = replace(attempt(), target="dear", at_most=100)
    plan = [
        dear,
        replace(dear, target="fair", at_most=50),
        replace(dear, target="cheap", at_most=5),
        replace(dear, target="asks", at_most=1, ask="consent"),
        replace(dear, target="unknown", at_most=None),
        replace(dear, target="dearer", at_most=101),
        replace(dear, target="tried", at_most=2),
    ]
    assert [one.target for one in squeeze.cheaper(dear, plan, {"dear", "tried"})] == ["cheap", "fair"]


tokens = st.integers(0, 300_000)
outputs = st.integers(1, 200_000)


@given(st.sampled_from([RATES, LONG]), tokens, outputs, st.integers(1, 4), st.integers(0, 3_000_000))
def test_a_shortened_answer_fits_and_is_as_long_as_it_may(
    rates: Rates, size: int, output: int, n: int, left: int
) -> None:
    """Its bound is within the headroom and never below what the same request is planned at; one token more is not."""
    one = attempt(output, size, rates, n)
    found = squeeze.shorten(one, [short(spent=1_000_000 - left, limit=1_000_000) if left < 1_000_000 else short()], n)
    room = min(left, 1_000_000)
    if found is None:
        return
    cut = found.attempt
    assert squeeze.LEAST_OUTPUT <= cut.output < output
    assert pricing.bound(size, cut.output, rates, n) <= (cut.at_most or 0) <= room
    more = squeeze.cut(one, cut.output + 1, n)
    assert (more.at_most or 0) > room


@given(tokens, st.integers(257, 200_000), st.integers(0, 1_000_000))
def test_an_answer_is_shortened_wherever_256_tokens_fit(size: int, output: int, left: int) -> None:
    """Nobody is asked where headroom pays for an answer worth having."""
    one = attempt(output, size)
    least, whole = pricing.bound(size, squeeze.LEAST_OUTPUT, RATES), one.at_most or 0
    found = squeeze.shorten(one, [short(spent=1_000_000 - left)], 1)
    assert (found is not None) >= (least + 1 <= left < whole)


def test_the_note_says_by_which_cap() -> None:
    """The tightest account is named, with the tokens that are left."""
    wide, tight = account(spent=400_000, name="monthly"), account(spent=900_000, name="Daily")
    found = squeeze.shorten(attempt(100_000, 0), [short(of=wide), short(of=tight)], 1)
    assert found is not None
    assert found.note == "answer limited to 9999 tokens by the Daily cap"


def test_what_costs_nothing_by_the_token_is_not_shortened() -> None:
    """Where output is free, a smaller limit saves nothing."""
    assert squeeze.shorten(attempt(rates=replace(RATES, output=0)), [short()], 1) is None


meters = st.builds(
    Meters,
    fresh_input=st.integers(0, 100_000), cache_read=st.integers(0, 100_000), cache_write_short=st.integers(0, 100_000),
    cache_write_long=st.integers(0, 100_000), output=st.integers(0, 100_000),
)  # fmt: skip


@given(st.sampled_from([RATES, LONG]), meters, st.integers(1, 100))
def test_a_batch_price_is_still_a_bound(rates: Rates, used: Meters, percent: int) -> None:
    """Whatever is used within the limits costs at most what was held at the batch price."""
    one = attempt(used.output, used.input, rates)
    cheap = squeeze.at_batch_price(one, Batch(service_tier="flex", percent=percent))
    assert cheap.rates is not None
    assert pricing.cost(used, cheap.rates) <= (cheap.at_most or 0)
    assert cheap.service_tier == "flex"


def test_a_batch_price_says_so_in_its_source() -> None:
    """A charge keeps where its price came from."""
    cheap = squeeze.at_batch_price(attempt(), Batch(service_tier="flex", percent=50))
    assert cheap.rates is not None
    assert (cheap.rates.output, cheap.rates.source) == (5_000_000, "list, batch at 50 %")


SUBJECT = Subject(
    person="me", project=None, label=None, agent="a", session="s", task="t", model="m", tier="cloud", request="r"
)


@pytest.mark.parametrize(
    ("scope", "key", "uses"), [("everything", "", True), ("agent", "a", True), ("agent", "b", False)]
)
def test_who_uses_an_account_that_is_waited_for(scope: str, key: str, uses: bool) -> None:
    """Only those who share the account stand behind whoever waits for it."""
    waited = replace(account(scope=scope), key=key)
    assert squeeze.uses([waited], SUBJECT) is uses


def test_a_rule_is_what_is_missing_rounded_up_to_a_cent() -> None:
    """It names agent, target, cap and how much."""
    found = squeeze.allowance("Claude Code", "big", short(over=693_001), [])
    assert (found.agent, found.target, found.cap, found.over) == ("Claude Code", "big", "daily", 700_000)


def test_a_rule_that_does_not_reach_is_made_larger() -> None:
    """What is missing comes on top of what the rule lends already, under its own name."""
    known = Allowance(name="mine", agent="a", target="t", cap="daily", over=500_000)
    other = replace(known, name="other", cap="monthly")
    assert squeeze.allowance("a", "t", short(over=20_000), [other, known]) == replace(known, over=520_000)


def test_a_soft_mark_is_passed_by_a_rule_worth_nothing() -> None:
    """It lets pass the mark, and not a cent beyond the limit."""
    assert squeeze.allowance("a", "t", short(soft=True), []).over == 0


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=5), st.integers(1, 10**6))
def test_where_waiting_helps_it_fits_once_all_holds_are_back(spans: list[tuple[int, int]], amount: int) -> None:
    """The promise of waiting, checked with the ledger's own arithmetic."""
    accounts = [account(spent=spent, held=held, id=str(at)) for at, (spent, held) in enumerate(spans)]
    shorts = budget.admit(accounts, amount)
    back = budget.admit([replace(one, held=0) for one in accounts], amount)
    assert squeeze.waiting_helps(shorts, amount, {}) == (bool(shorts) and not back)
