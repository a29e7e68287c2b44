"""Grants and allowances: a permission to pass a cap, bound to who, what and how much."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from pointsman.core.budget import Cap
from pointsman.store.db import Database
from pointsman.store.ledger import Ledger, Reserved, Standing
from tests.fakes.money import DAILY, LATER, NOON, TOMORROW, WHO, ZONE, full, grant, paid, shorts, sums, want


@pytest.fixture
def ledger(db: Database) -> Ledger:
    """A ledger in Berlin."""
    return Ledger(db, ZONE)


async def test_a_grant_lends_just_what_is_missing(ledger: Ledger) -> None:
    """The limit is raised by it, and nobody else has room."""
    await full(ledger)
    await ledger.add_grant(grant("request:f1", 200), NOON)
    assert isinstance(await ledger.reserve(want("a", 250, "request:f1"), NOON), Reserved)
    assert await sums(ledger) == (900, 250, 150, 0)
    assert shorts(await ledger.reserve(want("b", 1), NOON)) == [("daily", 1, False)]


@pytest.mark.parametrize(
    "change",
    [{"amount": 149}, {"binding": "request:f2"}, {"key": "codex"}, {"expires": NOON + 1}],
)
async def test_a_grant_is_bound_to_who_what_and_how_much(ledger: Ledger, change: dict[str, Any]) -> None:
    """Too small, for another request, for another account, or too old: it helps nobody."""
    await full(ledger)
    await ledger.add_grant(replace(grant("request:f1", 200), **change), NOON)
    assert shorts(await ledger.reserve(want("a", 250, "request:f1"), NOON + 2)) == [("daily", 150, False)]


async def test_one_grant_of_two_that_are_needed_is_not_spent(ledger: Ledger) -> None:
    """Where a second cap stays short, the grant for the first is left whole."""
    await full(ledger)
    await ledger.set_cap(Cap(id="each", name="each", scope="agent", window="day", limit=950))
    await ledger.add_grant(grant("request:f1", 200), NOON)
    assert shorts(await ledger.reserve(want("a", 200, "request:f1"), NOON)) == [("each", 150, False)]
    await ledger.add_grant(grant("request:f1", 200, id="g2", cap="each", key="claude"), NOON)
    assert isinstance(await ledger.reserve(want("a", 200, "request:f1"), NOON), Reserved)


async def test_what_was_lent_and_not_needed_is_taken_back(ledger: Ledger) -> None:
    """A hold that ends below its amount leaves no raise behind that others could spend."""
    await full(ledger)
    await ledger.add_grant(grant("session:s1", 150), NOON)
    await ledger.reserve(want("a", 250, "session:s1"), NOON)
    await ledger.settle("a", paid(180), NOON)
    assert await sums(ledger) == (1_080, 0, 80, 0)


async def test_a_hold_that_came_to_nothing_takes_nothing_of_a_grant(ledger: Ledger) -> None:
    """Also where the cap was lowered below what is spent, so that more was lent than was held."""
    await full(ledger)
    await ledger.set_cap(replace(DAILY, limit=889), NOON)
    await ledger.add_grant(grant("session:s1", 150), NOON)
    assert isinstance(await ledger.reserve(want("a", 72, "session:s1"), NOON), Reserved)
    assert await sums(ledger) == (900, 72, 83, 0)
    await ledger.refund("a", NOON)
    assert await sums(ledger) == (900, 0, 0, 0)
    assert [one.amount for one in await ledger.grants(NOON)] == [150]


async def test_a_sessions_grant_goes_on_with_what_is_left(ledger: Ledger) -> None:
    """Of 150 lent 80 were used: 70 are there for the session's next request, and no more."""
    await full(ledger)
    await ledger.add_grant(grant("session:s1", 150), NOON)
    await ledger.reserve(want("a", 250, "session:s1"), NOON)
    await ledger.settle("a", paid(180), NOON)
    assert shorts(await ledger.reserve(want("b", 71, "session:s1"), NOON)) == [("daily", 71, False)]
    assert isinstance(await ledger.reserve(want("c", 70, "session:s1"), NOON), Reserved)


async def test_a_requests_grant_belongs_to_the_first_request_that_uses_it(ledger: Ledger) -> None:
    """Its next attempt may use it; the same words sent again ask again."""
    await full(ledger)
    await ledger.add_grant(grant("request:f1", 500), NOON)
    await ledger.reserve(want("a", 250, "request:f1", request="one"), NOON)
    await ledger.settle("a", paid(10), NOON)
    assert isinstance(await ledger.reserve(want("b", 250, "request:f1", request="one"), NOON), Reserved)
    assert shorts(await ledger.reserve(want("c", 250, "request:f1", request="two"), NOON)) == [("daily", 250, False)]


@pytest.mark.parametrize("how", ["refund", "settle"])
async def test_a_requests_grant_that_cost_nothing_can_be_used_again(ledger: Ledger, how: str) -> None:
    """A request that never reached the provider, or got an error that costs nothing, does not use up the yes."""
    await full(ledger)
    await ledger.add_grant(grant("request:f1", 150), NOON)
    await ledger.reserve(want("a", 250, "request:f1", request="one"), NOON)
    await (ledger.refund("a", NOON) if how == "refund" else ledger.settle("a", paid(0), NOON))
    assert await sums(ledger) == (900, 0, 0, 0)
    assert isinstance(await ledger.reserve(want("b", 250, "request:f1", request="two"), NOON), Reserved)


async def test_bindings_are_tried_in_their_order(ledger: Ledger) -> None:
    """The narrow grant is used before the wide one."""
    await full(ledger)
    await ledger.add_grant(grant("session:s1", 500), NOON)
    await ledger.add_grant(grant("request:f1", 500), NOON)
    await ledger.reserve(want("a", 600, "request:f1", "session:s1"), NOON)
    assert isinstance(await ledger.reserve(want("b", 500, "session:s1"), NOON), Reserved)


async def test_the_soft_mark_asks_until_it_is_answered(ledger: Ledger) -> None:
    """A grant of nothing answers it for its request; the next one asks again."""
    await ledger.set_cap(replace(DAILY, at_soft="ask"))
    assert shorts(await ledger.reserve(want("a", 801, "request:f1"), NOON)) == [("daily", 0, True)]
    await ledger.add_grant(grant("request:f1", 0), NOON)
    assert isinstance(await ledger.reserve(want("a", 801, "request:f1"), NOON), Reserved)
    assert shorts(await ledger.reserve(want("b", 10), NOON)) == [("daily", 0, True)]


async def test_a_grant_for_the_soft_mark_is_still_stopped_at_the_limit(ledger: Ledger) -> None:
    """A grant of nothing lends nothing."""
    await ledger.set_cap(replace(DAILY, at_soft="ask"))
    await ledger.add_grant(grant("request:f1", 0), NOON)
    assert shorts(await ledger.reserve(want("a", 1_001, "request:f1"), NOON)) == [("daily", 1, False)]


async def test_a_grant_for_a_cap_that_is_gone_is_dropped(ledger: Ledger) -> None:
    """An answer that comes after the cap was taken away harms nothing."""
    await ledger.add_grant(grant("request:f1", 5), NOON)
    await full(ledger)
    assert shorts(await ledger.reserve(want("a", 105, "request:f1"), NOON)) == [("daily", 5, False)]


async def test_the_grants_that_are_there(ledger: Ledger) -> None:
    """What is left of each; those that are used up, taken or past their time are not shown."""
    await full(ledger)
    kept = [grant("session:s1", 150), grant("session:s2", 0), grant("request:f1", 90), grant("request:f2", 10)]
    for one in [*kept, replace(grant("session:s3", 5), expires=NOON - 1)]:
        await ledger.add_grant(one, NOON)
    await ledger.reserve(want("a", 180, "session:s1"), NOON)
    await ledger.reserve(want("b", 90, "request:f1"), NOON)
    assert await ledger.grants(NOON) == [kept[3], replace(kept[0], amount=70), kept[1]]
    assert await ledger.grants(LATER) == []


async def test_a_revoked_grant_helps_nobody_any_more(ledger: Ledger) -> None:
    """What it lent to a hold that runs stays with it, and goes back to nobody."""
    await full(ledger)
    await ledger.add_grant(grant("session:s1", 150), NOON)
    await ledger.reserve(want("a", 180, "session:s1"), NOON)
    assert [await ledger.revoke(id_) for id_ in ("g-session:s1", "g-session:s1", "none")] == [True, False, False]
    assert await ledger.grants(NOON) == []
    await ledger.settle("a", paid(0), NOON)
    assert await sums(ledger) == (900, 0, 0, 0)
    assert shorts(await ledger.reserve(want("b", 101, "session:s1"), NOON)) == [("daily", 1, False)]


async def test_a_grant_outlives_a_clock_that_jumps_ahead_and_back(ledger: Ledger) -> None:
    """Past its time it helps nobody; back in its time it does, and what was used of it stays used."""
    await full(ledger)
    await ledger.add_grant(grant("session:s1", 150), NOON)
    await ledger.reserve(want("a", 200, "session:s1"), NOON)
    assert isinstance(await ledger.reserve(want("b", 1_001, "session:s1"), TOMORROW), tuple)
    assert shorts(await ledger.reserve(want("c", 51, "session:s1"), NOON)) == [("daily", 51, False)]
    assert isinstance(await ledger.reserve(want("c", 50, "session:s1"), NOON), Reserved)


