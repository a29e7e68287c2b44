"""Accounts: opened when they are needed, made up from holds, cleared away when nobody needs them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from pointsman.core.budget import Account, Cap
from pointsman.store.accounts import ACCOUNTS
from pointsman.store.db import Database
from pointsman.store.grants import GRANTS
from pointsman.store.ledger import Ledger, Reserved, Standing
from pointsman.store.pruning import prune
from tests.fakes.money import DAILY, NOON, WHO, ZONE, full, grant, paid, shorts, sums, want

DAY = 86_400
REQUESTS = Cap(id="requests", name="requests", scope="request", window="once", limit=500)
LIVES = Cap(id="lives", name="lives", scope="session", window="session", limit=500)
OVER = (Standing("always:nightly", 200),)


@pytest.fixture
def ledger(db: Database) -> Ledger:
    """A ledger in Berlin."""
    return Ledger(db, ZONE)


async def count(db: Database) -> int:
    """How many accounts there are."""
    return await db.read(lambda connection: connection.execute(select(func.count()).select_from(ACCOUNTS)).scalar_one())


async def pruned(db: Database, now: float) -> int:
    """How many accounts go."""
    return await db.write(lambda connection: prune(connection, now))


async def test_looking_opens_no_account(ledger: Ledger, db: Database) -> None:
    """A cap that nothing used yet is shown with what its window holds, and the file stays as it was."""
    await ledger.reserve(want("a", 30), NOON)
    await ledger.settle("a", paid(30), NOON)
    await ledger.set_cap(DAILY, NOON)
    found: list[Account] = await ledger.accounts(NOON)
    assert [(account.spent, account.left, account.window.key) for account in found] == [(30, 970, "2026-11-20")]
    assert await count(db) == 0


async def test_at_most_200_accounts_of_a_cap_are_shown(ledger: Ledger) -> None:
    """The newest, and of requests those that run, so that a tray with a cap on each request stays quick."""
    await ledger.set_cap(REQUESTS, NOON)
    for n in range(205):
        await ledger.reserve(want(f"h{n}", 1, request=f"r{n}"), NOON + n)
    await ledger.settle("h204", paid(1), NOON)
    found = [account.key for account in await ledger.accounts(NOON)]
    assert (len(found), found[0], found[-1]) == (200, "r203", "r4")


async def test_a_window_that_is_long_over_goes(ledger: Ledger, db: Database) -> None:
    """A week after its end, when no clock is that wrong; the present one stays."""
    await full(ledger)
    assert [await pruned(db, NOON + days * DAY) for days in (1, 7, 8, 8)] == [0, 0, 1, 0]
    assert await sums(ledger) == (900, 0, 0, 0)  # looked at again, it is made up from its holds


async def test_an_open_hold_keeps_its_account(ledger: Ledger, db: Database) -> None:
    """However long it takes, it ends in the account that it was made in."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 900), NOON)
    assert await pruned(db, NOON + 30 * DAY) == 0
    await ledger.settle("a", paid(1_100), NOON + 30 * DAY)
    assert await sums(ledger) == (1_100, 0, 0, 100)
    assert await pruned(db, NOON + 30 * DAY) == 1


async def test_a_request_that_is_over_goes_after_a_day(ledger: Ledger, db: Database) -> None:
    """And should it come back, what it spent still counts."""
    await ledger.set_cap(REQUESTS, NOON)
    await ledger.reserve(want("a", 400, request="r1"), NOON)
    await ledger.settle("a", paid(400), NOON)
    assert [await pruned(db, NOON + DAY - 1), await pruned(db, NOON + DAY)] == [0, 1]
    assert shorts(await ledger.reserve(want("b", 101, request="r1"), NOON + DAY)) == [("requests", 1, False)]


async def test_a_sessions_life_is_kept_in_its_holds(ledger: Ledger, db: Database) -> None:
    """A month after it was opened its account goes; the session goes on, with all that it spent."""
    await ledger.set_cap(LIVES, NOON)
    for number in range(2):
        await ledger.reserve(want(f"h{number}", 200), NOON + number * 20 * DAY)
        await ledger.settle(f"h{number}", paid(200), NOON + number * 20 * DAY)
    assert await pruned(db, NOON + 30 * DAY) == 1
    assert shorts(await ledger.reserve(want("b", 101), NOON + 30 * DAY)) == [("lives", 1, False)]


async def test_a_sessions_raise_is_never_lost(ledger: Ledger, db: Database) -> None:
    """What a person allowed in a window that still lives stays."""
    await ledger.set_cap(LIVES, NOON)
    await ledger.raise_cap("lives", "s1", 300, NOON)
    assert await pruned(db, NOON + 90 * DAY) == 0
    assert isinstance(await ledger.reserve(want("a", 800), NOON + 90 * DAY), Reserved)


async def test_a_cap_with_one_account_for_good_keeps_it(ledger: Ledger, db: Database) -> None:
    """Adding up ten million holds again would take a while."""
    await ledger.set_cap(replace(DAILY, window="once"), NOON)
    await ledger.reserve(want("a", 100), NOON)
    await ledger.settle("a", paid(100), NOON)
    assert await pruned(db, NOON + 900 * DAY) == 0


async def test_an_allowance_goes_with_its_window(ledger: Ledger, db: Database) -> None:
    """Not before: a clock that jumps ahead and back must not give it twice in one window."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 1_200, standing=OVER), NOON)
    await ledger.settle("a", paid(1_200), NOON)
    assert await pruned(db, NOON + 300 * DAY) == 1
    assert await db.read(lambda connection: connection.execute(select(GRANTS)).all()) == []
    # The clock is set right again: what was raised is lost with the account, so the allowance covers nothing new.
    assert shorts(await ledger.reserve(want("b", 1, standing=OVER), NOON)) == [("daily", 201, False)]


async def test_a_grant_goes_a_week_after_its_time(ledger: Ledger, db: Database) -> None:
    """One that still holds stays."""
    await full(ledger)
    await ledger.add_grant(grant("session:s1", 5), NOON)
    await ledger.add_grant(grant("session:s2", 5, expires=NOON + 30 * DAY), NOON)
    await pruned(db, NOON + 8 * DAY)
    left = await db.read(lambda connection: connection.execute(select(GRANTS.c.binding)).scalars().all())
    assert list(left) == ["session:s2"]


@pytest.mark.parametrize("jump", [601.0, -601.0])
async def test_reserving_clears_away_now_and_then(ledger: Ledger, db: Database, jump: float) -> None:
    """Each ten minutes, whichever way the clock goes, at most a thousand at a time."""
    old = NOON - 10 * DAY
    await ledger.set_cap(REQUESTS, old)
    await ledger.reserve(want("now", 0, request="now"), NOON)
    for n in range(3):
        await ledger.reserve(want(f"h{n}", 0, request=f"r{n}"), old + n)
        await ledger.settle(f"h{n}", paid(0), old)
    await ledger.reserve(want("soon", 0, request="soon"), NOON + jump)
    assert await count(db) == 2


async def test_the_days_of_a_year_do_not_pile_up(ledger: Ledger, db: Database) -> None:
    """A cap for each agent, every day: a week or so of accounts is all there is."""
    await ledger.set_cap(Cap(id="each", name="each", scope="agent", window="day", limit=500), NOON)
    for day in range(60):
        await ledger.reserve(want(f"h{day}", 1, who=replace(WHO, agent=f"a{day % 3}")), NOON + day * DAY)
        await ledger.settle(f"h{day}", paid(1), NOON + day * DAY)
    assert await count(db) <= 9
