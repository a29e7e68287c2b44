"""Holds: made over every cap at once, ended once, each with its row in the audit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from pointsman.core.budget import Cap
from pointsman.store.audit import Audit, Row
from pointsman.store.db import Clash, Database
from pointsman.store.ledger import HoldRequest, Ledger, Reserved
from tests.fakes.money import DAILY, NOON, TOMORROW, WHO, ZONE, full, grant, paid, shorts, sums, want
from tests.store.test_db import hold_up


@pytest.fixture
def ledger(db: Database) -> Ledger:
    """A ledger in Berlin."""
    return Ledger(db, ZONE)


async def test_money_is_held_then_spent(ledger: Ledger) -> None:
    """A hold takes headroom; settling below it frees the rest."""
    await ledger.set_cap(DAILY)
    assert await ledger.reserve(want("a", 600), NOON) == Reserved("a", 600)
    assert await sums(ledger) == (0, 600, 0, 0)
    assert await ledger.settle("a", paid(250), NOON)
    assert await sums(ledger) == (250, 0, 0, 0)


async def test_what_does_not_fit_holds_nothing_anywhere(ledger: Ledger) -> None:
    """A hold that one of two caps cannot pay leaves the other alone, and names each that is short."""
    await ledger.set_cap(DAILY)
    await ledger.set_cap(Cap(id="each", name="each agent", scope="agent", window="day", limit=500))
    assert shorts(await ledger.reserve(want("a", 600), NOON)) == [("each agent", 100, False)]
    assert [account.held for account in await ledger.accounts(NOON, WHO)] == [0, 0]
    assert not await ledger.settle("a", paid(1), NOON)


async def test_what_is_free_is_held_when_the_money_is_gone(ledger: Ledger) -> None:
    """A local model costs nothing, so no cap stops it."""
    await ledger.set_cap(replace(DAILY, limit=0))
    assert await ledger.reserve(want("a", 0), NOON) == Reserved("a", 0)


async def test_a_hold_ends_once(ledger: Ledger) -> None:
    """A second settle, or a refund after it, changes nothing and says so."""
    await ledger.set_cap(DAILY)
    await ledger.reserve(want("a", 600), NOON)
    ends = [await ledger.settle("a", paid(250), NOON), await ledger.settle("a", paid(999), NOON)]
    assert [*ends, await ledger.refund("a", NOON), await ledger.refund("b", NOON)] == [True, False, False, False]
    assert await sums(ledger) == (250, 0, 0, 0)


async def test_a_refund_costs_nothing(ledger: Ledger) -> None:
    """Nothing was sent: nothing is spent, and it is no request in the report."""
    await ledger.set_cap(DAILY)
    await ledger.reserve(want("a", 600), NOON)
    assert await ledger.refund("a", NOON)
    assert await sums(ledger) == (0, 0, 0, 0)
    assert await ledger.spend("agent") == []


async def test_a_charge_beyond_the_cap_is_recorded_in_full(ledger: Ledger) -> None:
    """A provider that takes more than was held is counted, and the part beyond the limit is an overrun."""
    await ledger.set_cap(DAILY)
    await ledger.reserve(want("a", 900), NOON)
    await ledger.settle("a", paid(1_200, why="the provider counted more"), NOON)
    assert await sums(ledger) == (1_200, 0, 0, 200)
    assert shorts(await ledger.reserve(want("b", 1), NOON)) == [("daily", 201, False)]


@pytest.mark.parametrize("broken", [want("a", -1), want("a", 10, estimate=-1)])
async def test_negative_money_is_a_mistake_of_ours(ledger: Ledger, broken: HoldRequest) -> None:
    """No arithmetic slip can print money."""
    with pytest.raises(ValueError, match="negative"):
        await ledger.reserve(broken, NOON)


async def test_a_negative_charge_leaves_the_hold_open(ledger: Ledger) -> None:
    """A charge is refused as a whole when any number in it is negative."""
    await ledger.set_cap(DAILY)
    await ledger.reserve(want("a", 10), NOON)
    with pytest.raises(ValueError, match="negative"):
        await ledger.settle("a", paid(5, output=-1), NOON)
    assert await sums(ledger) == (0, 10, 0, 0)


async def test_an_id_is_used_once(ledger: Ledger) -> None:
    """A second hold of the same id is refused and holds nothing."""
    await ledger.set_cap(DAILY)
    await ledger.reserve(want("a", 10), NOON)
    with pytest.raises(Clash):
        await ledger.reserve(want("a", 10), NOON)
    assert await sums(ledger) == (0, 10, 0, 0)


async def test_fifty_at_once_for_a_cap_that_pays_ten(ledger: Ledger) -> None:
    """Exactly ten are held, to the micro-dollar."""
    await ledger.set_cap(DAILY)
    answers = await asyncio.gather(*(ledger.reserve(want(f"h{n}", 100), NOON) for n in range(50)))
    assert sum(isinstance(answer, Reserved) for answer in answers) == 10
    assert await sums(ledger) == (0, 1_000, 0, 0)


async def test_a_caller_that_leaves_holds_nothing(ledger: Ledger, db: Database) -> None:
    """A reserve whose caller is cancelled is made and at once refunded."""
    await ledger.set_cap(DAILY)
    go = hold_up(db)
    caller = asyncio.create_task(ledger.reserve(want("a", 600), NOON))
    await asyncio.sleep(0)
    caller.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert not await ledger.refund("a", NOON)
    assert await sums(ledger) == (0, 0, 0, 0)


async def test_who_waits_hears_of_money_that_a_caller_left_behind(ledger: Ledger, db: Database) -> None:
    """It is told once the money is free, so that whoever tries then has it."""
    await ledger.set_cap(DAILY, NOON)
    moved = asyncio.Event()
    ledger.on_moved = moved.set
    go = hold_up(db)
    caller = asyncio.create_task(ledger.reserve(want("a", 1_000), NOON))
    await asyncio.sleep(0)
    caller.cancel()
    go.set()
    await moved.wait()
    assert isinstance(await ledger.reserve(want("b", 1_000), NOON), Reserved)


async def test_a_caller_that_leaves_without_a_hold_moves_nothing(ledger: Ledger, db: Database) -> None:
    """What did not fit is not given back, and nobody is woken for it."""
    await ledger.set_cap(replace(DAILY, limit=10), NOON)
    told: list[str] = []
    ledger.on_moved = lambda: told.append("moved")
    go = hold_up(db)
    caller = asyncio.create_task(ledger.reserve(want("a", 1_000), NOON))
    await asyncio.sleep(0)
    caller.cancel()
    go.set()
    await ledger.reserve(want("b", 1), NOON)
    assert (await sums(ledger), told) == ((0, 1, 0, 0), [])


async def test_a_hold_is_of_the_request_that_its_subject_names(ledger: Ledger) -> None:
    """A cap on each request could be passed by naming another one."""
    with pytest.raises(ValueError, match="subject"):
        await ledger.reserve(replace(want("a", 1), subject=WHO), NOON)


def row(**more: Any) -> Row:
    """A request's row."""
    return Row(at=NOON, request="r-a", agent="claude", **more)


