"""Chat completions' requests.

Shapes: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pointsman.wire import body as body_
from pointsman.wire.body import Change
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
    only,
)
from pointsman.wire.translate.prompts import free, losses, shapes
from pointsman.wire.translate.prompts.unread import leaves, unread

_ROLES = ("system", "developer", "user", "assistant", "tool")
_WORDS = ("text", "refusal")


class _Function(msgspec.Struct, frozen=True):
    name: str = ""
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()
    strict: bool | None = None
    arguments: str = ""
    format: msgspec.Raw = msgspec.Raw()
    input: str = ""


class _Tool(msgspec.Struct, frozen=True):
    type: str = "function"
    id: str = ""
    function: _Function | None = None
    custom: _Function | None = None


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Tool] | None = None
    tool_call_id: str = ""


class _Schema(msgspec.Struct, frozen=True):
    name: str = ""
    schema: msgspec.Raw = msgspec.Raw()
    strict: bool | None = None
    description: str | None = None


class _Format(msgspec.Struct, frozen=True):
    type: str = "text"
    json_schema: _Schema | None = None


class _StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class _Body(msgspec.Struct, frozen=True):
    model: str
    messages: list[_Message]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: _Format | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    user: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    functions: list[dict[str, Any]] | None = None


_bodies = msgspec.json.Decoder(_Body)
_READ = {**leaves(*_Body.__struct_fields__), **shapes.CHAT}
_SAME = ("temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "seed", "verbosity", "user")


def read(body: bytes) -> Prompt:
    """The prompt that a body holds. Raises `BadRequest` where a field has the wrong type."""
    found = body_.peek(_bodies, body, "chat completions")
    stop = [found.stop] if isinstance(found.stop, str) else found.stop or []
    return Prompt(
        model=found.model,
        turns=tuple(_turn(message) for message in found.messages),
        tools=only(tuple(_tool(tool) for tool in found.tools or ()), _allowed(found.tool_choice)),
        choice=_choice(found),
        format=_format(found.response_format),
        max_tokens=body_.limit("max_tokens", (found.max_tokens, found.max_completion_tokens)),
        stop=tuple(stop),
        logprobs=(found.top_logprobs or 0) if found.logprobs else None,
        logit_bias=found.logit_bias or None,
        effort=found.reasoning_effort,
        stream=bool(found.stream),
        usage=bool(found.stream_options and found.stream_options.include_usage),
        lost=tuple(dict.fromkeys([*_lost(found), *unread(body_.readable(body), _READ)])),
        **{name: getattr(found, name) for name in _SAME},
    )


def _lost(found: _Body) -> Iterator[str]:
    """What the neutral form has no place for."""
    if found.functions:
        yield "functions"
    for message in found.messages:
        for part in message.content if isinstance(message.content, list) else ():
            if next(_part(part), None) is None and part.get("type", "text") not in _WORDS:
                yield f"part {body_.plain(str(part.get('type')))}"


def _turn(message: _Message) -> Turn:
    said = tuple(_parts(message.content))
    if message.role in ("tool", "function"):
        given = tuple(part for part in said if isinstance(part, Text | Image | File))
        return Turn("tool", (Result(message.tool_call_id, given),))
    thought = (Thinking(message.reasoning_content, by="chat"),) if message.reasoning_content else ()
    refused = (Text(message.refusal),) if message.refusal else ()
    calls = tuple(_call(call) for call in message.tool_calls or ())
    role: Any = message.role if message.role in _ROLES else "user"
    return Turn(role, (*thought, *said, *refused, *calls))


def _parts(content: str | list[dict[str, Any]] | None) -> Iterator[Part]:
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for part in content or ():
        yield from _part(part)


def _part(part: dict[str, Any]) -> Iterator[Part]:
    """Nothing for what is empty, and for a file that only its vendor holds."""
    kind = part.get("type", "text")
    given = part.get(kind)
    if kind == "image_url" and isinstance(given, dict) and given.get("url"):
        yield Image(str(given["url"]), given.get("detail"))
    elif kind == "file" and isinstance(given, dict) and given.get("file_data"):
        yield File(url=str(given["file_data"]), name=given.get("filename"))
    elif said := part.get("text") or part.get("refusal"):
        yield Text(str(said))


def _call(call: _Tool) -> Call:
    if call.custom is not None:
        return Call(call.id, call.custom.name, call.custom.input, free=True)
    function = call.function or _Function()
    return Call(call.id, function.name, function.arguments)


def _tool(tool: _Tool) -> Tool:
    found = tool.function or tool.custom or _Function()
    return Tool(
        name=found.name,
        description=found.description or "",
        schema=found.parameters if bytes(found.parameters) else msgspec.Raw(b"{}"),
        strict=found.strict,
        free=tool.custom is not None,
        grammar=found.format,
    )


def _choice(found: _Body) -> Choice | None:
    given, parallel = found.tool_choice, found.parallel_tool_calls
    if isinstance(given, dict) and given.get("type") == "allowed_tools":
        given = (given.get("allowed_tools") or {}).get("mode", "auto")
    if isinstance(given, dict):
        named = given.get("function") or given.get("custom") or {}
        return Choice("named", str(named.get("name", "")), parallel)
    if given in ("none", "required"):
        return Choice("none" if given == "none" else "required", "", parallel)
    return Choice("auto", "", parallel) if given or parallel is not None else None


def _allowed(choice: str | dict[str, Any] | None) -> set[str] | None:
    """The names of the tools that may be used, where not all may be."""
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return None
    named = (choice.get("allowed_tools") or {}).get("tools") or ()
    return {str((tool.get("function") or tool.get("custom") or {}).get("name")) for tool in named}


def _format(given: _Format | None) -> Format | None:
    if given is None or given.type == "text":
        return None
    schema = given.json_schema
    if given.type == "json_schema" and schema is not None:
        told = schema.schema if bytes(schema.schema) else msgspec.Raw(b"{}")
        return Format("json_schema", schema.name, told, schema.strict, schema.description)
    return Format("json_object")


def lost(prompt: Prompt, change: Change) -> list[str]:
    """What this dialect has no place for."""
    return [*losses.thoughts(prompt, told=change.reasoning), *losses.errors(prompt), *losses.grammars(prompt)]


def write(prompt: Prompt, change: Change) -> bytes:
    """The body for an upstream of this dialect."""
    body: dict[str, Any] = {
        "model": change.model,
        "messages": messages(prompt, reasoning=change.reasoning),
        change.limit_field: change.output,
        **{name: value for name in _SAME if (value := getattr(prompt, name)) is not None},
        **options(prompt),
    }
    if prompt.effort:
        body["reasoning_effort"] = prompt.effort
    if prompt.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": prompt.logprobs}
    if prompt.logit_bias:
        body["logit_bias"] = prompt.logit_bias
    if prompt.stop:
        body["stop"] = list(prompt.stop)
    if prompt.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if change.service_tier:
        body["service_tier"] = change.service_tier
    return msgspec.json.encode(body)


def options(prompt: Prompt) -> dict[str, Any]:
    """Tools, the choice among them, and the answer's format, as far as the prompt says something of them."""
    told: dict[str, Any] = {}
    if prompt.tools:
        told["tools"] = [_told_tool(tool) for tool in prompt.tools]
    choice = prompt.choice
    if choice is not None and prompt.tools:
        named = {"type": "function", "function": {"name": choice.name}}
        told["tool_choice"] = named if choice.kind == "named" else choice.kind
        if choice.parallel is not None:
            told["parallel_tool_calls"] = choice.parallel
    if prompt.format is not None:
        told["response_format"] = _told_format(prompt.format)
    return told


