"""A house as the gateway builds it, with its agents' door on a real server in the test's own loop, and a fake worker."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from pointsman.core.events import RequestEnded
from pointsman.engines.supervisor import Supervisor, WorkerSpec
from pointsman.gateway import listening, main
from pointsman.gateway.commands import Commands
from pointsman.gateway.door import Door
from pointsman.gateway.health import Health
from pointsman.gateway.house import House
from pointsman.gateway.run import Live, Run
from pointsman.system.paths import Paths, make
from pointsman.wire import admin
from tests.fakes.billing_upstream import PRICES, BillingUpstream
from tests.fakes.books import Books
from tests.fakes.home import MODELS, target

ENGINE = Path(__file__).with_name("fake_engine.py")
LOCAL = """
[targets.here]
tier = "local"
engine = "llama_cpp"
source = "here.gguf"
context = 100000

[fallback]
cloud_unavailable = "refuse"

[aliases]
any = ["dear", "cheap"]
"""


def models(upstream: BillingUpstream) -> str:
    """The provider's two models, one here, and an alias of both."""
    priced = {name: (float(price_in), float(price_out)) for name, (price_in, price_out) in PRICES.items()}
    targets = [target(name, name, 4_000, *both) for name, both in priced.items()]
    return MODELS.format(base_url=upstream.base_url, targets="".join(targets)) + LOCAL


def workers(logs: Path) -> Supervisor:
    """One fake worker for the model here."""

    def command(_: WorkerSpec) -> list[str]:
        return [sys.executable, "-P", str(ENGINE)]

    return Supervisor({"here": WorkerSpec(name="here", path="here.gguf")}, logs, command=command)


class Patient(Health):
    """No target rests, whatever it does: these tests want it to go on failing."""

    def failed(self, target: str, now: float) -> None:
        """Forgiven."""


class Guests(Live):
    """Remembers who passed the door."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: list[str] = []

    def enter(self, run: Run) -> None:
        """It passed the door."""
        self.passed.append(run.id)
        super().enter(run)

    def of(self, task: str) -> Run | None:
        """The request that its client calls so."""
        return next((run for run in self.all() if run.decision and run.decision.who.task == task), None)


class BusyHouse:
    """The house, its commands, and what the schedules look at."""

    def __init__(self, house: House, supervisor: Supervisor) -> None:
        self.house = house
        self.guests = house.live = Guests()
        house.health = Patient()
        house.use_supervisor(supervisor)
        self.commands = Commands(house, _nothing, lambda: None)
        self.port = 0
        self._ended: set[str] = set()
        self._more = asyncio.Event()
        self.listening = asyncio.create_task(self._listen())

    async def do(self, command: admin.Command) -> Any:
        """One of the admin door's commands."""
        return await self.commands.do(command)

    async def agents(self, *names: str) -> list[str]:
        """Their keys."""
        return [(await self.do(admin.AddAgent(name)))["key"] for name in names]

    async def reached(self, task: str, state: str) -> None:
        """Returns when this request is in this state: nothing tells, so it is looked at."""
        while (run := self.guests.of(task)) is None or run.state != state:  # noqa: ASYNC110
            await asyncio.sleep(0.002)

    async def all_ended(self) -> None:
        """Returns when the row of everybody who passed the door is written."""
        async with asyncio.timeout(60):
            while not set(self.guests.passed) <= self._ended:
                self._more.clear()
                await self._more.wait()

    async def _listen(self) -> None:
        heard = self.house.bus.listen()
        while True:
            event = await heard.get()
            if isinstance(event, RequestEnded):
                self._ended.add(event.request)
                self._more.set()

    def books(self) -> Books:
        """What stands in the file now."""
        return Books(self.house.paths.database)


async def _nothing() -> None:
    pass


@contextlib.asynccontextmanager
async def open_house(folder: Path, supervisor: Supervisor) -> AsyncIterator[BusyHouse]:
    """All services of a gateway on a home of its own; POINTSMAN_MODELS names its models."""
    async with contextlib.AsyncExitStack() as stack:
        house = await main.build(make(Paths(folder)), stack)
        unused = house.supervisor
        stack.push_async_callback(unused.close)
        await house.warm()
        busy = BusyHouse(house, supervisor)
        yield busy
        busy.listening.cancel()
        house.supervisor = unused  # the workers are shared: whoever made them ends them


@contextlib.asynccontextmanager
async def at_the_door(busy: BusyHouse, door: Callable[[House], Door] = Door) -> AsyncIterator[None]:
    """The agents' door on a port of its own."""
    sockets = listening.listen(0, "POINTSMAN_PORT")
    server = listening.server(door(busy.house))
    serving = asyncio.create_task(server.serve(sockets))
    busy.port = sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.stop()
        await serving
        for one in sockets:
            one.close()
