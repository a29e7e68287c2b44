"""Anthropic Messages, as strictly as their vendor reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from anthropic.types.beta import message_count_tokens_params, message_create_params

from tests.fakes.strict_model import Fault, Turn, Used, bad, known, sealed, whole

FIELDS = {*message_create_params.MessageCreateParamsBase.__annotations__, "stream", "temperature", "top_k", "top_p"}
COUNTED = {*message_count_tokens_params.MessageCountTokensParams.__annotations__}
_ROLES = ("user", "assistant", "system")
_MOST_MARKS = 4
_NO_USE = (
    "messages.{}.content.{}: unexpected `tool_use_id` found in `tool_result` blocks: {}. Each `tool_result` block must "
    "have a corresponding `tool_use` block in the previous message."
)
_NO_RESULT = (
    "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block "
    "must have a corresponding `tool_result` block in the next message."
)


def check(body: dict[str, Any], headers: dict[str, str]) -> None:
    """Raise what the vendor would answer to a wrong body."""
    _check_head(body, headers)
    known(body, FIELDS, "{}: Extra inputs are not permitted")
    if "max_tokens" not in body:
        raise bad("max_tokens: Field required")
    if not whole(body["max_tokens"]):
        raise bad("max_tokens: Input should be greater than or equal to 1")
    if "thread" in body:
        raise Fault(400, "invalid_request_error", "Message threads are not served.", code="thread_unsupported_request")
    _check_messages(body)


def check_count(body: dict[str, Any], headers: dict[str, str]) -> None:
    """The same for counting, which knows fewer fields."""
    _check_head(body, headers)
    known(body, COUNTED, "{}: Extra inputs are not permitted")
    _check_messages(body)


def _check_head(body: dict[str, Any], headers: dict[str, str]) -> None:
    if "anthropic-version" not in headers:
        raise bad("anthropic-version: header is required")
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise bad("messages: at least one message is required" if "messages" in body else "messages: Field required")


def _check_messages(body: dict[str, Any]) -> None:
    marks = json.dumps([body.get("system"), body["messages"], body.get("tools")]).count('"cache_control": {')
    if marks > _MOST_MARKS:
        raise bad(f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {marks}.")
    waiting: list[str] = []
    seen: set[str] = set()
    for at, message in enumerate(body["messages"]):
        if message.get("role") not in _ROLES:
            raise bad(f'messages: Unexpected role "{message.get("role")}".')
        waiting = _check_results(_blocks(message), waiting, at)
        uses = [block["id"] for block in _blocks(message) if block["type"] == "tool_use"]
        if seen.intersection(uses) or len(set(uses)) < len(uses):
            raise bad(f"messages.{at}: `tool_use` ids must be unique")
        seen.update(uses)
        waiting += uses
        for number, block in enumerate(_blocks(message)):
            _check_block(block, f"messages.{at}.content.{number}")
    if waiting:
        raise bad(_NO_RESULT.format(len(body["messages"]) - 1, ", ".join(waiting)))


def _check_results(blocks: list[dict[str, Any]], waiting: list[str], at: int) -> list[str]:
    left = list(waiting)
    for number, block in enumerate(blocks):
        if block["type"] == "tool_result":
            if block.get("tool_use_id") not in left:
                raise bad(_NO_USE.format(at, number, block.get("tool_use_id")))
            left.remove(block["tool_use_id"])
    if left:
        raise bad(_NO_RESULT.format(at - 1, ", ".join(left)))
    return left


def _check_block(block: dict[str, Any], place: str) -> None:
    if block["type"] == "text" and not block.get("text", "").strip():
        raise bad("messages: text content blocks must contain non-whitespace text")
    if block["type"] == "thinking" and not str(block.get("signature", "")).startswith(sealed("")):
        raise bad(f"{place}: Invalid `signature` in `thinking` block")
    if block["type"] == "thinking" and block["thinking"] and block["signature"] != sealed(block["thinking"]):
        raise bad(f"{place}: Invalid `signature` in `thinking` block")


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def offered(body: dict[str, Any]) -> dict[str, bool]:
    """The names of its tools; none takes free text."""
    return {tool["name"]: False for tool in body.get("tools") or [] if tool.get("type", "custom") == "custom"}


def answered(body: dict[str, Any]) -> bool:
    """Whether the conversation holds a tool's result."""
    return any(block["type"] == "tool_result" for message in body["messages"] for block in _blocks(message))


