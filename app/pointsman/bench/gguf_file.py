"""GGUF's format, written: values, and the header that names each tensor."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

F32, F16, Q8_0, Q4_K = 0, 1, 8, 12
_ALIGNMENT = 32
_BLOCKS = {F32: (1, 4), F16: (1, 2), Q8_0: (32, 34), Q4_K: (256, 144)}
_U32, _I32, _FLOAT, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9

Tensor = tuple[str, tuple[int, ...], int]
"""Name, shape with the fastest dimension first, and kind."""


def value(given: Any) -> bytes:
    """A value of the header with its type."""
    match given:
        case bool():
            return struct.pack("<I?", _BOOL, given)
        case int():
            return struct.pack("<II", _U32, given)
        case float():
            return struct.pack("<If", _FLOAT, given)
        case str():
            return struct.pack("<I", _STRING) + _string(given)
        case [str(), *_]:
            return struct.pack("<IIQ", _ARRAY, _STRING, len(given)) + b"".join(map(_string, given))
        case _:
            items = list(given)
            kind = _BOOL if isinstance(items[0], bool) else _I32
            form = "?" if kind == _BOOL else "i"
            return struct.pack("<IIQ", _ARRAY, kind, len(items)) + struct.pack(f"<{len(items)}{form}", *items)


def header(meta: Mapping[str, Any], tensors: Sequence[Tensor]) -> tuple[bytes, int]:
    """A file's beginning, and how many bytes of weights follow."""
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(meta))]
    parts += [_string(key) + value(given) for key, given in meta.items()]
    offset = 0
    for name, shape, kind in tensors:
        parts.append(_string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset))
        offset += padded(size(shape, kind))
    return b"".join(parts), offset


def whole(length: int, kind: int) -> bool:
    """Whether rows of this length can be of this kind."""
    return length % _BLOCKS[kind][0] == 0


def size(shape: tuple[int, ...], kind: int) -> int:
    """The bytes of one tensor."""
    block, weight = _BLOCKS[kind]
    count = 1
    for length in shape:
        count *= length
    return count // block * weight


def padded(count: int) -> int:
    """With what is left free behind it."""
    return -(-count // _ALIGNMENT) * _ALIGNMENT


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw
