"""Anthropic Messages: bytes of a body to the neutral request, bytes for an upstream of this dialect.

Shapes: https://docs.claude.com/en/api/messages. The system prompt is read as a first message of role `system`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.errors import BadRequest
from pointsman.core.request import Hints, Message, Request
from pointsman.wire import body as body_
from pointsman.wire.body import Change, Sense
from pointsman.wire.scan import UNREADABLE
from pointsman.wire.shaping import shaped

# Claude Code's first system block: it changes from request to request, so it belongs to no conversation.
BILLING = b"x-anthropic-billing-header"
# The signature of reasoning that another model wrote for a client of this dialect: its vendor would refuse the request.
FOREIGN = "pointsman-foreign"
_SENSED_APART = ("messages", "model", "system")
_BLOCKS = frozenset(
    [
        *("text", "image", "thinking", "redacted_thinking", "tool_use", "tool_result", "search_result"),
        *("tool_reference", "document", "mid_conv_system"),
    ]
)
# Tools that the client runs. Those with a date in their name bring a fixed prompt along, bounded by _TOOL_PROMPT.
_TOOLS = ("custom", "function")
_OWN_TOOLS = ("bash_", "text_editor_", "computer_", "memory_")
_TOOL_PROMPT = 2_000  # tokens; the largest that the vendor names is under 1,000
_SERVICES = (None, "auto", "standard_only")
_SPEEDS = (None, "standard")
_PLACES = (None, "global", "not_available")
_EDITS = ("clear_",)  # edits of the context that cost nothing; a compaction is a request of its own, told apart
# Fields whose cost is in the tokens that are bounded here. Any other may change model or price.
_PRICED = frozenset(
    [
        *("model", "messages", "system", "max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k"),
        *("tools", "tool_choice", "thinking", "metadata", "service_tier", "output_config", "output_format"),
        *("context_management", "cache_control", "betas", "speed", "inference_geo", "diagnostics"),
    ]
)


class _Body(msgspec.Struct, frozen=True):
    model: str
    messages: list[msgspec.Raw]
    max_tokens: int
    system: str | list[msgspec.Raw] | None = None
    stream: bool | None = None
    tools: list[msgspec.Raw] | None = None
    output_config: dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    context_management: msgspec.Raw = msgspec.Raw()
    thread: msgspec.Raw = msgspec.Raw()


class _Source(msgspec.Struct, frozen=True):
    type: str = ""
    data: str = ""
    content: str | list[msgspec.Raw] | None = None


class _Block(msgspec.Struct, frozen=True):
    type: str = "text"
    text: str = ""
    source: _Source | str | None = None
    content: msgspec.Raw = msgspec.Raw()


class _Head(msgspec.Struct, frozen=True):
    role: str
    content: str | list[_Block] = ""


class _Tool(msgspec.Struct, frozen=True):
    type: str | None = None


class _Edits(msgspec.Struct, frozen=True):
    edits: list[_Tool] | None = None


class _Thought(msgspec.Struct, frozen=True):
    signature: str | None = None


class ThreadUnsupported(BadRequest):
    """Message threads keep a conversation at the vendor; the SDK resends all of it when it reads this code."""

    code = "thread_unsupported_request"


_bodies = msgspec.json.Decoder(_Body)
_heads, _all_heads = msgspec.json.Decoder(_Head), msgspec.json.Decoder(list[_Head])
_tools = msgspec.json.Decoder(list[_Tool])
_blocks = msgspec.json.Decoder(list[_Block])
_edits = msgspec.json.Decoder(_Edits | None)
_thoughts = msgspec.json.Decoder(_Thought)


def read(id_: str, body: bytes, hints: Hints, sense: Sense) -> Request:
    """The neutral request. Raises `BadRequest` with a sentence that names the field, never its text."""
    peek = body_.peek(_bodies, body, "Anthropic messages")
    if bytes(peek.thread) not in (b"", b"null"):
        raise ThreadUnsupported("Message threads are not kept here. Send the whole conversation in 'messages'.")
    fields = body_.fields(body)
    heads = body_.every(_all_heads, _head, peek.messages, fields["messages"])
    blocks = [_all(head) for head in heads]
    raws = [bytes(raw) for raw in peek.messages]
    told = zip(raws, heads, blocks, strict=True)
    said = shaped([_message(raw, head.role, found, sense) for raw, head, found in told], raws)
    system = _system(peek, fields, sense)
    kinds = [tool.type or "custom" for tool in _tools_of(peek.tools, fields)]
    rest = body_.rest(fields, _SENSED_APART, sense)
    return Request(
        id=id_,
        dialect="messages",
        model=peek.model,
        stream=bool(peek.stream),
        messages=(*system, *said),
        size=len(body) - sum(map(len, raws)) + sum([message.size for message in said]),
        max_tokens=body_.limit("max_tokens", (peek.max_tokens,)),
        tools=len(kinds),
        tools_digest=rest.of_tools(fields) if kinds else "",
        schema=_wants_schema(peek),
        wants_usage=True,
        unpriced=_unpriced(peek, fields, kinds, blocks),
        extra_tokens=_TOOL_PROMPT * sum([kind.startswith(_OWN_TOOLS) for kind in kinds]),
        rest=rest.verdicts,
        last_user=_last_said(heads)[: body_.LAST_USER],
        system=bytes(fields.get("system", b""))[: body_.SYSTEM].decode("utf-8", "replace"),
        digest=body_.whole(fields, {**rest.digests, "system": body_.joined(system), "messages": body_.joined(said)}),
        hints=hints,
    )


def _system(peek: _Body, fields: body_.Fields, sense: Sense) -> list[Message]:
    """The system prompt as one message: all of it is sensed, what changes from request to request is not in its digest."""
    if not peek.system:
        return []
    raw = bytes(fields["system"])
    verdict, lasting = sense(raw), _lasting(peek, raw)
    digest = (verdict.digest if lasting is raw else "") or body_.digest(lasting)
    return [Message(role="system", digest=digest, size=len(raw), verdict=verdict)]


def _lasting(peek: _Body, system: bytes) -> bytes:
    """The system prompt without the block that no two requests share."""
    if not isinstance(peek.system, list):
        return system
    return b",".join(bytes(block) for block in peek.system if BILLING not in bytes(block)[:80])


def _head(raw: msgspec.Raw, at: int) -> _Head:
    try:
        return _heads.decode(raw)
    except UNREADABLE:
        raise BadRequest(f"Message {at + 1} does not fit Anthropic messages: it needs a role.") from None


def _message(raw: bytes, role: str, blocks: list[_Block], sense: Sense) -> Message:
    verdict, images, inline = sense(raw), 0, 0
    for block in blocks:
        if block.type == "image":
            images += 1
            inline += len(block.source.data) if isinstance(block.source, _Source) else 0
    return Message(
        role=role,
        digest=verdict.digest or body_.digest(raw),
        size=max(0, len(raw) - inline),
        images=images,
        verdict=verdict,
    )


def _all(head: _Head) -> list[_Block]:
    """All blocks of a message, those inside tool results too."""
    if isinstance(head.content, str):
        return []
    found = head.content.copy()
    for block in head.content:
        if block.type == "tool_result":
            found += _inside(block)
    return found


def _inside(block: _Block) -> list[_Block]:
    if not bytes(block.content).startswith(b"["):
        return []
    try:
        return _blocks.decode(block.content)
    except msgspec.DecodeError:
        return [_Block(type="tool result that cannot be read")]


def _last_said(heads: list[_Head]) -> str:
    """What the person said last: the text of a user message, without the results of tools."""
    for head in reversed(heads):
        if head.role == "user":
            if isinstance(head.content, str):
                return head.content
            return "\n".join([block.text for block in head.content if block.type == "text"])
    return ""


def _wants_schema(peek: _Body) -> bool:
    config = peek.output_config or {}
    return bool(peek.output_format or config.get("format"))


def _unpriced(peek: _Body, fields: body_.Fields, tools: list[str], blocks: list[list[_Block]]) -> str | None:
    """What may cost money that tokens do not show. Names are cut: they are the client's text."""
    for value, usual, what in (
        (peek.service_tier, _SERVICES, "this service tier"),
        (peek.speed, _SPEEDS, "this speed"),
        (peek.inference_geo, _PLACES, "this place of inference"),
    ):
        if value not in usual:
            return what
    if found := body_.strange(fields, _PRICED):
        return found
    if not _only_clears(bytes(peek.context_management)):
        return "this edit of the context"
    for kind in tools:
        if kind not in _TOOLS and not kind.startswith(_OWN_TOOLS):
            return f"a tool of type '{body_.plain(kind)}'"
    odd = [block.type for of_one in blocks for block in of_one if not _bounded(block)]
    return f"a block of type '{body_.plain(odd[0])}'" if odd else None


