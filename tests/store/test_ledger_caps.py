"""Caps: whose account a hold falls into, in which window, and what happens when a cap changes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pointsman.core.budget import Cap
from pointsman.core.errors import BadRequest
from pointsman.store.db import Database
from pointsman.store.ledger import Grant, Ledger, Reserved
from tests.fakes.money import DAILY, NOON, TOMORROW, WHO, ZONE, paid, shorts, sums, want


@pytest.fixture
def ledger(db: Database) -> Ledger:
    """A ledger in Berlin."""
    return Ledger(db, ZONE)


async def test_a_new_day_is_a_new_account(ledger: Ledger) -> None:
    """What was held before midnight is charged to the day on which it was held."""
    await ledger.set_cap(DAILY)
    await ledger.reserve(want("a", 900), NOON)
    assert isinstance(await ledger.reserve(want("b", 900), TOMORROW), Reserved)
    await ledger.settle("a", paid(800), TOMORROW)
    assert await sums(ledger, NOON) == (800, 0, 0, 0)
    assert await sums(ledger, TOMORROW) == (0, 900, 0, 0)


async def test_each_value_has_its_own_account(ledger: Ledger) -> None:
    """A cap for each agent stops one and leaves the other alone; an agent without a label has no label's account."""
    await ledger.set_cap(Cap(id="each", name="each", scope="agent", window="day", limit=500))
    await ledger.set_cap(Cap(id="team", name="team", scope="label", window="day", limit=1))
    other = replace(WHO, agent="codex")
    await ledger.reserve(want("a", 500), NOON)
    assert shorts(await ledger.reserve(want("b", 1), NOON)) == [("each", 1, False)]
    assert isinstance(await ledger.reserve(want("c", 500, who=other), NOON), Reserved)
    assert [account.key for account in await ledger.accounts(NOON)] == ["codex", "claude"]
    assert [account.key for account in await ledger.accounts(NOON, other)] == ["codex"]


async def test_a_session_has_one_life_over_all_days(ledger: Ledger) -> None:
    """A cap on a session's life does not begin again at midnight; another session has its own."""
    await ledger.set_cap(Cap(id="life", name="life", scope="agent", match="claude", window="session", limit=500))
    await ledger.reserve(want("a", 400), NOON)
    await ledger.settle("a", paid(400), NOON)
    assert shorts(await ledger.reserve(want("b", 101), TOMORROW)) == [("life", 1, False)]
    assert isinstance(await ledger.reserve(want("c", 500, who=replace(WHO, session="s2")), TOMORROW), Reserved)


async def test_a_cap_made_at_noon_counts_the_morning(ledger: Ledger) -> None:
    """A new cap knows what was spent and what is held in its window, and follows those holds to their end."""
    await ledger.reserve(want("a", 300), NOON - 60)
    await ledger.settle("a", paid(250), NOON - 50)
    await ledger.reserve(want("b", 400), NOON - 40)
    await ledger.reserve(want("old", 500), NOON - 86_400)
    await ledger.set_cap(DAILY, NOON)
    assert await sums(ledger) == (250, 400, 0, 0)
    assert shorts(await ledger.reserve(want("c", 351), NOON)) == [("daily", 1, False)]
    await ledger.settle("b", paid(100), NOON)
    await ledger.settle("old", paid(500), NOON)
    assert await sums(ledger) == (350, 0, 0, 0)


async def test_a_new_cap_sees_how_open_holds_end(ledger: Ledger) -> None:
    """A hold that was open when the cap was made, and ends beyond it, is its overrun."""
    await ledger.reserve(want("a", 1_000), NOON)
    await ledger.set_cap(DAILY, NOON)
    await ledger.settle("a", paid(1_200), NOON)
    assert await sums(ledger) == (1_200, 0, 0, 200)


async def test_a_new_cap_sees_a_hold_of_nothing_that_costs_something(ledger: Ledger) -> None:
    """What was thought to be free is charged all the same, to each cap that it meets when it ends."""
    await ledger.reserve(want("a", 0), NOON)
    await ledger.set_cap(DAILY, NOON)
    await ledger.settle("a", paid(50), NOON)
    assert await sums(ledger) == (50, 0, 0, 0)


async def test_a_cap_taken_away_and_made_again_is_no_way_out(ledger: Ledger) -> None:
    """The holds stay, so the day's spend is counted again."""
    await ledger.set_cap(DAILY)
    await ledger.reserve(want("a", 1_000), NOON)
    assert [await ledger.remove_cap("daily"), await ledger.remove_cap("daily")] == [True, False]
    await ledger.settle("a", paid(990), NOON)
    await ledger.set_cap(DAILY)
    assert await sums(ledger) == (990, 0, 0, 0)


