"""Whether a model can be loaded beside those that are."""

from __future__ import annotations

from msgspec import structs

from pointsman.core.engines import Held
from pointsman.core.fit import Room
from pointsman.core.placing import NoRoom, Placed, no_room, place
from tests.core.test_fit import GB, shape

NEED = 9 * GB  # of this shape with the context below, about
CONTEXT = 32_768


def held(name: str, size: int, used: float, *, busy: bool = False) -> Held:
    """A model in main memory."""
    return Held(name=name, takes={"main": size}, used=used, busy=busy)


def test_beside_others() -> None:
    """Where there is room nobody goes."""
    found = place(shape(), CONTEXT, Room(main=20 * GB), [held("a", 5 * GB, 1.0)])
    assert isinstance(found, Placed) and found.evict == () and found.fit.setting.context == CONTEXT


def test_an_idle_model_goes_rather_than_the_quality() -> None:
    """The whole context with an eviction, before a rounded one without."""
    found = place(shape(), CONTEXT, Room(main=7 * GB), [held("old", 5 * GB, 1.0), held("new", 5 * GB, 2.0)])
    assert isinstance(found, Placed) and found.evict == ("old",)
    assert (found.fit.setting.context, found.fit.setting.kv) == (CONTEXT, "f16")


def test_a_model_in_use_does_not_go() -> None:
    """The new one makes do with less, or waits for it."""
    found = place(shape(), CONTEXT, Room(main=8 * GB), [held("busy", 9 * GB, 1.0, busy=True)])
    assert isinstance(found, Placed) and found.evict == () and found.fit.setting.kv == "q8_0"
    found = place(shape(), CONTEXT, Room(main=2 * GB), [held("busy", 9 * GB, 1.0, busy=True)])
    assert isinstance(found, NoRoom) and found.busy == ("busy",)
    assert "busy hold" in no_room("m", found).replace("which busy", "busy") or "which busy hold" in no_room("m", found)


def test_no_room_at_all() -> None:
    """The sentence says how much it needs, how much there is, and what to do."""
    found = place(shape(), CONTEXT, Room(main=2 * GB), [held("idle", GB, 1.0)])
    assert isinstance(found, NoRoom) and found.busy == () and found.room == 3 * GB
    sentence = no_room("m", found)
    assert "5." in sentence and "3.0 GB are free for models" in sentence and "models fit" in sentence


def test_mlx_is_neither_rounded_nor_divided() -> None:
    """It gets a shorter context rather than what MLX does not have, and where it does not fit whole it does not fit."""
    mlx = structs.replace(shape(), squeezes=False, divides=False)
    for gpu in range(1, 14):
        for shared in (True, False):
            match place(mlx, CONTEXT, Room(main=20 * GB, gpu=gpu * GB, gpus=1, shared=shared), []):
                case Placed(fit=fit):
                    assert (fit.setting.kv, fit.setting.gpu_layers) == ("f16", len(mlx.layers) + 1)
                case NoRoom():
                    assert gpu < 7
    without = place(mlx, CONTEXT, Room(main=7 * GB), [])
    assert isinstance(without, Placed) and without.fit.setting.kv == "f16" and without.fit.setting.context < CONTEXT


def test_many_requests_at_once_take_more() -> None:
    """A model with a state for each conversation gets less context, or no room."""
    layers = tuple(structs.replace(one, state=8 << 20) for one in shape().layers)
    stateful = structs.replace(shape(), layers=layers)
    few, many = (place(stateful, CONTEXT, Room(main=23 * GB // 2), [], slots) for slots in (1, 16))
    assert isinstance(few, Placed) and few.fit.setting.slots == 1 and few.fit.setting.context == CONTEXT
    assert isinstance(many, Placed) and many.fit.setting.slots == 16 and many.fit.setting.context < CONTEXT
    assert isinstance(place(stateful, CONTEXT, Room(main=23 * GB // 2), [], 64), NoRoom)


def test_an_overdrawn_budget_counts_as_none() -> None:
    """Other programs have taken what was ours."""
    found = place(shape(), CONTEXT, Room(main=-5 * GB), [])
    assert isinstance(found, NoRoom) and found.room == 0
