"""A turn with a tool by the vendors' SDKs, through targets of each dialect: the model's answer reaches them all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes import strict_home
from tests.fakes.home import Home
from tests.fakes.strict_model import Script
from tests.fakes.strict_upstream import StrictUpstream

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
CHAT_TOOL = {"type": "function", "function": {"name": "read", "parameters": SCHEMA}}
TOOL = {"type": "function", "name": "read", "parameters": SCHEMA, "strict": False}
USER = {"role": "user", "content": "Read answer.txt."}

pytestmark = pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
SCRIPT = Script(tools={"read": {"path": "answer.txt"}})


@pytest.fixture
def paid(gateway: Home, provider: StrictUpstream) -> Iterator[None]:
    """Both turns were answered, and the ledger holds what they were billed."""
    provider.seen.clear()
    before = strict_home.spent(gateway)
    yield
    assert [one.status for one in provider.turns] == [200, 200]
    assert strict_home.spent(gateway) - before == provider.billed > 0


@pytest.fixture
def gpt(gateway: Home, key: str) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK; a refusal fails the test at once."""
    with openai.OpenAI(base_url=gateway.runtime.address, api_key=key, max_retries=0) as one:
        yield one


@pytest.fixture
def claude(gateway: Home, key: str) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK."""
    with anthropic.Anthropic(base_url=strict_home.door(gateway), api_key=key, max_retries=0) as one:
        yield one


@pytest.mark.usefixtures("paid")
def test_chat(gpt: openai.OpenAI, provider: StrictUpstream, dialect: str) -> None:
    """Chat completions in, whole."""
    asked: dict[str, Any] = {"model": f"cloud-{dialect}", "tools": [CHAT_TOOL], "max_tokens": 500}
    first = gpt.chat.completions.create(messages=[USER], **asked).choices[0]
    assert first.finish_reason == "tool_calls"
    (call,) = first.message.tool_calls
    assert json.loads(call.function.arguments) == {"path": "answer.txt"}
    result = {"role": "tool", "tool_call_id": call.id, "content": "42"}
    second = gpt.chat.completions.create(messages=[USER, first.message, result], **asked)
    assert second.choices[0].message.content == provider.script.text


@pytest.mark.usefixtures("paid")
def test_chat_streamed(gpt: openai.OpenAI, provider: StrictUpstream, dialect: str) -> None:
    """Chat completions in, streamed; usage comes as it was asked for."""
    asked: dict[str, Any] = {"model": f"cloud-{dialect}", "tools": [CHAT_TOOL], "max_tokens": 500}
    asked["stream_options"] = {"include_usage": True}
    with gpt.chat.completions.stream(messages=[USER], **asked) as stream:
        first = stream.get_final_completion().choices[0].message
    result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "42"}
    with gpt.chat.completions.stream(messages=[USER, first, result], **asked) as stream:
        last = stream.get_final_completion()
    assert last.choices[0].message.content == provider.script.text
    assert last.usage.total_tokens > 0


@pytest.mark.usefixtures("paid")
def test_responses(gpt: openai.OpenAI, provider: StrictUpstream, dialect: str) -> None:
    """Responses in, whole."""
    asked: dict[str, Any] = {"model": f"cloud-{dialect}", "tools": [TOOL], "store": False}
    first = gpt.responses.create(input=[USER], **asked)
    (call,) = [item for item in first.output if item.type == "function_call"]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    second = gpt.responses.create(input=[USER, *first.output, result], **asked)
    assert second.output_text == provider.script.text


@pytest.mark.usefixtures("paid")
def test_responses_streamed(gpt: openai.OpenAI, provider: StrictUpstream, dialect: str) -> None:
    """Responses in, streamed."""
    asked: dict[str, Any] = {"model": f"cloud-{dialect}", "tools": [TOOL]}
    with gpt.responses.stream(input=[USER], **asked) as stream:
        first = stream.get_final_response()
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert json.loads(call.arguments) == {"path": "answer.txt"}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    with gpt.responses.stream(input=[USER, *first.output, result], **asked) as stream:
        assert stream.get_final_response().output_text == provider.script.text


@pytest.mark.usefixtures("paid")
def test_messages(claude: anthropic.Anthropic, provider: StrictUpstream, dialect: str) -> None:
    """Messages in, whole."""
    tools = [{"name": "read", "input_schema": SCHEMA}]
    asked: dict[str, Any] = {"model": f"cloud-{dialect}", "tools": tools, "max_tokens": 500}
    first = claude.messages.create(messages=[USER], **asked)
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert (call.input, first.stop_reason) == ({"path": "answer.txt"}, "tool_use")
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "42"}]}
    second = claude.messages.create(messages=[USER, {"role": "assistant", "content": first.content}, result], **asked)
    assert second.content[-1].text == provider.script.text


@pytest.mark.usefixtures("paid")
def test_messages_streamed(claude: anthropic.Anthropic, provider: StrictUpstream, dialect: str) -> None:
    """Messages in, streamed."""
    tools = [{"name": "read", "input_schema": SCHEMA}]
    asked: dict[str, Any] = {"model": f"cloud-{dialect}", "tools": tools, "max_tokens": 500}
    with claude.messages.stream(messages=[USER], **asked) as stream:
        first = stream.get_final_message()
    (call,) = [block for block in first.content if block.type == "tool_use"]
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "42"}]}
    messages: list[Any] = [USER, {"role": "assistant", "content": first.content}, result]
    with claude.messages.stream(messages=messages, **asked) as stream:
        assert stream.get_final_message().content[-1].text == provider.script.text