async def test_a_cap_that_counts_once_begins_when_it_is_made(ledger: Ledger) -> None:
    """An allowance of ten dollars is not used up by last month."""
    await ledger.reserve(want("a", 900), NOON - 60)
    await ledger.set_cap(replace(DAILY, window="once"), NOON)
    assert isinstance(await ledger.reserve(want("b", 1_000), NOON), Reserved)


async def test_changing_a_cap_keeps_its_account(ledger: Ledger) -> None:
    """Another limit is the same cap; the id stays."""
    await ledger.set_cap(DAILY)
    await ledger.reserve(want("a", 1_000), NOON)
    changed = await ledger.set_cap(replace(DAILY, id="other", limit=500, at_limit="refuse"))
    assert changed == replace(DAILY, limit=500, at_limit="refuse")
    assert await ledger.caps() == [changed]
    assert await sums(ledger) == (0, 1_000, 0, 0)
    assert shorts(await ledger.reserve(want("b", 1), NOON)) == [("daily", 501, False)]


async def test_a_cap_of_another_shape_counts_anew(ledger: Ledger) -> None:
    """From a day to a month: the month's spend counts; the open hold still ends in it."""
    await ledger.set_cap(DAILY)
    await ledger.reserve(want("a", 700), NOON - 86_400)
    await ledger.settle("a", paid(700), NOON - 86_400)
    await ledger.reserve(want("b", 200), NOON)
    monthly = await ledger.set_cap(replace(DAILY, window="month"))
    assert shorts(await ledger.reserve(want("c", 101), NOON)) == [("daily", 1, False)]
    await ledger.settle("b", paid(200), NOON)
    assert await sums(ledger) == (900, 0, 0, 0)
    assert monthly.id != DAILY.id


async def test_two_caps_of_one_id_are_kept_apart(ledger: Ledger) -> None:
    """The second name gets an id of its own."""
    await ledger.set_cap(DAILY)
    second = await ledger.set_cap(replace(DAILY, name="second"))
    assert second.id != DAILY.id
    assert len(await ledger.caps()) == 2


async def test_a_cap_that_makes_no_sense_is_not_kept(ledger: Ledger) -> None:
    """The sentence is that of the check."""
    with pytest.raises(BadRequest, match="fortnight"):
        await ledger.set_cap(replace(DAILY, window="fortnight"))
    assert await ledger.caps() == []


async def test_raising_todays_cap_is_for_everybody_and_for_today(ledger: Ledger) -> None:
    """The raise is in the limit now, and gone tomorrow."""
    await ledger.set_cap(DAILY)
    assert await ledger.raise_cap("daily", "", 500, NOON)
    assert isinstance(await ledger.reserve(want("a", 1_500), NOON), Reserved)
    assert shorts(await ledger.reserve(want("b", 1_001), TOMORROW)) == [("daily", 1, False)]
    assert not await ledger.raise_cap("gone", "", 500, NOON)
    with pytest.raises(BadRequest, match="-5"):
        await ledger.raise_cap("daily", "", -5, NOON)


async def test_a_raise_is_listed_until_its_window_ends(ledger: Ledger) -> None:
    """Which account, by how much, until when; each raise by itself, and nothing for a raise by nothing."""
    await ledger.set_cap(DAILY)
    for amount in (500, 0, 20):
        await ledger.raise_cap("daily", "", amount, NOON)
    found = await ledger.grants(NOON)
    assert sorted((one.cap, one.key, one.binding[:4], one.amount) for one in found) == [
        ("daily", "", "cap:", 20),
        ("daily", "", "cap:", 500),
    ]
    assert {one.expires for one in found} == {(await ledger.accounts(NOON))[0].window.ends}
    assert await ledger.grants(TOMORROW) == []


async def test_a_raise_that_is_taken_back_is_in_no_limit_any_more(ledger: Ledger) -> None:
    """The others stay, and a second revoking takes nothing."""
    await ledger.set_cap(DAILY)
    await ledger.raise_cap("daily", "", 500, NOON)
    [first] = await ledger.grants(NOON)
    await ledger.raise_cap("daily", "", 30, NOON)
    assert [await ledger.revoke(first.id) for _ in range(2)] == [True, False]
    assert await sums(ledger) == (0, 0, 30, 0)
    assert [one.amount for one in await ledger.grants(NOON)] == [30]


