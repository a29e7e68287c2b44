"""What vectors are made of: which texts join a step, how their tokens become one vector, which may be cut. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.engines.failures import Rejected

Numbers = npt.NDArray[np.float64]
POOLINGS = {1: "mean", 2: "cls", 3: "last"}  # as GGUF numbers them


class Nested(msgspec.Struct, frozen=True):
    """A model whose first numbers are a vector of their own: of how many at least; `centred`: its makers centre it first."""

    name: re.Pattern[str]
    least: int
    centred: bool = False


# Those that were trained so (Matryoshka), by what their files call them. What others' first numbers mean nobody knows.
_NESTED = (
    Nested(re.compile(r"qwen3-embedding"), 32),
    Nested(re.compile(r"nomic-embed-text-v1\.5"), 64, centred=True),
    Nested(re.compile(r"embedding-?gemma"), 128),
    Nested(re.compile(r"mxbai-embed-large-v1"), 64),
    Nested(re.compile(r"snowflake-arctic-embed-(m-v1\.5|[ml]-v2\.0)"), 256),
    Nested(re.compile(r"jina-embeddings-v3"), 32),
)


def nested(names: Sequence[str]) -> Nested | None:
    """How a model that goes by these names may be cut; None where it is not known to be made for it."""
    plain = [re.sub(r"[\s_]+", "-", name.lower()) for name in names]
    return next((one for one in _NESTED if any(one.name.search(name) for name in plain)), None)


def check_dimensions(wished: int | None, width: int, known: Nested | None) -> None:
    """Raises `Rejected` where a vector of so many numbers would mean nothing."""
    if wished is None or wished == width:
        return
    if known is None:
        raise Rejected("bad_request", f"'dimensions' must be {width}, or left out: this model's vectors cannot be cut.")
    if not known.least <= wished <= width:
        raise Rejected("bad_request", f"'dimensions' must be from {known.least} to {width} for this model.")


def pooled(kind: str, before: Numbers | None, rows: npt.NDArray[np.float32]) -> Numbers:
    """What some tokens, and more of the same text, come to. The mean is a sum: its length does not matter."""
    if kind == "mean":
        total: Numbers = rows.sum(axis=0, dtype=np.float64)
        return total if before is None else before + total
    if kind == "cls" and before is not None:
        return before
    row: Numbers = rows[0 if kind == "cls" else -1].astype(np.float64)
    return row


def unit(numbers: Numbers, dimensions: int | None, known: Nested | None) -> bytes:
    """The vector of length one, cut where that was asked, as 32-bit floats. Raises `ValueError` where it has none."""
    if dimensions is not None and dimensions < len(numbers):
        if known is not None and known.centred:
            numbers = numbers - numbers.mean()
        numbers = numbers[:dimensions]
    length = float(np.linalg.norm(numbers))
    if not np.isfinite(length) or length == 0:
        raise ValueError(length)
    return (numbers / length).astype("<f4").tobytes()


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What a step may hold: `step` tokens. `whole`: each text in one step, else it may go on in the next ones.

    Texts under way fill at most `cells`.
    """

    step: int
    cells: int
    whole: bool


def joins(under_way: Sequence[tuple[int, int]], length: int, room: Room) -> bool:
    """Whether one more text of this length begins now; `under_way` holds (length, tokens not yet computed)."""
    if not under_way:
        return True
    left = sum(rest for _, rest in under_way)
    if room.whole:
        return left + length <= room.step
    return left < room.step and sum(whole for whole, _ in under_way) + length <= room.cells
