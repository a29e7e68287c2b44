"""Anthropic Messages' requests.

Shapes: https://docs.claude.com/en/api/messages
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from pointsman.wire import body as body_
from pointsman.wire.body import Change
from pointsman.wire.messages import BILLING
from pointsman.wire.translate.neutral import (
    Call,
    Choice,
    File,
    Format,
    Image,
    Part,
    Prompt,
    Result,
    Text,
    Thinking,
    Tool,
    Turn,
)
from pointsman.wire.translate.prompts import free, losses, shapes
from pointsman.wire.translate.prompts.unread import leaves, unread


class _Tool(msgspec.Struct, frozen=True):
    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: msgspec.Raw = msgspec.Raw(b"{}")
    strict: bool | None = None


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[dict[str, Any]] = ""


class _Choice(msgspec.Struct, frozen=True):
    type: str = "auto"
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class _Body(msgspec.Struct, frozen=True):
    model: str
    messages: list[_Message]
    max_tokens: int
    system: str | list[dict[str, Any]] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _Choice | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None


_bodies = msgspec.json.Decoder(_Body)
_READ = {**leaves(*_Body.__struct_fields__), **shapes.MESSAGES}
_KINDS = {"auto": "auto", "any": "required", "tool": "named", "none": "none"}


def read(body: bytes) -> Prompt:
    """The prompt that a body holds. Raises `BadRequest` where a field has the wrong type."""
    found = body_.peek(_bodies, body, "Anthropic messages")
    lost = [kind for message in found.messages for kind in _lost(message.content)]
    lost += unread(body_.readable(body), _READ)
    return Prompt(
        model=found.model,
        turns=(*_system(found.system), *(turn for message in found.messages for turn in _turns(message))),
        tools=tuple(_tool(tool) for tool in found.tools or () if tool.type in (None, "custom")),
        choice=_choice(found.tool_choice),
        format=_format(found),
        max_tokens=found.max_tokens,
        temperature=found.temperature,
        top_p=found.top_p,
        top_k=found.top_k,
        stop=tuple(found.stop_sequences or ()),
        effort=_effort(found),
        stream=bool(found.stream),
        usage=True,
        lost=tuple(dict.fromkeys(lost)),
    )


def _system(system: str | list[dict[str, Any]] | None) -> list[Turn]:
    """The system prompt, without the block that changes with every request and would spoil a cached prefix."""
    if isinstance(system, str):
        return [Turn("system", (Text(system),))] if system else []
    texts = [str(block.get("text", "")) for block in system or ()]
    kept = tuple(Text(text) for text in texts if text and not text.startswith(BILLING.decode()))
    return [Turn("system", kept)] if kept else []


def _turns(message: _Message) -> Iterator[Turn]:
    """Results of tools as a turn of their own, before what the person says in the same message."""
    parts = tuple(_parts(message.content))
    if message.role == "system":
        yield Turn("system", parts)
        return
    results = tuple(part for part in parts if isinstance(part, Result))
    rest = tuple(part for part in parts if not isinstance(part, Result))
    if results:
        yield Turn("tool", results)
    if rest:
        yield Turn("assistant" if message.role == "assistant" else "user", rest)


def _parts(content: str | list[Any]) -> Iterator[Part]:
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for block in content:
        found = _part(block) if isinstance(block, dict) else None
        if found is not None:
            yield found


def _lost(content: Any) -> Iterator[str]:
    """Blocks that the neutral form has no place for, those inside results too."""
    blocks = content if isinstance(content, list) else ()
    for block in (block for block in blocks if isinstance(block, dict)):
        kind = block.get("type")
        if _part(block) is None and kind != "text":
            yield f"block {body_.plain(str(kind))}"
        elif kind == "tool_result":
            yield from _lost(block.get("content"))


def _part(block: dict[str, Any]) -> Part | None:
    match block.get("type"):
        case "tool_use":
            arguments = msgspec.json.encode(block.get("input", {})).decode()
            return Call(str(block.get("id", "")), str(block.get("name", "")), arguments)
        case "tool_result":
            return Result(str(block.get("tool_use_id", "")), tuple(_shown(block)), bool(block.get("is_error")))
        case "thinking" | "redacted_thinking":
            thought, signature = str(block.get("thinking", "")), str(block.get("signature", ""))
            return Thinking(thought, signature, str(block.get("data", "")), by="messages")
        case "image" | "document":
            found = _attached(block)
            return found if found.url or (isinstance(found, File) and found.text) else None
        case "search_result":
            return Text("\n".join([f"{block.get('title', '')} ({block.get('source', '')})", *_texts(block), ""]))
    text = block.get("text")
    return Text(text) if isinstance(text, str) and text else None


def _texts(block: dict[str, Any]) -> Iterator[str]:
    yield from (part.text for part in _parts(block.get("content") or "") if isinstance(part, Text))


def _shown(block: dict[str, Any]) -> Iterator[Text | Image | File]:
    for part in _parts(block.get("content") or ""):
        if isinstance(part, Text | Image | File):
            yield part


def _attached(block: dict[str, Any]) -> Image | File:
    source: Any = block.get("source") or {}
    kind = source.get("type")
    if kind == "text":
        return File(text=str(source.get("data", "")), name=block.get("title"))
    url = str(source.get("url", ""))
    if kind == "base64":
        url = f"data:{source.get('media_type', 'application/octet-stream')};base64,{source.get('data', '')}"
    return Image(url) if block.get("type") == "image" else File(url=url, name=block.get("title"))


def _tool(tool: _Tool) -> Tool:
    return Tool(name=tool.name, description=tool.description or "", schema=tool.input_schema, strict=tool.strict)


def _choice(given: _Choice | None) -> Choice | None:
    if given is None:
        return None
    parallel = None if given.disable_parallel_tool_use is None else not given.disable_parallel_tool_use
    kind: Any = _KINDS.get(given.type, "auto")
    return Choice(kind, given.name, parallel)


def _format(found: _Body) -> Format | None:
    wanted = (found.output_config or {}).get("format") or found.output_format
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    return Format("json_schema", "answer", body_.raw(wanted.get("schema", {})), strict=True)


def _effort(found: _Body) -> str | None:
    """How hard to think, in OpenAI's words; a budget of tokens is set against theirs."""
    given = (found.output_config or {}).get("effort")
    if isinstance(given, str):
        return {"max": "xhigh"}.get(given, given)
    thinking = found.thinking or {}
    if thinking.get("type") != "enabled":
        return None
    budget = thinking.get("budget_tokens")
    tokens = budget if isinstance(budget, int) else 0
    return "low" if tokens <= 4_096 else "medium" if tokens <= 16_384 else "high"


