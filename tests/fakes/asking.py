"""A house with a real ledger and a person who answers, without doors: admission as the pipeline uses it."""

from __future__ import annotations

import asyncio
import itertools
import time
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec

from pointsman.core import catalog as catalog_
from pointsman.core import facts as facts_
from pointsman.core import policy, routing, session
from pointsman.core.budget import Account, Cap
from pointsman.core.catalog import Catalog, Source
from pointsman.core.events import MoneyMoved
from pointsman.core.request import Hints, Message, Request
from pointsman.gateway.admission import Admission, Admitted
from pointsman.gateway.answering import Answering
from pointsman.gateway.house import House
from pointsman.gateway.run import Decision, Run
from pointsman.store.db import Database
from pointsman.store.ledger import Charge, Ledger
from pointsman.system.keychain import Keychain
from pointsman.system.paths import Paths, make
from pointsman.wire.admin import Answer, Question

DOLLAR = 1_000_000
MODELS = """
[providers.fake]
base_url = "http://127.0.0.1:9/v1"
key = "none"
batch = { service_tier = "flex", percent = 50 }

[providers.plain]
base_url = "http://127.0.0.1:9/v2"
key = "none"

[targets.dear]
tier = "cloud"
provider = "plain"
price = { input = 0, output = 100.0 }

[targets.fair]
tier = "cloud"
provider = "plain"
price = { input = 0, output = 50.0 }

[targets.cheap]
tier = "cloud"
provider = "plain"
price = { input = 0, output = 1.0 }

[targets.patient]
tier = "cloud"
provider = "fake"
price = { input = 0, output = 100.0 }

[targets.unpriced]
tier = "cloud"
provider = "plain"

[targets.here]
tier = "local"
engine = "llama_cpp"
source = "here.gguf"
context = 100000

[aliases]
some = ["dear", "fair", "cheap"]
"""


class Office:
    """A house; `admit` runs a request's admission, `settle` ends its hold, `answer` is the person."""

    def __init__(self, folder: Path, models: str = MODELS, *, wait: float = 45.0, patience: float = 20.0) -> None:
        self.models = models
        self.paths = make(Paths(folder))
        self.db = Database.open(self.paths.database)
        self.house = House(self.paths, self.read(), self.db, Ledger(self.db, UTC), Keychain("test"))
        self.house.approvals._wait = wait
        self.house.line.patience = patience
        self.house.ledger.on_moved = self.moved
        self.answering = Answering(self.house, self.reload)
        self.numbers = itertools.count(1)
        self.admitted: list[Admitted] = []

    def read(self) -> Catalog:
        """The test's models, and the person's file over them."""
        own = self.paths.models_toml
        text = own.read_text("utf-8") if own.exists() else ""
        return catalog_.read([Source("models.toml", self.models), Source("own.toml", text)])

    async def reload(self) -> None:
        """What the composition root does."""
        self.house.use_catalog(self.read())

    async def cap(self, limit: int = DOLLAR, **more: Any) -> Cap:
        """A cap on everything each day, if nothing else is said."""
        fields = {"id": "", "name": "daily", "scope": "everything", "window": "day", "limit": limit} | more
        return await self.house.ledger.set_cap(Cap(**fields))

    def decision(self, model: str = "dear", *, tokens: int = 5_000, text: str = "hi", **hints: Any) -> Decision:
        """Everything that is decided before admission, for a request of `tokens` of output."""
        agent = hints.pop("agent", "tester")
        message = Message(role="user", digest=text, size=len(text))
        request = Request(
            id=f"r{next(self.numbers)}",
            dialect="chat",
            model=model,
            stream=False,
            messages=(message,),
            size=len(text),
            max_tokens=tokens,
            hints=Hints(**{"session": "s", **hints}),
        )
        who = session.attribute(request, agent, "me")
        facts = facts_.gather(request, self.house.catalog.sensitivity)
        ruling = policy.rule(request, who, facts, self.house.catalog)
        plan = routing.plan(request, facts, ruling, self.house.catalog, self.house.circumstances())
        return Decision(request, who, facts, ruling, plan, self.house.catalog)

    async def admit(self, decision: Decision | None = None, **more: Any) -> Admitted | str:
        """Admission of the plan's first attempt."""
        decision = decision or self.decision(**more)
        run = Run(decision.request.id, decision.who.agent)
        found = await Admission(self.house, run, decision).admit(decision.plan.attempts[0], 1)
        if isinstance(found, Admitted):
            self.admitted.append(found)
        return found

    def start(self, **more: Any) -> asyncio.Task[Admitted | str]:
        """The same, beside the test; its question may then be answered."""
        return asyncio.create_task(self.admit(**more))

    async def settle(self, admitted: Admitted | str, cost: int) -> None:
        """Its attempt ended and cost so much."""
        assert isinstance(admitted, Admitted)
        assert await self.house.ledger.settle(admitted.hold.hold, Charge(amount=cost, estimated=False), time.time())
        self.moved()

    def moved(self) -> None:
        """Money came free: whoever waits looks again."""
        self.house.bus.publish(MoneyMoved())

    async def in_line(self) -> None:
        """Returns when somebody waits for holds of others."""
        while not self.house.line._waiting:  # noqa: ASYNC110 nobody else wants to know, so nothing tells
            await asyncio.sleep(0)

    async def question(self) -> Question:
        """The question that waits, as soon as there is one."""
        heard = self.house.bus.listen()
        try:
            while not (found := self.house.approvals.open()):
                await asyncio.wait_for(heard.get(), 20)
            return found[0]
        finally:
            self.house.bus.leave(heard)

    async def answer(self, verdict: str, **more: Any) -> Question:
        """The person answers what waits."""
        asked = await self.question()
        given = Answer(question=asked.id, verdict=verdict, **more)  # type: ignore[arg-type]
        await self.answering.table[Answer](given)
        return asked

    async def account(self) -> Account:
        """The one cap's account."""
        return (await self.house.ledger.accounts(time.time()))[0]

    async def audited(self, kind: str) -> list[str]:
        """The reasons of all rows of a kind, oldest first."""
        return [row.reason for row in reversed(await self.house.audit.newest(1000)) if row.kind == kind]

    async def checked(self) -> None:
        """What holds at every moment, for every cap."""
        for account in await self.house.ledger.accounts(time.time()):
            assert account.spent + account.held <= account.limit, msgspec.structs.asdict(account)

    def close(self) -> None:
        """The end."""
        self.db.close()
