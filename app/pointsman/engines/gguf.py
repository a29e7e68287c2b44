"""A GGUF file's header, read with suspicion: nothing in it makes us allocate, loop or seek without a bound."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pointsman.core.model_shape import ModelProblem, Shape, shape_of

_MOST_VALUES, _MOST_TENSORS = 65_536, 262_144
_LONGEST_NAME = 65_535
_LONGEST_KEPT = 1_024  # of a text, and of a list
_MOST_TEXTS = 4_000_000  # in a list: the largest vocabularies have a tenth of that
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9
# Of the kinds of weights that are common: so many of them, in so many bytes.
_PLAIN = {0: 4, 1: 2, 24: 1, 25: 2, 26: 4, 27: 8, 28: 8, 30: 2}
_BY_32 = {2: 18, 3: 20, 6: 22, 7: 24, 8: 34, 9: 36, 20: 18, 39: 17}
_BY_256 = {
    10: 84,
    11: 110,
    12: 144,
    13: 176,
    14: 210,
    15: 292,
    16: 66,
    17: 74,
    18: 98,
    19: 50,
    21: 110,
    22: 82,
    23: 136,
}
_BLOCKS = {
    kind: (block, size) for block, sizes in ((1, _PLAIN), (32, _BY_32), (256, _BY_256)) for kind, size in sizes.items()
}
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)
_DAMAGED = "its header is damaged"
_CUT = "the file is not complete"

Values = dict[str, Any]
Tensors = list[tuple[str, int]]


def shape(path: Path) -> Shape:
    """What the file, and the other parts of its model, say. Raises `ModelProblem` or `OSError`."""
    values: Values = {}
    tensors: Tensors = []
    for part in parts(path):
        with part.open("rb") as file:
            found, more = _Reader(file, part.stat().st_size).header()
        values = values or found
        tensors += more
    return shape_of(values, tensors)


def parts(path: Path) -> list[Path]:
    """The files of a model that is split, from its first one."""
    match = _SHARD.search(path.name)
    if match is None or not 1 <= int(match[2]) <= 999:
        return [path]
    stem = path.name[: match.start()]
    return [path.with_name(f"{stem}-{at:05d}-of-{match[2]}.gguf") for at in range(1, int(match[2]) + 1)]


class _Tensor(NamedTuple):
    """Where a tensor begins, what it is called, and of how many bytes it is at least."""

    offset: int
    name: str
    least: int


class _Reader:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._at = 0

    def header(self) -> tuple[Values, Tensors]:
        if self._take(4) != b"GGUF":
            raise ModelProblem("it is not a GGUF file")
        version = self._number("I")
        if version not in (2, 3):
            raise ModelProblem("it is of a GGUF version that is not known here")
        tensors, values = self._number("Q"), self._number("Q")
        if tensors > _MOST_TENSORS or values > _MOST_VALUES:
            raise ModelProblem(_DAMAGED)
        found = dict(self._pair() for _ in range(values))
        alignment = found.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
            raise ModelProblem(_DAMAGED)
        return found, self._tensors(tensors, alignment)

    def _pair(self) -> tuple[str, Any]:
        name = self._name()
        return name, self._value(self._number("I"))

    def _value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self._text()
        if kind == _LIST:
            return self._list()
        if kind not in _FORMS:
            raise ModelProblem(_DAMAGED)
        return self._number(_FORMS[kind])

    def _list(self) -> Any:
        """The list where it is short and of numbers, else how long it is."""
        kind, count = self._number("I"), self._number("Q")
        if kind == _TEXT and count <= _MOST_TEXTS:
            for _ in range(count):
                self._skip(self._number("Q"))
            return count
        if kind not in _SIZES:
            raise ModelProblem(_DAMAGED)
        if count > _LONGEST_KEPT:
            self._skip(count * _SIZES[kind])
            return count
        return list(struct.unpack(f"<{count}{_FORMS[kind]}", self._take(count * _SIZES[kind])))

    def _tensors(self, count: int, alignment: int) -> Tensors:
        """Each with the bytes up to the next one: sizes need no table of types."""
        placed = sorted(self._places(count))
        begin = -(-self._at // alignment) * alignment
        ends = [one.offset for one in placed[1:]] + [self._size - begin]
        if placed and placed[0].offset != 0:
            raise ModelProblem(_DAMAGED)
        if placed and placed[-1].offset + max(1, placed[-1].least) > ends[-1]:
            raise ModelProblem(_CUT)
        return [(one.name, end - one.offset) for one, end in zip(placed, ends, strict=True)]

    def _places(self, count: int) -> Iterator[_Tensor]:
        for _ in range(count):
            name, dimensions = self._name(), self._number("I")
            if dimensions > 8:
                raise ModelProblem(_DAMAGED)
            numbers = math.prod(self._number("Q") for _ in range(dimensions))
            block, size = _BLOCKS.get(self._number("I"), (1, 0))
            yield _Tensor(self._number("Q"), name, numbers // block * size)

    def _name(self) -> str:
        length = self._number("Q")
        if length > _LONGEST_NAME:
            raise ModelProblem(_DAMAGED)
        return self._take(length).decode("utf-8", "replace")

    def _text(self) -> str:
        length = self._number("Q")
        if length > _LONGEST_KEPT:
            self._skip(length)
            return ""
        return self._take(length).decode("utf-8", "replace")

    def _number(self, form: str) -> Any:
        return struct.unpack(f"<{form}", self._take(struct.calcsize(f"<{form}")))[0]

    def _take(self, count: int) -> bytes:
        found = self._file.read(count)
        if len(found) != count:
            raise ModelProblem(_CUT)
        self._at += count
        return found

    def _skip(self, count: int) -> None:
        if count > self._size - self._at:
            raise ModelProblem(_CUT)
        self._file.seek(count, 1)
        self._at += count
