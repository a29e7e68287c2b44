"""Tool calls in the text of a model: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`.

The form of Hermes and Qwen. The parser is incremental; how the text is cut into pieces changes nothing.
"""

from __future__ import annotations

import json
from typing import Any

from pointsman.engines.protocol import ToolCall

OPEN = "<tool_call>"
CLOSE = "</tool_call>"


class ToolCallParser:
    """Text goes in, text and calls come out; what may be the beginning of a call is held back."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._looked = 0
        self._called = False

    def feed(self, text: str) -> list[str | ToolCall]:
        """What is certain by now, in order; no empty pieces."""
        self._held += text
        out: list[str | ToolCall] = []
        while self._take_call(out) if self._inside else self._take_text(out):
            pass
        return out

    def end(self) -> list[str | ToolCall]:
        """The rest. A call that is complete but for its closing mark counts; anything else is text."""
        held, self._held = self._held, ""
        if not self._inside:
            return [held] if held and not (self._called and held.isspace()) else []
        self._inside = False
        call = _call_in(held)
        return [call] if call else [OPEN + held]

    def _take_text(self, out: list[str | ToolCall]) -> bool:
        before, mark, after = self._held.partition(OPEN)
        if mark:
            self._emit(out, before.rstrip())
            self._held, self._inside, self._looked = after, True, 0
            return True
        keep = len(self._held.rstrip()) if not _mark_begins(self._held) else self._held.rindex("<")
        # White space goes with what follows it: before a call it is dropped.
        keep = len(self._held[:keep].rstrip())
        self._emit(out, self._held[:keep])
        self._held = self._held[keep:]
        return False

    def _emit(self, out: list[str | ToolCall], text: str) -> None:
        if text:
            out.append(text)

    def _take_call(self, out: list[str | ToolCall]) -> bool:
        at = self._held.find(CLOSE, self._looked)
        if at < 0:
            self._looked = max(0, len(self._held) - len(CLOSE) + 1)
            return False
        body, rest = self._held[:at], self._held[at + len(CLOSE) :]
        call = _call_in(body)
        if call is None and _ends_in_string(body):
            self._looked = at + 1  # this mark stands inside an argument
            return True
        out.append(call or OPEN + body + CLOSE)
        self._called = self._called or call is not None
        self._held, self._inside = rest, False
        return True


def _mark_begins(text: str) -> bool:
    """Whether the end of `text` may be the beginning of the opening mark."""
    at = text.rfind("<")
    return at >= 0 and OPEN.startswith(text[at:])


def _ends_in_string(body: str) -> bool:
    quoted = escaped = False
    for char in body:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = quoted
        elif char == '"':
            quoted = not quoted
    return quoted


def _call_in(body: str) -> ToolCall | None:
    try:
        value = json.loads(body, parse_constant=_refuse)
        return _as_call(value)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _as_call(value: Any) -> ToolCall | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = json.loads(arguments, parse_constant=_refuse)
    if not isinstance(arguments, dict):
        return None
    return ToolCall(name=value["name"], arguments=json.dumps(arguments, ensure_ascii=False))
