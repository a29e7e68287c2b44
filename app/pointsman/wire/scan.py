"""What an upstream's answer says of itself, read from its events or its body: usage, cost, end, errors, first content.

The dialects count cached tokens differently; here they all become the same five disjoint meters. Chat completions and
Responses count cached tokens inside the input, Messages beside it. Reasoning is inside the output everywhere.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Any, ClassVar

import msgspec

from pointsman.core.pricing import Meters

_MOST_TOKENS, _MOST_DOLLARS = 2**40, 10**6  # beyond these a provider talks nonsense, and its usage counts as missing


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading raises where a provider sends no JSON, bytes that are no text, or nesting past all sense."""


class Seen(msgspec.Struct, frozen=True):
    """One event's meaning: it carries content, it only carries usage, it is an error, it ends the stream."""

    content: bool = False
    usage_only: bool = False
    error: bool = False
    done: bool = False


NOTHING = Seen()
_CONTENT, _ENDED = Seen(content=True), Seen(content=True, done=True)


class Scan:
    """Fed with the data of each event, or with a whole body. What it could not read stays unknown.

    `finish` is set once the answer is whole: usage that came before is usage of a part. `last` is the event that
    must end a stream even where the upstream left it out.
    """

    last: ClassVar[bytes] = b""

    def __init__(self) -> None:
        self.meters: Meters | None = None
        self.cost: int | None = None
        self.finish: str | None = None
        self.reasoning = 0

    def data(self, data: bytes) -> Seen:
        """Take one event's data, or the body of an answer that is not streamed."""
        raise NotImplementedError

    def _inside(self, total: int | None, output: int | None, read: int, details: _PromptDetails | None) -> bool:
        """Usage of a dialect that counts cached tokens inside the input. False where it makes no sense."""
        if total is None or output is None or not (_sane(total) and _sane(output)):
            return False
        read, kept, long = max(0, min(read, total)), 0, 0
        if details is not None:
            kept = max(0, min(details.cache_write_tokens or 0, total - read))
            long = max(0, min(details.long, kept))
        self.meters = Meters(
            fresh_input=total - read - kept,
            cache_read=read,
            cache_write_short=kept - long,
            cache_write_long=long,
            output=output,
        )
        return True


class _WrittenFor(msgspec.Struct, frozen=True):
    ttl_12h_tokens: int | None = None


class _PromptDetails(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: _WrittenFor | None = None

    @property
    def long(self) -> int:
        """Tokens that were written for many hours; they are among those written."""
        return (self.cache_write_tokens_details and self.cache_write_tokens_details.ttl_12h_tokens) or 0


class _OutputDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int | None = None


class _ChatUsage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cost: Any = None
    is_byok: bool | None = None
    cost_details: Any = None


class _Choice(msgspec.Struct, frozen=True):
    index: int | None = None
    delta: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, frozen=True):
    choices: list[_Choice] | None = None
    usage: _ChatUsage | None = None
    error: Any = None


class ChatScan(Scan):
    """Chat completions, as OpenAI speaks it and as DeepSeek, OpenRouter, vLLM and others do."""

    last = b"data: [DONE]\n\n"
    _chunks: ClassVar = msgspec.json.Decoder(_Chunk)

    def __init__(self) -> None:
        super().__init__()
        self._reason: str | None = None
        self._begun: set[int] = set()
        self._ended: set[int] = set()

    def data(self, data: bytes) -> Seen:
        """Take one chunk, or a whole completion."""
        if data == b"[DONE]":
            return Seen(done=True)
        try:
            chunk = self._chunks.decode(data)
        except UNREADABLE:
            return NOTHING
        if chunk.usage is not None:
            self._usage(chunk.usage)
        content = False
        for choice in chunk.choices or ():
            self._choice(choice)
            content = content or _has_content(choice)
        if chunk.error is None and (chunk.choices or chunk.usage is None):
            return _CONTENT if content else NOTHING
        return Seen(content, chunk.usage is not None and not chunk.choices, chunk.error is not None)

    def _choice(self, choice: _Choice) -> None:
        """Where several answers come at once, the whole is there with the last of them."""
        at = choice.index or 0
        self._begun.add(at)
        if choice.finish_reason:
            self._ended.add(at)
            self._reason = choice.finish_reason
        self.finish = self._reason if self._begun == self._ended else None

    def _usage(self, usage: _ChatUsage) -> None:
        details, spent = usage.prompt_tokens_details, usage.completion_tokens_details
        self.reasoning = (spent.reasoning_tokens or 0) if spent is not None else 0
        read = details.cached_tokens if details is not None else None
        if read is None:  # DeepSeek's own name for it
            read = usage.prompt_cache_hit_tokens
        if self._inside(usage.prompt_tokens, _output(usage), read or 0, details):
            self.cost = _told_cost(usage) or None  # a cost of nothing for tokens is a bill that comes another way