def _only_clears(given: bytes) -> bool:
    if not given:
        return True
    try:
        known = _edits.decode(given) or _Edits()
    except msgspec.DecodeError:
        return False
    return all((edit.type or "").startswith(_EDITS) for edit in known.edits or ())


def _bounded(block: _Block) -> bool:
    """Whether its bytes bound its tokens, or it is an image; a document of plain text is its text."""
    source = block.source if isinstance(block.source, _Source) else None
    if block.type == "image":
        return source is not None and source.type in ("base64", "url")
    if block.type == "document":
        return source is not None and source.type == "text"
    return block.type in _BLOCKS


def _tools_of(tools: list[msgspec.Raw] | None, fields: body_.Fields) -> list[_Tool]:
    try:
        return _tools.decode(fields["tools"]) if tools else []
    except msgspec.DecodeError:
        raise BadRequest("A tool does not fit Anthropic messages: it must be an object.") from None


def splice(body: bytes, change: Change) -> bytes:
    """The body for an upstream of the same dialect: its model name, a bounded output, no reasoning of other models.

    The rest keeps its bytes.
    """
    fields = body_.fields(body)
    fields["model"] = body_.raw(change.model)
    if FOREIGN.encode() in bytes(fields["messages"]):
        fields["messages"] = _believed(fields["messages"])
    given = body_.number(fields.get("max_tokens"))
    fields["max_tokens"] = body_.raw(change.output if given is None else min(given, change.output))
    return msgspec.json.encode(fields)


