"""OpenAI Responses: bytes of a body to the neutral request, bytes for an upstream of this dialect.

Shapes: https://platform.openai.com/docs/api-reference/responses. The instructions are read as a first message of
role `system`; items that are not messages have the role of who made them.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pointsman.core.errors import BadRequest
from pointsman.core.request import Hints, Message, Request
from pointsman.wire import body as body_
from pointsman.wire.body import Change, Sense
from pointsman.wire.shaping import shaped

# Reasoning that another model wrote for a client of this dialect: its vendor would look for it in vain.
_FOREIGN = re.compile(r"rs_[0-9a-f]{20}_\d+")
_SENSED_APART = ("input", "model", "instructions")
_PARTS = ("input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text", "input_image")
_RESULTS = (
    *("function_call_output", "custom_tool_call_output", "local_shell_call_output", "shell_call_output"),
    *("apply_patch_call_output", "tool_search_output"),
)
COMPACTIONS = ("compaction", "compaction_summary", "context_compaction")
"""What clients call the item that stands for a conversation. Only its maker can read what it holds."""
# Items whose tokens their bytes bound. Any other may stand for text that is not in the request.
_ITEMS = frozenset(
    [
        *("message", "function_call", "custom_tool_call", "reasoning", "local_shell_call", "shell_call"),
        *("apply_patch_call", "additional_tools", "tool_search_call", "compaction_trigger", *COMPACTIONS, *_RESULTS),
    ]
)
_TOOLS = ("function", "custom", "namespace", "local_shell", "shell", "apply_patch", "tool_search")
# Fields whose cost is in the tokens that are bounded here. Any other may change model or price.
_PRICED = frozenset(
    [
        *("model", "input", "instructions", "max_output_tokens", "stream", "stream_options", "tools", "tool_choice"),
        *("parallel_tool_calls", "max_tool_calls", "text", "temperature", "top_p", "top_logprobs", "truncation"),
        *("reasoning", "include", "store", "metadata", "client_metadata", "user", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "service_tier", "background"),
        *("previous_response_id", "conversation"),
    ]
)


class _Format(msgspec.Struct, frozen=True):
    type: str = "text"


class _Text(msgspec.Struct, frozen=True):
    format: _Format | None = None


class _Body(msgspec.Struct, frozen=True):
    model: str
    input: str | list[msgspec.Raw] = ""
    instructions: str | None = None
    max_output_tokens: int | None = None
    stream: bool | None = None
    background: bool | None = None
    tools: list[msgspec.Raw] | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    service_tier: str | None = None
    previous_response_id: str | None = None
    conversation: Any = None


class _Part(msgspec.Struct, frozen=True):
    type: str = "input_text"
    text: str = ""
    image_url: str | None = None


class _Item(msgspec.Struct, frozen=True):
    type: str = "message"
    role: str = ""
    content: str | list[_Part] | None = None
    output: Any = None
    tools: list[msgspec.Raw] | None = None


class _Thought(msgspec.Struct, frozen=True):
    type: str = ""
    id: str | None = None


class _Place(msgspec.Struct, frozen=True):
    type: str = ""


class _Tool(msgspec.Struct, frozen=True):
    type: str = ""
    environment: _Place | None = None
    execution: str | None = None
    tools: list[msgspec.Raw] | None = None


class _Reasoning(msgspec.Struct, frozen=True):
    mode: str | None = None


_bodies = msgspec.json.Decoder(_Body)
_items = msgspec.json.Decoder(_Item)
_tools = msgspec.json.Decoder(_Tool)
_thoughts = msgspec.json.Decoder(_Thought)


def read(id_: str, body: bytes, hints: Hints, sense: Sense) -> Request:
    """The neutral request. Raises `BadRequest` with a sentence that names the field, never its text."""
    peek = body_.peek(_bodies, body, "responses")
    _stateless(peek)
    fields = body_.fields(body)
    raws, items = _all(peek, fields)
    messages = shaped([_message(bytes(raw), item, sense) for raw, item in zip(raws, items, strict=True)], raws)
    tools = b"".join(bytes(tool) for tool in peek.tools or ())
    return Request(
        id=id_,
        dialect="responses",
        model=peek.model,
        stream=bool(peek.stream),
        messages=messages,
        size=len(body) - sum(len(bytes(raw)) - one.size for raw, one in zip(raws, messages, strict=True)),
        max_tokens=body_.limit("max_output_tokens", (peek.max_output_tokens,)),
        tools=len(peek.tools or ()) + sum(len(item.tools or ()) for item in items),
        tools_digest=body_.digest(tools) if tools else "",
        schema=bool(peek.text and peek.text.format and peek.text.format.type != "text"),
        wants_usage=True,
        unpriced=_unpriced(peek, items, fields),
        sealed=any(item.type in COMPACTIONS for item in items),
        rest=body_.rest(fields, _SENSED_APART, sense),
        last_user=next((_said(item) for item in reversed(items) if item.role == "user"), "")[: body_.LAST_USER],
        system=next((_said(item) for item in items if item.role in ("system", "developer")), "")[: body_.SYSTEM],
        digest=body_.whole(fields),
        hints=hints,
    )


def _stateless(peek: _Body) -> None:
    """What a vendor keeps was never bounded or looked at here. The gateway puts in what it keeps before this is read."""
    for name, given in (("previous_response_id", peek.previous_response_id), ("conversation", peek.conversation)):
        if given is not None:
            raise BadRequest(f"'{name}' is not known here. Send the whole conversation in 'input'.")
    if peek.background:
        raise BadRequest("'background' is no part of a request that is answered now. Send it without.")


def _all(peek: _Body, fields: body_.Fields) -> tuple[list[msgspec.Raw], list[_Item]]:
    """All items with their bytes; the instructions are the first."""
    raws: list[msgspec.Raw] = []
    items: list[_Item] = []
    if peek.instructions:
        raws.append(fields["instructions"])
        items.append(_Item(role="system", content=peek.instructions))
    if isinstance(peek.input, str):
        raws.append(fields.get("input", msgspec.Raw(b'""')))
        items.append(_Item(role="user", content=peek.input))
    else:
        raws += peek.input
        items += [_item(raw, at) for at, raw in enumerate(peek.input)]
    return raws, items


def _item(raw: msgspec.Raw, at: int) -> _Item:
    try:
        return _items.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest(f"Item {at + 1} of 'input' does not fit responses: it needs a type or a role.") from None


def _message(raw: bytes, item: _Item, sense: Sense) -> Message:
    pictures = [part.image_url or "" for part in _pieces(item) if part.type == "input_image"]
    inline = sum(len(url) for url in pictures if url.startswith("data:image/"))
    return Message(
        role=item.role or ("tool" if item.type in _RESULTS else "assistant"),
        digest=body_.digest(raw),
        size=max(0, len(raw) - inline),
        images=len(pictures),
        verdict=sense(raw),
    )


def _pieces(item: _Item) -> list[_Part]:
    """The parts of a message, and of what a tool gave back."""
    said = item.content if isinstance(item.content, list) else []
    if not isinstance(item.output, list):
        return said
    try:
        return [*said, *msgspec.convert(item.output, list[_Part])]
    except msgspec.ValidationError:
        return [_Part(type="output that cannot be read")]


def _said(item: _Item) -> str:
    if isinstance(item.content, str):
        return item.content
    return "\n".join(part.text for part in item.content or ())


def _unpriced(peek: _Body, items: list[_Item], fields: body_.Fields) -> str | None:
    """What may cost money that tokens do not show. Names are cut: they are the client's text."""
    if peek.service_tier not in (None, "auto", "default", "flex"):
        return "this service tier"
    if peek.reasoning and peek.reasoning.mode not in (None, "standard"):
        return "this mode of reasoning"
    if found := body_.strange(fields, _PRICED):
        return found
    offered = [*(peek.tools or ()), *(tool for item in items for tool in item.tools or ())]
    if found := next((found for tool in offered if (found := _hosted(tool))), None):
        return found
    item = next((item for item in items if item.type not in _ITEMS), None)
    if item is not None:
        return f"an item of type '{body_.plain(item.type)}'"
    part = next((part for item in items for part in _pieces(item) if not _bounded(part)), None)
    return None if part is None else f"a part of type '{body_.plain(part.type)}'"


