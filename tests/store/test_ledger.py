"""The ledger: caps, holds, grants, and what is left of them after a crash."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from pointsman.core.budget import Account, Cap, Short, Subject
from pointsman.core.errors import BadRequest
from pointsman.store.db import Database
from pointsman.store.ledger import Charge, Grant, HoldRequest, Ledger, Reserved

ZONE = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 20, 12, tzinfo=ZONE).timestamp()
TOMORROW = NOON + 86_400
DAILY = Cap(id="daily", name="daily", scope="everything", window="day", limit=1_000)
WHO = Subject(
    person="ann", project="/src/x", label=None, agent="claude", session="s1", task="t1", model="sonnet", tier="cloud"
)
LATER = NOON + 900


@pytest.fixture
def ledger(db: Database) -> Ledger:
    """A ledger in Berlin."""
    return Ledger(db, ZONE)


def want(name: str, amount: int, *bindings: str, who: Subject = WHO, **more: Any) -> HoldRequest:
    """A hold that is asked for."""
    fields: dict[str, Any] = {"request": f"r-{name}", "attempt": 1, "target": "sonnet", "estimate": amount // 2} | more
    return HoldRequest(id=name, subject=who, amount=amount, bindings=bindings, **fields)


def paid(amount: int, **more: Any) -> Charge:
    """A charge of known usage."""
    return Charge(amount=amount, estimated=False, **more)


def shorts(answer: Reserved | tuple[Short, ...]) -> list[tuple[str, int, bool]]:
    """What stands in the way: cap, how much is missing, whether only the soft mark."""
    assert isinstance(answer, tuple)
    return [(short.account.cap.name, short.over, short.soft) for short in answer]


async def sums(ledger: Ledger, now: float = NOON) -> tuple[int, int, int, int]:
    """Spent, held, raised and overrun of the only account."""
    [account] = await ledger.accounts(now)
    return account.spent, account.held, account.raised, account.overrun


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
    with pytest.raises(sqlite3.IntegrityError):
        await ledger.reserve(want("a", 10), NOON)
    assert await sums(ledger) == (0, 10, 0, 0)


async def test_fifty_at_once_for_a_cap_that_pays_ten(ledger: Ledger) -> None:
    """Exactly ten are held, to the micro-dollar."""
    await ledger.set_cap(DAILY)
    answers = await asyncio.gather(*(ledger.reserve(want(f"h{n}", 100), NOON) for n in range(50)))
    assert sum(isinstance(answer, Reserved) for answer in answers) == 10
    assert await sums(ledger) == (0, 1_000, 0, 0)


async def test_a_caller_that_leaves_holds_nothing(ledger: Ledger) -> None:
    """A reserve whose caller is cancelled is made and at once refunded."""
    await ledger.set_cap(DAILY)
    caller = asyncio.create_task(ledger.reserve(want("a", 600), NOON))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert not await ledger.refund("a", NOON)
    assert await sums(ledger) == (0, 0, 0, 0)


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


def grant(binding: str, amount: int, **change: Any) -> Grant:
    """A grant for the daily cap."""
    return replace(
        Grant(id=f"g-{binding}", cap="daily", key="", binding=binding, amount=amount, expires=LATER), **change
    )


async def full(ledger: Ledger) -> None:
    """A cap of which 900 of 1,000 are spent."""
    await ledger.set_cap(DAILY)
    await ledger.reserve(want("full", 900), NOON)
    await ledger.settle("full", paid(900), NOON)


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
    """A grant of nothing answers it for its request; so does a caller that was told to go on."""
    await ledger.set_cap(replace(DAILY, at_soft="ask"))
    assert shorts(await ledger.reserve(want("a", 801, "request:f1"), NOON)) == [("daily", 0, True)]
    await ledger.add_grant(grant("request:f1", 0), NOON)
    assert isinstance(await ledger.reserve(want("a", 801, "request:f1"), NOON), Reserved)
    assert shorts(await ledger.reserve(want("b", 10), NOON)) == [("daily", 0, True)]
    assert isinstance(await ledger.reserve(want("b", 10, soft_ok=True), NOON), Reserved)
    assert await sums(ledger) == (0, 811, 0, 0)


async def test_a_caller_past_the_soft_mark_is_still_stopped_at_the_limit(ledger: Ledger) -> None:
    """`soft_ok` is about the soft mark alone."""
    await ledger.set_cap(replace(DAILY, at_soft="ask"))
    assert shorts(await ledger.reserve(want("a", 1_001, soft_ok=True), NOON)) == [("daily", 1, False)]


async def test_a_grant_for_a_cap_that_is_gone_is_dropped(ledger: Ledger) -> None:
    """An answer that comes after the cap was taken away harms nothing."""
    await ledger.add_grant(grant("request:f1", 5), NOON)
    await full(ledger)
    assert shorts(await ledger.reserve(want("a", 105, "request:f1"), NOON)) == [("daily", 5, False)]


async def test_the_day_as_the_tray_draws_it(ledger: Ledger) -> None:
    """Spent, held, who, and a rising line; yesterday is not in it."""
    codex = replace(WHO, agent="codex")
    for name, who, at, cost in [("y", WHO, NOON - 86_400, 5), ("a", WHO, NOON, 10), ("b", codex, NOON + 1, 20)]:
        await ledger.reserve(want(name, 100, who=who), at)
        await ledger.settle(name, paid(cost), at + 5)
    await ledger.reserve(want("c", 100), NOON + 2)
    day = await ledger.day(NOON)
    assert (day.starts, day.ends - day.starts) == (NOON - 43_200, 86_400)
    assert (day.spent, day.held, day.by_agent) == (30, 100, {"claude": 10, "codex": 20})
    assert day.points == [(NOON + 5, 10), (NOON + 6, 30)]


async def test_a_busy_day_has_at_most_200_points(ledger: Ledger) -> None:
    """More are drawn together; the last one is the day's sum."""
    midnight = NOON - 43_200
    for n in range(250):
        await ledger.reserve(want(f"h{n}", 2), midnight + n * 345)
        await ledger.settle(f"h{n}", paid(2), midnight + n * 345 + 400)
    points = (await ledger.day(NOON)).points
    assert 100 < len(points) <= 200
    assert points == sorted(points)
    assert points[-1][1] == 500


