"""Caps, windows and the arithmetic of holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.budget import (
    Account,
    Cap,
    Subject,
    Window,
    account_key,
    admit,
    check,
    has_one_account,
    headroom,
    hold,
    owner,
    room,
    settle,
    unused,
)

CAP = Cap(id="c1", name="daily", scope="everything", window="day", limit=1_000_000)
WHO = Subject(
    person="ann",
    project="/src/x",
    label=None,
    agent="claude",
    session="s1",
    task="t1",
    model="sonnet",
    tier="cloud",
    request="r1",
)


def account(**change: int) -> Account:
    """An account of the daily cap."""
    sums = {"spent": 0, "held": 0, "raised": 0, "overrun": 0} | change
    return Account(cap=CAP, key="", window=Window("2026-11-20", 0.0, 1.0), **sums)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": " "}, "needs a name"),
        ({"name": "a\nb"}, "needs a name"),
        ({"scope": "galaxy"}, 'has scope "galaxy": use one of everything, person'),
        ({"window": "fortnight"}, 'has window "fortnight"'),
        ({"at_soft": "refuse"}, 'has at_soft "refuse"'),
        ({"at_limit": "go"}, 'has at_limit "go"'),
        ({"match": "x"}, "is on everything"),
        ({"scope": "request"}, 'use the window "once"'),
        ({"scope": "request", "window": "once", "match": "r1"}, "leave match out"),
        ({"at_limit": "wait"}, "use one of ask, local, cheaper, shorten, defer, refuse"),
        ({"limit": -1}, "a limit of -1"),
        ({"limit": 2**63}, "micro-dollars"),
        ({"soft_percent": 0}, "0 percent"),
        ({"soft_percent": 101}, "101 percent"),
    ],
)
def test_check_says_why_a_cap_makes_no_sense(change: dict[str, object], says: str) -> None:
    """Each kind of mistake has its own sentence."""
    assert says in (check(replace(CAP, **change)) or "")


def test_check_passes_a_good_cap() -> None:
    """A cap as the first-run makes it is fine."""
    assert check(CAP) is None


@pytest.mark.parametrize("action", ["ask", "local", "cheaper", "shorten", "defer"])
def test_what_can_happen_at_the_limit_can_happen_at_the_soft_mark(action: str) -> None:
    """Only letting go is for the mark alone, and refusing for the limit alone."""
    assert check(replace(CAP, at_soft=action, at_limit=action)) is None


def test_check_passes_a_cap_on_each_request() -> None:
    """Ten cents for each request, whoever sends it."""
    assert check(replace(CAP, scope="request", window="once")) is None


@pytest.mark.parametrize(
    ("scope", "match", "span", "key"),
    [
        ("everything", "", "day", ""),
        ("agent", "", "day", "claude"),
        ("agent", "claude", "day", "claude"),
        ("agent", "codex", "day", None),
        ("label", "", "day", None),
        ("tier", "cloud", "once", "cloud"),
        ("everything", "", "session", "s1"),
        ("session", "", "session", "s1"),
        ("request", "", "once", "r1"),
        ("agent", "", "session", "claude\x1fs1"),
    ],
)
def test_which_account_a_subject_uses(scope: str, match: str, span: str, key: str | None) -> None:
    """The key names the value of the scope and, for a session's life, the session; None is not my cap."""
    assert account_key(replace(CAP, scope=scope, match=match, window=span), WHO) == key


@pytest.mark.parametrize("scope", ["everything", "agent", "session", "model", "request"])
@pytest.mark.parametrize("span", ["day", "session"])
def test_the_owner_of_an_account_is_read_back_from_its_key(scope: str, span: str) -> None:
    """`owner` is the inverse of `account_key`."""
    cap = replace(CAP, scope=scope, window=span)
    key = account_key(cap, WHO)
    assert key is not None
    fields = owner(cap, key)
    assert fields == {name: getattr(WHO, name) for name in fields}
    assert account_key(cap, replace(WHO, **fields)) == key


def test_only_a_fixed_value_outside_sessions_has_one_account() -> None:
    """Everything, or one named agent, has one account a day; each agent, or each session, has many."""
    shapes = [("everything", "", "day"), ("agent", "x", "day"), ("agent", "", "day"), ("everything", "", "session")]
    found = [has_one_account(replace(CAP, scope=s, match=m, window=w)) for s, m, w in shapes]
    assert found == [True, True, False, False]


def test_what_fits_to_the_last_micro_dollar_is_admitted() -> None:
    """The limit itself may be reached."""
    assert admit([account(spent=900_000, held=50_000)], 50_000) == ()


def test_one_micro_dollar_over_is_short_by_one() -> None:
    """`over` is what is missing under the limit."""
    [short] = admit([account(spent=900_000, held=50_000), account()], 50_001)
    assert (short.over, short.soft) == (1, False)