def thinks(body: dict[str, Any]) -> bool:
    """Whether the client asked for thinking."""
    return (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def limit(body: dict[str, Any]) -> int:
    """The most tokens it may say."""
    return int(body["max_tokens"])


def envelope(fault: Fault) -> dict[str, Any]:
    """An error, as this vendor writes it."""
    error: dict[str, Any] = {"type": fault.kind, "message": fault.message}
    if fault.code == "thread_unsupported_request":
        error["details"] = {"error_code": fault.code}
    return {"type": "error", "error": error, "request_id": "req_strict"}


def whole_answer(body: dict[str, Any], turn: Turn, tokens: Used, number: int) -> dict[str, Any]:
    """The answer in one piece."""
    message = {**_message(body, tokens, number), "content": _content(body, turn, number), "stop_reason": _stop(turn)}
    message["usage"] = {**message["usage"], "output_tokens": tokens.output}
    return message


def events(body: dict[str, Any], turn: Turn, tokens: Used, number: int) -> Iterator[bytes]:
    """The answer as a stream, one event a piece."""
    yield _event("message_start", {"message": _message(body, tokens, number)})
    for at, block in enumerate(_content(body, turn, number)):
        start = {**block, **{name: empty for name, empty in _EMPTY.items() if name in block}}
        yield _event("content_block_start", {"index": at, "content_block": start})
        if at == 0:
            yield _event("ping", {})
        for delta in _deltas(block, turn):
            yield _event("content_block_delta", {"index": at, "delta": delta})
        yield _event("content_block_stop", {"index": at})
    usage = {name: value for name, value in _usage(tokens).items() if name.endswith("_tokens")}
    delta = {"stop_reason": _stop(turn), "stop_sequence": None, "stop_details": None, "container": None}
    yield _event("message_delta", {"delta": delta, "usage": {**usage, "output_tokens": tokens.output}})
    yield _event("message_stop", {})


_EMPTY: dict[str, Any] = {"text": "", "thinking": "", "signature": "", "input": {}}


def _deltas(block: dict[str, Any], turn: Turn) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in turn.pieces())
    elif block["type"] == "tool_use":
        given = json.dumps(block["input"])
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in ("", given[:6], given[6:]))
    else:
        if block["thinking"]:
            yield {"type": "thinking_delta", "thinking": block["thinking"]}
        yield {"type": "signature_delta", "signature": block["signature"]}


def _content(body: dict[str, Any], turn: Turn, number: int) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    if turn.thought:
        shown = "" if body["thinking"].get("display") == "omitted" else turn.thought
        content.append({"type": "thinking", "thinking": shown, "signature": sealed(turn.thought)})
    if turn.tool:
        return [
            *content,
            {"type": "tool_use", "id": f"toolu_strict{number}", "name": turn.tool, "input": turn.arguments},
        ]
    return [*content, {"type": "text", "text": turn.text, "citations": None}]


def _stop(turn: Turn) -> str:
    return "tool_use" if turn.tool else "max_tokens" if turn.cut else "end_turn"


def _message(body: dict[str, Any], tokens: Used, number: int) -> dict[str, Any]:
    message = {
        "id": f"msg_strict{number}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [],
    }
    message |= {"stop_reason": None, "stop_sequence": None, "stop_details": None, "container": None}
    return {**message, "usage": _usage(tokens)}


def _usage(tokens: Used) -> dict[str, Any]:
    usage = {"input_tokens": tokens.fresh, "cache_read_input_tokens": tokens.read, "output_tokens": 1}
    usage["cache_creation_input_tokens"] = tokens.short + tokens.long
    made = {"ephemeral_5m_input_tokens": tokens.short, "ephemeral_1h_input_tokens": tokens.long}
    return {**usage, "cache_creation": made, "service_tier": "standard", "server_tool_use": None, "inference_geo": None}


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data}, separators=(',', ':'))}\n\n".encode()