def _output(usage: _ChatUsage) -> int | None:
    """Gemini and Grok leave reasoning out of the completion's tokens, yet count it in the total."""
    if usage.completion_tokens is None or usage.total_tokens is None or usage.prompt_tokens is None:
        return usage.completion_tokens
    return max(usage.completion_tokens, usage.total_tokens - usage.prompt_tokens)


class _ResponsesUsage(msgspec.Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _PromptDetails | None = None
    output_tokens_details: _OutputDetails | None = None
    cost: Any = None
    is_byok: bool | None = None
    cost_details: Any = None


class _Response(msgspec.Struct, frozen=True):
    status: str | None = None
    usage: _ResponsesUsage | None = None


class _ResponsesEvent(msgspec.Struct, frozen=True):
    type: str | None = None
    response: _Response | None = None
    object: str | None = None
    status: str | None = None
    usage: _ResponsesUsage | None = None
    output: msgspec.Raw = msgspec.Raw()
    error: Any = None


_ENDS = ("completed", "incomplete")
_NO_OUTPUT = (b"", b"[]", b"null")
_SILENT = ("response.created", "response.queued", "response.in_progress", "keepalive")


class ResponsesScan(Scan):
    """OpenAI Responses: usage comes with the response that the last event holds."""

    _events: ClassVar = msgspec.json.Decoder(_ResponsesEvent)

    def data(self, data: bytes) -> Seen:
        """Take one event, or a whole response."""
        try:
            event = self._events.decode(data)
        except UNREADABLE:
            return NOTHING
        kind = event.type or ""
        if event.object == "response":
            spoken = event.status != "failed" or bytes(event.output) not in _NO_OUTPUT
            ended = self._ended(_Response(event.status, event.usage))
            return ended if spoken else msgspec.structs.replace(ended, content=False)
        if kind in ("response.failed", "error"):
            self._ended(event.response or _Response())
            return Seen(error=True)
        if kind in ("response.completed", "response.incomplete"):
            return self._ended(event.response or _Response())
        return Seen(content=kind not in _SILENT, error=not kind and event.error is not None)

    def _ended(self, response: _Response) -> Seen:
        usage = response.usage
        if usage is not None:
            details, spent = usage.input_tokens_details, usage.output_tokens_details
            self.reasoning = (spent.reasoning_tokens or 0) if spent is not None else 0
            read = (details.cached_tokens or 0) if details is not None else 0
            known = self._inside(usage.input_tokens, usage.output_tokens, read, details)
            self.cost = (_told_cost(usage) or None) if known else None
        if response.status in _ENDS:
            self.finish = response.status
        return Seen(content=True, done=True, error=True) if response.status == "failed" else _ENDED


class _Written(msgspec.Struct, frozen=True):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _MessagesUsage(msgspec.Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _Written | None = None
    cost: Any = None
    is_byok: bool | None = None
    cost_details: Any = None


class _Delta(msgspec.Struct, frozen=True):
    stop_reason: str | None = None


class _AnyBlock(msgspec.Struct, frozen=True):
    type: str = "text"


class _Started(msgspec.Struct, frozen=True):
    usage: _MessagesUsage | None = None


class _MessagesEvent(msgspec.Struct, frozen=True):
    type: str = ""
    message: _Started | None = None
    usage: _MessagesUsage | None = None
    delta: _Delta | None = None
    content_block: _AnyBlock | None = None
    stop_reason: str | None = None


class MessagesScan(Scan):
    """Anthropic Messages: input usage comes first, output usage grows; later figures replace earlier ones."""

    _events: ClassVar = msgspec.json.Decoder(_MessagesEvent)

    def __init__(self) -> None:
        super().__init__()
        self._told: _MessagesUsage | None = None

    def data(self, data: bytes) -> Seen:
        """Take one event, or a whole message."""
        try:
            event = self._events.decode(data)
        except UNREADABLE:
            return NOTHING
        self._usage(event.usage or (event.message.usage if event.message else None))
        stopped = event.stop_reason or (event.delta.stop_reason if event.delta else None)
        self.finish = stopped or self.finish
        started = event.content_block is not None and event.content_block.type != "text"
        content = started or event.type in ("content_block_delta", "message") or stopped is not None
        if event.type in ("error", "message_stop"):
            return Seen(content=content, error=event.type == "error", done=event.type == "message_stop")
        return _CONTENT if content else NOTHING

    def _usage(self, usage: _MessagesUsage | None) -> None:
        if usage is None:
            return
        if self._told is not None:
            new = {name: value for name, value in msgspec.structs.asdict(usage).items() if value is not None}
            usage = msgspec.structs.replace(self._told, **new)
        self._told = usage
        self.meters = _beside(usage)
        if self.meters is not None:
            self.cost = _told_cost(usage) or None


def _beside(usage: _MessagesUsage) -> Meters | None:
    """Usage of the dialect that counts cached tokens beside the input; None where it makes no sense."""
    read, split, long, short = usage.cache_read_input_tokens or 0, usage.cache_creation, 0, 0
    if split is not None:
        long, short = split.ephemeral_1h_input_tokens or 0, split.ephemeral_5m_input_tokens or 0
    short = max(usage.cache_creation_input_tokens or 0, long + short) - long
    for count in (usage.input_tokens, read, short, long, usage.output_tokens):
        if not _sane(count):
            return None
    return Meters(
        fresh_input=usage.input_tokens or 0,
        cache_read=read,
        cache_write_short=short,
        cache_write_long=long,
        output=usage.output_tokens or 0,
    )


def _sane(tokens: int | None) -> bool:
    return tokens is not None and 0 <= tokens < _MOST_TOKENS


def _has_content(choice: _Choice) -> bool:
    """Whether the person would see something of it, or it ends the answer."""
    if choice.text or choice.finish_reason is not None:
        return True
    said = choice.delta or choice.message or {}
    return any([value for key, value in said.items() if key != "role"])  # noqa: C419 a generator costs more than it saves


def _told_cost(usage: _ChatUsage | _ResponsesUsage | _MessagesUsage) -> int | None:
    """What the provider says that it costs. With a vendor's key of one's own a broker tells its fee apart from the bill."""
    fee = _dollars(usage.cost)
    if not usage.is_byok:
        return fee
    details = usage.cost_details
    bill = _dollars(details.get("upstream_inference_cost")) if isinstance(details, dict) else None
    return None if bill is None else (fee or 0) + bill


def _dollars(value: Any) -> int | None:
    """A provider's own cost in dollars, to micro-dollars, rounded up. Perplexity tells it in parts, with their total."""
    if isinstance(value, dict):
        value = value.get("total_cost")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        dollars = Decimal(str(value))
        if not 0 <= dollars < _MOST_DOLLARS:
            return None
        return int((dollars * 1_000_000).to_integral_value(ROUND_CEILING))
    except ArithmeticError:
        return None
