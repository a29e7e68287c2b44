"""Responses, as strictly as their vendor reads them."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any

from openai.types.responses.response_compact_params import ResponseCompactParams
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from openai.types.responses.response_input_item_param import ResponseInputItemParam

from tests.fakes.strict_model import Fault, Turn, Used, bad, known, sealed, whole

# The last is sent by Codex and served by the vendor, though its SDK does not name it.
FIELDS = {*ResponseCreateParamsBase.__annotations__, "stream", "client_metadata"}
_ROLES = ("developer", "system", "user", "assistant")
_CALLS = {"function_call": "function call", "custom_tool_call": "custom tool call"}
COMPACT_FIELDS = {*ResponseCompactParams.__annotations__, "tools", "parallel_tool_calls", "reasoning", "text"}
_LEAST = 16  # what the vendor takes at least as max_output_tokens


def _kinds() -> set[str]:
    found = set()
    for item in typing.get_args(ResponseInputItemParam):
        hints = typing.get_type_hints(item)
        found.update(name for name in typing.get_args(hints.get("type")) if isinstance(name, str))
    return found


KINDS = _kinds() | {"message"}


def check(body: dict[str, Any], headers: dict[str, str]) -> None:
    """Raise what the vendor would answer to a wrong body."""
    known(body, FIELDS, "Unknown parameter: '{}'.")
    if not body.get("input"):
        raise bad("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    least = body.get("max_output_tokens")
    if least is not None and not (whole(least) and least >= _LEAST):
        message = f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {_LEAST}."
        raise bad(message, "max_output_tokens", "integer_below_min_value")
    for at, tool in enumerate(body.get("tools") or []):
        if tool.get("type") == "function" and not tool.get("name"):
            raise bad(f"Missing required parameter: 'tools[{at}].name'.", f"tools[{at}].name")
    items = _items(body)
    _check_items(items)
    _check_pairs(items)


def check_compact(body: dict[str, Any]) -> None:
    """Raise what the vendor would answer to a wrong body of a compaction."""
    known(body, COMPACT_FIELDS, "Unknown parameter: '{}'.")
    _check_items(_items(body))


def _items(body: dict[str, Any]) -> list[dict[str, Any]]:
    given = body["input"]
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def _check_items(items: list[dict[str, Any]]) -> None:
    ids = [item["id"] for item in items if item.get("id") and item.get("type") != "item_reference"]
    for at, item in enumerate(items):
        kind = item.get("type", "message")
        if kind not in KINDS:
            raise bad(f"Invalid value: '{kind}'.", f"input[{at}].type", "invalid_value")
        if kind == "message" and item.get("role") not in _ROLES:
            raise bad(f"Invalid value: '{item.get('role')}'.", f"input[{at}].role", "invalid_value")
        if item.get("id") and ids.count(item["id"]) > 1:
            raise bad(f"Duplicate item found with id {item['id']}. Remove duplicate items from your input.", "input")
        _check_thought(item, at)


def _check_thought(item: dict[str, Any], at: int) -> None:
    if item.get("type") == "reasoning" and item.get("encrypted_content") is not None:
        text = "".join(part["text"] for part in item.get("summary") or [])
        if item["encrypted_content"] != sealed(text):
            message = f"The encrypted content {item['encrypted_content'][:8]}... could not be verified."
            raise bad(message, f"input[{at}]", "invalid_encrypted_content")

    if item.get("type") == "compaction" and item["encrypted_content"] != sealed("compacted"):
        message = "The encrypted content could not be verified."
        raise bad(message, f"input[{at}]", "invalid_encrypted_content")


def _check_pairs(items: list[dict[str, Any]]) -> None:
    for kind, words in _CALLS.items():
        made = [item["call_id"] for item in items if item.get("type") == kind]
        results = [item["call_id"] for item in items if item.get("type") == f"{kind}_output"]
        for result in results:
            if result not in made:
                raise bad(f"No tool call found for {words} output with call_id {result}.", "input")
        for call in made:
            if call not in results:
                raise bad(f"No tool output found for {words} {call}.", "input")
            if made.count(call) > 1 or results.count(call) > 1:
                raise bad(f"Duplicate {words} with call_id {call}.", "input")


def resumed(body: dict[str, Any], stored: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The body with what went before, where it continues an answer that was kept."""
    before = body.get("previous_response_id")
    if before is None:
        return body
    if before not in stored:
        message = f"Previous response with id '{before}' not found."
        raise bad(message, "previous_response_id", "previous_response_not_found")
    return {**body, "input": stored[before] + _items(body)}


