"""OpenAI Responses' requests.

Shapes: https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


class _Tool(msgspec.Struct, frozen=True):
    type: str = ""
    name: str = ""
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()
    strict: bool | None = None
    format: msgspec.Raw = msgspec.Raw()
    tools: list[_Tool] | None = None


class _Item(msgspec.Struct, frozen=True):
    type: str = "message"
    role: str = ""
    content: str | list[dict[str, Any]] | None = None
    call_id: str = ""
    name: str = ""
    namespace: str = ""
    arguments: Any = ""
    input: str = ""
    output: Any = None
    summary: list[dict[str, Any]] | None = None
    encrypted_content: str | None = None
    action: msgspec.Raw = msgspec.Raw()
    tools: list[_Tool] | None = None


class _Body(msgspec.Struct, frozen=True):
    model: str
    input: str | list[_Item] = ""
    instructions: str | None = None
    max_output_tokens: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    user: str | None = None
    stream: bool | None = None
    include: list[str] | None = None


_bodies = msgspec.json.Decoder(_Body)
_READ = {**leaves(*_Body.__struct_fields__), **shapes.RESPONSES}
_ROLES = ("system", "developer", "user", "assistant")
_CALLS = ("function_call", "custom_tool_call")
_RESULTS = ("function_call_output", "custom_tool_call_output")
_LOGPROBS = "message.output_text.logprobs"
_WORDS = ("input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text")
_APART = "__"  # stands between a namespace and its tool's name, where a dialect knows no namespaces


def read(body: bytes) -> Prompt:
    """The prompt that a body holds. Raises `BadRequest` where a field has the wrong type."""
    found = body_.peek(_bodies, body, "responses")
    items = [_Item(role="user", content=found.input)] if isinstance(found.input, str) else found.input
    offered = [*(found.tools or ()), *(tool for item in items for tool in item.tools or ())]
    system = [Turn("system", (Text(found.instructions),))] if found.instructions else []
    return Prompt(
        model=found.model,
        turns=(*system, *(turn for item in items if (turn := _turn(item)) is not None)),
        tools=only(tuple(tool for one in offered for tool in _tools(one, "")), _allowed(found.tool_choice)),
        choice=_choice(found),
        format=_format(found.text or {}),
        max_tokens=body_.limit("max_output_tokens", (found.max_output_tokens,)),
        temperature=found.temperature,
        top_p=found.top_p,
        logprobs=found.top_logprobs or (0 if _LOGPROBS in (found.include or ()) else None),
        effort=_word(found.reasoning, "effort"),
        verbosity=_word(found.text, "verbosity"),
        user=found.user,
        stream=bool(found.stream),
        usage=True,
        lost=tuple(dict.fromkeys([*_lost(items, found.include or ()), *unread(body_.readable(body), _READ)])),
    )


def _word(given: dict[str, Any] | None, name: str) -> str | None:
    value = (given or {}).get(name)
    return value if isinstance(value, str) else None


def _lost(items: list[_Item], include: Iterable[str]) -> Iterator[str]:
    """Parts that hold nothing that is read, such as a file that only its vendor has; what else is to be told."""
    parts = [
        part for item in items for given in (item.content, item.output) if isinstance(given, list) for part in given
    ]
    for part in (part for part in parts if isinstance(part, dict)):
        if next(_part(part), None) is None and part.get("type") not in _WORDS:
            yield f"part {body_.plain(str(part.get('type')))}"
    if not set(include) <= {_LOGPROBS, "reasoning.encrypted_content"}:  # reasoning is told in the open
        yield "include"


def _turn(item: _Item) -> Turn | None:
    if item.type in _CALLS:
        free = item.type == "custom_tool_call"
        name = f"{item.namespace}{_APART}{item.name}" if item.namespace else item.name
        return Turn("assistant", (Call(item.call_id, name, item.input if free else _text(item.arguments), free),))
    if item.type in _RESULTS:
        given = item.output if isinstance(item.output, list) else _text(item.output)
        parts = tuple(part for part in _parts(given) if isinstance(part, Text | Image | File))
        return Turn("tool", (Result(item.call_id, parts, free=item.type.startswith("custom")),))
    if item.type == "reasoning":
        told = item.content if isinstance(item.content, list) and item.content else item.summary
        text = "\n".join(str(part.get("text", "")) for part in told or ())
        return Turn("assistant", (Thinking(text, hidden=item.encrypted_content or "", by="responses"),))
    if item.type != "message" or item.content is None:
        return None
    role: Any = item.role if item.role in _ROLES else "user"
    return Turn(role, tuple(_parts(item.content)))


def _text(given: Any) -> str:
    return given if isinstance(given, str) else msgspec.json.encode(given).decode()


def _parts(content: str | list[dict[str, Any]]) -> Iterator[Part]:
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for part in content:
        yield from _part(part)


def _part(part: dict[str, Any]) -> Iterator[Part]:
    """Nothing for what is empty, and for what only its vendor holds."""
    kind = part.get("type", "")
    if kind == "input_image" and part.get("image_url"):
        detail = part.get("detail")
        yield Image(str(part["image_url"]), None if detail == "auto" else detail)
    elif kind == "input_file" and (url := part.get("file_data") or part.get("file_url")):
        yield File(url=str(url), name=part.get("filename"))
    elif said := part.get("text") or part.get("refusal"):
        yield Text(str(said))


def _tools(tool: _Tool, namespace: str) -> Iterator[Tool]:
    """A namespace's tools come out one by one, with the namespace before their names."""
    if tool.type == "namespace":
        for inner in tool.tools or ():
            yield from _tools(inner, tool.name)
    elif tool.type in ("function", "custom"):
        yield Tool(
            name=f"{namespace}{_APART}{tool.name}" if namespace else tool.name,
            description=tool.description or "",
            schema=tool.parameters if bytes(tool.parameters) not in (b"", b"null") else msgspec.Raw(b"{}"),
            strict=tool.strict,
            free=tool.type == "custom",
            grammar=tool.format,
            namespace=namespace,
        )


