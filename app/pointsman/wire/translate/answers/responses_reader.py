"""OpenAI Responses' answers, read.

Shapes: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

import msgspec

from pointsman.wire import sse
from pointsman.wire.translate.neutral import Argued, Began, Called, Ended, Event, Said, Thought


class _Part(msgspec.Struct, frozen=True):
    type: str = ""
    text: str = ""
    refusal: str = ""
    logprobs: msgspec.Raw = msgspec.Raw()


class _Item(msgspec.Struct, frozen=True):
    type: str = ""
    call_id: str = ""
    name: str = ""
    namespace: str | None = None
    arguments: str = ""
    input: str = ""
    content: list[_Part] | None = None
    summary: list[_Part] | None = None
    encrypted_content: str | None = None


class _Why(msgspec.Struct, frozen=True):
    reason: str | None = None


class _Response(msgspec.Struct, frozen=True):
    id: str = ""
    model: str = ""
    status: str | None = None
    output: list[_Item] | None = None
    incomplete_details: _Why | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str = ""
    output_index: int = 0
    delta: str = ""
    logprobs: msgspec.Raw = msgspec.Raw()
    item: _Item | None = None
    response: _Response | None = None


_events = msgspec.json.Decoder(_Event)
_responses = msgspec.json.Decoder(_Response)
_CALLS = ("function_call", "custom_tool_call")
_THOUGHTS = ("response.reasoning_text.delta", "response.reasoning_summary_text.delta")
_ARGUED = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")


class ResponsesReader:
    """Items and their deltas, or one response, to neutral events."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}

    def stream(self, event: sse.Event) -> list[Event]:
        """What this event says."""
        if not event.data:
            return []
        found = _events.decode(event.data)
        match found.type:
            case "response.created":
                response = found.response or _Response()
                return [Began(response.id, response.model)]
            case "response.output_text.delta" | "response.refusal.delta":
                refusal = found.type == "response.refusal.delta"
                return [Said(found.delta, refusal=refusal, logprobs=_logprobs(found.logprobs))]
            case "response.output_item.added":
                return self._called(found.item or _Item(), found.output_index)
            case "response.completed" | "response.incomplete":
                return [self._ended(found.response or _Response())]
        return self._grown(found)

    def _grown(self, found: _Event) -> list[Event]:
        if found.type in _THOUGHTS:
            return [Thought(found.delta)]
        if found.type in _ARGUED and found.output_index in self._calls:
            return [Argued(self._calls[found.output_index], found.delta)]
        hidden = found.item.encrypted_content if found.item and found.type == "response.output_item.done" else None
        return [Thought(hidden=hidden)] if hidden else []

    def whole(self, body: bytes) -> list[Event]:
        """What a response says."""
        response = _responses.decode(body)
        said = [event for at, item in enumerate(response.output or ()) for event in self._item(item, at)]
        return [Began(response.id, response.model), *said, self._ended(response)]

    def _item(self, item: _Item, at: int) -> list[Event]:
        if item.type in _CALLS:
            text = item.arguments or item.input
            return [*self._called(item, at), *([Argued(self._calls[at], text)] if text else [])]
        parts = [*(item.content or ()), *(item.summary or ())]
        if item.type == "reasoning":
            return [Thought("".join(part.text for part in parts), hidden=item.encrypted_content or "")]
        return [
            Said(part.refusal or part.text, refusal=part.type == "refusal", logprobs=_logprobs(part.logprobs))
            for part in parts
        ]

    def _called(self, item: _Item, at: int) -> list[Event]:
        if item.type not in _CALLS:
            return []
        call = self._calls[at] = len(self._calls)
        free = item.type == "custom_tool_call"
        return [Called(call, item.call_id, item.name, free=free, namespace=item.namespace or "")]

    def _ended(self, response: _Response) -> Ended:
        why = response.incomplete_details.reason if response.incomplete_details else None
        if why == "max_output_tokens":
            return Ended("length")
        if why == "content_filter":
            return Ended("content_filter")
        return Ended("tool_calls" if self._calls else "stop")


def _logprobs(told: msgspec.Raw) -> msgspec.Raw:
    """In chat completions' shape; nothing where none were told."""
    if bytes(told) in (b"", b"null", b"[]"):
        return msgspec.Raw()
    return msgspec.Raw(b'{"content":' + bytes(told) + b',"refusal":null}')
