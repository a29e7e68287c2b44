"""Chat completions: bytes of a body to the neutral request, bytes for upstream, and the shapes of our own answers.

Same dialect in and out: values that no rule changes travel as the bytes they came in.
Shapes: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from pointsman.core.errors import BadRequest
from pointsman.core.request import Hints, Message, Request
from pointsman.wire import body as body_
from pointsman.wire.body import Change, Sense
from pointsman.wire.scan import UNREADABLE
from pointsman.wire.shaping import shaped

_SENSED_APART = ("messages", "model")
_PARTS = ("text", "refusal", "image_url")  # parts whose tokens can be bounded
REASONING = "reasoning_content"  # where DeepSeek, vLLM and we ourselves put what a model thought
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
        "prompt_cache_options",
        "safety_identifier",
        "thinking",
        "enable_thinking",
        "chat_template_kwargs",
    ]
)
_MOST_ANSWERS = 128
_SCHEMAS = ("json_schema", "json_object")
_USER, _SYSTEM = ("user",), ("system", "developer")


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
_heads, _all_heads = msgspec.json.Decoder(_Head), msgspec.json.Decoder(list[_Head])
_tools = msgspec.json.Decoder(list[_Kind])


def read(id_: str, body: bytes, hints: Hints, sense: Sense) -> Request:
    """The neutral request. Raises `BadRequest` with a sentence that names the field, never its text."""
    peek = body_.peek(_bodies, body, "chat completions")
    fields = body_.fields(body)
    heads = body_.every(_all_heads, _head, peek.messages, fields["messages"])
    if peek.n is not None and not 1 <= peek.n <= _MOST_ANSWERS:
        raise BadRequest(f"n must be from 1 to {_MOST_ANSWERS}.")
    raws = [bytes(raw) for raw in peek.messages]
    messages = shaped([_message(raw, head, sense) for raw, head in zip(raws, heads, strict=True)], raws)
    rest = body_.rest(fields, _SENSED_APART, sense)
    return Request(
        id=id_,
        dialect="chat",
        model=peek.model,
        stream=bool(peek.stream),
        messages=messages,
        size=len(body) - sum(map(len, raws)) + sum([message.size for message in messages]),
        max_tokens=body_.limit("max_tokens", (peek.max_tokens, peek.max_completion_tokens)),
        n=peek.n or 1,
        tools=len(peek.tools or ()),
        tools_digest=rest.of_tools(fields) if peek.tools else "",
        schema=peek.response_format is not None and peek.response_format.get("type") in _SCHEMAS,
        wants_usage=bool(peek.stream_options and peek.stream_options.include_usage),
        unpriced=_unpriced(peek, heads, fields),
        rest=rest.verdicts,
        last_user=_first_text(reversed(heads), _USER)[: body_.LAST_USER],
        system=_first_text(heads, _SYSTEM)[: body_.SYSTEM],
        digest=body_.whole(fields, {**rest.digests, "messages": body_.joined(messages)}),
        hints=hints,
    )


def _head(raw: msgspec.Raw, at: int) -> _Head:
    try:
        return _heads.decode(raw)
    except UNREADABLE:
        raise BadRequest(f"Message {at + 1} does not fit chat completions: it needs a role and content.") from None


def _message(raw: bytes, head: _Head, sense: Sense) -> Message:
    verdict, images, inline = sense(raw), 0, 0
    if isinstance(head.content, list):
        pictures = [part.image_url.url for part in head.content if part.image_url]
        images, inline = len(pictures), sum([len(url) for url in pictures if url.startswith("data:image/")])
    return Message(
        role=head.role,
        digest=verdict.digest or body_.digest(raw),
        size=max(0, len(raw) - inline),
        images=images,
        verdict=verdict,
    )


def _first_text(heads: Iterable[_Head], roles: tuple[str, ...]) -> str:
    for head in heads:
        if head.role in roles:
            return _text(head)
    return ""


def _text(head: _Head) -> str:
    if isinstance(head.content, str):
        return head.content
    return "\n".join(part.text for part in head.content or ())


def _unpriced(peek: _Body, heads: list[_Head], fields: body_.Fields) -> str | None:
    """What may cost money that tokens do not show. Names are cut: they are the client's text."""
    if peek.service_tier not in (None, "auto", "default", "flex"):
        return "this service tier"
    if found := body_.strange(fields, _PRICED):
        return found
    for tool in _tools.decode(fields["tools"]) if peek.tools else ():
        if tool.type not in _TOOLS:
            return f"a tool of type '{body_.plain(tool.type)}'"
    parts = [part for head in heads if isinstance(head.content, list) for part in head.content]
    odd = [part.type for part in parts if not _bounded(part)]
    return f"a part of type '{body_.plain(odd[0])}'" if odd else None


def _bounded(part: _Part) -> bool:
    if part.type != "image_url":
        return part.type in _PARTS
    return part.image_url is not None and part.image_url.url.startswith(("data:image/", "http://", "https://"))


def _without_reasoning(messages: msgspec.Raw) -> msgspec.Raw:
    """The messages without what a model thought; all else of them keeps its bytes."""
    kept = msgspec.json.decode(messages, type=list[body_.Fields])
    for message in kept:
        message.pop(REASONING, None)
    return msgspec.Raw(msgspec.json.encode(kept))


def splice(body: bytes, change: Change) -> bytes:
    """The body for an upstream of the same dialect: its model name, a bounded output, usage in the stream.

    Every other value keeps its bytes. The limit goes under the name that the provider obeys, and is never raised
    over the client's own or over the change's.
    """
    fields = body_.fields(body)
    fields["model"] = body_.raw(change.model)
    if not change.reasoning and REASONING.encode() in bytes(fields["messages"]):
        fields["messages"] = _without_reasoning(fields["messages"])
    given = [body_.number(fields.pop(name, None)) for name in ("max_tokens", "max_completion_tokens")]
    bounds = [limit for limit in given if limit is not None]
    fields[change.limit_field] = body_.raw(min([change.output, *bounds]))
    if body_.is_true(fields, "stream"):
        options = msgspec.json.decode(fields.get("stream_options", msgspec.Raw(b"null"))) or {}
        fields["stream_options"] = body_.raw({**options, "include_usage": True})
    if change.service_tier:
        fields["service_tier"] = body_.raw(change.service_tier)
    return msgspec.json.encode(fields)
