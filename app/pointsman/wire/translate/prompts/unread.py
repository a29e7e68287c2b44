"""What a body says that no reader of ours takes up: each field, part or kind by its name, however deep it lies.

A `Shape` lists what is read. Whatever stands beside that is lost on the way into another dialect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

Shape = Mapping[str, Any]


class Kinds(msgspec.Struct, frozen=True):
    """Values told apart by their `type`, each with its own shape; `usual` is what one without a type is.

    `what` they are called. `by_name`: one that is not known is called by its own name.
    """

    what: str
    by: dict[str, Shape]
    usual: str = ""
    by_name: bool = False


# Words by which a field says no more than it does by being left out.
_USUAL = {
    "service_tier": ("auto", "default", "standard_only"),
    "speed": ("standard",),
    "truncation": ("disabled",),
}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")  # what else stands there is a client's text, and no name
_UNKNOWN: Any = object()
_UNSAID: tuple[object, ...] = (None, False, "", [], {})


def unread(value: Any, shape: Shape | Kinds) -> list[str]:
    """The names of what stands in a value and not in its shape, each once; text that is no name is not told."""
    found: dict[str, None] = {}
    _look(value, shape, found)
    return list(found)


def _look(value: Any, shape: Any, found: dict[str, None]) -> None:
    """Bodies are long: what is read whole is not entered."""
    if type(value) is list:
        for one in value:
            _look(one, shape, found)
    elif type(value) is dict:
        shape = _of_kind(value, shape, found) if type(shape) is Kinds else shape
        for name, one in value.items():
            inner = shape.get(name, _UNKNOWN)
            if inner is _UNKNOWN:
                if one not in _UNSAID and one not in _USUAL.get(name, ()):
                    found[name if _NAME.fullmatch(name) else "a field"] = None
            elif inner is not None:
                _look(one, inner, found)


def _of_kind(value: dict[str, Any], kinds: Kinds, found: dict[str, None]) -> Shape:
    """The shape of this kind; of one that is not known it is enough to say so."""
    kind = value.get("type") or kinds.usual
    shape = kinds.by.get(kind) if isinstance(kind, str) else None
    if shape is None:
        name = str((value.get("name") if kinds.by_name else None) or kind)
        found[f"{kinds.what} {name}" if _NAME.fullmatch(name) else f"{kinds.what} of another kind"] = None
        return dict.fromkeys(value)
    return shape


def leaves(*names: str) -> dict[str, None]:
    """Fields that are read whole."""
    return dict.fromkeys(names)