async def test_spend_by_each_scope(ledger: Ledger) -> None:
    """Requests are counted once over their attempts, the dearest come first, the unknown has no name."""
    for name, request, model, cost in [("a", "r1", "haiku", 10), ("b", "r1", "sonnet", 30), ("c", "r2", "sonnet", 5)]:
        await ledger.reserve(want(name, 100, request=request, who=replace(WHO, model=model)), NOON)
        await ledger.settle(name, paid(cost, fresh_input=3, cache_read=2, output=1), NOON)
    by_model = [(row.name, row.requests, row.amount, row.tokens) for row in await ledger.spend("model")]
    assert by_model == [("sonnet", 2, 35, 12), ("haiku", 1, 10, 6)]
    assert [(row.name, row.requests) for row in await ledger.spend("label")] == [("", 2)]


async def test_spend_by_day_follows_the_calendar(ledger: Ledger) -> None:
    """Days without spend are left out, and since and until cut."""
    for name, at in [("a", NOON), ("b", TOMORROW), ("c", TOMORROW + 5 * 86_400)]:
        await ledger.reserve(want(name, 100), at)
        await ledger.settle(name, paid(7), at)
    names = [row.name for row in await ledger.spend("day")]
    assert names == ["2026-11-20", "2026-11-21", "2026-11-26"]
    assert [row.name for row in await ledger.spend("day", TOMORROW, TOMORROW + 1)] == ["2026-11-21"]


async def test_spend_by_what_nobody_knows(ledger: Ledger) -> None:
    """The sentence lists what there is."""
    with pytest.raises(BadRequest, match='by "colour": use one of person'):
        await ledger.spend("colour")


CHILD = """
import asyncio, sys
from datetime import timezone
from pathlib import Path
from pointsman.core.budget import Cap, Subject
from pointsman.store.db import Database
from pointsman.store.ledger import HoldRequest, Ledger

async def main():
    ledger = Ledger(Database.open(Path(sys.argv[1])), timezone.utc)
    await ledger.set_cap(Cap(id="daily", name="daily", scope="everything", window="day", limit=1000))
    who = Subject(person="ann", project=None, label=None, agent="a", session="s", task="t", model="m", tier="cloud")
    await ledger.reserve(
        HoldRequest(id="h", request="r", attempt=1, subject=who, target="m", amount=600, estimate=200),
        float(sys.argv[2]),
    )
    print("held", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


def hold_and_die(path: Path) -> None:
    """A process that holds money and is killed before it can settle."""
    command = [sys.executable, "-c", CHILD, str(path), str(NOON)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline().strip() == b"held"
        child.kill()


async def test_a_hold_survives_the_death_of_the_gateway(path: Path) -> None:
    """After a SIGKILL the hold is still there; recovering charges all of it, marks it, and happens once."""
    hold_and_die(path)
    db = Database.open(path)
    ledger = Ledger(db, ZONE)
    assert await sums(ledger) == (0, 600, 0, 0)
    assert [await ledger.recover(NOON), await ledger.recover(NOON)] == [["h"], []]
    assert await sums(ledger) == (600, 0, 0, 0)
    marked = await db.read(lambda c: c.exec_driver_sql("SELECT estimated, why FROM holds").one())
    assert marked == (1, "Pointsman stopped before this ended: charged what was held.")
    db.close()


async def test_looking_opens_no_account(ledger: Ledger, db: Database) -> None:
    """A cap that nothing used yet is shown with what its window holds, and the file stays as it was."""
    await ledger.reserve(want("a", 30), NOON)
    await ledger.settle("a", paid(30), NOON)
    await ledger.set_cap(DAILY)
    found: list[Account] = await ledger.accounts(NOON)
    assert [(account.spent, account.left, account.window.key) for account in found] == [(30, 970, "2026-11-20")]
    assert await db.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM accounts").scalar_one()) == 0