def _told_tool(tool: Tool) -> dict[str, Any]:
    """A tool that takes free text becomes a function of one string, for not every model knows the other kind."""
    schema: Any = free.SCHEMA if tool.free else tool.schema
    told: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": schema}
    if tool.strict is not None:
        told["strict"] = tool.strict
    return {"type": "function", "function": told}


def _told_format(form: Format) -> dict[str, Any]:
    if form.kind == "json_object":
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": form.name or "answer", "schema": form.schema}
    if form.strict is not None:
        schema["strict"] = form.strict
    if form.description:
        schema["description"] = form.description
    return {"type": "json_schema", "json_schema": schema}


def messages(prompt: Prompt, *, reasoning: bool = True) -> list[dict[str, Any]]:
    """The turns as messages: one for each result, all that the assistant said before a result in one.

    `reasoning`: with what it thought.
    """
    told: list[dict[str, Any]] = []
    shown: list[Text | Image | File] = []
    for turn in prompt.turns:
        for part in turn.parts:
            if isinstance(part, Result):
                told.append(_told_result(part))
                shown += _shown(part)
        rest = tuple(_spoken(turn, reasoning=reasoning))
        if not rest and (turn.role == "tool" or (turn.role == "assistant" and turn.parts)):
            continue
        if shown:
            told.append({"role": "user", "content": _content(tuple(shown))})
            shown = []
        message = _told(turn, rest)
        if message["role"] == "assistant" and told and told[-1]["role"] == "assistant":
            _join(told[-1], message)
        else:
            told.append(message)
    return [*told, {"role": "user", "content": _content(tuple(shown))}] if shown else told