OVER = (Standing("always:nightly", 200),)


async def test_an_allowance_is_worth_its_amount_in_each_window(ledger: Ledger) -> None:
    """Two hundred over the cap today, and again tomorrow, and not a micro-dollar more."""
    await ledger.set_cap(DAILY, NOON)
    for now, day in ((NOON, "today"), (TOMORROW, "tomorrow")):
        assert isinstance(await ledger.reserve(want(f"{day} a", 1_150, standing=OVER), now), Reserved)
        assert shorts(await ledger.reserve(want("b", 51, standing=OVER), now)) == [("daily", 51, False)]
        assert isinstance(await ledger.reserve(want(f"{day} c", 50, standing=OVER), now), Reserved)
        assert shorts(await ledger.reserve(want("d", 1), now)) == [("daily", 1, False)]


async def test_an_allowance_meets_each_cap_with_its_amount(ledger: Ledger) -> None:
    """Two caps that stand in the way are both passed, each by no more than the allowance."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.set_cap(Cap(id="each", name="each", scope="agent", window="month", limit=900), NOON)
    assert shorts(await ledger.reserve(want("a", 1_101, standing=OVER), NOON)) == [("each", 201, False)]
    assert isinstance(await ledger.reserve(want("a", 1_100, standing=OVER), NOON), Reserved)
    assert sorted(one.amount for one in await ledger.grants(NOON)) == [100]


async def test_an_allowance_of_nothing_passes_soft_marks_alone(ledger: Ledger) -> None:
    """The limit stands."""
    await ledger.set_cap(replace(DAILY, at_soft="ask"), NOON)
    go_on = (Standing("always:go on", 0),)
    assert isinstance(await ledger.reserve(want("a", 1_000, standing=go_on), NOON), Reserved)
    assert shorts(await ledger.reserve(want("b", 1, standing=go_on), NOON)) == [("daily", 1, False)]


async def test_an_allowance_that_was_revoked_is_not_made_again_in_its_window(ledger: Ledger) -> None:
    """Tomorrow the rule holds again, until the person takes the rule away."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 1_100, standing=OVER), NOON)
    [made] = await ledger.grants(NOON)
    assert (made.binding, made.amount) == ("always:nightly", 100)
    assert await ledger.revoke(made.id)
    assert shorts(await ledger.reserve(want("b", 1, standing=OVER), NOON)) == [("daily", 1, False)]
    assert isinstance(await ledger.reserve(want("c", 1_200, standing=OVER), TOMORROW), Reserved)


@pytest.mark.parametrize(("edited", "fits"), [(300, 150), (160, 10), (20, 0)])
async def test_an_allowance_that_is_edited_counts_from_what_was_used(ledger: Ledger, edited: int, fits: int) -> None:
    """Of two hundred, a hundred and fifty are used; then the person writes another number into the rule."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 1_150, standing=OVER), NOON)
    other = (Standing("always:nightly", edited),)
    assert shorts(await ledger.reserve(want("b", fits + 1, standing=other), NOON)) == [("daily", fits + 1, False)]
    assert isinstance(await ledger.reserve(want("c", fits, standing=other), NOON), Reserved)


async def test_a_grant_is_used_before_an_allowance(ledger: Ledger) -> None:
    """What was allowed for this one goes first; headroom counts the greater of the two."""
    await full(ledger)
    await ledger.add_grant(grant("session:s1", 150), NOON)
    assert await ledger.headroom(want("a", 9, "session:s1", standing=OVER), NOON) == 300
    await ledger.reserve(want("a", 250, "session:s1", standing=OVER), NOON)
    assert await ledger.headroom(want("b", 9, "session:s1", standing=OVER), NOON) == 200
    assert isinstance(await ledger.reserve(want("b", 200, "session:s1", standing=OVER), NOON), Reserved)


async def test_an_allowance_for_a_sessions_life_is_given_once(ledger: Ledger) -> None:
    """A window without an end has one; another session has its own."""
    await ledger.set_cap(Cap(id="life", name="life", scope="session", window="session", limit=500), NOON)
    assert isinstance(await ledger.reserve(want("a", 700, standing=OVER), NOON), Reserved)
    assert shorts(await ledger.reserve(want("b", 1, standing=OVER), TOMORROW)) == [("life", 1, False)]
    other = replace(WHO, session="s2")
    assert isinstance(await ledger.reserve(want("c", 700, who=other, standing=OVER), TOMORROW), Reserved)
