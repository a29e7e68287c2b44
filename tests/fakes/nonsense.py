"""JSON that is nearly right: a value with some of its parts exchanged, left out or put in twice."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import strategies as st

_ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**70, 1e308, 0.5, "", "x", "\ud800", "é\x00", "data:image/png;base64,####"),
    *(
        [],
        {},
        [[]],
        [{}],
        {"x": 1},
        {"type": "text"},
        {"type": None},
        {"type": "function"},
        ["x", None],
        "auto",
        "text",
    ),
]
_NAMES = ("type", "name", "content", "text", "role", "id", "index", "extra", "format", "tools")
UNREADABLE = [
    *(b"", b"null", b"\xff", b'{"type":"\xff"}', b'{"id":"\\ud800"}', b'{"choices":[{"delta":{"content":"\xff"}}]}'),
    *(b"[" * 100_000, b'{"error":' + b"[" * 9_000 + b"]" * 9_000 + b"}", b'{"usage":{"cost":1e999}}'),
]


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield from _places(one, (*at, name))


def _changed(value: Any, chance: Random) -> Any:
    value = copy.deepcopy(value)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        places = list(_places(value))
        if places:
            _change(value, chance.choice(places), chance)
    return value


def _change(value: Any, place: tuple[Any, ...], chance: Random) -> None:
    for name in place[:-1]:
        value = value[name]
    odd, name = copy.deepcopy(chance.choice(_ODD)), place[-1]
    how = chance.random()
    if how < 0.75:
        value[name] = odd
    elif how < 0.85:
        del value[name]
    elif isinstance(value, list):
        value.insert(name, odd)
    else:
        value[chance.choice(_NAMES)] = odd


def nearly(*right: Any) -> st.SearchStrategy[bytes]:
    """Bytes of something like one of these, now and then bytes that are no text."""

    def made(chance: Random) -> bytes:
        if chance.random() < 0.05:
            return chance.choice(UNREADABLE)
        text = json.dumps(_changed(chance.choice(right), chance), ensure_ascii=chance.random() < 0.7)
        return text.encode("utf-8", "surrogatepass")

    return st.builds(made, st.randoms(use_true_random=False))
