"""SIGKILL at random moments under load, again and again on one home: what was counted is never less than was billed.

`POINTSMAN_SOAK=1` runs the full count.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pointsman.store.ledger import CRASHED
from pointsman.system.paths import Paths
from pointsman.wire import admin
from tests.fakes.billing_upstream import PRICES, BillingUpstream, Wish
from tests.fakes.books import Books
from tests.fakes.home import Home, target
from tests.fakes.leaving_client import Errand, send

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
KILLS, REQUESTS = (100, 60) if SOAK else (3, 40)
ACTS = ("ok", "ok", "ok", "slow", "slow", "mute", "die", "early", "500")
DOLLAR = 1_000_000


@pytest.fixture
def upstream() -> Iterator[BillingUpstream]:
    """A provider that bills."""
    with BillingUpstream() as fake:
        yield fake


@pytest.fixture
def gateway(tmp_path: Path, upstream: BillingUpstream) -> Iterator[Home]:
    """A gateway in a process of its own, with this provider's models."""
    priced = {name: (float(price_in), float(price_out)) for name, (price_in, price_out) in PRICES.items()}
    targets = "".join(target(name, name, 4_000, *both) for name, both in priced.items())
    with Home(tmp_path, upstream.base_url, targets) as running:
        yield running


async def _never(_task: str, _state: str) -> None:
    await asyncio.Event().wait()


def errand(chance: random.Random, name: str, key: str) -> Errand:
    """One request under which the gateway may be killed."""
    wish = Wish(id=name, acts=tuple(chance.choices(ACTS, k=3)), part=chance.random(), pieces=chance.randrange(1, 20))
    return Errand(
        wish=wish,
        key=key,
        model=chance.choice(("dear", "cheap")),
        stream=chance.random() < 0.7,
        max_tokens=chance.choice((20, 100, 200)),
        headers={"x-pointsman-session": f"s{chance.randrange(4)}"},
        leave=chance.choice(("never", "never", "never", "soon")),
        after=chance.random() / 10,
    )


async def load(gateway: Home, errands: list[Errand], end: Callable[[], None], moment: Callable[[], bool]) -> None:
    """All of them at once; at this moment, or when all are done, the gateway is ended."""
    sends = [send(gateway.runtime.port, one, _never) for one in errands]
    running = asyncio.gather(*sends, return_exceptions=True)  # some still connect when it ends
    while not (moment() or running.done()):  # noqa: ASYNC110 the provider has a thread of its own and tells nobody
        await asyncio.sleep(0.002)
    await asyncio.to_thread(end)
    assert all(isinstance(came, bytes | ConnectionError) for came in await running)


def after(upstream: BillingUpstream, more: int) -> Callable[[], bool]:
    """The moment at which so many more requests were billed."""
    wanted = len(upstream.bills) + more
    return lambda: len(upstream.bills) >= wanted


async def start(gateway: Home, chance: random.Random) -> None:
    """Start it again; now and then it is killed while it starts, too."""
    if chance.random() < 0.3:
        process = gateway.spawn("gateway", "--port", "0")
        await asyncio.sleep(chance.random())
        process.kill()
        process.communicate(timeout=20)
    gateway.start()


@pytest.mark.timeout(7_200 if SOAK else 300)
async def test_killed_again_and_again(gateway: Home, upstream: BillingUpstream) -> None:
    """Each bill has its charge, no cap is passed, no hold stays open, the audit's chain holds."""
    chance = random.Random(7)
    path, key = Paths(gateway.folder / "home").database, gateway.agent()
    gateway.command(admin.SetCap(name="each agent", scope="agent", window="month", limit=10**9, at_limit="refuse"))
    gateway.command(admin.SetCap(name="each request", scope="request", window="once", limit=DOLLAR, at_limit="refuse"))
    spent, books = 0, Books(path)
    for kill in range(KILLS):
        gateway.command(admin.SetCap(name="daily", limit=spent + 6 * DOLLAR, at_limit="refuse"))
        errands = [errand(chance, f"{kill}-{at}", key) for at in range(REQUESTS)]
        await load(gateway, errands, gateway.kill, after(upstream, chance.randrange(30)))
        await start(gateway, chance)
        books = Books(path)
        books.check(upstream.bills)
        spent = sum(hold["charge"] for hold in books.holds)
    assert any(row["reason"] == CRASHED for row in books.rows)
    assert len(upstream.bills) > KILLS
    assert gateway.run("audit", "verify")[0] == 0


async def test_stopped_under_load(gateway: Home, upstream: BillingUpstream) -> None:
    """Told to stop, it ends every hold itself before it goes; nothing is left for the next start."""
    chance, key = random.Random(8), gateway.agent()
    gateway.command(admin.SetCap(name="daily", limit=6 * DOLLAR, at_limit="refuse"))
    errands = [errand(chance, f"stop-{at}", key) for at in range(REQUESTS)]
    errands += [Errand(wish=Wish(id="stalls", acts=("stall",)), key=key, model="dear")]
    await load(gateway, errands, gateway.stop, after(upstream, 10))
    books = Books(Paths(gateway.folder / "home").database)
    books.check(upstream.bills)
    assert upstream.bills
