"""Which models run on a machine, and the one to begin with."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from pointsman.core import offers
from pointsman.core.catalog import Source, Target, read
from pointsman.core.fit import Room
from pointsman.core.offers import Offer, Row, Speed

GB = 10**9
SHIPPED = read([Source("models.toml", (Path(__file__).parents[2] / "models.toml").read_text("utf-8"))])
LOCAL = [one for one in SHIPPED.targets.values() if one.engine == "llama_cpp" and one.about]


def rows(room: Room, speed: Speed) -> list[Row]:
    """All that ships, in a room."""
    shapes = {one.name: offers.offered(one) for one in LOCAL}
    return [
        offers.row(Offer(target=one, here=False, shape=shape), room, speed)
        for one in LOCAL
        if (shape := shapes[one.name])
    ]


@pytest.mark.parametrize(
    ("room", "speed", "name"),
    [
        (Room(main=3 * GB), Speed(main=40e9), "llama-3.2-1b"),
        (Room(main=6 * GB), Speed(main=60e9), "qwen3-4b"),
        (Room(main=12 * GB), Speed(main=20e9), "llama-3.2-1b"),
        (Room(main=26 * GB), Speed(main=80e9), "qwen3-30b-a3b"),
        (Room(main=20 * GB, gpu=14 * GB, gpus=1), Speed(main=60e9), "gpt-oss-20b"),
        (Room(main=20 * GB, gpu=20 * GB, gpus=1), Speed(main=60e9), "mistral-small-24b"),
        (Room(main=12 * GB, gpu=12 * GB, gpus=1, shared=True), Speed(main=100e9, gpu=100e9), "qwen3-4b-q8"),
    ],
)
def test_the_proposal(room: Room, speed: Speed, name: str) -> None:
    """The best that is quick enough on it, by size of the machine."""
    found = offers.proposal(rows(room, speed))
    assert found is not None
    assert found.name == name


def test_a_slow_machine_gets_the_smallest() -> None:
    """Nothing is quick on it."""
    found = offers.proposal(rows(Room(main=30 * GB), Speed(main=1e9)))
    assert found and found.name == "llama-3.2-1b"


def test_a_tiny_machine_gets_none() -> None:
    """Nothing fits."""
    assert offers.proposal(rows(Room(main=GB // 2), Speed(main=50e9))) is None


def test_what_does_not_run_says_what_it_would_take() -> None:
    """So that a person knows what to close."""
    big = next(one for one in rows(Room(main=6 * GB), Speed(main=60e9)) if one.name == "qwen3-coder-30b")
    assert (big.where, big.tokens_per_second) == ("", None) and big.memory > 21 * GB


def test_a_model_that_nothing_is_said_of() -> None:
    """It is not sketched."""
    assert offers.offered(Target(name="x", tier="local", engine="llama_cpp", source="x/y")) is None


@pytest.mark.parametrize("target", LOCAL, ids=lambda target: target.name)
def test_what_ships_is_rounded_as_its_use_wants(target: Target) -> None:
    """Four bits to classify and extract, five or more to reason, code and use tools, never two or three."""
    about, quant = target.about, (target.source or "").rpartition(":")[2]
    assert about is not None
    allowed = {"Q5_K_M", "Q6_K", "Q8_0", "MXFP4"}
    assert quant in (allowed if about.use in ("tools", "code", "reasoning") else allowed | {"Q4_K_M"})
    assert about.active <= about.size and ("tools" in target.can) == (target.tool_format is not None)


def test_every_use_has_a_model() -> None:
    """In both formats where there are two."""
    assert {one.about.use for one in LOCAL if one.about} == {
        *("small", "general", "code", "tools", "reasoning", "embeddings"),
    }
    assert any(one.engine == "mlx" and one.about for one in SHIPPED.targets.values())


def test_more_at_once_takes_more() -> None:
    """What a model of vectors or of states keeps for each request is told before it is loaded."""
    one = SHIPPED.targets["qwen3-8b"]
    shape = offers.offered(one)
    assert shape is not None
    stateful = structs.replace(shape, layers=tuple(structs.replace(layer, state=50 << 20) for layer in shape.layers))
    room = Room(main=64 * GB)
    few, many = (
        offers.row(Offer(target=one, here=False, shape=stateful, slots=slots), room, Speed()).memory
        for slots in (4, 16)
    )
    assert many > few
