"""Reads what an upstream's answer says of itself while its bytes pass: usage, finish, errors, first content.

Chat completions counts cached tokens inside `prompt_tokens`, and reasoning inside `completion_tokens`.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Any

import msgspec

from pointsman.core.pricing import Meters

_MOST_TOKENS, _MOST_DOLLARS = 2**40, 10**6  # beyond these a provider talks nonsense, and its usage counts as missing


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    cost: float | str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, frozen=True):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_chunks = msgspec.json.Decoder(_Chunk)


class Seen(msgspec.Struct, frozen=True):
    """One event's meaning: it carries content, it only carries usage, it is an error, it ends the stream."""

    content: bool = False
    usage_only: bool = False
    error: bool = False
    done: bool = False


class Scan:
    """Fed with the data of each event, or with a whole body. What it could not read stays unknown."""

    def __init__(self) -> None:
        self.meters: Meters | None = None
        self.cost: int | None = None
        self.finish: str | None = None

    def data(self, data: bytes) -> Seen:
        """Take one event's data, or the body of an answer that is not streamed."""
        if data == b"[DONE]":
            return Seen(done=True)
        try:
            chunk = _chunks.decode(data)
        except msgspec.DecodeError:
            return Seen()
        self._usage(chunk.usage)
        for choice in chunk.choices or ():
            self.finish = choice.finish_reason or self.finish
        content = any(_has_content(choice) for choice in chunk.choices or ())
        return Seen(
            content=content,
            usage_only=chunk.usage is not None and not chunk.choices,
            error=chunk.error is not None,
        )

    def _usage(self, usage: _Usage | None) -> None:
        if usage is None or not (_sane(usage.prompt_tokens) and _sane(usage.completion_tokens)):
            return
        prompt, output = usage.prompt_tokens or 0, usage.completion_tokens or 0
        details = usage.prompt_tokens_details
        cached = max(0, min((details and details.cached_tokens) or 0, prompt))
        self.meters = Meters(fresh_input=prompt - cached, cache_read=cached, output=output)
        self.cost = _dollars(usage.cost) or None  # a cost of nothing for tokens is a bill that comes another way


def _sane(tokens: int | None) -> bool:
    return tokens is not None and 0 <= tokens < _MOST_TOKENS


def _has_content(choice: _Choice) -> bool:
    """Whether the person would see something of it, or it ends the answer."""
    said = choice.delta or choice.message or {}
    spoken = any(value for key, value in said.items() if key != "role")
    return spoken or bool(choice.text) or choice.finish_reason is not None


def _dollars(value: float | str | None) -> int | None:
    """A provider's own cost in dollars, to micro-dollars, rounded up."""
    if value is None:
        return None
    try:
        dollars = Decimal(str(value))
        if not 0 <= dollars < _MOST_DOLLARS:
            return None
        return int((dollars * 1_000_000).to_integral_value(ROUND_CEILING))
    except ArithmeticError:
        return None
