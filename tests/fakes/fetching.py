"""One model to fetch from a fake hub, and somebody who watches."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pointsman.engines import hub as hub_
from pointsman.engines.download import Line, Patience, Remote, Watcher, fetch
from pointsman.engines.hub import Hub
from pointsman.engines.hub_choice import Checksum
from pointsman.engines.part import Promise
from tests.fakes.fake_hub import COMMIT, FakeHub

REPO, NAME = "org/m", "m-Q4_K_M.gguf"
DATA = random.Random(1).randbytes(3_000_000)
QUICK = Patience(stall=5.0, first_wait=0.0, longest_wait=0.0, tries=3, flush=0.02)


class Told(Watcher):
    """What a watcher hears."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.sentences: list[str] = []
        self.heard = asyncio.Event()

    def received(self, count: int) -> None:
        """Keep it."""
        self.counts.append(count)
        self.heard.set()

    def waits(self, sentence: str) -> None:
        """Keep it."""
        self.sentences.append(sentence)
        self.heard.set()

    async def until(self, there: Callable[[], bool]) -> None:
        """Wait for something to hear."""
        while not there():
            self.heard.clear()
            await self.heard.wait()


def promise(data: bytes = DATA) -> Promise:
    """What the publisher says of these bytes."""
    return Promise(len(data), Checksum("sha256", hashlib.sha256(data).hexdigest()))


async def get(hub: FakeHub, target: Path, *, patience: Patience = QUICK, token: str | None = None, **more: Any) -> Told:
    """Fetch the model."""
    told = more.pop("told", None) or Told()
    remote = Remote(REPO, COMMIT, NAME, more.pop("promise", promise()))
    async with hub_.client(patience.stall) as http:
        await fetch(Line(http, Hub(hub.endpoint, token), patience), remote, target, told)
    return told


def is_clean(target: Path) -> bool:
    """Nothing but the file itself, if that."""
    return [path.name for path in target.parent.iterdir() if path != target] == []
