"""Chat completions: bytes of a body to the neutral request, bytes for upstream, and the shapes of our own answers.

Same dialect in and out: values that no rule changes travel as the bytes they came in.
Shapes: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from pointsman.core.errors import BadRequest
from pointsman.core.request import Hints, Message, Request, Verdict

_SENSED_APART = ("messages", "model")
_SHORT = 8  # bytes: true, null, a number
_PARTS = ("text", "refusal", "image_url")  # parts whose tokens can be bounded
_TOOLS = ("function", "custom")  # tools that the client runs; a provider's own cost extra
# Fields whose cost is in the tokens that are bounded here. Any other may change model or price.
_PRICED = frozenset(
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "response_format",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
        "seed",
        "stop",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "user",
        "metadata",
        "store",
        "reasoning_effort",
        "reasoning",
        "verbosity",
        "service_tier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "thinking",
        "enable_thinking",
        "chat_template_kwargs",
    ]
)
_MOST_TOKENS, _MOST_ANSWERS = 10_000_000, 128
_LAST_USER = 65_536  # characters kept for the rules


class _StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class _Body(msgspec.Struct, frozen=True):
    model: str
    messages: list[msgspec.Raw]
    stream: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    tools: list[msgspec.Raw] | None = None
    response_format: dict[str, Any] | None = None
    stream_options: _StreamOptions | None = None
    service_tier: str | None = None


class _Kind(msgspec.Struct, frozen=True):
    type: str = ""


class _Url(msgspec.Struct, frozen=True):
    url: str = ""


class _Part(msgspec.Struct, frozen=True):
    type: str = "text"
    text: str = ""
    image_url: _Url | None = None


class _Head(msgspec.Struct, frozen=True):
    role: str
    content: str | list[_Part] | None = None


_bodies = msgspec.json.Decoder(_Body)
_heads = msgspec.json.Decoder(_Head)
_kinds = msgspec.json.Decoder(_Kind)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read(id_: str, body: bytes, hints: Hints, sense: Callable[[bytes], Verdict]) -> Request:
    """The neutral request. Raises `BadRequest` with a sentence that names the field, never its text."""
    peek = _peek(body)
    heads = [_head(raw, at) for at, raw in enumerate(peek.messages)]
    messages = tuple(_message(bytes(raw), head, sense) for raw, head in zip(peek.messages, heads, strict=True))
    tools = b"".join(bytes(tool) for tool in peek.tools or ())
    schema = (peek.response_format or {}).get("type") in ("json_schema", "json_object")
    limits = [limit for limit in (peek.max_tokens, peek.max_completion_tokens) if limit is not None]
    if any(not 1 <= limit <= _MOST_TOKENS for limit in limits):
        raise BadRequest(f"max_tokens must be from 1 to {_MOST_TOKENS}.")
    if peek.n is not None and not 1 <= peek.n <= _MOST_ANSWERS:
        raise BadRequest(f"n must be from 1 to {_MOST_ANSWERS}.")
    fields = _fields.decode(body)
    return Request(
        id=id_,
        dialect="chat",
        model=peek.model,
        stream=bool(peek.stream),
        messages=messages,
        size=len(body) - sum(len(bytes(raw)) - one.size for raw, one in zip(peek.messages, messages, strict=True)),
        max_tokens=min(limits) if limits else None,
        n=peek.n or 1,
        tools=len(peek.tools or ()),
        tools_digest=_digest(tools) if tools else "",
        schema=schema,
        wants_usage=bool(peek.stream_options and peek.stream_options.include_usage),
        unpriced=_unpriced(peek, heads, fields),
        rest=_rest(fields, sense),
        last_user=next((_text(head) for head in reversed(heads) if head.role == "user"), "")[:_LAST_USER],
        digest=_whole(fields),
        hints=hints,
    )


def _whole(fields: dict[str, msgspec.Raw]) -> str:
    """One digest for all that is asked; how it is streamed does not matter."""
    kept = sorted((name, bytes(raw)) for name, raw in fields.items() if name not in ("stream", "stream_options"))
    return _digest(b"\0".join(name.encode("utf-8", "replace") + b"\0" + raw for name, raw in kept))


def _rest(fields: dict[str, msgspec.Raw], sense: Callable[[bytes], Verdict]) -> tuple[Verdict, ...]:
    """What the other fields hold: tools, metadata, user, a schema.

    Tools are a program's text: the mail addresses of their examples are nobody's; a key in them is somebody's.
    """
    found = []
    for name, raw in fields.items():
        if name not in _SENSED_APART and len(bytes(raw)) > _SHORT:
            findings = sense(bytes(raw)).findings
            kept = tuple(one for one in findings if name != "tools" or one.kind != "mail_address")
            found.append(Verdict(kept))
    return tuple(found)


def _peek(body: bytes) -> _Body:
    try:
        return _bodies.decode(body)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The request does not fit chat completions: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("The request's body is not JSON. Send a JSON object with 'model' and 'messages'.") from None


def _head(raw: msgspec.Raw, at: int) -> _Head:
    try:
        return _heads.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest(f"Message {at + 1} does not fit chat completions: it needs a role and content.") from None


def _message(raw: bytes, head: _Head, sense: Callable[[bytes], Verdict]) -> Message:
    parts = head.content if isinstance(head.content, list) else []
    pictures = [part.image_url for part in parts if part.image_url]
    inline = sum(len(picture.url) for picture in pictures if picture.url.startswith("data:image/"))
    return Message(
        role=head.role,
        digest=_digest(raw),
        size=max(0, len(raw) - inline),
        images=len(pictures),
        verdict=sense(raw),
    )


def _text(head: _Head) -> str:
    if isinstance(head.content, str):
        return head.content
    return "\n".join(part.text for part in head.content or ())


def _unpriced(peek: _Body, heads: list[_Head], fields: dict[str, msgspec.Raw]) -> str | None:
    """What may cost money that tokens do not show. Names are cut: they are the client's text."""
    if peek.service_tier not in (None, "auto", "default", "flex"):
        return "this service tier"
    strange = next((name for name in fields if name not in _PRICED), None)
    if strange is not None:
        return f"the field '{_plain(strange)}'"
    kinds = (_kinds.decode(tool).type for tool in peek.tools or ())
    tool = next((kind for kind in kinds if kind not in _TOOLS), None)
    if tool is not None:
        return f"a tool of type '{_plain(tool)}'"
    parts = (part for head in heads if isinstance(head.content, list) for part in head.content)
    part = next((part for part in parts if not _bounded(part)), None)
    return f"a part of type '{_plain(part.type)}'" if part is not None else None