async def costs(db: Database) -> list[tuple[str, str, int]]:
    """Kind, outcome and cost of each row of the audit, in order."""
    return [(found.kind, found.outcome, found.cost) for found in reversed(await Audit(db).newest(100))]


async def test_a_hold_ends_with_its_row_in_the_audit(ledger: Ledger, db: Database) -> None:
    """Both or neither; the row costs what the hold was charged, whatever it says."""
    await ledger.reserve(want("a", 600), NOON)
    await ledger.reserve(want("b", 600), NOON)
    await ledger.settle("a", paid(250), NOON, row(cost=7))
    await ledger.refund("b", NOON, row(cost=7, outcome="failed"))
    assert await costs(db) == [("request", "done", 250), ("request", "failed", 0)]
    assert await Audit(db).verify() is None


async def test_a_hold_that_has_ended_writes_no_second_row(ledger: Ledger, db: Database) -> None:
    """Settled twice, it is told once."""
    await ledger.reserve(want("a", 600), NOON)
    assert [await ledger.settle("a", paid(250), NOON, row()), await ledger.settle("a", paid(9), NOON, row())] == [
        True,
        False,
    ]
    assert await costs(db) == [("request", "done", 250)]


async def test_a_row_that_cannot_be_written_leaves_the_hold_open(ledger: Ledger) -> None:
    """Money does not move without its record."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 600), NOON)
    with pytest.raises(TypeError):
        await ledger.settle("a", paid(250), NOON, row(detail=object()))
    assert await sums(ledger) == (0, 600, 0, 0)


async def test_an_overrun_is_recorded_with_who_and_why(ledger: Ledger, db: Database) -> None:
    """The provider took more than was held and than the cap had: a row names the cap, the request, the target, the sum."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 900), NOON)
    await ledger.settle("a", paid(1_200, why="the provider counted more"), NOON + 5, row())
    assert await costs(db) == [("request", "done", 1_200), ("cap", "overrun", 0)]
    [told, _] = await Audit(db).newest(2)
    assert (told.request, told.attempt, told.target, told.agent, told.person) == ("r-a", 1, "sonnet", "claude", "ann")
    assert told.reason == 'sonnet took 200 micro-dollars beyond the cap "daily": the provider counted more.'
    assert told.detail == ('{"cap":"daily","key":"","window":"2026-11-20","amount":200,"held":900,"charged":1200}')


