"""What runs on this machine: the answer to `models fit`, and the model that a newcomer is told of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from msgspec import structs

from pointsman.core import fit, offers
from pointsman.core.catalog import Target
from pointsman.core.fit import Room
from pointsman.core.model_shape import Shape
from pointsman.core.offers import Offer, Row, Speed
from pointsman.engines import looking
from pointsman.engines.looking import Device, Look, MainMemory
from pointsman.gateway.house import House
from pointsman.wire import admin

_FRESH = 60.0  # seconds a look at files and bandwidth is good for
_LATER = 20.0  # seconds after the start, when it looks by itself
_STARTER = "starter"


class Fitting:
    """Looks at the machine when somebody asks."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._looked: tuple[float, Look] | None = None

    async def answer(self, _asked: admin.FitModels) -> admin.Fitted:
        """Every local target and every model on offer, with how it runs here."""
        look, rows = await self._rows()
        room = await self._house.steward.room(())
        best = None if self._has_one() else offers.proposal(rows)
        return admin.Fitted(
            machine=_machine(looking.main_memory(), room, look.gpus),
            models=[_told(one) for one in rows],
            proposal=_proposed(best) if best else None,
        )

    async def propose(self, *, later: bool) -> str | None:
        """Set the proposal where no model but the starter is here; `later` lets the start be over first."""
        if later:
            await asyncio.sleep(_LATER)
        self._house.proposal = self._house.downloads.offer = None
        if not self._has_one():
            _, rows = await self._rows()
            best = offers.proposal(rows)
            self._house.proposal = _proposed(best) if best else None
            self._house.downloads.offer = _told(best) if best else None
        return self._house.proposal

    def _has_one(self) -> bool:
        """Whether there is a local model besides the starter, our own or another program's."""
        absent = self._house.downloads.absent
        local = self._house.catalog.by_tier("local")
        return any(one.name not in absent and one.source != _STARTER for one in local)

    async def _rows(self) -> tuple[Look, list[Row]]:
        targets = [one for one in self._house.catalog.targets.values() if one.engine]
        paths = {one.name: self._house.supervisor.path(one.name) for one in targets}
        here = [path for name, path in paths.items() if name not in self._house.downloads.absent]
        look = await self._look([path for path in here if path])
        room = await self._house.steward.room(())
        main = look.bandwidth
        speed = Speed(main=main, gpu=main if room.shared else None)
        shapes = {file.path: file.shape for file in look.files}
        found = [_offer(target, paths[target.name], shapes, look.gpus) for target in targets]
        limits = self._house.catalog.limits
        told = [structs.replace(one, slots=fit.slots(limits.of_target(one.target.name).slots)) for one in found if one]
        return look, [offers.row(one, room, speed) for one in told]

    async def _look(self, paths: Sequence[str]) -> Look:
        """A measurement takes half a second of a processor: not at each asking."""
        if self._looked is not None:
            at, look = self._looked
            if time.monotonic() - at < _FRESH and {file.path for file in look.files} == set(paths):
                return look
        look = await looking.look(paths, bandwidth=True)
        self._looked = (time.monotonic(), look)
        return look


def _offer(
    target: Target, path: str | None, shapes: Mapping[str, Shape | None], gpus: Sequence[Device]
) -> Offer | None:
    """None for what cannot run here at all: MLX without Metal, and models that nothing is known of."""
    if target.engine == "mlx" and not any(one.name.startswith(("Metal", "MTL")) for one in gpus):
        return None
    shape = shapes.get(path or "")
    if shape is not None:
        return Offer(target=target, here=True, shape=shape)
    sketched = offers.offered(target)
    return None if sketched is None else Offer(target=target, here=False, shape=sketched)


def _told(one: Row) -> admin.FitRow:
    return admin.FitRow(
        name=one.name,
        use=one.use,
        licence=one.licence,
        here=one.here,
        size=one.size,
        where=one.where,
        memory=one.memory,
        context=one.context,
        kv=one.kv,
        tokens_per_second=one.tokens_per_second,
    )


def _machine(memory: MainMemory, room: Room, gpus: Sequence[Device]) -> str:
    begin = (
        f"This machine has {_gigabytes(memory.total)} of memory; {_gigabytes(max(0, room.main))} are free for models"
    )
    if not gpus:
        return f"{begin}. The installed engine finds no graphics device."
    names = ", ".join(one.description or one.name for one in gpus)
    return f"{begin}, and {_gigabytes(max(0, room.gpu))} on {names}."


def _proposed(one: Row) -> str:
    speed = f", about {one.tokens_per_second:.0f} tokens a second" if one.tokens_per_second else ""
    return (
        f"For this machine we propose {one.name}: {_gigabytes(one.size)} to download, {_gigabytes(one.memory)} of memory"
        f"{speed}, licence {one.licence}. Get it with 'pointsman models pull {one.name}'; until then the starter answers."
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
