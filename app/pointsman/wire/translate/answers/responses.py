"""OpenAI Responses' answers.

Shapes: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.core.pricing import Meters
from pointsman.wire import sse
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.neutral import Argued, Began, Called, Ended, Event, Said, Thought

_ENDS = {"length": "max_output_tokens", "content_filter": "content_filter"}
# Every field of a response must be there, null or not; what the request said is repeated over these.
_REPEATED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "background": False,
    "user": None,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}


class _Item:
    """An item of the output while it grows."""

    def __init__(self, kind: str, at: int, item: dict[str, Any]) -> None:
        self.kind = kind
        self.at = at
        self.item = item
        self.said: list[str] = []
        self.logprobs: list[dict[str, Any]] = []
        self.refusal = False

    @property
    def text(self) -> str:
        return "".join(self.said)


class ResponsesWriter:
    """Neutral events to items: one is open at a time; the last event holds the whole response."""

    def __init__(self, about: Answering) -> None:
        self._about = about
        self._number = -1
        self._items: list[_Item] = []
        self._open: _Item | None = None

    def stream(self, event: Event) -> list[bytes]:
        """The events of this piece, with those that close the item before and open its own."""
        match event:
            case Began():
                response = self._response("in_progress")
                kinds = ("response.created", "response.in_progress")
                return [self._event(kind, response=response) for kind in kinds]
            case Ended():
                return [*self._close(), self._end(event)]
            case Called():
                return [*self._close(), *self._add("call", _call(self._new_id("fc"), event))]
            case Argued():
                return self._more(event.text)
            case Said() | Thought() if event.text:
                return [*self._into(event), *self._more(event.text, _logprobs(event))]
        return []

    def whole(self, events: Sequence[Event]) -> bytes:
        """One response."""
        end = Ended("stop")
        for event in events:
            if isinstance(event, Ended):
                end = event
            else:
                self.stream(event)
        self._close()
        return msgspec.json.encode(self._ended(end))

    def _into(self, event: Said | Thought) -> list[bytes]:
        kind = "message" if isinstance(event, Said) else "reasoning"
        refusal = isinstance(event, Said) and event.refusal
        if self._open is not None and self._open.kind == kind and self._open.refusal == refusal:
            return []
        told = [*self._close(), *self._add(kind, self._fresh(kind))]
        assert self._open is not None
        self._open.refusal = refusal
        if kind == "message":
            told.append(self._of_item("response.content_part.added", content_index=0, part=_part(self._open)))
        return told

    def _fresh(self, kind: str) -> dict[str, Any]:
        if kind == "reasoning":
            return {"id": self._new_id("rs"), "type": "reasoning", "summary": [], "content": []}
        message = {"id": self._new_id("msg"), "type": "message", "role": "assistant"}
        return {**message, "status": "in_progress", "content": []}

    def _new_id(self, kind: str) -> str:
        return f"{kind}_{self._about.id}_{len(self._items)}"

    def _add(self, kind: str, item: dict[str, Any]) -> list[bytes]:
        self._open = _Item(kind, len(self._items), item)
        self._items.append(self._open)
        return [self._event("response.output_item.added", output_index=self._open.at, item=item)]

    def _more(self, text: str, logprobs: Sequence[dict[str, Any]] = ()) -> list[bytes]:
        """More of what the open item says."""
        item = self._open
        if item is None or not text:
            return []
        item.said.append(text)
        item.logprobs += logprobs
        if item.kind == "call":
            return [self._of_item(f"response.{_argued(item)}.delta", delta=text)]
        if item.kind == "reasoning":
            return [self._of_item("response.reasoning_text.delta", content_index=0, delta=text)]
        if item.refusal:
            return [self._of_item("response.refusal.delta", content_index=0, delta=text)]
        return [self._of_item("response.output_text.delta", content_index=0, delta=text, logprobs=logprobs)]

    def _close(self) -> list[bytes]:
        item = self._open
        if item is None:
            return []
        told = self._closing(item)
        item.item = _closed(item)
        told.append(self._event("response.output_item.done", output_index=item.at, item=item.item))
        self._open = None
        return told

    def _closing(self, item: _Item) -> list[bytes]:
        if item.kind == "call":
            field = "input" if item.item["type"] == "custom_tool_call" else "arguments"
            return [self._of_item(f"response.{_argued(item)}.done", **{field: item.text}, **_named(item))]
        if item.kind == "reasoning":
            return [self._of_item("response.reasoning_text.done", content_index=0, text=item.text)]
        last = (
            self._of_item("response.refusal.done", content_index=0, refusal=item.text)
            if item.refusal
            else self._of_item("response.output_text.done", content_index=0, text=item.text, logprobs=item.logprobs)
        )
        return [last, self._of_item("response.content_part.done", content_index=0, part=_part(item))]

    def _end(self, end: Ended) -> bytes:
        response = self._ended(end)
        return self._event(f"response.{response['status']}", response=response)

    def _ended(self, end: Ended) -> dict[str, Any]:
        cut = _ENDS.get(end.finish)
        told = self._response("incomplete" if cut else "completed")
        told["incomplete_details"] = {"reason": cut} if cut else None
        told["output"] = [item.item for item in self._items]
        told["usage"] = None if end.meters is None else usage(end.meters, end.reasoning)
        told["completed_at"] = None if cut else self._about.created
        return told

    def _response(self, status: str) -> dict[str, Any]:
        return bare(self._about, status)

    def _of_item(self, kind: str, **more: Any) -> bytes:
        assert self._open is not None
        return self._event(kind, item_id=self._open.item["id"], output_index=self._open.at, **more)

    def _event(self, kind: str, **more: Any) -> bytes:
        self._number += 1
        return sse.encode(msgspec.json.encode({"type": kind, "sequence_number": self._number, **more}), kind)


def bare(about: Answering, status: str) -> dict[str, Any]:
    """A response without output."""
    return {
        **_REPEATED,
        **{name: _whole(name, value) for name, value in about.asked.items() if name in _REPEATED and value is not None},
        "id": f"resp_{about.id}",
        "object": "response",
        "created_at": about.created,
        "completed_at": None,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": about.model,
        "output": [],
        "usage": None,
    }


def _whole(name: str, given: Any) -> Any:
    """A field as it is repeated: with all of its own fields, where the client named only some."""
    if name in ("reasoning", "text") and isinstance(given, dict):
        said = {key: value for key, value in given.items() if value is not None}
        if isinstance(form := said.get("format"), dict) and form.get("type") == "json_schema":
            said["format"] = {"description": None, "strict": False, **form}
        return {**_REPEATED[name], **said}
    if name == "tools" and isinstance(given, list):
        return [_told_tool(tool) for tool in given]
    return given


def _told_tool(tool: Any) -> Any:
    function = isinstance(tool, dict) and tool.get("type") == "function"
    return {"description": None, "parameters": None, "strict": None, **tool} if function else tool


def _argued(item: _Item) -> str:
    return "custom_tool_call_input" if item.item["type"] == "custom_tool_call" else "function_call_arguments"


def _named(item: _Item) -> dict[str, str]:
    return {} if item.item["type"] == "custom_tool_call" else {"name": item.item["name"]}


def _call(id_: str, event: Called) -> dict[str, Any]:
    known: dict[str, Any] = {"id": id_, "call_id": event.id, "name": event.name}
    if event.namespace:
        known["namespace"] = event.namespace
    if event.free:
        return {**known, "type": "custom_tool_call", "input": "", "status": "in_progress"}
    return {**known, "type": "function_call", "arguments": "", "status": "in_progress"}


def _closed(item: _Item) -> dict[str, Any]:
    """The item as it stands in the whole response."""
    if item.kind == "call":
        field = "input" if item.item["type"] == "custom_tool_call" else "arguments"
        return {**item.item, field: item.text, "status": "completed"}
    if item.kind == "reasoning":
        return {**item.item, "content": [{"type": "reasoning_text", "text": item.text}]}
    return {**item.item, "status": "completed", "content": [_part(item)]}


def _part(item: _Item) -> dict[str, Any]:
    """What a message says so far."""
    if item.refusal:
        return {"type": "refusal", "refusal": item.text}
    return {"type": "output_text", "text": item.text, "annotations": [], "logprobs": item.logprobs}


def _logprobs(event: Said | Thought) -> list[dict[str, Any]]:
    """Chat completions' logprobs; bytes that were not told are none."""
    if not isinstance(event, Said) or not bytes(event.logprobs):
        return []
    told: list[dict[str, Any]] = msgspec.json.decode(event.logprobs).get("content") or []
    return [{**_with_bytes(one), "top_logprobs": [*map(_with_bytes, one.get("top_logprobs") or ())]} for one in told]


def _with_bytes(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "bytes": one.get("bytes") or []}


def usage(meters: Meters, reasoning: int = 0) -> dict[str, Any]:
    """Usage as this dialect reports it: cached tokens inside the input's, reasoning inside the output's."""
    return {
        "input_tokens": meters.input,
        "input_tokens_details": {
            "cached_tokens": meters.cache_read,
            "cache_write_tokens": meters.cache_write_short + meters.cache_write_long,
        },
        "output_tokens": meters.output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": meters.input + meters.output,
    }
