"""Sums that are kept, and the charges that are not in them yet."""

from __future__ import annotations

from datetime import UTC

import pytest
from sqlalchemy import Connection, func, select

from pointsman.core.budget import Cap
from pointsman.store import caps, holds, rollup, spans
from pointsman.store.cached_connection import CachedConnection
from pointsman.store.db import Database
from pointsman.store.holds import Books
from pointsman.store.rollup import DAY, HALF, LATER, MOST_WAITING, SPANS
from tests.fakes.money import NOON, WHO, paid, want

BOOKS = Books(UTC, "")


@pytest.fixture(autouse=True)
def few_wait() -> None:
    """As many wait as in earnest."""


def charge(connection: Connection, number: int, amount: int = 10, request: str = "") -> None:
    """A hold that is made and charged."""
    hold = want(f"h{number}", amount, who=WHO, request=request or f"r{number}")
    holds.reserve(connection, BOOKS, hold, NOON)
    assert holds.settle(connection, hold.id, paid(amount), NOON + 1)


def count(connection: Connection) -> tuple[int, int]:
    """How many charges wait, and how many are in the sums."""
    waiting = connection.execute(select(func.count()).select_from(LATER)).scalar_one()
    whole = (SPANS.c.seconds == HALF, SPANS.c.scope == "")
    summed = connection.execute(select(func.coalesce(func.sum(SPANS.c.requests), 0)).where(*whole)).scalar_one()
    return waiting, int(summed)


def spent(connection: Connection) -> dict[str, int]:
    """What each tier's charges come to."""
    return {tier: sums[3] for tier, sums in spans.by_owner(connection, "tier", NOON - DAY, NOON + DAY).items()}


async def test_a_charge_waits_at_first(db: Database) -> None:
    """One small row, no sums; what is read has it all the same."""
    await db.write(lambda connection: charge(connection, 1))
    assert await db.read(count) == (1, 0)
    assert await db.read(spent) == {WHO.tier: 10}


async def test_so_many_are_summed_up_together(db: Database) -> None:
    """The last of them does it, and none is lost or counted twice."""

    def many(connection: Connection) -> None:
        for number in range(MOST_WAITING + 2):
            charge(connection, number)

    await db.write(many)
    assert await db.read(count) == (2, MOST_WAITING)
    assert await db.read(spent) == {WHO.tier: 10 * (MOST_WAITING + 2)}


async def test_a_start_sums_up_what_waits(db: Database) -> None:
    """However short the runs of a gateway are."""
    await db.write(lambda connection: charge(connection, 1))
    await db.write(lambda connection: holds.recover(connection, "", NOON))
    assert await db.read(count) == (0, 1)


async def test_work_that_is_undone_sums_up_nothing(db: Database) -> None:
    """A transaction that fails leaves the sums and what waits as they were."""

    def fails(connection: Connection) -> None:
        charge(connection, 2)
        rollup.sum_up(connection)
        raise ZeroDivisionError

    await db.write(lambda connection: charge(connection, 1))
    with pytest.raises(ZeroDivisionError):
        await db.write(fails)
    assert await db.read(count) == (1, 0)


async def test_sums_that_cannot_be_written_cost_no_charge_its_end(
    db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They are made from the single charges until they can; a line of the log says so."""

    def half_done(connection: Connection) -> None:
        rollup.sum_up(connection)
        raise ArithmeticError

    def many(connection: Connection) -> None:
        for number in range(MOST_WAITING):
            charge(connection, number)

    best_effort = CachedConnection.best_effort
    monkeypatch.setattr(CachedConnection, "best_effort", lambda cached, _: best_effort(cached, half_done))
    await db.write(many)
    assert await db.read(count) == (MOST_WAITING, 0)
    assert await db.read(spent) == {WHO.tier: 10 * MOST_WAITING}
    assert "(ArithmeticError)" in caplog.text


@pytest.mark.parametrize("summed", [True, False])
async def test_a_request_is_counted_once(db: Database, summed: bool) -> None:
    """With its latest charge, whether the earlier one is in the sums by then or waits."""

    def twice(connection: Connection) -> None:
        charge(connection, 1, request="r")
        if summed:
            rollup.sum_up(connection)
        charge(connection, 2, request="r")

    await db.write(twice)
    [sums] = (await db.read(lambda one: spans.by_owner(one, "tier", NOON - DAY, NOON + DAY))).values()
    assert (sums[0], sums[3]) == (1, 20)


async def test_a_new_cap_counts_what_waits(db: Database) -> None:
    """What was charged a moment ago takes room under a cap that is set now."""
    await db.write(lambda connection: charge(connection, 1, 400))
    cap = Cap(id="c", name="daily", scope="everything", window="day", limit=1_000)
    await db.write(lambda connection: caps.put(connection, cap, NOON + 2, UTC))
    shorts = await db.write(lambda one: holds.reserve(one, BOOKS, want("h2", 700, who=WHO, request="r2"), NOON + 3))
    assert isinstance(shorts, tuple)
    assert shorts[0].account.spent == 400
