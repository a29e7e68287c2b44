"""Caps, windows and the arithmetic of holds."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

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
    hold,
    owner,
    settle,
    unused,
    window,
)

CAP = Cap(id="c1", name="daily", scope="everything", window="day", limit=1_000_000)
WHO = Subject(
    person="ann", project="/src/x", label=None, agent="claude", session="s1", task="t1", model="sonnet", tier="cloud"
)
BERLIN = ZoneInfo("Europe/Berlin")


def account(**change: int) -> Account:
    """An account of the daily cap."""
    sums = {"spent": 0, "held": 0, "raised": 0, "overrun": 0} | change
    return Account(cap=CAP, key="", window=Window("2026-11-20", 0.0, 1.0), **sums)


def at(zone: ZoneInfo, *clock: int) -> float:
    """A moment on that zone's clock."""
    return datetime(*clock, tzinfo=zone).timestamp()  # type: ignore[arg-type, misc]


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


@pytest.mark.parametrize(
    ("kind", "key", "starts", "ends"),
    [
        ("hour", "2026-11-20T14+0100", (2026, 11, 20, 14), (2026, 11, 20, 15)),
        ("day", "2026-11-20", (2026, 11, 20), (2026, 11, 21)),
        ("week", "2026-W47", (2026, 11, 16), (2026, 11, 23)),
        ("month", "2026-11", (2026, 11, 1), (2026, 12, 1)),
    ],
)
def test_windows_follow_the_local_calendar(kind: str, key: str, starts: tuple[int, ...], ends: tuple[int, ...]) -> None:
    """A Friday afternoon in Berlin falls into its own hour, day, week from Monday, and month."""
    found = window(kind, at(BERLIN, 2026, 11, 20, 14, 30), BERLIN)
    wanted = [datetime(*clock, tzinfo=BERLIN).timestamp() for clock in (starts, ends)]  # type: ignore[arg-type, misc]
    assert found == Window(key, *wanted)


@pytest.mark.parametrize(("day", "hours"), [(29, 23), (28, 24)])
def test_a_day_is_short_when_clocks_go_forward(day: int, hours: int) -> None:
    """The last Sunday in March has 23 hours in Berlin; the day before has 24."""
    found = window("day", at(BERLIN, 2026, 3, day, 12), BERLIN)
    assert found.starts is not None and found.ends is not None
    assert found.ends - found.starts == hours * 3600


def test_the_hour_that_comes_twice_is_two_windows() -> None:
    """When clocks go back, both hours that are called two have an account of their own."""
    first = at(BERLIN, 2026, 10, 25, 2, 30)
    keys = [window("hour", moment, BERLIN).key for moment in (first, first + 3600)]
    assert keys == ["2026-10-25T02+0200", "2026-10-25T02+0100"]


def test_a_day_without_midnight_begins_when_the_clocks_change() -> None:
    """Beirut goes from 23:59:59 to 01:00: the day begins at that moment."""
    beirut = ZoneInfo("Asia/Beirut")
    found = window("day", at(beirut, 2026, 3, 29, 12), beirut)
    assert found.starts == datetime(2026, 3, 28, 22, tzinfo=UTC).timestamp()


def test_a_year_that_ends_in_the_next_years_week() -> None:
    """The last days of 2024 belong to the first week of 2025, and December ends with the year."""
    moment = at(BERLIN, 2024, 12, 31, 12)
    assert window("week", moment, BERLIN).key == "2025-W01"
    assert window("month", moment, BERLIN).ends == at(BERLIN, 2025, 1, 1)


@pytest.mark.parametrize("kind", ["once", "session"])
def test_lives_have_no_calendar(kind: str) -> None:
    """A window without a calendar never ends."""
    assert window(kind, 0.0, BERLIN) == Window(kind, None, None)


def test_an_unknown_window_is_a_mistake_of_ours() -> None:
    """`check` keeps such caps out of the store, so this never reaches a person."""
    with pytest.raises(ValueError, match="fortnight"):
        window("fortnight", 0.0, BERLIN)


@given(
    now=st.floats(0, 4e9),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo"]),
    kind=st.sampled_from(["hour", "day", "week", "month"]),
)
def test_a_window_holds_its_moment_and_its_neighbour_begins_where_it_ends(now: float, zone: str, kind: str) -> None:
    """Windows cover time without gap or overlap, in every zone."""
    place = ZoneInfo(zone)
    found = window(kind, now, place)
    assert found.starts is not None and found.ends is not None
    assert found.starts <= now < found.ends
    following = window(kind, found.ends, place)
    assert following.starts == found.ends
    assert following.key != found.key


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
        ("agent", "", "session", "claude\x1fs1"),
    ],
)
def test_which_account_a_subject_uses(scope: str, match: str, span: str, key: str | None) -> None:
    """The key names the value of the scope and, for a session's life, the session; None is not my cap."""
    assert account_key(replace(CAP, scope=scope, match=match, window=span), WHO) == key


@pytest.mark.parametrize("scope", ["everything", "agent", "session", "model"])
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