def kept(body: dict[str, Any], answer: dict[str, Any]) -> list[dict[str, Any]]:
    """What a later request continues from."""
    return [*_items(body), *answer["output"]]


def offered(body: dict[str, Any]) -> dict[str, bool]:
    """The names of its tools, and whether each takes free text."""
    tools = [tool for tool in body.get("tools") or [] if tool["type"] in ("function", "custom")]
    return {tool["name"]: tool["type"] == "custom" for tool in tools}


def answered(body: dict[str, Any]) -> bool:
    """Whether the conversation holds a tool's result."""
    return any(item.get("type") in ("function_call_output", "custom_tool_call_output") for item in _items(body))


def thinks(body: dict[str, Any]) -> bool:
    """Whether the client wants to carry reasoning along."""
    return "reasoning.encrypted_content" in (body.get("include") or [])


def limit(body: dict[str, Any]) -> int:
    """The most tokens it may say."""
    return int(body.get("max_output_tokens") or 10**6)


def envelope(fault: Fault) -> dict[str, Any]:
    """An error, as this vendor writes it."""
    return {"error": {"message": fault.message, "type": fault.kind, "param": fault.param, "code": fault.code}}


def whole_answer(body: dict[str, Any], turn: Turn, tokens: Used, number: int) -> dict[str, Any]:
    """The answer in one piece."""
    status = "incomplete" if turn.cut else "completed"
    compacts = any(item.get("type") == "compaction_trigger" for item in _items(body))
    output = [_compaction(number)] if compacts else _output(turn, number)
    answer = {**_response(body, number), "status": status, "output": output, "usage": _usage(tokens)}
    return answer | ({"incomplete_details": {"reason": "max_output_tokens"}} if turn.cut else {"completed_at": 1.79e9})


def compacted(body: dict[str, Any], tokens: Used, number: int) -> dict[str, Any]:
    """The answer to a compaction: what the user said, and what only this upstream reads again."""
    said = [item for item in _items(body) if item.get("role") == "user"]
    answer = {"id": f"resp_strict{number}", "object": "response.compaction", "created_at": 1_790_000_000}
    return {**answer, "output": [*said, _compaction(number)], "usage": _usage(tokens)}


def _compaction(number: int) -> dict[str, Any]:
    return {"type": "compaction", "id": f"cmp_strict{number}", "encrypted_content": sealed("compacted")}


def events(body: dict[str, Any], turn: Turn, tokens: Used, number: int) -> Iterator[bytes]:
    """The answer as a stream, one event a piece."""
    done = whole_answer(body, turn, tokens, number)
    rows = [("response.created", {"response": _response(body, number)})]
    rows.append(("response.in_progress", {"response": _response(body, number)}))
    for at, item in enumerate(done["output"]):
        rows += [(name, {"output_index": at, **data}) for name, data in _item_events(item, turn)]
    rows.append(("response.incomplete" if turn.cut else "response.completed", {"response": done}))
    for at, (name, data) in enumerate(rows):
        event = {"type": name, "sequence_number": at, **data}
        yield f"event: {name}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode()


