"""What the supervisor knows of the machine: memory that is free, what a model takes of it, battery, heat and sleep."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from msgspec import Struct

from pointsman.core import engines as rules
from pointsman.core import fit, placing
from pointsman.core.catalog_parts import Engines
from pointsman.core.engines import Held
from pointsman.core.fit import MIB, Room
from pointsman.core.model_shape import Shape
from pointsman.core.placing import NoRoom, Placed
from pointsman.engines import looking
from pointsman.engines.failures import UnreadableModel
from pointsman.engines.local_model import signature
from pointsman.engines.looking import Device, File, Look, MainMemory
from pointsman.engines.memory import private_bytes
from pointsman.system.power import PowerSource

_SMALL = 16 * MIB  # a file of this size fits everywhere
_LEFT_ON_GPU = 1 << 30
_USUAL_CONTEXT = 8192

Looking = Callable[[Sequence[str]], Awaitable[Look]]


class Model(Struct, frozen=True, kw_only=True):
    """A model that asks for memory."""

    name: str
    path: str
    context: int | None = None
    slots: int | None = None


class Worker(Struct, frozen=True, kw_only=True):
    """A model that has memory, and the process that it is in; None while it starts."""

    held: Held
    pid: int | None = None


class Steward:
    """Asks the machine, and lets the rules decide. `limit` is the person's own for all models, in bytes."""

    def __init__(
        self,
        power: PowerSource,
        look: Looking = looking.look,
        memory: Callable[[], MainMemory] = looking.main_memory,
    ) -> None:
        self.power = power
        self.keep_alive = 600.0
        self.limit: int | None = None
        self._look = look
        self._memory = memory
        self._known: dict[str, tuple[object, File]] = {}
        self._devices: tuple[Device, ...] | None = None

    def use(self, settings: Engines) -> None:
        """The person's settings."""
        self.keep_alive = settings.keep_alive
        self.limit = None if settings.memory_mb is None else settings.memory_mb * 10**6

    async def place(self, model: Model, workers: Callable[[], Sequence[Worker]]) -> Placed | NoRoom | None:
        """How it is loaded now; None for one so small that nothing is asked. Raises `UnreadableModel`.

        `workers` is read after everything else, so that two that load at once each see the other.
        """
        size = await asyncio.to_thread(_size, model.path)
        if size < _SMALL:
            return None
        shape, devices = await self._seen(model)
        now = workers()
        room = self._room(devices, now)
        held, slots = [one.held for one in now], model.slots or fit.SLOTS
        return placing.place(shape, model.context or _USUAL_CONTEXT, room, held, slots)

    async def refusal(self, name: str) -> str | None:
        """Why nothing may be loaded now, None when it may."""
        return rules.refusal(name, await self.power.now())

    async def room(self, workers: Sequence[Worker]) -> Room:
        """What models could take now, beside these."""
        return self._room(await self.devices(), workers)

    async def devices(self) -> tuple[Device, ...]:
        """Those of the machine, looked at anew where their memory changes."""
        if self._devices is None or any(one.kind in ("gpu", "igpu") for one in self._devices):
            self._devices = (await self._look(())).devices
        return self._devices

    async def _seen(self, model: Model) -> tuple[Shape, tuple[Device, ...]]:
        """The model's shape and the devices, by one look where something is not known."""
        found = await asyncio.to_thread(signature, model.path)
        known = self._known.get(model.path)
        fixed = self._devices is not None and not any(one.kind in ("gpu", "igpu") for one in self._devices)
        if known is None or known[0] != found or not fixed:
            look = await self._look((model.path,))
            self._devices = look.devices or self._devices or ()
            known = self._known[model.path] = (found, look.files[0])
        file = known[1]
        if file.shape is None:
            raise UnreadableModel(f"{Path(model.path).name} cannot be loaded: {file.problem}.")
        return file.shape, self._devices or ()

    def _room(self, devices: Sequence[Device], workers: Sequence[Worker]) -> Room:
        memory = self._memory()
        ours = sum(private_bytes(one.pid) for one in workers if one.pid is not None)
        main = rules.budget(memory.total, memory.available, ours, self.limit)
        main -= sum(one.held.takes.get("main", 0) for one in workers)
        gpus = [one for one in devices if one.kind == "gpu"] or [one for one in devices if one.kind == "igpu"]
        shared = any(one.kind == "igpu" or one.name.startswith(("Metal", "MTL")) for one in gpus)
        # A driver counts what others have; Metal counts for its own process alone.
        whole = [one.total if shared else one.free for one in gpus]
        gpu = sum(max(0, size - max(_LEFT_ON_GPU, size // 10)) for size in whole)
        gpu -= sum(one.held.takes.get("gpu", 0) for one in workers if shared or one.pid is None)
        return Room(main=main, gpu=gpu, gpus=len(gpus), shared=shared)


def _size(path: str) -> int:
    """Bytes, also of a folder; 0 where it cannot be told, as the worker then says what is wrong."""
    try:
        return _bytes(Path(path))
    except OSError:
        return 0


def _bytes(path: Path) -> int:
    facts = path.stat()
    if not stat.S_ISDIR(facts.st_mode):
        return facts.st_size
    return sum(one.stat().st_size for one in path.iterdir() if one.is_file())
