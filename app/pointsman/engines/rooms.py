"""Memory for local models: made before one is loaded, and given back by those that nobody uses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import msgspec

from pointsman.core import engines as rules
from pointsman.core import fit
from pointsman.core.placing import NoRoom, Placed, no_room
from pointsman.engines.failures import ModelUnloadable
from pointsman.engines.local_model import LocalModel, WorkerSpec
from pointsman.engines.steward import Model, Steward, Worker
from pointsman.system.priority import stand_back

_TICK = 5.0  # seconds between two looks at battery and heat while a model is loaded
_LITTLE = {"main": 128 << 20}  # what a small model counts as


class Rooms:
    """Acts on what the rules of `core.engines` say. Without a steward there is room for everything."""

    def __init__(self, models: Mapping[str, LocalModel], changed: Callable[[LocalModel], None]) -> None:
        self.steward: Steward | None = None
        self._models = models
        self._changed = changed
        self._moved = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stands: dict[int, int] = {}
        self._metal: LocalModel | None = None  # the last that MLX ran, or runs

    def move(self) -> None:
        """Wake whoever waits for something to change."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def close(self) -> None:
        """Look after nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def make(self, model: LocalModel, spec: WorkerSpec, wait: float) -> WorkerSpec:
        """The spec with the setting that fits; idle models may have gone for it. Raises `ModelUnloadable`.

        Where models in use hold what is missing, this waits for them for so many seconds.
        """
        if self.steward is None:
            return spec
        until = asyncio.get_running_loop().time() + wait
        rows = fit.slots(spec.slots) + spec.lookup  # each guess is weighed like one more answer
        wanted = Model(name=spec.name, path=spec.path, context=spec.context, slots=rows)
        while True:
            if sentence := await self.steward.refusal(model.name):
                raise ModelUnloadable(sentence)
            placed = await self.steward.place(wanted, self._workers)
            if isinstance(placed, NoRoom):
                await self._wait(model, placed, until)
            elif await self._take(model, placed):
                return spec if placed is None else _fitted(spec, placed)

    async def take_metal(self, model: LocalModel, wait: float) -> None:
        """Return when no other model runs in MLX: it takes all of Metal's memory for one process, so there is but one.

        An idle one goes, one in use is waited for. Raises `ModelUnloadable`.
        """
        until = asyncio.get_running_loop().time() + wait
        while (other := self._metal) not in (None, model) and (other.worker or other.loading):
            if await self._let_go(other):
                continue
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                raise ModelUnloadable(f"{model.name} cannot be loaded: {other.name} is in use, and MLX runs one model.")
            await _until(self._moved, left)
        self._metal = model

    async def _take(self, model: LocalModel, placed: Placed | None) -> bool:
        """Reserve the memory, then let others go for it; False where one came into use meanwhile."""
        model.takes = _LITTLE if placed is None else placed.fit.takes()
        for name in placed.evict if placed else ():
            if not await self._let_go(self._models[name]):
                model.takes = {}
                return False
        return True

    async def _wait(self, model: LocalModel, found: NoRoom, until: float) -> None:
        """Return when something has changed. Raises `ModelUnloadable` where waiting is no use, or was none."""
        left = until - asyncio.get_running_loop().time()
        if not found.busy or left <= 0:
            raise ModelUnloadable(no_room(model.name, found))
        await _until(self._moved, left)

    def _workers(self) -> list[Worker]:
        """Every model that has memory, or is about to."""
        held = [one for one in self._models.values() if one.takes]
        return [Worker(held=one.held(), pid=one.worker.pid if one.worker else None) for one in held]

    async def _let_go(self, model: LocalModel) -> bool:
        """End the worker of an idle model; False when it came into use meanwhile."""
        worker = model.worker
        if worker is None:
            return not model.held().busy
        if model.held().busy:
            return False
        model.ending = asyncio.create_task(worker.quit(), name=f"unload {model.name}")
        try:
            await asyncio.shield(model.ending)
        finally:
            model.ending = None
            self._changed(model)
        return True

    def keep(self) -> None:
        """From the first model on, look after those that are loaded."""
        if self.steward is None or self._tasks:
            return
        self.steward.power.on_change = self.move
        self._tasks = [
            asyncio.create_task(self._look_after(self.steward), name="models kept"),
            asyncio.create_task(self.steward.power.keep(), name="power watched"),
        ]

    async def _look_after(self, steward: Steward) -> None:
        """Unload what has been idle for too long or may not stay, and stand back where a person works."""
        now = asyncio.get_running_loop().time
        while True:
            moved, power = self._moved, await steward.power.now()
            for gone in rules.unloads([one.held for one in self._workers()], now(), power, steward.keep_alive):
                await self._let_go(self._models[gone.name])
            self._stand_back(rules.niceness(power))
            held = [one.held for one in self._workers()]
            wait = rules.next_look(held, now(), power, steward.keep_alive)
            await _until(moved, _TICK if wait is None else min(_TICK, wait))

    def _stand_back(self, niceness: int) -> None:
        """Each worker once, and again when it is to be another."""
        wanted = {one.pid: niceness for one in self._workers() if one.pid is not None}
        for pid, now in wanted.items():
            if self._stands.get(pid) != now:
                stand_back(pid, now)
        self._stands = wanted


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Until it is set, or for so long. `asyncio.wait_for` may lose a cancellation here."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _fitted(spec: WorkerSpec, placed: Placed) -> WorkerSpec:
    setting = placed.fit.setting
    return msgspec.structs.replace(
        spec,
        context=setting.context,
        kv=setting.kv,
        windowed=not setting.whole,
        gpu_layers=setting.gpu_layers,
    )