def _choice(found: _Body) -> Choice | None:
    given, parallel = found.tool_choice, found.parallel_tool_calls
    if isinstance(given, dict) and given.get("type") == "allowed_tools":
        given = given.get("mode", "auto")
    if isinstance(given, dict):
        named = given.get("name") if given.get("type") in ("function", "custom") else None
        return Choice("named", str(named), parallel) if named else Choice("auto", "", parallel)
    if given in ("none", "required"):
        return Choice("none" if given == "none" else "required", "", parallel)
    return Choice("auto", "", parallel) if given or parallel is not None else None


def _allowed(choice: str | dict[str, Any] | None) -> set[str] | None:
    """The names of the tools that may be used, where not all may be."""
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return None
    return {str(tool.get("name")) for tool in choice.get("tools") or ()}


def _format(text: dict[str, Any]) -> Format | None:
    wanted = text.get("format") or {}
    if wanted.get("type") == "json_schema":
        schema, name = body_.raw(wanted.get("schema", {})), wanted.get("name", "")
        return Format("json_schema", name, schema, wanted.get("strict"), wanted.get("description"))
    return Format("json_object") if wanted.get("type") == "json_object" else None


_NO_PLACE = ("top_k", "min_p", "frequency_penalty", "presence_penalty", "seed", "logit_bias")


def lost(prompt: Prompt, _change: Change) -> list[str]:
    """What this dialect has no place for."""
    named = [*(name for name in _NO_PLACE if getattr(prompt, name) is not None), *(["stop"] if prompt.stop else ())]
    return [*named, *losses.thoughts(prompt, told=False), *losses.errors(prompt), *losses.grammars(prompt)]


