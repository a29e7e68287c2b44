"""Several gateways on one PostgreSQL ledger: no cap is overspent, and nothing is lost when the server goes away.

`POINTSMAN_SOAK=1` runs the full counts.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, event

from pointsman.core.budget import Cap
from pointsman.store import committing
from pointsman.store.audit import Audit, Row
from pointsman.store.db import Away, Database
from pointsman.store.ledger import Ledger, Reserved
from pointsman.store.settings import Taints
from tests.fakes.money import DAILY, NOON, ZONE, paid, sums, want
from tests.fakes.postgres import Server, server

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
HOLDS = 3_000 if SOAK else 100
LIMIT = HOLDS * 60
EACH = Cap(id="each", name="each", scope="agent", window="day", limit=LIMIT * 2 // 3)

# Each process: many requests at once, each held, then ended below, at or above what it held, or not at all.
STORM = """
import asyncio, random, sys
from pointsman.store.audit import Row
from pointsman.store.db import Database
from pointsman.store.ledger import Ledger, Reserved
from tests.fakes.money import NOON, ZONE, paid, want

async def request(ledger, name, chance):
    amount = chance.randrange(1, 200)
    if not isinstance(await ledger.reserve(want(name, amount), NOON), Reserved):
        return 0
    await asyncio.sleep(0)
    row = Row(at=NOON, request=name)
    if chance.random() < 0.2:
        await ledger.refund(name, NOON, row)
        return 0
    charge = chance.choice([amount // 2, amount, amount])
    assert await ledger.settle(name, paid(charge), NOON, row)
    return charge

async def main(url, gateway, holds):
    db = Database.connect(url)
    ledger, chance = Ledger(db, ZONE, gateway), random.Random(gateway)
    print("ready", flush=True)
    sys.stdin.readline()
    spent = await asyncio.gather(*(request(ledger, f"{gateway}-{n}", chance) for n in range(int(holds))))
    print(sum(spent), flush=True)
    db.close()

asyncio.run(main(*sys.argv[1:]))
"""


def storm(url: str, gateway: str) -> subprocess.Popen[str]:
    """A gateway's process, ready to begin."""
    process = subprocess.Popen(
        [sys.executable, "-c", STORM, url, gateway, str(HOLDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away is looked for again at once."""
    monkeypatch.setattr(committing, "RETRY", 0.02)


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    """An open database on the server."""
    database = Database.connect(url)
    yield database
    database.close()


@pytest.fixture
def ledger(db: Database) -> Ledger:
    """This test's own gateway."""
    return Ledger(db, ZONE, "here")


async def test_gateways_in_processes_of_their_own_never_overspend_a_cap(url: str, ledger: Ledger, db: Database) -> None:
    """At every look during the storm, and to the micro-dollar after it; the audit's chain is whole."""
    caps = [await ledger.set_cap(cap, NOON) for cap in (replace(DAILY, limit=LIMIT), EACH)]
    processes = [storm(url, name) for name in ("left", "right")]
    ends = [asyncio.create_task(asyncio.to_thread(process.communicate, "go\n")) for process in processes]
    looks = 0
    while not all(end.done() for end in ends):
        for account in await ledger.accounts(NOON):
            assert account.spent + account.held <= account.limit
        looks += 1
        await asyncio.sleep(0)
    charged = sum(int(out) for out, _ in [await end for end in ends])
    assert [process.returncode for process in processes] == [0, 0]
    found = {
        account.cap.name: (account.spent, account.held, account.overrun) for account in await ledger.accounts(NOON)
    }
    assert found == {cap.name: (charged, 0, 0) for cap in caps}
    assert charged > EACH.limit // 3, "the storm came near the cap"
    assert sum(row.cost for row in await Audit(db).newest(10_000)) == charged
    assert await Audit(db).verify() is None
    assert looks > 0


async def test_two_gateways_at_one_moment_hold_what_the_cap_pays(url: str, ledger: Ledger) -> None:
    """Fifty holds at once from each, for a cap that pays ten: ten are made."""
    await ledger.set_cap(DAILY)
    other_db = Database.connect(url)
    other = Ledger(other_db, ZONE, "there")
    wanted = [one.reserve(want(f"{n}-{at}", 100), NOON) for n in range(50) for at, one in enumerate((ledger, other))]
    answers = await asyncio.gather(*wanted)
    assert sum(isinstance(answer, Reserved) for answer in answers) == 10
    assert await sums(ledger) == await sums(other) == (0, 1_000, 0, 0)
    other_db.close()


async def test_a_gateway_that_starts_again_ends_its_own_holds_only(url: str, ledger: Ledger) -> None:
    """The other one still works on its request."""
    await ledger.set_cap(DAILY)
    await ledger.reserve(want("mine", 300), NOON)
    other_db = Database.connect(url)
    other = Ledger(other_db, ZONE, "there")
    await other.reserve(want("theirs", 400), NOON)
    assert await other.recover(NOON) == ["theirs"]
    assert await sums(ledger) == (400, 300, 0, 0)
    assert await ledger.settle("mine", paid(100), NOON)
    other_db.close()


async def test_what_one_gateway_sets_the_other_keeps_to(url: str, ledger: Ledger) -> None:
    """Caps are read anew for each hold."""
    other_db = Database.connect(url)
    other = Ledger(other_db, ZONE, "there")
    assert isinstance(await other.reserve(want("a", 600), NOON), Reserved)
    await ledger.set_cap(DAILY, NOON)
    assert not isinstance(await other.reserve(want("b", 600), NOON), Reserved)
    other_db.close()


@pytest.fixture(scope="module")
def second() -> Iterator[Server]:
    """A server that nobody else uses."""
    started = Server()
    yield started
    started.remove()


@pytest.fixture
async def away(second: Server) -> AsyncIterator[tuple[Server, Database]]:
    """A ledger with a cap of 1,000, on a server that this test may stop."""
    db = Database.connect(second.url())
    await Ledger(db, ZONE, "here").set_cap(DAILY)
    yield second, db
    db.close()
    second.stop()
    second.start()


async def back(db: Database) -> None:
    """Until nothing waits any more."""
    while db.waiting:  # noqa: ASYNC110 - the writer's thread knows no event of ours
        await asyncio.sleep(0.01)


async def test_without_the_server_what_costs_money_is_refused_and_what_is_free_goes_on(away: Any) -> None:
    """A free request's hold, end, row and taint are written when the server is back, each once and in order."""
    own, db = away
    ledger, audit = Ledger(db, ZONE, "here"), Audit(db)
    own.stop()
    with pytest.raises(Away, match="what costs money is refused"):
        await ledger.reserve(want("dear", 1), NOON)
    await Taints(db).add("s1", "secret", NOON)
    assert await ledger.reserve(want("free", 0), NOON) == Reserved("free", 0)
    assert await ledger.settle("free", paid(0, output=7), NOON, Row(at=NOON, request="free"))
    await audit.append(Row(at=NOON, request="dear", outcome="refused"))
    own.start()
    await back(db)
    assert [(row.request, row.seq) for row in await audit.newest(9)] == [("dear", 2), ("free", 1)]
    assert [(row.name, row.tokens) for row in await ledger.spend("agent")] == [("claude", 7)]
    assert (await audit.verify(), await Taints(db).all()) == (None, {"s1": "secret"})
    assert await sums(ledger) == (0, 0, 0, 0)


async def test_a_hold_whose_server_went_away_is_settled_when_it_is_back(away: Any) -> None:
    """The money stays held meanwhile, and what was used is charged."""
    own, db = away
    ledger = Ledger(db, ZONE, "here")
    await ledger.reserve(want("a", 600), NOON)
    own.stop(signal.SIGQUIT)
    assert await ledger.settle("a", paid(250), NOON, Row(at=NOON, request="a"))
    own.start()
    await back(db)
    assert await sums(ledger) == (250, 0, 0, 0)
    assert [row.cost for row in await Audit(db).newest(9)] == [250]


async def test_free_requests_are_refused_when_too_much_waits(away: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs that could not be written down."""
    monkeypatch.setattr("pointsman.store.db.ROWS", 1)
    own, db = away
    ledger = Ledger(db, ZONE, "here")
    own.stop()
    assert await ledger.reserve(want("a", 0), NOON) == Reserved("a", 0)
    with pytest.raises(Away):
        await ledger.reserve(want("b", 0), NOON)
    assert await ledger.settle("a", paid(0), NOON)


def cut_around_commit(db: Database, url: str, *, after: bool) -> None:
    """The next commit's answer is never heard: the connection breaks before, or after, it came through."""

    def cut(connection: Connection) -> None:
        if after:
            driver: Any = connection.connection.driver_connection
            driver.execute("COMMIT")
            driver.execute("SELECT 1")  # begins another, or there would be no COMMIT to fail
        server().cut(url)

    event.listen(db._backend.writer, "commit", cut, once=True)


@pytest.mark.parametrize("after", [False, True])
async def test_a_hold_of_an_unheard_commit_is_not_left_open(
    url: str, ledger: Ledger, db: Database, after: bool
) -> None:
    """The request is refused, so its hold is given back if it was made."""
    await ledger.set_cap(DAILY)
    cut_around_commit(db, url, after=after)
    with pytest.raises(Away) as failed:
        await ledger.reserve(want("a", 600), NOON)
    assert failed.value.unsure
    await ledger.set_cap(DAILY)  # whatever was to be undone is undone before this
    assert await sums(ledger) == (0, 0, 0, 0)


Ending = Callable[[Ledger, Audit], Any]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "end",
    [
        lambda ledger, audit: ledger.settle("a", paid(250), NOON, Row(at=NOON, request="a", cost=250)),
        lambda ledger, audit: audit.append(Row(at=NOON, request="a", cost=250)),
    ],
    ids=["settle", "append"],
)
async def test_what_an_unheard_commit_wrote_is_written_once(
    url: str, ledger: Ledger, db: Database, after: bool, end: Ending
) -> None:
    """One row of one cost, whether the commit came through or not."""
    await ledger.set_cap(DAILY)
    await ledger.reserve(want("a", 600), NOON)
    cut_around_commit(db, url, after=after)
    await end(ledger, Audit(db))
    await back(db)
    assert [row.cost for row in await Audit(db).newest(9)] == [250]
    assert await Audit(db).verify() is None
