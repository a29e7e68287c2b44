"""Which models run on this machine, how and how fast, and the one to propose to somebody who has none. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, structs

from pointsman.core import fit
from pointsman.core.catalog_parts import Target
from pointsman.core.fit import SLOTS, Fit, Room
from pointsman.core.model_shape import Shape

_BRISK, _BEARABLE = 10.0, 4.0  # tokens a second: as fast as one reads, and the least that anybody waits for
_ENOUGH = 16_384  # tokens of context for a conversation with tools


class Speed(Struct, frozen=True, kw_only=True):
    """Bytes a second that each memory gives; None: not known."""

    main: float | None = None
    gpu: float | None = None


class Offer(Struct, frozen=True, kw_only=True):
    """A target that this machine might run, answering `slots` requests at once; `shape` is exact when it is here."""

    target: Target
    here: bool
    shape: Shape
    slots: int = SLOTS


class Row(Struct, frozen=True, kw_only=True):
    """How one of them runs. `where` is its memory, "" when it does not run; `memory` what it takes, or would.

    What only makes vectors writes nothing, so it has no `tokens_per_second`.
    """

    name: str
    use: str
    licence: str
    here: bool
    size: int
    where: Literal["gpu", "both", "main", ""]
    memory: int
    context: int = 0
    kv: str = ""
    tokens_per_second: float | None = None


def offered(target: Target) -> Shape | None:
    """The shape of a model that is not here, None where nothing is said of it."""
    about = target.about
    if about is None:
        return None
    whole = target.engine == "mlx"
    return fit.sketch(size=about.size, layers=about.layers, kept=about.kept, active=about.active, whole=whole)


def row(offer: Offer, room: Room, speed: Speed) -> Row:
    """How it runs in this room."""
    found, about = fit.choose(offer.shape, offer.target.context, room, offer.slots), offer.target.about
    told = Row(
        name=offer.target.name,
        use=about.use if about else "",
        licence=about.licence if about else "",
        here=offer.here,
        size=offer.shape.weights,
        where="",
        memory=fit.least(offer.shape, offer.target.context, offer.slots),
    )
    return told if found is None else _running(told, offer.shape, found, room, speed)


def _running(told: Row, shape: Shape, found: Fit, room: Room, speed: Speed) -> Row:
    writes = told.use != "embeddings"
    return structs.replace(
        told,
        where=_where(shape, found),
        memory=found.main if room.shared else found.main + found.gpu,
        context=found.setting.context,
        kv=found.setting.kv,
        tokens_per_second=fit.speed(shape, found.setting, speed.main, speed.gpu) if speed.main and writes else None,
    )


def _where(shape: Shape, found: Fit) -> Literal["gpu", "both", "main"]:
    if not found.gpu:
        return "main"
    return "gpu" if found.setting.gpu_layers > len(shape.layers) else "both"


def proposal(rows: Sequence[Row]) -> Row | None:
    """The model to begin with: the first of the list, which is ordered by quality, that is quick and has room enough."""
    general = [one for one in rows if one.where and one.use in ("tools", "general", "reasoning", "small")]
    for least, context in ((_BRISK, _ENOUGH), (_BRISK, 0), (_BEARABLE, 0), (0.0, 0)):
        usable = _quick(general, least, context)
        if usable:
            return usable[-1] if not least else usable[0]
    return None


def _quick(rows: Iterable[Row], least: float, context: int) -> list[Row]:
    """A speed that is not known is taken for quick on a graphics device, and for slow elsewhere."""
    found = []
    for one in rows:
        rate = one.tokens_per_second
        quick = one.where == "gpu" or not least if rate is None else rate >= least
        if quick and one.context >= context:
            found.append(one)
    return found
