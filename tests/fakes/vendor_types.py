"""The vendors' SDK types as judges: bodies of requests to the last part, each event of a stream, and whole answers."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.beta import message_create_params
from openai.types.chat import ChatCompletion, ChatCompletionChunk, completion_create_params
from openai.types.responses import Response, ResponseStreamEvent, response_create_params
from pydantic import TypeAdapter

from pointsman.wire import sse

_BODIES: dict[str, Any] = {
    "chat": completion_create_params.CompletionCreateParams,
    "responses": response_create_params.ResponseCreateParams,
    "messages": message_create_params.MessageCreateParams,
}
_EVENTS: dict[str, Any] = {
    "chat": ChatCompletionChunk,
    "responses": ResponseStreamEvent,
    "messages": RawMessageStreamEvent,
}
_WHOLES: dict[str, Any] = {"chat": ChatCompletion, "responses": Response, "messages": Message}
_NO_TYPE = {"[DONE]", '{"type": "ping"}', '{"type":"ping"}'}
# What Messages' SDK sends as a header rather than in the body, under a name of its own.
_ASIDE = {"betas", "user_profile_id"}
# JSON schemas: a type may name some of their fields, and the vendor takes all.
_FREE = {"input_schema", "parameters", "schema"}


@functools.cache
def _judge(kinds: str, dialect: str) -> TypeAdapter[Any]:
    table = {"body": _BODIES, "event": _EVENTS, "whole": _WHOLES}
    return TypeAdapter(table[kinds][dialect])


def body(dialect: str, raw: bytes) -> dict[str, Any]:
    """The body, read; fails where the vendor's type knows a field not at all or otherwise, however deep it lies."""
    given: dict[str, Any] = json.loads(raw)
    passed_over = list(_unknown(given, _told(_judge("body", dialect).validate_python(given))))
    passed_over += [f".{name}" for name in given if name in _ASIDE]
    assert not passed_over, f"{dialect} knows nothing of {passed_over}"
    return given


def _told(value: Any) -> Any:
    """What was understood. A field that is declared as an iterable is judged only while it is read."""
    if isinstance(value, dict):
        return {name: _told(one) for name, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_told(one) for one in value]
    return value


def _unknown(given: Any, known: Any, place: str = "") -> Iterator[str]:
    """Where something was given that the type passed over."""
    if isinstance(given, dict) and isinstance(known, dict):
        for name, value in given.items():
            here = f"{place}.{name}"
            if name not in _FREE:
                yield from _unknown(value, known[name], here) if name in known else (here,)
    elif isinstance(given, list) and isinstance(known, list):
        for at, (one, other) in enumerate(zip(given, known, strict=True)):
            yield from _unknown(one, other, f"{place}[{at}]")


def whole(dialect: str, raw: bytes) -> Any:
    """The answer as the SDK holds it."""
    return _judge("whole", dialect).validate_json(raw, strict=True)


def events(dialect: str, stream: bytes) -> list[Any]:
    """Each event of a whole stream as the SDK holds it; the mark of the end and a ping have no type."""
    found = [event.data.decode() for event in sse.Parser().feed(stream)]
    return [event(dialect, data) for data in found if data and data not in _NO_TYPE]


def event(dialect: str, data: str | bytes) -> Any:
    """One event as the SDK holds it."""
    return _judge("event", dialect).validate_json(data, strict=True)
