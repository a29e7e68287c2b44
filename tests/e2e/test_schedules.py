"""Random schedules of many requests through the real door: whoever leaves, and whenever, the books are right.

`POINTSMAN_SOAK=1` runs the full counts. What a schedule does is fixed by its seed, though not how it interleaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pointsman.core.errors import PointsmanError
from pointsman.core.events import ApprovalAsked, RequestStarted
from pointsman.engines.supervisor import Supervisor
from pointsman.gateway.door import Door
from pointsman.wire import admin
from pointsman.wire.admin import Answer, Question
from tests.fakes.billing_upstream import BillingUpstream, Wish
from tests.fakes.busy_house import BusyHouse, at_the_door, models, open_house, workers
from tests.fakes.leaving_client import LEAVES, Errand, send

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
SCHEDULES, REQUESTS = (1_000, 200) if SOAK else (20, 40)
ACTS = ("ok", "ok", "ok", "slow", "mute", "over", "die", "early", "stall", "429", "500")
AGENTS = ("ann", "bob", "cy")
DOLLAR = 1_000_000


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BillingUpstream]:
    """A provider that bills; houses of this test find it."""
    with BillingUpstream() as fake:
        (tmp_path / "soak.toml").write_text(models(fake))
        monkeypatch.setenv("POINTSMAN_MODELS", str(tmp_path / "soak.toml"))
        monkeypatch.setenv("FAKE_KEY", "sk-test")
        yield fake


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    """The worker of all houses of this test."""
    made = workers(tmp_path / "logs")
    yield made
    await made.close()


def errand(chance: random.Random, name: str, keys: list[str]) -> Errand:
    """One request of a schedule. A client whose provider stalls leaves in time; few wait until their time is over."""
    acts, stream = tuple(chance.choices(ACTS, k=3)), chance.random() < 0.6
    leave, after = chance.choice((*LEAVES, *["never"] * 7)), chance.randrange(1, 5)
    if "stall" in acts and leave in ("piece", "never") and chance.random() < 0.98:
        leave, after = ("piece" if stream else "soon"), 1
    headers = {"x-pointsman-session": f"s{chance.randrange(4)}"}
    if chance.random() < 0.05:
        headers["x-pointsman-latency"] = "background"
    if "stall" in acts or "x-pointsman-latency" in headers:
        headers["x-pointsman-timeout"] = "1"
    if chance.random() < 0.3:
        headers["x-pointsman-fallback"] = "none"
    pieces = chance.randrange(1, 6)
    return Errand(
        wish=Wish(id=name, acts=acts, prompt=chance.randrange(1, 20), part=chance.random(), pieces=pieces),
        key=chance.choice(keys),
        model=chance.choice(("dear", "any", "any", "cheap", "here")),
        stream=stream,
        max_tokens=chance.choice((1, 20, 200, 600, 2_000)),
        headers=headers,
        leave=leave,
        after=after if leave == "piece" else chance.random() * 0.05,
        rude=chance.random() < 0.5,
    )


def caps(chance: random.Random) -> list[admin.SetCap]:
    """Four caps at once, with marks and actions of all kinds."""
    at_limit = ("refuse", "local", "shorten", "ask", "cheaper", "defer")
    at_soft = ("go", "go", "local", "shorten", "ask", "cheaper")
    shapes = (("everything", "day", 60), ("agent", "day", 25), ("session", "hour", 20), ("request", "once", 8))
    return [
        admin.SetCap(
            name=scope,
            scope=scope,
            window=window,
            limit=int(dollars * DOLLAR * (0.2 + chance.random())),
            soft_percent=chance.randrange(40, 101),
            at_soft=chance.choice(at_soft),
            at_limit=chance.choice(at_limit),
        )
        for scope, window, dollars in shapes
    ]


async def person(busy: BusyHouse, chance: random.Random) -> None:
    """Answers some questions, pauses, resumes and stops at random."""
    heard = busy.house.bus.listen()
    while True:
        event = await heard.get()
        with contextlib.suppress(PointsmanError):  # a question that is closed by now, a request that has ended
            if isinstance(event, ApprovalAsked):
                for question in busy.house.approvals.open():
                    await answer(busy, question, chance)
            elif isinstance(event, RequestStarted):
                await meddle(busy, event, chance.random())


async def answer(busy: BusyHouse, question: Question, chance: random.Random) -> None:
    """Yes of some kind, no, here, or nothing."""
    verdict = chance.choice(("approve", "approve", "deny", "local", ""))
    scope = chance.choice(("request", "session", "cap", "agent"))
    if question.kind not in ("money", "soft"):
        scope = "request"
    if verdict:
        amount = question.over + chance.randrange(DOLLAR)
        await busy.do(Answer(question=question.id, verdict=verdict, scope=scope, amount=amount))  # type: ignore[arg-type]


async def meddle(busy: BusyHouse, started: RequestStarted, luck: float) -> None:
    """Now and then the person stops a request, or pauses an agent and lets it go on."""
    if luck < 0.05:
        await busy.do(admin.StopRequest(started.request))
    elif luck < 0.08:
        await busy.do(admin.Pause(started.agent))
        await asyncio.sleep(luck / 4)
        await busy.do(admin.Resume(started.agent))


async def schedule(busy: BusyHouse, upstream: BillingUpstream, seed: int) -> None:
    """One of them, from its seed; at its end the books are looked through."""
    chance = random.Random(seed)
    keys = await busy.agents(*AGENTS)
    for cap in caps(chance):
        await busy.do(cap)
    busy.house.line.patience, busy.house.approvals._wait = chance.random() / 2, chance.random() / 2
    errands = [errand(chance, f"{seed}-{at}", keys) for at in range(REQUESTS)]
    async with at_the_door(busy):
        meddling = asyncio.create_task(person(busy, chance))
        await asyncio.gather(*[send(busy.port, one, busy.reached) for one in errands])
        await busy.all_ended()
        meddling.cancel()
    books = busy.books()
    books.check({one.wish.id: upstream.bills.get(one.wish.id, []) for one in errands})
    books.check_door(busy.guests.passed)
    assert await busy.house.audit.verify() is None


@pytest.mark.timeout(7_200 if SOAK else 300)
async def test_random_schedules(upstream: BillingUpstream, supervisor: Supervisor, tmp_path: Path) -> None:
    """Overspend 0, each hold ends once, the audit's sum is what was spent, nothing is charged below its bill."""
    for seed in range(SCHEDULES):
        home = tmp_path / f"home-{seed}"
        async with open_house(home, supervisor) as busy:
            try:
                await schedule(busy, upstream, seed)
            except BaseException:
                print(f"the schedule of seed {seed}")
                raise
        shutil.rmtree(home)  # a thousand of them would fill a disk


async def test_a_client_that_never_reads_is_let_go(
    upstream: BillingUpstream, supervisor: Supervisor, tmp_path: Path
) -> None:
    """With a tiny window and endless pieces: after the door's patience its upstream is closed and its hold settled."""
    async with open_house(tmp_path / "home", supervisor) as busy:
        [key] = await busy.agents("ann")
        await busy.do(admin.SetCap(name="daily", limit=DOLLAR, at_limit="refuse"))
        wish = Wish(id="deaf", acts=("flood",))
        async with at_the_door(busy, lambda house: Door(house, patience=0.2)):
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
                client.connect(("127.0.0.1", busy.port))
                client.sendall(b"".join(Errand(wish=wish, key=key, model="dear").head_and_body()))
                assert await asyncio.to_thread(upstream.gone.wait, 20)
                await busy.all_ended()
        [row] = busy.books().rows
        assert (row["outcome"], row["estimated"], row["cost"]) == ("cancelled", 1, row["held"])
        busy.books().check(upstream.bills)
