"""Anthropic Messages' answers.

Shapes: https://docs.claude.com/en/api/messages-streaming
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.core.pricing import Meters
from pointsman.wire import sse
from pointsman.wire.messages import FOREIGN
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.neutral import Argued, Began, Called, Ended, Event, Said, Thought

_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class MessagesWriter:
    """Neutral events to blocks: one is open at a time, and each is closed before the next begins."""

    def __init__(self, about: Answering) -> None:
        self._about = about
        self._at = -1
        self._open: tuple[str, int] | None = None  # the kind of the open block, and its call
        self._signed = False

    def stream(self, event: Event) -> list[bytes]:
        """The events of this piece, with those that close the block before and open its own."""
        match event:
            case Began():
                return [self._start()]
            case Ended():
                return [*self._close(), *self._end(event)]
            case Called():
                block = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
                return [*self._close(), self._begin(("tool_use", event.at), block)]
            case Argued():
                return [self._delta({"type": "input_json_delta", "partial_json": event.text})]
            case Said() | Thought():
                return self._said(event) if isinstance(event, Said) else self._thought(event)

    def _said(self, event: Said) -> list[bytes]:
        if not event.text:
            return []
        opened = self._into("text", {"type": "text", "text": ""})
        return [*opened, self._delta({"type": "text_delta", "text": event.text})]

    def _thought(self, event: Thought) -> list[bytes]:
        if not (event.text or event.signature):
            return []
        told = self._into("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if event.text:
            told.append(self._delta({"type": "thinking_delta", "thinking": event.text}))
        if event.signature:
            told.append(self._delta({"type": "signature_delta", "signature": event.signature}))
            self._signed = True
        return told

    def _into(self, kind: str, block: dict[str, Any]) -> list[bytes]:
        """Go on in the open block of this kind, or open one."""
        if self._open is not None and self._open[0] == kind:
            return []
        return [*self._close(), self._begin((kind, 0), block)]

    def _begin(self, opened: tuple[str, int], block: dict[str, Any]) -> bytes:
        self._open, self._at, self._signed = opened, self._at + 1, False
        return _event({"type": "content_block_start", "index": self._at, "content_block": block})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event({"type": "content_block_delta", "index": self._at, "delta": delta})

    def _close(self) -> list[bytes]:
        if self._open is None:
            return []
        foreign = self._open[0] == "thinking" and not self._signed
        self._open = None
        signed = [self._delta({"type": "signature_delta", "signature": FOREIGN})] if foreign else []
        return [*signed, _event({"type": "content_block_stop", "index": self._at})]

    def _start(self) -> bytes:
        return _event({"type": "message_start", "message": {**self._message(), "usage": usage(Meters())}})

    def _end(self, event: Ended) -> list[bytes]:
        delta = {"stop_reason": _STOPS[event.finish], "stop_sequence": None}
        told = {"type": "message_delta", "delta": delta, "usage": usage(event.meters or Meters())}
        return [_event(told), _event({"type": "message_stop"})]

    def _message(self) -> dict[str, Any]:
        return {
            "id": f"msg_{self._about.id}",
            "type": "message",
            "role": "assistant",
            "model": self._about.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    def whole(self, events: Sequence[Event]) -> bytes:
        """One message."""
        end = next((event for event in events if isinstance(event, Ended)), Ended("stop"))
        told = {"content": _blocks(events), "stop_reason": _STOPS[end.finish], "usage": usage(end.meters or Meters())}
        return msgspec.json.encode({**self._message(), **told})


def _event(body: dict[str, Any]) -> bytes:
    return sse.encode(msgspec.json.encode(body), body["type"])


def _blocks(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Blocks in the order in which they were said; a call's arguments as the object that they are."""
    blocks: list[dict[str, Any]] = []
    said: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, Said) and event.text:
            _last(blocks, {"type": "text", "text": ""})["text"] += event.text
        elif isinstance(event, Thought) and (event.text or event.signature):
            block = _last(blocks, {"type": "thinking", "thinking": "", "signature": ""})
            block["thinking"] += event.text
            block["signature"] += event.signature
        elif isinstance(event, Called):
            blocks.append({"type": "tool_use", "id": event.id, "name": event.name, "input": event.at})
        elif isinstance(event, Argued):
            said.setdefault(event.at, []).append(event.text)
    for block in blocks:
        if block["type"] == "tool_use":
            block["input"] = arguments("".join(said.get(block["input"], ())))
        elif block["type"] == "thinking":
            block["signature"] = block["signature"] or FOREIGN
    return blocks