def _believed(messages: msgspec.Raw) -> msgspec.Raw:
    """The messages without blocks that another model thought, and without those that held nothing else."""
    kept = []
    for message in _spoken(messages):
        content = message.get("content", msgspec.Raw())
        if bytes(content).startswith(b"["):
            blocks = msgspec.json.decode(content, type=list[msgspec.Raw])
            own = [block for block in blocks if FOREIGN.encode() not in bytes(block) or not _foreign(block)]
            if not own and blocks:
                continue
            if len(own) < len(blocks):
                message["content"] = msgspec.Raw(msgspec.json.encode(own))
        kept.append(message)
    return msgspec.Raw(msgspec.json.encode(kept))


def holds_foreign(body: bytes) -> bool:
    """Whether a block in it was thought by another model."""
    contents = (message.get("content", msgspec.Raw()) for message in _spoken(body_.fields(body)["messages"]))
    lists = [msgspec.json.decode(one, type=list[msgspec.Raw]) for one in contents if bytes(one).startswith(b"[")]
    return any(FOREIGN.encode() in bytes(block) and _foreign(block) for blocks in lists for block in blocks)


def _spoken(messages: msgspec.Raw) -> list[body_.Fields]:
    return msgspec.json.decode(messages, type=list[body_.Fields])


def _foreign(block: msgspec.Raw) -> bool:
    try:
        return _thoughts.decode(block).signature == FOREIGN
    except msgspec.DecodeError:
        return False


class _Counted(msgspec.Struct, frozen=True):
    model: str
    messages: list[msgspec.Raw]


_counted = msgspec.json.Decoder(_Counted)


def estimate(body: bytes) -> int:
    """About how many input tokens this body has, for `count_tokens`: four bytes a token. Raises `BadRequest`."""
    body_.peek(_counted, body, "Anthropic messages")
    return max(1, len(body) // 4)