def _spoken(turn: Turn, *, reasoning: bool) -> Iterator[Part]:
    """What of a turn is no result, and stands in a message."""
    for part in turn.parts:
        if isinstance(part, Thinking):
            if reasoning and part.text:
                yield part
        elif not isinstance(part, Result):
            yield part


def _told_result(result: Result) -> dict[str, Any]:
    """Its words: a message of this role may hold nothing else."""
    words = tuple(part for part in result.parts if isinstance(part, Text) or (isinstance(part, File) and part.text))
    content = _content(words) or ("It is in the next message." if result.parts else "")
    return {"role": "tool", "tool_call_id": result.id, "content": content}


def _shown(result: Result) -> list[Text | Image | File]:
    """Pictures and files of a result, for a turn of the user's after all results."""
    found = [part for part in result.parts if isinstance(part, Image) or (isinstance(part, File) and not part.text)]
    return [Text(f"From the tool's result {result.id}:"), *found] if found else []


def _told(turn: Turn, parts: tuple[Part, ...]) -> dict[str, Any]:
    role = "user" if turn.role == "tool" else turn.role
    message: dict[str, Any] = {"role": role, "content": _content(parts)}
    calls = [_told_call(part) for part in parts if isinstance(part, Call)]
    if calls:
        message |= {"content": message["content"] or None, "tool_calls": calls}
    thought = "".join(part.text for part in parts if isinstance(part, Thinking))
    if thought and role == "assistant":
        message["reasoning_content"] = thought
    return message


def _join(before: dict[str, Any], more: dict[str, Any]) -> None:
    """Two turns of the assistant in a row are one message here: calls must stand together before their results."""
    parts = [before["content"] or "", more["content"] or ""]
    if all(isinstance(part, str) for part in parts):
        before["content"] = "".join(parts) or None
    else:
        before["content"] = [one for part in parts for one in _listed(part)]
    if "tool_calls" in more:
        before["tool_calls"] = [*before.get("tool_calls", ()), *more["tool_calls"]]
    if "reasoning_content" in more:
        before["reasoning_content"] = before.get("reasoning_content", "") + more["reasoning_content"]
    before["content"] = before["content"] if before.get("tool_calls") else before["content"] or ""


def _listed(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def _told_call(call: Call) -> dict[str, Any]:
    text = msgspec.json.encode(free.wrapped(call.arguments)).decode() if call.free else call.arguments
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": text or "{}"}}


def _content(parts: tuple[Part, ...] | tuple[Text | Image | File, ...]) -> Any:
    """Text alone stays text; pictures and files make a list of parts."""
    shown = [part for part in parts if isinstance(part, Text | Image | File)]
    if all(isinstance(part, Text) for part in shown):
        return "".join(part.text for part in shown if isinstance(part, Text))
    return [_told_part(part) for part in shown]


def _told_part(part: Text | Image | File) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        image = {"url": part.url} | ({"detail": part.detail} if part.detail else {})
        return {"type": "image_url", "image_url": image}
    if part.text:
        return {"type": "text", "text": part.text}
    return {"type": "file", "file": {"file_data": part.url, "filename": part.name or "document"}}