def _last(blocks: list[dict[str, Any]], new: dict[str, Any]) -> dict[str, Any]:
    if not blocks or blocks[-1]["type"] != new["type"]:
        blocks.append(new)
    return blocks[-1]


def arguments(text: str) -> dict[str, Any]:
    """A call's arguments as an object; text that is none goes under `input`, so that it is not lost."""
    try:
        found = msgspec.json.decode(text.encode() or b"{}")
    except msgspec.DecodeError:
        return {"input": text}
    return found if isinstance(found, dict) else {"input": found}


def usage(meters: Meters) -> dict[str, Any]:
    """Usage as this dialect reports it: cached tokens beside the input's."""
    return {
        "input_tokens": meters.fresh_input,
        "cache_creation_input_tokens": meters.cache_write_short + meters.cache_write_long,
        "cache_read_input_tokens": meters.cache_read,
        "output_tokens": meters.output,
    }


class _Block(msgspec.Struct, frozen=True):
    type: str = "text"
    id: str = ""
    name: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    input: msgspec.Raw = msgspec.Raw()


class _Delta(msgspec.Struct, frozen=True):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Message(msgspec.Struct, frozen=True):
    id: str = ""
    model: str = ""


class _Event(msgspec.Struct, frozen=True):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None


class _Whole(msgspec.Struct, frozen=True):
    id: str = ""
    model: str = ""
    content: list[_Block] = []
    stop_reason: str | None = None


_events = msgspec.json.Decoder(_Event)
_wholes = msgspec.json.Decoder(_Whole)
_EMPTY = (b"", b"{}", b"null")


class MessagesReader:
    """Blocks and their deltas, or one message, to neutral events."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}
        self._stop: str | None = None

    def stream(self, event: sse.Event) -> list[Event]:
        """What this event says."""
        if not event.data:
            return []
        found = _events.decode(event.data)
        match found.type:
            case "message_start":
                message = found.message or _Message()
                return [Began(message.id, message.model)]
            case "content_block_start":
                return self._block(found.content_block or _Block(), found.index)
            case "content_block_delta":
                return self._delta(found.delta or _Delta(), found.index)
            case "message_delta":
                self._stop = (found.delta and found.delta.stop_reason) or self._stop
            case "message_stop":
                return [_ended(self._stop)]
        return []

    def whole(self, body: bytes) -> list[Event]:
        """What a message says."""
        found = _wholes.decode(body)
        said = [event for at, block in enumerate(found.content) for event in self._block(block, at)]
        return [Began(found.id, found.model), *said, _ended(found.stop_reason)]

    def _block(self, block: _Block, at: int) -> list[Event]:
        match block.type:
            case "text" if block.text:
                return [Said(block.text)]
            case "thinking" | "redacted_thinking" if block.thinking or block.signature or block.data:
                return [Thought(block.thinking, block.signature, block.data)]
            case "tool_use":
                call = self._calls[at] = len(self._calls)
                argued = [] if bytes(block.input) in _EMPTY else [Argued(call, bytes(block.input).decode())]
                return [Called(call, block.id, block.name), *argued]
        return []

    def _delta(self, delta: _Delta, at: int) -> list[Event]:
        match delta.type:
            case "text_delta":
                return [Said(delta.text)]
            case "thinking_delta" | "signature_delta":
                return [Thought(delta.thinking, delta.signature)]
            case "input_json_delta" if at in self._calls and delta.partial_json:
                return [Argued(self._calls[at], delta.partial_json)]
        return []


def _ended(stop: str | None) -> Ended:
    if stop == "tool_use":
        return Ended("tool_calls")
    if stop in ("max_tokens", "model_context_window_exceeded"):
        return Ended("length")
    return Ended("content_filter" if stop == "refusal" else "stop")
