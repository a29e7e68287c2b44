"""Open Responses as its specification of 2026-04-24 has it, for what the gateway answers: which fields, of which type.

https://www.openresponses.org/specification. A field without a default must be there, null or not; others may be beside.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pointsman.wire import sse

Status = Literal["in_progress", "completed", "incomplete"]


class _TopLogprob(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int]


class _Logprob(_TopLogprob):
    top_logprobs: list[_TopLogprob]


class _Typed(msgspec.Struct, tag_field="type"):
    """Its `type` tells what it is."""


class _InputText(_Typed, tag="input_text"):
    text: str


class _OutputText(_Typed, tag="output_text"):
    text: str
    annotations: list[dict[str, Any]]
    logprobs: list[_Logprob]


class _Refused(_Typed, tag="refusal"):
    refusal: str


class _Summary(_Typed, tag="summary_text"):
    text: str


class _Reasoned(_Typed, tag="reasoning_text"):
    text: str


_Part = _InputText | _OutputText | _Refused | _Summary | _Reasoned


class Message(_Typed, tag="message"):
    """What was said."""

    id: str
    status: Status
    role: Literal["user", "assistant", "system", "developer"]
    content: list[_Part]


class FunctionCall(_Typed, tag="function_call"):
    """A call of a tool."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: Status


class _Reasoning(_Typed, tag="reasoning"):
    id: str
    summary: list[_Part]
    content: list[_Part] | msgspec.UnsetType = msgspec.UNSET
    encrypted_content: str | msgspec.UnsetType = msgspec.UNSET


class _Compaction(_Typed, tag="compaction"):
    id: str
    encrypted_content: str


_Item = Message | FunctionCall | _Reasoning | _Compaction


class _FunctionTool(_Typed, tag="function"):
    name: str
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool | None


class _PlainText(_Typed, tag="text"):
    pass


class _JsonObject(_Typed, tag="json_object"):
    pass


class _JsonSchema(_Typed, tag="json_schema"):
    name: str
    description: str | None
    schema: dict[str, Any] | None
    strict: bool


class _TextField(msgspec.Struct):
    format: _PlainText | _JsonObject | _JsonSchema


class _Effort(msgspec.Struct):
    effort: str | None
    summary: str | None


class _Cached(msgspec.Struct):
    cached_tokens: int


class _Thought(msgspec.Struct):
    reasoning_tokens: int


class _Usage(msgspec.Struct):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: _Cached
    output_tokens_details: _Thought


class _Error(msgspec.Struct):
    code: str
    message: str


class _Why(msgspec.Struct):
    reason: str


class _Named(msgspec.Struct):
    type: str


class Resource(msgspec.Struct):
    """A response."""

    id: str
    object: Literal["response"]
    created_at: float  # whole, however it is written
    completed_at: float | None
    status: str
    incomplete_details: _Why | None
    model: str
    previous_response_id: str | None
    instructions: str | None
    output: list[_Item]
    error: _Error | None
    tools: list[_FunctionTool]
    tool_choice: Literal["none", "auto", "required"] | _Named
    truncation: Literal["auto", "disabled"]
    parallel_tool_calls: bool
    text: _TextField
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    top_logprobs: int
    temperature: float
    reasoning: _Effort | None
    user: str | None
    usage: _Usage | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    store: bool
    background: bool
    service_tier: str
    metadata: Any
    safety_identifier: str | None
    prompt_cache_key: str | None


class Compacted(msgspec.Struct):
    """What compaction answers."""

    id: str
    object: Literal["response.compaction"]
    output: list[_Item]
    created_at: int
    usage: _Usage


class _Event(_Typed):
    sequence_number: int


class _OfResponse(_Event):
    response: Resource


class _Created(_OfResponse, tag="response.created"):
    pass


class _Queued(_OfResponse, tag="response.queued"):
    pass


class _InProgress(_OfResponse, tag="response.in_progress"):
    pass


class _Completed(_OfResponse, tag="response.completed"):
    pass


class _Failed(_OfResponse, tag="response.failed"):
    pass


class _Incomplete(_OfResponse, tag="response.incomplete"):
    pass


class ItemAdded(_Event, tag="response.output_item.added"):
    """An item opens."""

    output_index: int
    item: _Item


class ItemDone(_Event, tag="response.output_item.done"):
    """An item is whole."""

    output_index: int
    item: _Item


class _OfPart(_Event):
    item_id: str
    output_index: int
    content_index: int


class _PartAdded(_OfPart, tag="response.content_part.added"):
    part: _Part


class _PartDone(_OfPart, tag="response.content_part.done"):
    part: _Part


class TextDelta(_OfPart, tag="response.output_text.delta"):
    """More text."""

    delta: str
    logprobs: list[_Logprob]


class _TextDone(_OfPart, tag="response.output_text.done"):
    text: str
    logprobs: list[_Logprob]


class _RefusalDelta(_OfPart, tag="response.refusal.delta"):
    delta: str


class _RefusalDone(_OfPart, tag="response.refusal.done"):
    refusal: str


class _ReasoningDelta(_OfPart, tag="response.reasoning_text.delta"):
    delta: str


class _ReasoningDone(_OfPart, tag="response.reasoning_text.done"):
    text: str


class ArgumentsDelta(_Event, tag="response.function_call_arguments.delta"):
    """More of a call's arguments."""

    item_id: str
    output_index: int
    delta: str


class ArgumentsDone(_Event, tag="response.function_call_arguments.done"):
    """A call's arguments."""

    item_id: str
    output_index: int
    arguments: str


Event = (
    _Created
    | _Queued
    | _InProgress
    | _Completed
    | _Failed
    | _Incomplete
    | ItemAdded
    | ItemDone
    | _PartAdded
    | _PartDone
    | TextDelta
    | _TextDone
    | _RefusalDelta
    | _RefusalDone
    | _ReasoningDelta
    | _ReasoningDone
    | ArgumentsDelta
    | ArgumentsDone
)
_resources = msgspec.json.Decoder(Resource)
_compacted = msgspec.json.Decoder(Compacted)
_events = msgspec.json.Decoder(Event)


def resource(body: bytes) -> Resource:
    """A response, checked. Raises `msgspec.ValidationError` with the field that is wrong."""
    return _resources.decode(body)


def compacted(body: bytes) -> Compacted:
    """A compaction, checked."""
    return _compacted.decode(body)


def events(stream: bytes) -> list[Event]:
    """A whole stream: each event checked, named as its type says, numbered from 0 on, one at the end that ends it."""
    found = [event for event in sse.Parser().feed(stream) if event.data and event.data != b"[DONE]"]
    read = [_events.decode(event.data) for event in found]
    assert [event.name for event in found] == [kind(one) for one in read]
    assert [one.sequence_number for one in read] == list(range(len(read)))
    assert isinstance(read[-1], _Completed | _Incomplete | _Failed)
    return read


def kind(event: Event) -> str:
    """Its type."""
    return str(type(event).__struct_config__.tag)


def last(read: list[Event]) -> Resource:
    """The response with which a stream ends."""
    final = read[-1]
    assert isinstance(final, _OfResponse)
    return final.response