def test_what_is_free_fits_when_all_is_spent() -> None:
    """Local models go on when the money is gone."""
    assert admit([account(spent=2_000_000)], 0) == ()


@pytest.mark.parametrize(("at_soft", "shorts"), [("go", 0), ("ask", 1), ("local", 1)])
def test_the_soft_mark_speaks_only_when_told_to(at_soft: str, shorts: int) -> None:
    """Past 80 percent a cap that asks is short by nothing; one that lets go is silent."""
    watched = replace(account(spent=700_000), cap=replace(CAP, at_soft=at_soft))
    found = admit([watched], 100_001)
    assert [(short.over, short.soft) for short in found] == [(0, True)] * shorts
    assert admit([watched], 100_000) == ()


def test_left_is_never_negative() -> None:
    """After an overrun nothing is left, not less."""
    assert account(spent=1_200_000).left == 0
    assert account(spent=100_000, held=200_000, raised=50_000).left == 750_000


def test_headroom_is_that_of_the_tightest_cap() -> None:
    """What the fullest account has left; without any cap there is no bound."""
    wide, tight = account(spent=100_000), account(spent=700_000, held=250_000)
    assert headroom([wide, tight]) == 50_000
    assert headroom([]) is None


def test_headroom_below_the_soft_marks() -> None:
    """A mark that wants a word bounds it too, when that is asked for."""
    asking = replace(account(spent=700_000), cap=replace(CAP, at_soft="shorten"))
    assert [headroom([asking, account()], soft=soft) for soft in (False, True)] == [300_000, 100_000]
    assert headroom([account(spent=900_000)], soft=True) == 100_000


def test_a_grant_adds_to_the_room_also_after_an_overrun() -> None:
    """What a grant lends covers first what is missing already."""
    assert [room(account(spent=1_200_000), lent) for lent in (0, 100_000, 300_000)] == [0, 0, 100_000]


SUMS = st.tuples(st.integers(0, 1_200_000), st.integers(0, 300_000), st.sampled_from(["go", "ask", "shorten"]))


@given(sums=st.lists(SUMS, min_size=1, max_size=4), soft=st.booleans())
def test_headroom_fits_to_the_micro_dollar(sums: list[tuple[int, int, str]], soft: bool) -> None:
    """It is admitted everywhere, and one micro-dollar more is not."""
    accounts = [
        replace(account(spent=spent, held=held), cap=replace(CAP, at_soft=at_soft)) for spent, held, at_soft in sums
    ]
    amount = headroom(accounts, soft=soft)
    assert amount is not None
    assert [short for short in admit(accounts, amount) if soft or not short.soft] == []
    assert [short for short in admit(accounts, amount + 1) if soft or not short.soft]


def test_settling_below_the_hold_frees_the_rest() -> None:
    """What was not needed is there for others."""
    after = settle(hold(account(), 100_000), 100_000, 0, 30_000)
    assert (after.spent, after.held, after.left) == (30_000, 0, 970_000)


def test_settling_above_the_hold_but_below_the_limit_is_no_overrun() -> None:
    """The cap paid for it."""
    assert settle(hold(account(), 100_000), 100_000, 0, 300_000).overrun == 0


def test_settling_beyond_the_limit_records_only_what_is_beyond() -> None:
    """An overrun is the part that neither the hold nor the limit covered."""
    after = settle(hold(account(spent=900_000), 50_000), 50_000, 0, 130_000)
    assert (after.spent, after.overrun) == (1_030_000, 30_000)


def test_what_a_grant_lent_goes_back_first() -> None:
    """A hold of 100 that was lent 60 and cost 70 gives 30 back."""
    after = settle(hold(account(spent=960_000), 100_000, 60_000), 100_000, 60_000, 70_000)
    assert unused(100_000, 60_000, 70_000) == 30_000
    assert (after.raised, after.left, after.overrun) == (30_000, 0, 0)


@given(
    spent=st.integers(0, 1_000_000),
    amount=st.integers(0, 2_000_000),
    charged=st.integers(0, 3_000_000),
)
def test_nothing_passes_the_limit_unseen(spent: int, amount: int, charged: int) -> None:
    """Whatever a hold costs, spent and held stay within limit, raise and recorded overrun, and nothing is negative."""
    before = account(spent=spent)
    lent = sum(short.over for short in admit([before], amount))
    during = hold(before, amount, lent)
    after = settle(during, amount, lent, charged)
    assert during.spent + during.held <= during.limit
    assert after.spent + after.held <= after.limit + after.overrun
    assert after.overrun <= max(0, charged - amount)
    assert min(after.spent, after.held, after.raised, after.overrun) >= 0


def test_a_hold_that_cost_nothing_gives_all_back_that_it_was_lent() -> None:
    """More than the hold, where the cap had been lowered below what was spent."""
    assert unused(72, 83, 0) == 83
    assert unused(72, 83, 10) == 62