async def test_what_is_spent_of_a_raise_is_not_taken_back(ledger: Ledger) -> None:
    """The limit falls to what was spent, and what an open hold gives back is nobody's to spend."""
    await ledger.set_cap(DAILY)
    await ledger.raise_cap("daily", "", 500, NOON)
    await ledger.reserve(want("a", 1_200), NOON)
    await ledger.settle("a", paid(1_200), NOON)
    await ledger.reserve(want("b", 300), NOON)
    [raised] = await ledger.grants(NOON)
    assert await ledger.revoke(raised.id)
    assert await sums(ledger) == (1_200, 300, 200, 0)
    await ledger.refund("b", NOON)
    assert shorts(await ledger.reserve(want("c", 1), NOON)) == [("daily", 1, False)]


async def test_a_raise_survives_no_cap(ledger: Ledger) -> None:
    """A cap that is taken away and made again begins without it, in the list too."""
    await ledger.set_cap(DAILY)
    await ledger.raise_cap("daily", "", 500, NOON)
    await ledger.remove_cap("daily")
    await ledger.set_cap(DAILY)
    assert (await ledger.grants(NOON), await sums(ledger)) == ([], (0, 0, 0, 0))


async def test_a_cap_for_each_request_counts_all_its_attempts(ledger: Ledger) -> None:
    """A second attempt has what the first one left; another request has all of it."""
    await ledger.set_cap(Cap(id="one", name="one", scope="request", window="once", limit=500), NOON)
    await ledger.reserve(want("a", 400, request="r1"), NOON)
    await ledger.settle("a", paid(300), NOON)
    assert shorts(await ledger.reserve(want("b", 201, request="r1"), NOON)) == [("one", 1, False)]
    assert isinstance(await ledger.reserve(want("b", 200, request="r1", attempt=2), NOON), Reserved)
    assert isinstance(await ledger.reserve(want("c", 500, request="r2"), NOON), Reserved)


async def test_a_cap_for_each_request_made_while_one_runs(ledger: Ledger) -> None:
    """What its attempts held and cost before counts."""
    await ledger.reserve(want("a", 400, request="r1"), NOON - 60)
    await ledger.set_cap(Cap(id="one", name="one", scope="request", window="once", limit=500), NOON)
    assert shorts(await ledger.reserve(want("b", 101, request="r1"), NOON)) == [("one", 1, False)]


async def test_a_clock_that_jumps_ahead_and_back_opens_no_second_purse(ledger: Ledger) -> None:
    """Tomorrow's account is tomorrow's; back in today, today's spend is still there."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 900), NOON)
    await ledger.settle("a", paid(900), NOON)
    assert isinstance(await ledger.reserve(want("b", 1_000), TOMORROW), Reserved)
    assert shorts(await ledger.reserve(want("c", 101), NOON + 60)) == [("daily", 1, False)]
    await ledger.settle("b", paid(1_000), NOON + 120)
    assert [await sums(ledger, at) for at in (NOON, TOMORROW)] == [(900, 0, 0, 0), (1_000, 0, 0, 0)]


async def test_a_cap_made_after_a_clock_went_back_counts_its_day(ledger: Ledger) -> None:
    """Holds of the hours to come, made while the clock was ahead, are of today as well."""
    await ledger.reserve(want("a", 400), NOON + 3_600)
    await ledger.settle("a", paid(400), NOON + 3_600)
    await ledger.set_cap(DAILY, NOON)
    assert await sums(ledger) == (400, 0, 0, 0)


async def test_a_raise_that_is_taken_back_leaves_what_a_grant_lends(ledger: Ledger) -> None:
    """The hold that it is lent to ends as it would have, and the grant has all of it again."""
    await ledger.set_cap(Cap(id="c", name="c", scope="everything", window="day", limit=10), NOON)
    assert await ledger.raise_cap("c", "", 5, NOON)
    [raised] = await ledger.grants(NOON)
    await ledger.reserve(want("a", 14), NOON)
    await ledger.settle("a", paid(14), NOON)
    await ledger.add_grant(Grant(id="g", cap="c", key="", binding="b", amount=6, expires=NOON + 60), NOON)
    assert isinstance(await ledger.reserve(replace(want("h", 4), bindings=("b",)), NOON), Reserved)
    assert await ledger.revoke(raised.id)
    assert await ledger.refund("h", NOON)
    [account] = await ledger.accounts(NOON)
    assert (account.spent, account.held, account.limit) == (14, 0, 14)
