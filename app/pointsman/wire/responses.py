"""OpenAI Responses: bytes of a body to the neutral request, bytes for an upstream of this dialect.

Shapes: https://platform.openai.com/docs/api-reference/responses. The instructions are read as a first message of
role `system`; items that are not messages have the role of who made them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from pointsman.core.errors import BadRequest
from pointsman.core.request import Hints, Message, Request
from pointsman.wire import body as body_
from pointsman.wire.body import Change, Sense
from pointsman.wire.scan import UNREADABLE
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
_SEALS = frozenset(COMPACTIONS)
# Items whose tokens their bytes bound. Any other may stand for text that is not in the request.
_ITEMS = frozenset(
    [
        *("message", "function_call", "custom_tool_call", "reasoning", "local_shell_call", "shell_call"),
        *("apply_patch_call", "additional_tools", "tool_search_call", "compaction_trigger", *COMPACTIONS, *_RESULTS),
    ]
)
_USER, _SYSTEM = ("user",), ("system", "developer")
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
_items, _all_items = msgspec.json.Decoder(_Item), msgspec.json.Decoder(list[_Item])
_tools = msgspec.json.Decoder(_Tool)
_thoughts = msgspec.json.Decoder(_Thought)


def read(id_: str, body: bytes, hints: Hints, sense: Sense) -> Request:
    """The neutral request. Raises `BadRequest` with a sentence that names the field, never its text."""
    peek = body_.peek(_bodies, body, "responses")
    _stateless(peek)
    fields = body_.fields(body)
    raws, items = _all(peek, fields)
    pieces = [_pieces(item) for item in items]
    told = zip(raws, items, pieces, strict=True)
    messages = shaped([_message(raw, item, parts, sense) for raw, item, parts in told], raws)
    rest = body_.rest(fields, _SENSED_APART, sense)
    return Request(
        id=id_,
        dialect="responses",
        model=peek.model,
        stream=bool(peek.stream),
        messages=messages,
        size=len(body) - sum(map(len, raws)) + sum([message.size for message in messages]),
        max_tokens=body_.limit("max_output_tokens", (peek.max_output_tokens,)),
        tools=len(peek.tools or ()) + sum([len(item.tools) for item in items if item.tools]),
        tools_digest=rest.of_tools(fields) if peek.tools else "",
        schema=bool(peek.text and peek.text.format and peek.text.format.type != "text"),
        wants_usage=True,
        unpriced=_unpriced(peek, fields, items, pieces),
        sealed=not _SEALS.isdisjoint([item.type for item in items]),
        rest=rest.verdicts,
        last_user=_first_said(reversed(items), _USER)[: body_.LAST_USER],
        system=_first_said(items, _SYSTEM)[: body_.SYSTEM],
        digest=body_.whole(fields, {**rest.digests, **_said_apart(peek, messages)}),
        hints=hints,
    )


def _stateless(peek: _Body) -> None:
    """What a vendor keeps was never bounded or looked at here. The gateway puts in what it keeps before this is read."""
    for name, given in (("previous_response_id", peek.previous_response_id), ("conversation", peek.conversation)):
        if given is not None:
            raise BadRequest(f"'{name}' is not known here. Send the whole conversation in 'input'.")
    if peek.background:
        raise BadRequest("'background' is no part of a request that is answered now. Send it without.")


def _all(peek: _Body, fields: body_.Fields) -> tuple[list[bytes], list[_Item]]:
    """All items with their bytes; the instructions are the first."""
    raws: list[bytes] = []
    items: list[_Item] = []
    if peek.instructions:
        raws.append(bytes(fields["instructions"]))
        items.append(_Item(role="system", content=peek.instructions))
    if isinstance(peek.input, str):
        raws.append(bytes(fields.get("input", b'""')))
        items.append(_Item(role="user", content=peek.input))
    else:
        raws += [bytes(raw) for raw in peek.input]
        items += body_.every(_all_items, _item, peek.input, fields.get("input", b"[]"))
    return raws, items


def _item(raw: msgspec.Raw, at: int) -> _Item:
    try:
        return _items.decode(raw)
    except UNREADABLE:
        raise BadRequest(f"Item {at + 1} of 'input' does not fit responses: it needs a type or a role.") from None


def _message(raw: bytes, item: _Item, parts: list[_Part], sense: Sense) -> Message:
    verdict, images, inline = sense(raw), 0, 0
    for part in parts:
        if part.type == "input_image":
            images += 1
            inline += len(part.image_url) if part.image_url and part.image_url.startswith("data:image/") else 0
    return Message(
        role=item.role or ("tool" if item.type in _RESULTS else "assistant"),
        digest=verdict.digest or body_.digest(raw),
        size=max(0, len(raw) - inline),
        images=images,
        verdict=verdict,
    )


def _said_apart(peek: _Body, messages: tuple[Message, ...]) -> dict[str, str]:
    """What stands for instructions and input in the digest of all: the same words as one or as the other are not the same."""
    first = 1 if peek.instructions else 0
    return {"instructions": body_.joined(messages[:first]), "input": body_.joined(messages[first:])}


def _pieces(item: _Item) -> list[_Part]:
    """The parts of a message, and of what a tool gave back."""
    said = item.content if isinstance(item.content, list) else []
    if not isinstance(item.output, list):
        return said
    try:
        return [*said, *msgspec.convert(item.output, list[_Part])]
    except msgspec.ValidationError:
        return [_Part(type="output that cannot be read")]


def _first_said(items: Iterable[_Item], roles: tuple[str, ...]) -> str:
    for item in items:
        if item.role in roles:
            if isinstance(item.content, str):
                return item.content
            return "\n".join([part.text for part in item.content or ()])
    return ""


def _unpriced(peek: _Body, fields: body_.Fields, items: list[_Item], pieces: list[list[_Part]]) -> str | None:
    """What may cost money that tokens do not show. Names are cut: they are the client's text."""
    if peek.service_tier not in (None, "auto", "default", "flex"):
        return "this service tier"
    if peek.reasoning and peek.reasoning.mode not in (None, "standard"):
        return "this mode of reasoning"
    if found := body_.strange(fields, _PRICED):
        return found
    offered = [tool for tools in (peek.tools, *[item.tools for item in items]) for tool in tools or ()]
    if found := _first_hosted(offered):
        return found
    odd = [item.type for item in items if item.type not in _ITEMS]
    if odd:
        return f"an item of type '{body_.plain(odd[0])}'"
    odd = [part.type for parts in pieces for part in parts if not _bounded(part)]
    return f"a part of type '{body_.plain(odd[0])}'" if odd else None


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
    return _first_hosted(tool.tools or ())


def _first_hosted(tools: Iterable[msgspec.Raw]) -> str | None:
    for tool in tools:
        if found := _hosted(tool):
            return found
    return None


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
