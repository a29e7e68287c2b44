"""Chat completions' answers.

Shapes: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.core.pricing import Meters
from pointsman.wire import sse
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.answers.in_turn import InTurn
from pointsman.wire.translate.neutral import Argued, Began, Called, Ended, Event, Said, Thought


class ChatWriter:
    """Neutral events to chunks, or to one completion. Reasoning goes where DeepSeek and vLLM put it."""

    def __init__(self, about: Answering) -> None:
        self._about = about
        self._base = {"id": f"chatcmpl-{about.id}", "created": about.created, "model": about.model}
        self._free: set[int] = set()  # calls of tools that take free text

    def stream(self, event: Event) -> list[bytes]:
        """Chunks with one choice; usage in one of its own, then the mark of the end."""
        if isinstance(event, Ended):
            return self._end(event)
        if isinstance(event, Called) and event.free:
            self._free.add(event.at)
        free = isinstance(event, Called | Argued) and event.at in self._free
        delta = _delta(event, free=free)
        return [] if delta is None else [self._chunk(delta, None, _logprobs(event))]

    def _end(self, event: Ended) -> list[bytes]:
        told = [self._chunk({}, event.finish)]
        if self._about.usage and event.meters is not None:
            chunk = {**self._base, "object": "chat.completion.chunk", "choices": []}
            told.append(sse.encode(msgspec.json.encode({**chunk, "usage": usage(event.meters, event.reasoning)})))
        return [*told, sse.DONE]

    def _chunk(self, delta: dict[str, Any], finish: str | None, logprobs: Any = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        chunk = {**self._base, "object": "chat.completion.chunk", "choices": [choice]}
        return sse.encode(msgspec.json.encode(chunk))

    def whole(self, events: Sequence[Event]) -> bytes:
        """One completion."""
        end = next((event for event in events if isinstance(event, Ended)), Ended("stop"))
        logprobs = [
            msgspec.json.decode(one.logprobs) for one in events if isinstance(one, Said) and bytes(one.logprobs)
        ]
        choice = {
            "index": 0,
            "message": _message(events),
            "logprobs": {"content": [token for one in logprobs for token in one["content"]]} if logprobs else None,
            "finish_reason": end.finish,
        }
        body: dict[str, Any] = {**self._base, "object": "chat.completion", "choices": [choice]}
        if end.meters is not None:
            body["usage"] = usage(end.meters, end.reasoning)
        return msgspec.json.encode(body)


def _delta(event: Event, *, free: bool) -> dict[str, Any] | None:
    match event:
        case Began():
            return {"role": "assistant", "content": ""}
        case Said():
            return {"refusal" if event.refusal else "content": event.text}
        case Thought() if event.text:
            return {"reasoning_content": event.text}
        case Called():
            return {"tool_calls": [{"index": event.at, **_told_call(event, "")}]}
        case Argued():
            more = {"custom": {"input": event.text}} if free else {"function": {"arguments": event.text}}
            return {"tool_calls": [{"index": event.at, **more}]}
    return None


def _logprobs(event: Event) -> Any:
    known = isinstance(event, Said) and bytes(event.logprobs)
    return msgspec.json.decode(event.logprobs) if isinstance(event, Said) and known else None


def _message(events: Sequence[Event]) -> dict[str, Any]:
    text = "".join(event.text for event in events if isinstance(event, Said) and not event.refusal)
    refusal = "".join(event.text for event in events if isinstance(event, Said) and event.refusal)
    thought = "".join(event.text for event in events if isinstance(event, Thought))
    calls = _calls(events)
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": refusal or None}
    if thought:
        message["reasoning_content"] = thought
    if calls:
        message |= {"content": text or None, "tool_calls": calls}
    return message


def _calls(events: Sequence[Event]) -> list[dict[str, Any]]:
    said: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, Argued):
            said.setdefault(event.at, []).append(event.text)
    return [_told_call(event, "".join(said.get(event.at, ()))) for event in events if isinstance(event, Called)]


def _told_call(call: Called, said: str) -> dict[str, Any]:
    """A call and what it says; that of a tool that takes free text has another shape."""
    if call.free:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": said}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": said}}


def usage(meters: Meters, reasoning: int = 0) -> dict[str, Any]:
    """Usage as this dialect reports it: cached tokens inside the prompt's, reasoning inside the completion's."""
    return {
        "prompt_tokens": meters.input,
        "completion_tokens": meters.output,
        "total_tokens": meters.input + meters.output,
        "prompt_tokens_details": {"cached_tokens": meters.cache_read},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


class _Named(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None
    input: str | None = None


class _Call(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: _Named | None = None
    custom: _Named | None = None


class _Said(msgspec.Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = msgspec.Raw()


class _Chunk(msgspec.Struct, frozen=True):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None


_chunks = msgspec.json.Decoder(_Chunk)
_FINISHES = {"length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls"}


class ChatReader:
    """Chunks, or one completion, to neutral events. Only the first choice is read: nobody asks for more."""

    def __init__(self) -> None:
        self._began = False
        self._calls: dict[int, tuple[str, int]] = {}  # by the provider's index: the call's id, and its place here
        self._called = 0
        self._in_turn = InTurn()
        self._finish: str | None = None

    def stream(self, event: sse.Event) -> list[Event]:
        """What this chunk says; the mark of the end ends the answer."""
        if event.data == b"[DONE]":
            return self._end()
        if not event.data:
            return []
        chunk = _chunks.decode(event.data)
        return [*self._begin(chunk), *(one for choice in (chunk.choices or ())[:1] for one in self._read(choice))]

    def whole(self, body: bytes) -> list[Event]:
        """What a completion says."""
        chunk = _chunks.decode(body)
        said = [one for choice in (chunk.choices or ())[:1] for one in self._read(choice)]
        return [*self._begin(chunk), *said, *self._end()]

    def _end(self) -> list[Event]:
        """Some providers say `stop` where they call."""
        end = ended(self._finish)
        called = self._called and end.finish == "stop"
        return [*self._in_turn.end(), Ended("tool_calls") if called else end]

    def _begin(self, chunk: _Chunk) -> list[Event]:
        if self._began:
            return []
        self._began = True
        return [Began(chunk.id or "", chunk.model or "")]

    def _read(self, choice: _Choice) -> list[Event]:
        self._finish = choice.finish_reason or self._finish
        said = choice.delta or choice.message or _Said()
        thought = said.reasoning_content or said.reasoning
        found: list[Event] = [Thought(thought)] if thought else []
        if said.content:
            known = choice.logprobs if bytes(choice.logprobs).startswith(b"{") else msgspec.Raw()  # some say []
            found.append(Said(said.content, logprobs=known))
        if said.refusal:
            found.append(Said(said.refusal, refusal=True))
        for at, call in enumerate(said.tool_calls or ()):
            found += self._call(call, at if call.index is None else call.index)
        return found

    def _call(self, call: _Call, at: int) -> list[Event]:
        """Some providers give all calls the same index: another id with a name is another call."""
        named, known = call.function or call.custom or _Named(), self._calls.get(at)
        found: list[Event] = []
        if known is None or (named.name and call.id and call.id != known[0]):
            known = self._calls[at] = (call.id or f"call_{self._called}", self._called)
            begun = Called(self._called, known[0], named.name or "", free=call.custom is not None)
            self._called += 1
            found += self._in_turn.over(begun)
        text = named.arguments or named.input
        return [*found, *self._in_turn.over(Argued(known[1], text))] if text else found


def ended(finish: str | None) -> Ended:
    """The end, as this dialect names its reason."""
    if finish == "content_filter":
        return Ended("content_filter")
    return Ended("length") if finish == "length" else Ended("tool_calls" if finish in _FINISHES else "stop")
