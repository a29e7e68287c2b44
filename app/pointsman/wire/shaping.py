"""Shapes for the messages of a request's newest step, whatever the dialect: what was called, or what was said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from pointsman.core.request import Message
from pointsman.core.shape import Shape, called, newest, said

_CALLS = ("tool_use", "function_call", "custom_tool_call", "local_shell_call")  # blocks and items that call a tool
_KINDS = ("function", "custom", "function_call")  # what holds a name and arguments
_SYSTEM = ("system", "developer")
_MOST_KNOWN = 4_096
# Of messages seen before, by digest and role: what is sent again is not read again.
_known: dict[tuple[str, str], Shape] = {}
_TEXT = ("content", "text", "output", "refusal")  # where text stands in messages, parts, results and items


def shaped(messages: Sequence[Message], raws: Sequence[bytes | msgspec.Raw]) -> tuple[Message, ...]:
    """The messages, those of the newest step with their shapes; `raws` are their bytes, in the same order.

    What the system says is in no step, so it needs none.
    """
    new = list(messages)
    for at in newest([message.role for message in messages]):
        if messages[at].role not in _SYSTEM:
            new[at] = msgspec.structs.replace(messages[at], shape=shape(messages[at], raws[at]))
    return tuple(new)


def shape(message: Message, raw: bytes | msgspec.Raw) -> Shape:
    """The shape of one message. One with a picture is only like itself; so is one that cannot be read."""
    if message.images:
        return Shape(message.digest, message.digest)
    key = message.digest, message.role
    found = _known.get(key)
    if found is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        found = _known[key] = _shape(message, raw)
    return found


def _shape(message: Message, raw: bytes | msgspec.Raw) -> Shape:
    try:
        value = msgspec.json.decode(raw)
        calls = _calls(value)
        if calls:
            return called(calls)
        return said("\n".join(_texts(value)), turn=message.role == "user" and bytes(raw).find(b"tool_result") < 0)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Shape(message.digest, message.digest)


def _calls(value: Any) -> list[tuple[str, str]]:
    """Name and arguments of each call of a tool."""
    if not isinstance(value, dict):
        return []
    found = []
    for call in (value, *_dicts(value.get("tool_calls")), *_dicts(value.get("content"))):
        if call.get("type") in _CALLS:
            found.append(_call(call))
        for kind in _KINDS:
            named = call.get(kind)
            if isinstance(named, dict):
                found.append(_call(named))
    return found


def _call(named: dict[str, Any]) -> tuple[str, str]:
    given = next((named[key] for key in ("arguments", "input", "action") if key in named), "")
    text = given if isinstance(given, str) else msgspec.json.encode(given).decode()
    return str(named.get("name", "")), text


def _dicts(value: Any) -> Iterable[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else ()


def _texts(value: Any) -> list[str]:
    """The texts that are read: not ids, not kinds, not what the model thought."""
    if isinstance(value, str):
        return [value]
    texts: list[str] = []
    if isinstance(value, list):
        for one in value:
            texts += _texts(one)
    elif isinstance(value, dict) and value.get("type") != "reasoning":
        for key in _TEXT:
            if key in value:
                texts += _texts(value[key])
    return texts