_EFFORTS = {"minimal": "low", "none": "low"}
_NO_PLACE = (
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "min_p",
    "logprobs",
    "logit_bias",
    "verbosity",
)
_AN_OBJECT = msgspec.Raw(b'{"type":"object","properties":{}}')
_ID_TAKES_NOT = re.compile(r"[^A-Za-z0-9_-]")
_ONE_OBJECT = "Answer with one JSON object and nothing else."


def lost(prompt: Prompt, _change: Change) -> list[str]:
    """What this dialect has no place for."""
    named = [name for name in _NO_PLACE if getattr(prompt, name) is not None]
    named += ["description"] if prompt.format is not None and prompt.format.description else []
    return [*named, *losses.thoughts(prompt, told=False), *losses.details(prompt), *losses.grammars(prompt)]


def write(prompt: Prompt, change: Change) -> bytes:
    """The body for an upstream of this dialect."""
    system, turns = _split(prompt)
    body: dict[str, Any] = {"model": change.model, "max_tokens": change.output, "messages": _messages(turns)}
    if system:
        body["system"] = [{"type": "text", "text": text} for text in system]
    if prompt.tools:
        body["tools"] = [_told_tool(tool) for tool in prompt.tools]
        body |= _told_choice(prompt.choice)
    body |= _told_config(prompt)
    if prompt.stop:
        body["stop_sequences"] = list(prompt.stop)
    if prompt.user:
        body["metadata"] = {"user_id": prompt.user}
    if prompt.stream:
        body["stream"] = True
    return msgspec.json.encode(body)


def _split(prompt: Prompt) -> tuple[list[str], list[Turn]]:
    """The system turns that come first are the system prompt; one that comes later stays in its place."""
    turns = list(prompt.turns)
    system: list[str] = []
    while turns and turns[0].role in ("system", "developer"):
        system += [part.text for part in turns.pop(0).parts if isinstance(part, Text) and part.text.strip()]
    if prompt.format is not None and prompt.format.kind == "json_object":
        system.append(_ONE_OBJECT)
    return system, turns


