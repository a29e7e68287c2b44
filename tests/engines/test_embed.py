"""What vectors are made of: which texts go together, pooling, length, and which may be cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.engines.embed import Room, check_dimensions, joins, nested, pooled, unit
from pointsman.engines.failures import Rejected

ROWS = np.array([[1, 2], [3, 4], [8, 9]], np.float32)


@pytest.mark.parametrize(("kind", "vector"), [("mean", [12, 15]), ("cls", [1, 2]), ("last", [8, 9])])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_pooling_over_steps(kind: str, vector: list[float], cut: int) -> None:
    """What comes in two steps comes to the same as in one; a mean is a sum, as lengths do not matter."""
    sum_ = pooled(kind, None, ROWS[:cut])
    assert (sum_ if cut == len(ROWS) else pooled(kind, sum_, ROWS[cut:])).tolist() == vector


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1).filter(lambda row: max(map(abs, row)) > 1e-6))
def test_length_one(row: list[float]) -> None:
    """Whatever the model said."""
    made = np.frombuffer(unit(np.array(row), None, None), "<f4")
    assert len(made) == len(row)
    assert float(np.linalg.norm(made.astype(float))) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("row", [[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_no_direction_is_no_vector(row: list[float]) -> None:
    """Rather none than numbers that compare with nothing."""
    with pytest.raises(ValueError, match=r"0\.0|nan|inf"):
        unit(np.array(row), None, None)


def test_cut_and_of_length_one_again() -> None:
    """The first numbers, and where its makers centre them first, so do we."""
    row = np.array([3.0, 4.0, 5.0, 0.0])
    assert np.frombuffer(unit(row, 2, nested(["Qwen3-Embedding-0.6B"])), "<f4").tolist() == pytest.approx([0.6, 0.8])
    centred = np.frombuffer(unit(row, 2, nested(["nomic-embed-text-v1.5"])), "<f4").tolist()
    assert centred == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("Qwen3 Embedding 8B", 32),
        ("nomic-embed-text-v1.5.Q4_K_M", 64),
        ("Embeddinggemma 300M", 128),
        ("embedding-gemma_300m", 128),
        ("Snowflake Arctic Embed L V2.0", 256),
        ("mxbai-embed-large-v1-f16", 64),
        ("jina-embeddings-v3", 32),
    ],
)
def test_known_models(name: str, least: int) -> None:
    """By what their files call them."""
    known = nested(["", name])
    assert known is not None
    assert known.least == least


@pytest.mark.parametrize(
    "name", ["nomic-embed-text-v1", "bge-small-en-v1.5", "snowflake-arctic-embed-m", "Qwen3 8B", ""]
)
def test_other_models(name: str) -> None:
    """What their first numbers mean nobody knows."""
    assert nested([name]) is None


def test_dimensions() -> None:
    """Refused by name with the numbers that would do; all of them is no cut."""
    known = nested(["Qwen3-Embedding"])
    for fine in (None, 1024, 32):
        check_dimensions(fine, 1024, known)
    check_dimensions(384, 384, None)
    with pytest.raises(Rejected, match=r"'dimensions' must be 384, or left out"):
        check_dimensions(100, 384, None)
    for wrong in (31, 1025, 0):
        with pytest.raises(Rejected, match=r"'dimensions' must be from 32 to 1024"):
            check_dimensions(wrong, 1024, known)


def test_what_joins_a_step() -> None:
    """A first one always; more while they fit: as a whole, or begun."""
    whole, parts = Room(step=100, cells=300, whole=True), Room(step=100, cells=300, whole=False)
    assert joins([], 250, whole)
    assert joins([], 250, parts)
    assert joins([(60, 60)], 40, whole)
    assert not joins([(60, 60)], 41, whole)
    assert joins([(60, 60)], 240, parts)
    assert not joins([(60, 60)], 241, parts)
    assert not joins([(150, 120)], 10, parts)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=40), st.booleans())
def test_no_step_is_too_large(lengths: list[int], whole: bool) -> None:
    """Of texts none of which is longer than a step, those that must be whole never exceed it."""
    room, taken = Room(step=100, cells=250, whole=whole), list[tuple[int, int]]()
    for length in lengths:
        if joins(taken, length, room):
            taken.append((length, length))
    total = sum(length for length, _ in taken)
    assert taken
    assert total <= (room.step if whole else room.cells)