def write(prompt: Prompt, change: Change) -> bytes:
    """The body for an upstream of this dialect. Nothing is stored there: the client keeps its own conversation."""
    turns = list(prompt.turns)
    body: dict[str, Any] = {"model": change.model, "max_output_tokens": change.output, "store": False}
    if turns and turns[0].role == "system":
        body["instructions"] = "\n\n".join(part.text for part in turns.pop(0).parts if isinstance(part, Text))
    body["input"] = [item for turn in turns for item in _items(turn)]
    if prompt.tools:
        body["tools"] = [_told_tool(tool) for tool in prompt.tools]
        body |= _told_choice(prompt.choice)
    text = _told_text(prompt)
    if text:
        body["text"] = text
    if prompt.effort:
        body["reasoning"] = {"effort": prompt.effort}
    for name, value in (("temperature", prompt.temperature), ("top_p", prompt.top_p), ("user", prompt.user)):
        if value is not None:
            body[name] = value
    if prompt.logprobs is not None:
        body |= {"top_logprobs": prompt.logprobs, "include": [_LOGPROBS]}
    if prompt.stream:
        body["stream"] = True
    if change.service_tier:
        body["service_tier"] = change.service_tier
    return msgspec.json.encode(body)


def _items(turn: Turn) -> Iterator[dict[str, Any]]:
    """What was said as one message, then the calls and results; reasoning of another model is left out."""
    said = [part for part in turn.parts if isinstance(part, Text | Image | File)]
    if turn.role == "assistant":
        words = "".join(part.text for part in said if isinstance(part, Text))
        if words:  # as a string: a list of its own kind of parts needs ids that only this vendor gives
            yield {"type": "message", "role": "assistant", "content": words}
        said = [part for part in said if not isinstance(part, Text)]  # pictures can only be the user's
    if said:
        role = "user" if turn.role in ("assistant", "tool") else turn.role
        yield {"type": "message", "role": role, "content": [_told_part(part) for part in said]}
    for part in turn.parts:
        if isinstance(part, Call):
            wrapped = msgspec.json.encode(free.wrapped(part.arguments)).decode() if part.free else ""
            arguments = wrapped or part.arguments
            yield {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": arguments or "{}"}
        elif isinstance(part, Result):
            yield {"type": "function_call_output", "call_id": part.id, "output": _told_output(part)}


def _told_output(result: Result) -> Any:
    if all(isinstance(part, Text) for part in result.parts):
        return "".join(part.text for part in result.parts if isinstance(part, Text))
    return [_told_part(part) for part in result.parts]


def _told_part(part: Text | Image | File) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "input_text", "text": part.text}
        case Image():
            return {"type": "input_image", "image_url": part.url, "detail": part.detail or "auto"}
        case File(text=text) if text:
            return {"type": "input_text", "text": text}
    field = "file_data" if part.url.startswith("data:") else "file_url"
    return {"type": "input_file", field: part.url, "filename": part.name or "document"}


def _told_tool(tool: Tool) -> dict[str, Any]:
    schema: Any = free.SCHEMA if tool.free else tool.schema
    told = {"type": "function", "name": tool.name, "description": tool.description, "parameters": schema}
    return {**told, "strict": bool(tool.strict)}


def _told_choice(choice: Choice | None) -> dict[str, Any]:
    if choice is None:
        return {}
    named = {"type": "function", "name": choice.name}
    told: dict[str, Any] = {"tool_choice": named if choice.kind == "named" else choice.kind}
    return told if choice.parallel is None else {**told, "parallel_tool_calls": choice.parallel}


def _told_text(prompt: Prompt) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if prompt.verbosity:
        told["verbosity"] = prompt.verbosity
    form = prompt.format
    if form is not None and form.kind == "json_object":
        told["format"] = {"type": "json_object"}
    elif form is not None:
        schema = {"name": form.name or "answer", "schema": form.schema, "strict": bool(form.strict)}
        schema |= {"description": form.description} if form.description else {}
        told["format"] = {"type": "json_schema", **schema}
    return told