def _messages(turns: list[Turn]) -> list[dict[str, Any]]:
    """Users and assistant by turns: neighbours of one side are one message, results before what else is said."""
    told: list[dict[str, Any]] = []
    for turn in turns:
        role = "assistant" if turn.role == "assistant" else "user"
        blocks = [block for part in turn.parts if (block := _block(part, turn.role)) is not None]
        if not blocks:
            continue
        if told and told[-1]["role"] == role:
            told[-1]["content"] += blocks
        else:
            told.append({"role": role, "content": blocks})
    for message in told:
        message["content"].sort(key=lambda block: block["type"] != "tool_result")
    return told


def _block(part: Part, role: str) -> dict[str, Any] | None:
    """Reasoning of another model is left out: its signature would not be believed. So are blanks, which are refused."""
    match part:
        case Text() if part.text.strip():
            text = f"<system>{part.text}</system>" if role in ("system", "developer") else part.text
            return {"type": "text", "text": text}
        case Image() | File():
            return _told_attached(part)
        case Call():
            arguments = unwrapped_object(part)
            return {"type": "tool_use", "id": _id(part.id), "name": part.name, "input": arguments}
        case Result():
            content = [block for one in part.parts if (block := _block(one, "tool")) is not None]
            told: dict[str, Any] = {"type": "tool_result", "tool_use_id": _id(part.id), "content": content}
            return {**told, "is_error": True} if part.error else told
    return None


def _id(given: str) -> str:
    """An id with the characters that this vendor takes, the same for a call and its result."""
    return _ID_TAKES_NOT.sub("_", given)


def unwrapped_object(call: Call) -> dict[str, Any]:
    """A call's arguments as an object; a free tool's text goes under `input`."""
    if call.free:
        return free.wrapped(call.arguments)
    try:
        found = msgspec.json.decode(call.arguments or "{}")
    except msgspec.DecodeError:
        return free.wrapped(call.arguments)
    return found if isinstance(found, dict) else {"input": found}


def _told_attached(part: Image | File) -> dict[str, Any]:
    kind = "image" if isinstance(part, Image) else "document"
    told = {"type": kind, "source": _source(part)}
    return told | ({"title": part.name} if isinstance(part, File) and part.name else {})


def _source(part: Image | File) -> dict[str, str]:
    if isinstance(part, File) and part.text:
        return {"type": "text", "media_type": "text/plain", "data": part.text}
    if not part.url.startswith("data:"):
        return {"type": "url", "url": part.url}
    media, _, data = part.url.removeprefix("data:").partition(";base64,")
    return {"type": "base64", "media_type": media, "data": data}


def _told_tool(tool: Tool) -> dict[str, Any]:
    schema: Any = free.SCHEMA if tool.free else _object(tool.schema)
    told = {"name": tool.name, "description": tool.description, "input_schema": schema}
    return told | ({"strict": True} if tool.strict else {})


def _object(schema: msgspec.Raw) -> msgspec.Raw:
    """A schema that says of itself that it is an object, without which it is refused."""
    found = msgspec.json.decode(schema) if bytes(schema) else {}
    if not isinstance(found, dict) or not found:
        return _AN_OBJECT
    return schema if "type" in found else msgspec.Raw(msgspec.json.encode({"type": "object", **found}))


def _told_choice(choice: Choice | None) -> dict[str, Any]:
    if choice is None:
        return {}
    kinds = {"auto": "auto", "required": "any", "named": "tool", "none": "none"}
    told: dict[str, Any] = {"type": kinds[choice.kind]}
    if choice.kind == "named":
        told["name"] = choice.name
    if choice.parallel is False and choice.kind != "none":
        told["disable_parallel_tool_use"] = True
    return {"tool_choice": told}


def _told_config(prompt: Prompt) -> dict[str, Any]:
    """Effort and format. Temperature and its kin are left to the vendor, whose models refuse to be told."""
    config: dict[str, Any] = {}
    if prompt.effort:
        config["effort"] = _EFFORTS.get(prompt.effort, prompt.effort)
    if prompt.format is not None and prompt.format.kind == "json_schema":
        config["format"] = {"type": "json_schema", "schema": prompt.format.schema}
    return {"output_config": config} if config else {}
