"""Chat completions, as strictly as their vendor reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from tests.fakes.strict_model import Fault, Turn, Used, bad, known, whole

FIELDS = {*CompletionCreateParamsBase.__annotations__, "stream"}
_ROLES = ("developer", "system", "user", "assistant", "tool", "function")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PRECEDING = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
_UNANSWERED = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
    "The following tool_call_ids did not have response messages: "
)


def check(body: dict[str, Any], headers: dict[str, str]) -> None:
    """Raise what the vendor would answer to a wrong body."""
    known(body, FIELDS, "Unknown parameter: '{}'.")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise bad("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if "max_tokens" in body and "max_completion_tokens" in body:
        raise bad("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", "max_tokens")
    for name in ("max_tokens", "max_completion_tokens"):
        if body.get(name) is not None and not whole(body[name]):
            raise bad(f"Invalid '{name}': integer below minimum value.", name, "integer_below_min_value")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if body.get("tool_choice") not in (None, "none") and not body.get("tools"):
        raise bad("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
    _check_tools(body.get("tools") or [])
    _check_messages(messages)


def _check_tools(tools: list[dict[str, Any]]) -> None:
    for at, tool in enumerate(tools):
        if tool.get("type") not in ("function", "custom"):
            raise bad(f"Invalid value: '{tool.get('type')}'.", f"tools[{at}].type", "invalid_value")
        if not _NAME.fullmatch(str(tool[tool["type"]].get("name", ""))):
            raise bad(f"Invalid 'tools[{at}].function.name'.", f"tools[{at}].function.name", "invalid_value")


def _check_messages(messages: list[dict[str, Any]]) -> None:
    open_calls: list[str] = []
    seen: set[str] = set()
    for at, message in enumerate(messages):
        role = message.get("role")
        if role not in _ROLES:
            raise bad(f"Invalid value: '{role}'.", f"messages[{at}].role", "invalid_value")
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise bad(_PRECEDING, f"messages.[{at}].role")
            open_calls.remove(message["tool_call_id"])
            continue
        _closed(open_calls, at)
        open_calls = [call["id"] for call in message.get("tool_calls") or []]
        if seen.intersection(open_calls) or len(set(open_calls)) < len(open_calls):
            raise bad("Duplicate value for 'tool_call_id'.", f"messages.[{at}].tool_calls")
        seen.update(open_calls)
        if message.get("content") is None and not (role == "assistant" and (open_calls or message.get("refusal"))):
            raise bad("Invalid value for 'content': expected a string, got null.", f"messages.[{at}].content")
    _closed(open_calls, len(messages))


def _closed(open_calls: list[str], at: int) -> None:
    if open_calls:
        raise bad(_UNANSWERED + ", ".join(open_calls), f"messages.[{at}].role")


def offered(body: dict[str, Any]) -> dict[str, bool]:
    """The names of its tools, and whether each takes free text."""
    return {tool[tool["type"]]["name"]: tool["type"] == "custom" for tool in body.get("tools") or []}


def answered(body: dict[str, Any]) -> bool:
    """Whether the conversation holds a tool's result."""
    return any(message["role"] == "tool" for message in body["messages"])


def thinks(body: dict[str, Any]) -> bool:
    """Never in the open: this dialect keeps reasoning to itself."""
    return False


def limit(body: dict[str, Any]) -> int:
    """The most tokens it may say."""
    return int(body.get("max_completion_tokens") or body.get("max_tokens") or 10**6)


def envelope(fault: Fault) -> dict[str, Any]:
    """An error, as this vendor writes it."""
    return {"error": {"message": fault.message, "type": fault.kind, "param": fault.param, "code": fault.code}}


def whole_answer(body: dict[str, Any], turn: Turn, tokens: Used, number: int) -> dict[str, Any]:
    """The answer in one piece."""
    message = {"role": "assistant", "content": turn.text or None, "refusal": None, "annotations": []}
    if turn.tool:
        message["tool_calls"] = [_call(turn, number)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(turn)}
    return {**_head(body, number, "chat.completion"), "choices": [choice], "usage": _usage(tokens)}


def events(body: dict[str, Any], turn: Turn, tokens: Used, number: int) -> Iterator[bytes]:
    """The answer as a stream, one event a piece."""
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    head = {**_head(body, number, "chat.completion.chunk"), **({"usage": None} if asked else {})}
    for delta in _deltas(turn, number):
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]})
    last = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": _finish(turn)}
    yield _event({**head, "choices": [last]})
    if asked:
        yield _event({**head, "choices": [], "usage": _usage(tokens)})
    yield b"data: [DONE]\n\n"


def _deltas(turn: Turn, number: int) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if turn.tool else "", "refusal": None}
    if turn.tool:
        call = _call(turn, number)
        given = call["function"]["arguments"]
        yield {"tool_calls": [{"index": 0, **call, "function": {"name": turn.tool, "arguments": ""}}]}
        for piece in (given[:7], given[7:]):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
    for piece in turn.pieces() if turn.text else ():
        yield {"content": piece}


def _call(turn: Turn, number: int) -> dict[str, Any]:
    function = {"name": turn.tool, "arguments": json.dumps(turn.arguments)}
    return {"id": f"call_strict{number}", "type": "function", "function": function}


def _finish(turn: Turn) -> str:
    return "tool_calls" if turn.tool else "length" if turn.cut else "stop"


def _head(body: dict[str, Any], number: int, kind: str) -> dict[str, Any]:
    head = {"id": f"chatcmpl-strict{number}", "object": kind, "created": 1_790_000_000, "model": body["model"]}
    return {**head, "service_tier": "default", "system_fingerprint": "fp_strict"}


def _usage(tokens: Used) -> dict[str, Any]:
    read = {"cached_tokens": tokens.read, "audio_tokens": 0}
    said = {"reasoning_tokens": tokens.reasoning, "audio_tokens": 0}
    said |= {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    usage = {"prompt_tokens": tokens.input, "completion_tokens": tokens.output}
    usage["total_tokens"] = tokens.input + tokens.output
    return {**usage, "prompt_tokens_details": read, "completion_tokens_details": said}


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"