def _bounded(part: _Part) -> bool:
    if part.type != "input_image":
        return part.type in _PARTS
    return (part.image_url or "").startswith(("data:image/", "http://", "https://"))


def _hosted(raw: msgspec.Raw) -> str | None:
    """A tool that the provider runs, which costs extra or takes turns of its own, said in words."""
    tool = _tool(raw)
    if tool.type not in _TOOLS:
        return f"a tool of type '{body_.plain(tool.type)}'"
    if tool.environment is not None and tool.environment.type != "local":
        return f"a tool of type '{body_.plain(tool.type)}' at the provider's"
    if tool.type == "tool_search" and tool.execution != "client":
        return "a search for tools at the provider's"
    return next((found for inner in tool.tools or () if (found := _hosted(inner))), None)


def _tool(raw: msgspec.Raw) -> _Tool:
    try:
        return _tools.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest("A tool does not fit responses: it must be an object with a type.") from None


def splice(body: bytes, change: Change) -> bytes:
    """The body for an upstream of the same dialect: its model name, a bounded output, no reasoning of other models.

    The rest keeps its bytes.
    """
    fields = body_.fields(body)
    fields["model"] = body_.raw(change.model)
    if b'"rs_' in (said := bytes(fields.get("input", b""))) and said.startswith(b"["):
        items = msgspec.json.decode(said, type=list[msgspec.Raw])
        fields["input"] = msgspec.Raw(msgspec.json.encode([item for item in items if not foreign(item)]))
    given = body_.number(fields.get("max_output_tokens"))
    fields["max_output_tokens"] = body_.raw(change.output if given is None else min(given, change.output))
    if change.service_tier:
        fields["service_tier"] = body_.raw(change.service_tier)
    return msgspec.json.encode(fields)


def foreign(item: msgspec.Raw) -> bool:
    """Whether this is reasoning of a model of another dialect, told to a client of this one."""
    if b'"rs_' not in bytes(item):
        return False
    try:
        found = _thoughts.decode(item)
    except msgspec.DecodeError:
        return False
    return found.type == "reasoning" and _FOREIGN.fullmatch(found.id or "") is not None
