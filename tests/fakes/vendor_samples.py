"""Bodies made of the vendors' own types: for each field, part and kind that they know, one body with it and one without.

A field that a new SDK brings is in here by itself.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

import typing_extensions
from anthropic.types.beta import message_create_params
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params

BODIES: dict[str, Any] = {
    "chat": completion_create_params.CompletionCreateParamsNonStreaming,
    "responses": response_create_params.ResponseCreateParamsNonStreaming,
    "messages": message_create_params.MessageCreateParamsNonStreaming,
}
_DEEPEST = 9
_NOTHING: Any = object()
# Texts that are read as something: what the types call a text alone.
_TEXTS = {
    "arguments": '{"a":1}',
    "data": "QUJD",
    "file_data": "data:application/pdf;base64,QUJD",
    "file_url": "https://example.org/a.pdf",
    "image_url": "https://example.org/a.png",
    "media_type": "image/png",
    "url": "https://example.org/a.png",
}
# What a vendor does anyway where nothing is said: of several words, the first that is none of these is tried.
_USUAL = ("auto", "default", "disabled", "none", "medium", "in_memory", "standard", "completed")


class Sample(NamedTuple):
    """What is tried, as a path; a body with it, and the same without."""

    name: str
    given: dict[str, Any]
    without: dict[str, Any]


def samples(dialect: str) -> Iterator[Sample]:
    """All of a dialect's."""
    for name, given, without in _variants(BODIES[dialect], "", 0):
        yield Sample(name, given, without)


def _fields(kind: Any) -> dict[str, Any]:
    return typing_extensions.get_type_hints(kind, include_extras=True)


def _bare(hint: Any) -> Any:
    """Without what only speaks to the SDK."""
    origin = typing.get_origin(hint)
    if origin in (typing_extensions.Required, typing_extensions.NotRequired, typing.Required, typing.NotRequired):
        return _bare(typing.get_args(hint)[0])
    if origin is typing.Annotated:
        return _bare(typing.get_args(hint)[0])
    return hint


def _members(hint: Any) -> list[Any]:
    """The kinds of a union, one of what is none."""
    hint = _bare(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [one for member in typing.get_args(hint) for one in _members(member)]
    return [] if hint is type(None) else [hint]


def _is_list(hint: Any) -> bool:
    return typing.get_origin(hint) in (list, collections.abc.Iterable, collections.abc.Sequence, tuple)


def _dicts(hint: Any) -> list[Any]:
    return [one for one in _members(hint) if typing_extensions.is_typeddict(one)]


# What a body or a part must have beside what its type says, so that there is anything to it.
_NEEDED = {
    "ResponseCreateParamsNonStreaming": ("model", "input"),
    "FileFile": ("file_data",),
    "ResponseInputImageParam": ("image_url",),
    "ResponseInputImageContentParam": ("image_url",),
    "ResponseInputFileParam": ("file_data",),
    "ResponseInputFileContentParam": ("file_data",),
}


def _required(kind: Any) -> frozenset[str]:
    hints = _fields(kind)
    marked = (typing_extensions.Required, typing.Required)
    named = {name for name, hint in hints.items() if typing.get_origin(hint) in marked}
    return frozenset(kind.__required_keys__) | named | frozenset(_NEEDED.get(kind.__name__, ()))


def _least(hint: Any, name: str, depth: int) -> Any:
    """The smallest value of a type: a structure where it takes one, so that its parts can be tried."""
    members = _members(hint)
    one = next((kind for kind in members if typing_extensions.is_typeddict(kind)), None) or (members or [str])[0]
    listed = next((kind for kind in members if _is_list(kind)), None)
    if typing_extensions.is_typeddict(one):
        needed = sorted(_required(one)) or list(_fields(one))[:1]  # an empty one says nothing
        return {field: _least(_fields(one)[field], field, depth + 1) for field in needed}
    if listed is not None:
        return [_least(typing.get_args(listed)[0], name, depth + 1)]
    return _scalar(one, name)


def _scalar(kind: Any, name: str) -> Any:
    if typing.get_origin(kind) is typing.Literal:
        words = typing.get_args(kind)
        return next((word for word in words if word not in _USUAL), words[0])
    if typing.get_origin(kind) in (dict, collections.abc.Mapping) or kind in (object, dict, typing.Any):
        return {"7": 1}
    return {bool: True, int: 3, float: 0.25}.get(kind, _TEXTS.get(name, f"some {name}"))


def _variants(kind: Any, name: str, depth: int) -> Iterator[tuple[str, Any, Any]]:
    """Values of a type that differ in one thing, each with what it is called and the value without it."""
    if depth > _DEEPEST:
        return
    members = _members(kind)
    for member in members:
        if typing_extensions.is_typeddict(member):
            label = _label(member)
            if depth and len(_dicts(kind)) > 1:
                yield f"<{label}>", _least(member, name, depth), _NOTHING
            for path, given, without in _of_dict(member, depth):
                yield (f"<{label}>.{path}" if len(_dicts(kind)) > 1 else path), given, without
        elif _is_list(member):
            for path, given, without in _variants(typing.get_args(member)[0], name, depth + 1):
                yield path, [given], [] if without is _NOTHING else [without]


def _label(member: Any) -> str:
    hint = _fields(member).get("type") or _fields(member).get("role")
    words = typing.get_args(_members(hint)[0]) if hint is not None else ()
    return str(words[0]) if words else str(member.__name__)


def _of_dict(member: Any, depth: int) -> Iterator[tuple[str, Any, Any]]:
    base = _least(member, "", depth)
    hints = _fields(member)
    for name, hint in hints.items():
        if name not in base and _members(hint) != [typing.Literal[False]]:
            yield name, {**base, name: _least(hint, name, depth + 1)}, base
        for path, given, without in _variants(hint, name, depth + 1):
            less = (
                {key: value for key, value in base.items() if key != name}
                if without is _NOTHING
                else {**base, name: without}
            )
            yield f"{name}.{path}", {**base, name: given}, less