def _item_events(item: dict[str, Any], turn: Turn) -> Iterator[tuple[str, dict[str, Any]]]:
    empty = {"message": {"content": []}, "function_call": {"arguments": ""}, "custom_tool_call": {"input": ""}}
    start = {**item, **empty.get(item["type"], {})}
    if item["type"] != "reasoning":
        start["status"] = "in_progress"
    yield "response.output_item.added", {"item": start}
    if item["type"] == "message":
        yield from _text_events(item, turn)
    elif item["type"] == "function_call":
        for piece in (item["arguments"][:5], item["arguments"][5:]):
            yield "response.function_call_arguments.delta", {"item_id": item["id"], "delta": piece}
        done = {"item_id": item["id"], "name": item["name"], "arguments": item["arguments"]}
        yield "response.function_call_arguments.done", done
    elif item["type"] == "custom_tool_call":
        yield "response.custom_tool_call_input.delta", {"item_id": item["id"], "delta": item["input"]}
        yield "response.custom_tool_call_input.done", {"item_id": item["id"], "input": item["input"]}
    yield "response.output_item.done", {"item": item}


def _text_events(item: dict[str, Any], turn: Turn) -> Iterator[tuple[str, dict[str, Any]]]:
    place = {"item_id": item["id"], "content_index": 0}
    part = item["content"][0]
    yield "response.content_part.added", {**place, "part": {**part, "text": ""}}
    for piece in turn.pieces():
        yield "response.output_text.delta", {**place, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**place, "text": part["text"], "logprobs": []}
    yield "response.content_part.done", {**place, "part": part}


def _output(turn: Turn, number: int) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if turn.thought:
        summary = [{"type": "summary_text", "text": turn.thought}]
        thought = {"type": "reasoning", "id": f"rs_strict{number}", "summary": summary}
        output.append({**thought, "encrypted_content": sealed(turn.thought)})
    if not turn.tool:
        part = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
        message = {"type": "message", "id": f"msg_strict{number}", "role": "assistant", "content": [part]}
        return [*output, {**message, "status": "incomplete" if turn.cut else "completed"}]
    call = {"call_id": f"call_strict{number}", "name": turn.tool, "status": "completed"}
    if turn.custom:
        text = str(turn.arguments.get("input", ""))
        return [*output, {"type": "custom_tool_call", "id": f"ctc_strict{number}", **call, "input": text}]
    arguments = json.dumps(turn.arguments)
    return [*output, {"type": "function_call", "id": f"fc_strict{number}", **call, "arguments": arguments}]


def _response(body: dict[str, Any], number: int) -> dict[str, Any]:
    asked = ("instructions", "max_output_tokens", "max_tool_calls", "previous_response_id", "prompt_cache_key")
    asked = (*asked, "safety_identifier", "user")
    reasoning = {"effort": None, "summary": None, **(body.get("reasoning") or {})}
    text = {"format": {"type": "text"}, "verbosity": "medium", **(body.get("text") or {})}
    response = {"id": f"resp_strict{number}", "object": "response", "created_at": 1.79e9, "completed_at": None}
    response |= {"status": "in_progress", "error": None, "incomplete_details": None, "background": False}
    response |= {
        "model": body["model"],
        "output": [],
        "usage": None,
        "service_tier": "default",
        "truncation": "disabled",
    }
    response |= {name: body.get(name) for name in asked}
    response |= {"parallel_tool_calls": body.get("parallel_tool_calls", True), "store": body.get("store", True)}
    response |= {"reasoning": reasoning, "text": text, "tool_choice": body.get("tool_choice", "auto")}
    response |= {"tools": [_echoed(tool) for tool in body.get("tools") or []], "metadata": body.get("metadata") or {}}
    response |= {"temperature": body.get("temperature", 1.0), "top_p": body.get("top_p", 1.0), "top_logprobs": 0}
    return {**response, "presence_penalty": 0.0, "frequency_penalty": 0.0}


def _echoed(tool: dict[str, Any]) -> dict[str, Any]:
    return {"strict": True, "description": None, "parameters": {}, **tool} if tool["type"] == "function" else tool


def _usage(tokens: Used) -> dict[str, Any]:
    read = {"cached_tokens": tokens.read, "cache_write_tokens": 0}
    usage = {"input_tokens": tokens.input, "input_tokens_details": read, "output_tokens": tokens.output}
    usage["output_tokens_details"] = {"reasoning_tokens": tokens.reasoning}
    return {**usage, "total_tokens": tokens.input + tokens.output}