async def test_more_than_the_hold_but_not_than_the_cap_is_no_overrun(ledger: Ledger, db: Database) -> None:
    """The cap paid for it."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 100), NOON)
    await ledger.settle("a", paid(1_000), NOON)
    assert await costs(db) == []


async def test_each_charge_keeps_its_price(ledger: Ledger, db: Database) -> None:
    """The rates of the hold, or those that the charge was reckoned with; and what was saved."""
    await ledger.reserve(want("a", 100, price='{"output":15}', price_source="genai-prices"), NOON)
    await ledger.reserve(want("b", 100, price='{"output":15}'), NOON)
    await ledger.settle("a", paid(7, saved=3), NOON)
    await ledger.settle("b", paid(8, price='{"output":16}'), NOON)
    kept = "SELECT price, price_source, saved, gateway FROM holds ORDER BY id"
    found = await db.read(lambda connection: connection.exec_driver_sql(kept).all())
    assert [tuple(one) for one in found] == [('{"output":15}', "genai-prices", 3, ""), ('{"output":16}', "", 0, "")]


async def test_headroom_is_what_a_hold_could_have(ledger: Ledger) -> None:
    """To the micro-dollar under the tightest cap; without a cap there is no bound."""
    assert await ledger.headroom(want("a", 500), NOON) is None
    await full(ledger)
    await ledger.set_cap(Cap(id="each", name="each", scope="agent", window="day", limit=980))
    assert await ledger.headroom(want("a", 500), NOON) == 80
    assert isinstance(await ledger.reserve(want("a", 80), NOON), Reserved)
    assert await ledger.headroom(want("b", 500), NOON) == 0


async def test_headroom_counts_one_grant_under_each_cap(ledger: Ledger) -> None:
    """What a hold with these grants could have, and what it can have without passing a soft mark that asks."""
    await ledger.set_cap(replace(DAILY, at_soft="shorten"), NOON)
    await ledger.add_grant(grant("request:f1", 50), NOON)
    await ledger.add_grant(grant("session:s1", 70), NOON)
    hold = want("a", 5_000, "request:f1", "session:s1")
    assert [await ledger.headroom(want("b", 1), NOON, soft=soft) for soft in (False, True)] == [1_000, 800]
    assert [await ledger.headroom(hold, NOON, soft=soft) for soft in (False, True)] == [1_070, 1_070]
    assert isinstance(await ledger.reserve(replace(hold, amount=1_070), NOON), Reserved)


async def test_what_is_held_in_one_window_and_settled_in_another(ledger: Ledger) -> None:
    """The machine slept over midnight: the hold is charged to the day on which it was made, an overrun too."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 900), NOON)
    await ledger.settle("a", paid(1_100), TOMORROW)
    assert await sums(ledger, NOON) == (1_100, 0, 0, 100)
    assert await sums(ledger, TOMORROW) == (0, 0, 0, 0)
