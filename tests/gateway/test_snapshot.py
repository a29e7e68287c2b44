"""What tray and `status` show, on a real house over a real database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import NamedTuple

import pytest

from pointsman.core.budget import Cap, Subject, window
from pointsman.core.catalog import Source, read
from pointsman.engines.supervisor import Supervisor
from pointsman.gateway import snapshot
from pointsman.gateway.house import House
from pointsman.store.db import Database
from pointsman.store.ledger import Charge, HoldRequest, Ledger
from pointsman.system import paths
from pointsman.system.keychain import Keychain
from pointsman.wire import admin

MODELS = """
[providers.far]
base_url = "https://far.example/v1"
key = "none"
[targets.dear]
tier = "cloud"
provider = "far"
price = { input = 10, output = 100 }
[targets.cheap]
tier = "cloud"
provider = "far"
price = { input = 1, output = 10 }
"""
MACHINE = "[machine]\nprice = 2400\nmonths = 36\n"


class Place(NamedTuple):
    """A house and its ledger."""

    house: House
    ledger: Ledger

    async def charge(self, name: str, tier: str, amount: int, saved: int = 0) -> None:
        """A request that was answered now."""
        now = time.time()
        subject = Subject(
            person="ann", project=None, label=None, agent="claude", session="s", task="t", model="m", tier=tier,
            request=name,
        )  # fmt: skip
        hold = HoldRequest(id=name, request=name, attempt=1, subject=subject, target="m", amount=amount, estimate=0)
        await self.ledger.reserve(hold, now)
        if saved >= 0:
            await self.ledger.settle(name, Charge(amount=amount, estimated=False, saved=saved), now)

    async def today(self) -> admin.Today:
        """The day as the tray gets it."""
        return (await snapshot.take(self.house, "http://127.0.0.1:1/v1", 0.0)).today


@pytest.fixture
def place(home: Path) -> Iterator[Place]:
    """A house without agents, without workers, with two cloud models."""
    found = paths.make(paths.find())
    db = Database.open(found.database)
    ledger = Ledger(db, UTC)
    house = House(found, read([Source("models.toml", MODELS)]), db, ledger, Keychain(found.id))
    house.use_supervisor(Supervisor({}, found.logs, lambda _name, _state: None))
    yield Place(house, ledger)
    db.close()


async def test_an_empty_day(place: Place) -> None:
    """Nothing was spent, held or saved, and nothing is said of savings."""
    today = await place.today()
    assert (today.spent, today.held, today.saved, today.points, today.savings) == (0, 0, 0, [], None)


async def test_held_is_apart_from_spent(place: Place) -> None:
    """An open hold is not spent, and the chart ends with what is."""
    await place.charge("a", "cloud", 500)
    await place.charge("b", "cloud", 70, saved=-1)
    today = await place.today()
    assert (today.spent, today.held, today.points[-1][1]) == (500, 70, 500)


async def test_the_day_is_the_persons_own(place: Place) -> None:
    """From midnight to midnight."""
    today, now = await place.today(), window("day", time.time(), UTC)
    assert (today.starts, today.ends) == (now.starts, now.ends)


async def test_what_was_saved_is_told_with_the_assumption(place: Place) -> None:
    """The cheapest model of the cloud is named."""
    await place.charge("a", "local", 0, saved=1_500_000)
    savings = (await place.today()).savings
    assert savings is not None
    assert (savings.saved, savings.against) == (1_500_000, "cheap")
    assert savings.sentence == (
        "Local and private answers saved $1.50, as if a cloud model such as cheap had answered with the same number of "
        "tokens."
    )


async def test_the_break_even_is_told_once_the_machine_has_a_price(place: Place) -> None:
    """Also before anything was saved."""
    place.house.use_catalog(read([Source("models.toml", MODELS + MACHINE)]))
    savings = (await place.today()).savings
    assert savings is not None
    assert savings.sentence.startswith("The machine costs $66.67 a month; local and private answers saved $0.00")
    assert savings.sentence.endswith("cloud only is simpler at your volume.")


async def test_without_a_price_in_the_cloud_nothing_is_compared(place: Place) -> None:
    """No figure without what it stands on."""
    place.house.use_catalog(read([]))
    await place.charge("a", "local", 0, saved=5)
    today = await place.today()
    assert (today.saved, today.savings) == (5, None)


async def test_the_tightest_daily_cap_is_shown(place: Place) -> None:
    """Of two caps on everything the one with less left."""
    for name, limit in (("wide", 9_000_000), ("tight", 1_000_000)):
        await place.ledger.set_cap(Cap(id=name, name=name, scope="everything", window="day", limit=limit))
    cap = (await place.today()).cap
    assert cap is not None
    assert (cap.name, cap.left) == ("tight", 1_000_000)
