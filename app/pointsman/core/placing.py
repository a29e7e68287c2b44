"""Whether a model can be loaded beside those that are: how, and who goes for it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from pointsman.core import fit
from pointsman.core.engines import Evict, Held, Short, make_room
from pointsman.core.fit import Fit, Room
from pointsman.core.model_shape import Shape


class Placed(Struct, frozen=True):
    """How it is loaded, and who is unloaded first."""

    fit: Fit
    evict: tuple[str, ...]


class NoRoom(Struct, frozen=True, kw_only=True):
    """It needs at least so much main memory; `room` is what idle models leave. `busy` ones hold what would do, if any."""

    needs: int
    room: int
    busy: tuple[str, ...] = ()


def place(shape: Shape, context: int, free: Room, held: Sequence[Held], slots: int = fit.SLOTS) -> Placed | NoRoom:
    """`free` already counts all that `held` takes as taken; a model in use is never unloaded for another one."""
    idle = [one for one in held if not one.busy]
    found = fit.choose(shape, context, _with(free, idle), slots)
    if found is not None:
        match make_room(found.takes(), {"main": free.main, "gpu": free.gpu}, held):
            case Evict(names):
                return Placed(found, names)
            case Short():
                pass
    busy: tuple[str, ...] = ()
    if fit.choose(shape, context, _with(free, held), slots) is not None:
        busy = tuple(one.name for one in held if one.busy)
    return NoRoom(needs=fit.least(shape, context, slots), room=max(0, _with(free, idle).main), busy=busy)


def _with(free: Room, freed: Sequence[Held]) -> Room:
    """The room when these are gone."""
    main = sum(one.takes.get("main", 0) for one in freed)
    gpu = sum(one.takes.get("gpu", 0) for one in freed)
    return Room(main=free.main + main, gpu=free.gpu + gpu, gpus=free.gpus, shared=free.shared)


def no_room(name: str, found: NoRoom) -> str:
    """The sentence for a person."""
    needs, room = f"{found.needs / 1e9:.1f} GB", f"{found.room / 1e9:.1f} GB"
    if found.busy:
        return (
            f"{name} needs {needs} of memory, which {' and '.join(found.busy)} hold while they answer. Try again soon."
        )
    return (
        f"{name} needs {needs} of memory, and {room} are free for models. Close other programs, or take a smaller "
        "model: 'pointsman models fit' lists what runs here."
    )