def _bounded(part: _Part) -> bool:
    if part.type != "image_url":
        return part.type in _PARTS
    return part.image_url is not None and part.image_url.url.startswith(("data:image/", "http://", "https://"))


def _plain(name: str) -> str:
    return "".join(char if char.isalnum() or char in "_-" else "?" for char in name[:40])


def _digest(raw: bytes) -> str:
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def splice(body: bytes, model: str, output: int, limit_field: str) -> bytes:
    """The body for an upstream of the same dialect: its model name, a bounded output, usage in the stream.

    Every other value keeps its bytes. The limit goes under the name that the provider obeys, and is never raised
    over the client's own or over `output`.
    """
    fields = _fields.decode(body)
    encode = msgspec.json.encode
    fields["model"] = msgspec.Raw(encode(model))
    given = [_number(fields.pop(name, None)) for name in ("max_tokens", "max_completion_tokens")]
    bounds = [limit for limit in given if limit is not None]
    fields[limit_field] = msgspec.Raw(encode(min([output, *bounds])))
    if bytes(fields.get("stream", msgspec.Raw(b"false"))) == b"true":
        options = msgspec.json.decode(fields.get("stream_options", msgspec.Raw(b"null"))) or {}
        fields["stream_options"] = msgspec.Raw(encode({**options, "include_usage": True}))
    return encode(fields)


def _number(raw: msgspec.Raw | None) -> int | None:
    value = msgspec.json.decode(raw) if raw is not None else None
    return value if isinstance(value, int) else None


class LocalFields(msgspec.Struct, frozen=True):
    """What a local engine takes from the body; everything else is the router's or not for a small model."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    response_format: dict[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None


_locals = msgspec.json.Decoder(LocalFields)


def local_fields(body: bytes) -> LocalFields:
    """Raises `BadRequest` where a field has the wrong type."""
    try:
        return _locals.decode(body)
    except msgspec.DecodeError as error:
        raise BadRequest(f"The request does not fit chat completions: {error}.") from None


class Answer:
    """Builds our own answers: chunks of a stream, or one completion."""

    def __init__(self, id_: str, model: str, created: int) -> None:
        self._base = {"id": f"chatcmpl-{id_}", "created": created, "model": model}

    def chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        """One chunk with one choice."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return msgspec.json.encode({**self._base, "object": "chat.completion.chunk", "choices": [choice]})

    def usage_chunk(self, usage: dict[str, Any]) -> bytes:
        """The last chunk, for clients that asked for usage."""
        chunk = {**self._base, "object": "chat.completion.chunk", "choices": [], "usage": usage}
        return msgspec.json.encode(chunk)

    def whole(self, text: str, calls: list[dict[str, Any]], finish: str, usage: dict[str, Any]) -> bytes:
        """One completion."""
        message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": None}
        if calls:
            message["tool_calls"] = calls
        else:
            message["content"] = text
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return msgspec.json.encode({**self._base, "object": "chat.completion", "choices": [choice], "usage": usage})


def usage(prompt: int, completion: int, cached: int) -> dict[str, Any]:
    """Usage as this dialect reports it: cached tokens inside the prompt's."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def models(names: list[tuple[str, str]], created: int) -> bytes:
    """The list of `/v1/models`: (name, owner)."""
    rows = [{"id": name, "object": "model", "created": created, "owned_by": owner} for name, owner in names]
    return msgspec.json.encode({"object": "list", "data": rows})
