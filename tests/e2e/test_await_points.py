"""A request is cancelled at every place where it waits, one after the other, in each of four ways; the books are right."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from pointsman.core.budget import Subject
from pointsman.core.events import ApprovalAsked, MoneyMoved
from pointsman.core.request import Hints
from pointsman.engines.supervisor import Supervisor
from pointsman.gateway import pipeline
from pointsman.gateway.attempts import Sent
from pointsman.gateway.pipeline import Call
from pointsman.gateway.reply import Reply
from pointsman.gateway.run import Run
from pointsman.store.audit import Row
from pointsman.store.ledger import Charge, HoldRequest, Reserved
from pointsman.store.writer import Writer
from pointsman.wire import admin
from pointsman.wire.dialects import DIALECTS
from tests.fakes.billing_upstream import BillingUpstream, Wish
from tests.fakes.busy_house import BusyHouse, models, open_house, workers
from tests.fakes.stepped import Stepped

WAYS = ("waiting", "woken", "stopped", "again")
DOLLAR = 1_000_000


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of request. `money` is there, or it is held by others for a while, or the person must allow it."""

    model: str = "dear"
    dialect: str = "chat"
    large: int = 1
    stream: bool = True
    acts: tuple[str, ...] = ("ok",)
    money: str = "there"


KINDS = {
    "streamed": Kind(),
    "whole": Kind(stream=False),
    "second-attempt": Kind(model="any", acts=("500", "ok")),
    "waits": Kind(money="held"),
    "asks": Kind(money="spent", stream=False),
    "local": Kind(model="here"),
    "local-whole": Kind(model="here", stream=False),
    "overrun": Kind(acts=("over",), stream=False),
    "mute": Kind(acts=("mute",)),
    "dies": Kind(acts=("die",)),
    "large": Kind(model="cheap", large=270_000),  # read in a thread
    "translated": Kind(dialect="messages"),
    "translated-whole": Kind(dialect="messages", stream=False),
}
PAID = set(KINDS) - {"local", "local-whole", "mute", "dies"}


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BillingUpstream]:
    """A provider that bills; the house of this test finds it."""
    with BillingUpstream() as fake:
        (tmp_path / "soak.toml").write_text(models(fake))
        monkeypatch.setenv("POINTSMAN_MODELS", str(tmp_path / "soak.toml"))
        monkeypatch.setenv("FAKE_KEY", "sk-test")
        yield fake


@pytest.fixture
async def busy(upstream: BillingUpstream, tmp_path: Path) -> AsyncIterator[BusyHouse]:
    """A house where each session has a dollar a day, and a person who allows everything."""
    made: Supervisor = workers(tmp_path / "logs")
    async with open_house(tmp_path / "home", made) as house:
        await house.do(admin.SetCap(name="each", scope="session", limit=DOLLAR, at_limit="ask"))
        allowing = asyncio.create_task(_allow(house))
        yield house
        allowing.cancel()
    await made.close()


async def _allow(busy: BusyHouse) -> None:
    heard = busy.house.bus.listen()
    while True:
        event = await heard.get()
        if isinstance(event, ApprovalAsked):
            await busy.do(admin.Answer(question=event.question, verdict="approve"))


class Attempted:
    """One request of a kind, cancelled at one place in one way."""

    def __init__(self, busy: BusyHouse, kind: Kind, name: str) -> None:
        self.busy = busy
        self.kind = kind
        self.name = name
        self.run = Run(f"req_{name}", "ann")

    async def go(self, at: int, how: str) -> bool:
        """Whether it came to that place. Returns when its row is written."""
        blocker = await self._blocker()
        stepped = Stepped(self._serve(), at, self._stop if how == "stopped" else self._leave, how)
        task = asyncio.create_task(stepped)
        self.run.cancel = task.cancel
        if blocker:
            await self._unblock(task)
        await asyncio.wait({task})
        await self.busy.all_ended()
        return stepped.reached

    def _leave(self) -> None:
        self.run.cancel()

    def _stop(self) -> None:
        self.run.stop()

    async def _serve(self) -> None:
        wish = Wish(id=self.name, acts=self.kind.acts, pieces=2)
        asked = {
            "model": self.kind.model,
            "stream": self.kind.stream,
            "max_tokens": 100,
            "messages": [
                {"role": "user", "content": "x" * self.kind.large},
                {"role": "assistant", "content": "Yes?"},
                {"role": "user", "content": wish.text()},
            ],
        }
        sent = Sent(dialect=DIALECTS[self.kind.dialect], body=json.dumps(asked).encode())
        reply = Slow()
        call = Call(self.busy.house, self.run, sent, reply)
        with contextlib.suppress(asyncio.CancelledError):
            await pipeline.serve(call, Hints(session=self.name, task=self.name))

    async def _blocker(self) -> bool:
        """The session's dollar is held by another agent, or was spent by it."""
        if self.kind.money == "there":
            return False
        ledger, id_ = self.busy.house.ledger, f"block-{self.name}"
        names = {"person": "me", "agent": "bob", "model": "dear", "tier": "cloud", "session": self.name}
        subject = Subject(project=None, label=None, task="", request=id_, **names)
        hold = HoldRequest(id=id_, request=id_, attempt=1, subject=subject, target="dear", amount=DOLLAR, estimate=0)
        assert isinstance(await ledger.reserve(hold, time.time()), Reserved)
        if self.kind.money == "spent":
            row = Row(at=time.time(), kind="attempt", request=id_, attempt=1, agent="bob")
            await ledger.settle(id_, Charge(amount=DOLLAR, estimated=False), time.time(), row)
        return self.kind.money == "held"

    async def _unblock(self, task: asyncio.Task[None]) -> None:
        """What is held comes back as soon as the request stands in line for it."""
        while not self.busy.house.line._waiting and not task.done():  # noqa: ASYNC110 nothing tells
            await asyncio.sleep(0.001)
        await self.busy.house.ledger.refund(f"block-{self.name}", time.time())
        self.busy.house.bus.publish(MoneyMoved())


class Slow(Reply):
    """A client that takes each piece a moment later."""

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """It has a status."""
        self.started = True
        await asyncio.sleep(0)

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """It has a piece."""
        self.finished = last
        await asyncio.sleep(0)


@pytest.fixture(params=["here", "queued"])
def fewest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """At how many places a request waits at least: the ledger works here and now, or in its thread, as under load."""
    if request.param == "queued":
        monkeypatch.setattr(Writer, "now", Writer.add)
        return 5
    return 2


@pytest.mark.parametrize("kind", KINDS)
async def test_cancelled_wherever_it_waits(busy: BusyHouse, upstream: BillingUpstream, fewest: int, kind: str) -> None:
    """The hold ends once, the row is written once, and no bill is missed, wherever the cancel comes."""
    for how in WAYS:
        at = 1
        while await Attempted(busy, KINDS[kind], f"{kind}-{how}-{at}").go(at, how):
            at += 1
        assert at > fewest
    books = busy.books()
    assert any(row["cost"] and not row["estimated"] for row in books.rows) == (kind in PAID)
    books.check(upstream.bills)
    books.check_door(busy.guests.passed)
    assert await busy.house.audit.verify() is None
