"""The strict upstream says what the vendors' SDK types demand, and refuses what the vendors refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.fakes.strict_model import Prices, Script, Used
from tests.fakes.strict_upstream import KEY, StrictUpstream

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
CHAT_TOOL = {"type": "function", "function": {"name": "read", "parameters": SCHEMA}}
TOOL = {"type": "function", "name": "read", "parameters": SCHEMA, "strict": False}
MESSAGES_TOOL = {"name": "read", "input_schema": SCHEMA}
USER = {"role": "user", "content": "Read it."}
CALL = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "t1", "name": "read", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "42"}
CHAT = {"model": "gpt-strict", "messages": [USER], "tools": [CHAT_TOOL]}
RESPONSES = {"model": "gpt-strict", "input": [USER], "tools": [TOOL], "include": ["reasoning.encrypted_content"]}
THINKING = {"type": "enabled", "budget_tokens": 1024}
MESSAGES = {"model": "claude-strict", "max_tokens": 2048, "messages": [USER], "tools": [MESSAGES_TOOL]}
MESSAGES |= {"thinking": THINKING}
BODIES = {"chat/completions": CHAT, "responses": RESPONSES, "messages": MESSAGES}
WHOLE = {"chat/completions": ChatCompletion, "responses": Response, "messages": Message}
EVENTS: dict[str, Any] = {
    "chat/completions": ChatCompletionChunk,
    "responses": ResponseStreamEvent,
    "messages": RawMessageStreamEvent,
}


@pytest.fixture
def upstream() -> Iterator[StrictUpstream]:
    """One that calls the tool `read`."""
    with StrictUpstream(Script(tools={"read": {"path": "answer.txt"}})) as strict:
        yield strict


def post(upstream: StrictUpstream, path: str, body: dict[str, Any]) -> httpx.Response:
    """One request, as plain HTTP."""
    head = {"authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"}
    return httpx.post(f"{upstream.base_url}/{path}", json=body, headers=head)


@pytest.mark.parametrize("tools", [True, False])
@pytest.mark.parametrize("path", BODIES)
def test_a_whole_answer_is_of_the_vendors_type(upstream: StrictUpstream, path: str, tools: bool) -> None:
    """A tool's call and a text are what the SDK's strict types read."""
    body = dict(BODIES[path])
    if not tools:
        del body["tools"]
    TypeAdapter(WHOLE[path]).validate_json(post(upstream, path, body).text, strict=True)


@pytest.mark.parametrize("tools", [True, False])
@pytest.mark.parametrize("path", BODIES)
def test_a_streamed_answer_is_of_the_vendors_type(upstream: StrictUpstream, path: str, tools: bool) -> None:
    """Each event of a stream is what the SDK's strict types read; only a ping has none."""
    body = {**BODIES[path], "stream": True}
    if not tools:
        del body["tools"]
    lines = [line.removeprefix("data: ") for line in post(upstream, path, body).text.splitlines()]
    read = [line for line in lines if line.startswith("{") and line != '{"type":"ping"}']
    for line in read:
        TypeAdapter(EVENTS[path]).validate_json(line, strict=True)
    assert len(read) > 4


