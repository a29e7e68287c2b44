"""What is left after a crash: holds are ended by the gateway that made them, at what they held, and told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pointsman.store.audit import Audit
from pointsman.store.db import Database
from pointsman.store.ledger import CRASHED, Ledger
from tests.fakes.money import DAILY, NOON, TOMORROW, ZONE, paid, sums, want
from tests.store.conftest import Place

CHILD = """
import asyncio, sys
from datetime import timezone
from pathlib import Path
from msgspec.structs import replace
from pointsman.store.db import choose
from pointsman.store.ledger import Ledger
from tests.fakes.money import DAILY, want

async def main(place, now):
    db = choose(Path(place), place if "://" in place else None, {})
    ledger = Ledger(db, timezone.utc, "here")
    await ledger.set_cap(DAILY, now)
    await ledger.reserve(want("h", 600, price='{"output":15}', price_source="own"), now)
    print("held", flush=True)
    sys.stdin.read()

asyncio.run(main(sys.argv[1], float(sys.argv[2])))
"""


def hold_and_die(place: Place) -> None:
    """A process that holds money and is killed before it can settle."""
    command = [sys.executable, "-c", CHILD, place.text, str(NOON)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline().strip() == b"held"
        child.kill()


async def test_a_hold_survives_the_death_of_the_gateway(place: Place) -> None:
    """After a SIGKILL the hold is still there; recovering charges all of it, marks it, and happens once."""
    hold_and_die(place)
    db = place.open()
    ledger = Ledger(db, ZONE, "here")
    assert await sums(ledger) == (0, 600, 0, 0)
    assert [await ledger.recover(TOMORROW), await ledger.recover(TOMORROW)] == [["h"], []]
    assert await sums(ledger) == (600, 0, 0, 0)
    marked = await db.read(lambda c: c.exec_driver_sql("SELECT estimated, why FROM holds").one())
    assert tuple(marked) == (1, CRASHED)
    db.close()


async def test_what_a_crash_cost_is_in_the_audit(place: Place) -> None:
    """The request could not write its row, so the recovery does: who, what, how much, at which price."""
    hold_and_die(place)
    db = place.open()
    await Ledger(db, ZONE, "here").recover(TOMORROW)
    [row] = await Audit(db).newest(10)
    assert (row.kind, row.request, row.attempt, row.outcome, row.reason) == ("request", "r-h", 1, "failed", CRASHED)
    assert (row.at, row.cost, row.held, row.estimated, row.tier) == (NOON, 600, 600, True, "cloud")
    assert (row.price, row.price_source) == ('{"output":15}', "own")
    db.close()


async def test_another_gateways_holds_are_its_own(db: Database) -> None:
    """Two machines share a ledger: the start of one does not end what the other is doing."""
    one, other = Ledger(db, ZONE, "one"), Ledger(db, ZONE, "other")
    await one.set_cap(DAILY, NOON)
    await one.reserve(want("a", 300), NOON)
    await other.reserve(want("b", 200), NOON)
    assert await other.recover(NOON) == ["b"]
    assert await sums(one) == (200, 300, 0, 0)
    assert await one.settle("a", paid(100), NOON)
    assert await one.recover(NOON) == []


@pytest.mark.parametrize("ends", [True, False])
async def test_a_crash_after_the_window_turned_is_of_the_window_before(place: Place, ends: bool) -> None:
    """Whether it is the gateway that ends it or the recovery: the day on which it was held pays."""
    db = place.open()
    ledger = Ledger(db, ZONE)
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 600), NOON)
    await (ledger.settle("a", paid(600), TOMORROW) if ends else ledger.recover(TOMORROW))
    assert [await sums(ledger, at) for at in (NOON, TOMORROW)] == [(600, 0, 0, 0), (0, 0, 0, 0)]
    db.close()