WRONG: list[tuple[str, dict[str, Any], int, str]] = [
    ("chat/completions", {"model": "gpt-99"}, 404, "does not exist"),
    ("chat/completions", {"messages": []}, 400, "messages"),
    ("chat/completions", {"messages": [{"role": "robot", "content": "x"}]}, 400, "robot"),
    (
        "chat/completions",
        {"messages": [USER, {"role": "tool", "tool_call_id": "c1", "content": ""}]},
        400,
        "preceeding",
    ),
    ("chat/completions", {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}, USER]}, 400, "c1"),
    ("chat/completions", {"messages": [USER, {"role": "assistant", "tool_calls": [CALL, CALL]}]}, 400, "Duplicate"),
    ("chat/completions", {"max_tokens": 1, "max_completion_tokens": 1}, 400, "same time"),
    ("chat/completions", {"stream_options": {"include_usage": True}}, 400, "stream"),
    ("chat/completions", {"brand_new": 1}, 400, "brand_new"),
    ("responses", {"model": "gpt-99"}, 404, "does not exist"),
    ("responses", {"input": [{"type": "function_call_output", "call_id": "c1", "output": ""}]}, 400, "No tool call"),
    (
        "responses",
        {"input": [{"type": "function_call", "call_id": "c1", "name": "read", "arguments": ""}]},
        400,
        "No tool output",
    ),
    ("responses", {"input": [{**USER, "id": "msg_1"}, {**USER, "id": "msg_1"}]}, 400, "Duplicate"),
    ("responses", {"input": [{"type": "dream"}]}, 400, "dream"),
    ("responses", {"input": [{"type": "reasoning", "summary": [], "encrypted_content": "forged"}]}, 400, "verified"),
    ("responses", {"previous_response_id": "resp_0"}, 400, "not found"),
    ("responses", {"max_output_tokens": 1}, 400, "minimum"),
    ("responses", {"brand_new": 1}, 400, "brand_new"),
    ("messages", {"model": "claude-99"}, 404, "claude-99"),
    ("messages", {"max_tokens": None}, 400, "max_tokens"),
    ("messages", {"messages": [{"role": "tool", "content": "x"}]}, 400, "role"),
    ("messages", {"messages": [{"role": "user", "content": [RESULT]}]}, 400, "unexpected `tool_use_id`"),
    ("messages", {"messages": [USER, {"role": "assistant", "content": [USE]}, USER]}, 400, "without `tool_result`"),
    ("messages", {"messages": [USER, {"role": "assistant", "content": [USE, USE]}]}, 400, "unique"),
    (
        "messages",
        {
            "messages": [
                USER,
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "forged"}]},
            ]
        },
        400,
        "signature",
    ),
    ("messages", {"thread": {"type": "create"}}, 400, "threads"),
    ("messages", {"brand_new": 1}, 400, "brand_new"),
    ("messages/count_tokens", {}, 400, "max_tokens"),
]


@pytest.mark.parametrize(("path", "change", "status", "said"), WRONG)
def test_what_the_vendor_refuses(
    upstream: StrictUpstream, path: str, change: dict[str, Any], status: int, said: str
) -> None:
    """A wrong body is refused in the vendor's envelope, and costs nothing."""
    answer = post(upstream, path, {**BODIES.get(path, MESSAGES), **change})
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]
    assert upstream.billed == 0


@pytest.fixture
def client(upstream: StrictUpstream) -> Iterator[openai.OpenAI]:
    """The openai SDK, straight at it."""
    with openai.OpenAI(base_url=upstream.base_url, api_key=KEY, max_retries=0) as one:
        yield one


def test_a_chat_turn_with_the_sdk(upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """The client's own replay of the call and its result is accepted, and each turn is billed."""
    messages: list[Any] = [USER]
    first = client.chat.completions.create(model="gpt-strict", messages=messages, tools=[CHAT_TOOL])
    call = first.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"path": "answer.txt"}
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "42"}]
    second = client.chat.completions.create(model="gpt-strict", messages=messages, tools=[CHAT_TOOL])
    assert second.choices[0].message.content == upstream.script.text
    assert [seen.billed > 0 for seen in upstream.seen] == [True, True]


def test_a_responses_turn_with_the_sdk(upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """Reasoning, call and result come back as they went out, or by the id of the answer."""
    first = client.responses.create(**RESPONSES)
    result = {"type": "function_call_output", "call_id": first.output[-1].call_id, "output": "42"}
    whole = client.responses.create(**{**RESPONSES, "input": [USER, *first.output, result]})
    linked = client.responses.create(**{**RESPONSES, "input": [result]}, previous_response_id=first.id)
    assert whole.output_text == linked.output_text == upstream.script.text


def test_a_messages_turn_with_the_sdk(upstream: StrictUpstream) -> None:
    """Thinking with its signature, use and result come back as they went out."""
    with anthropic.Anthropic(base_url=upstream.address, api_key=KEY, max_retries=0) as client:
        first = client.messages.create(**MESSAGES)
        result = {**RESULT, "tool_use_id": first.content[-1].id}
        turns = [USER, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        second = client.messages.create(**{**MESSAGES, "messages": turns})
    assert second.content[-1].text == upstream.script.text


def test_the_bill_is_worked_out_by_hand() -> None:
    """$2, $0.20, $2.50, $4 and $10 a million: 1,000 fresh, 500 read, 200 and 100 written, 33 said are 3,330."""
    assert Used(fresh=1000, read=500, short=200, long=100, output=33).cost(Prices()) == 2000 + 100 + 500 + 400 + 330
