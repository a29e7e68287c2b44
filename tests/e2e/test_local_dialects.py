"""The vendors' SDKs in every dialect, answered by the model on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.fakes.home import Home

QUESTION = "What is the capital of France?"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALL = "What is the weather in Paris? Use the tool."


@pytest.fixture
def gpt(gateway: Home) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK."""
    with openai.OpenAI(base_url=gateway.runtime.address, api_key=gateway.agent("gpt"), timeout=60) as client:
        yield client


@pytest.fixture
def claude(gateway: Home) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK, whose base address has no version."""
    base = gateway.runtime.address.removesuffix("/v1")
    with anthropic.Anthropic(base_url=base, api_key=gateway.agent("claude"), timeout=60) as client:
        yield client


def test_responses_whole(gpt: openai.OpenAI) -> None:
    """One response with its text and its usage."""
    response = gpt.responses.create(model="local", input=QUESTION, temperature=0)
    assert "Paris" in response.output_text
    assert response.status == "completed"
    assert response.usage is not None
    assert response.usage.output_tokens > 0


def test_responses_stream(gpt: openai.OpenAI) -> None:
    """The SDK's own accumulator makes the same response of the events."""
    with gpt.responses.stream(model="local", input=QUESTION, temperature=0) as stream:
        kinds = [event.type for event in stream]
        response = stream.get_final_response()
    assert "Paris" in response.output_text
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"


def test_responses_tool_call(gpt: openai.OpenAI) -> None:
    """A function call is an item of its own."""
    tool = {"type": "function", "name": "get_weather", "description": "The weather in a city.", "parameters": SCHEMA}
    response = gpt.responses.create(model="local", input=CALL, tools=[tool], tool_choice="required", temperature=0)
    (call,) = [item for item in response.output if item.type == "function_call"]
    assert call.name == "get_weather"
    assert "city" in call.arguments


def test_messages_whole(claude: anthropic.Anthropic) -> None:
    """One message with its text and its usage."""
    message = claude.messages.create(
        model="local", max_tokens=50, messages=[{"role": "user", "content": QUESTION}], extra_body={"temperature": 0}
    )
    assert message.content[0].type == "text"
    assert "Paris" in message.content[0].text
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0


def test_messages_stream(claude: anthropic.Anthropic) -> None:
    """The SDK's own accumulator makes the same message of the events."""
    asked = [{"role": "user", "content": QUESTION}]
    with claude.messages.stream(model="local", max_tokens=50, messages=asked, extra_body={"temperature": 0}) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert "Paris" in text
    assert message.content[0].text == text
    assert message.usage.output_tokens > 0


def test_messages_tool_call(claude: anthropic.Anthropic) -> None:
    """A tool's use is a block whose input is an object."""
    message = claude.messages.create(
        model="local",
        max_tokens=100,
        messages=[{"role": "user", "content": CALL}],
        tools=[{"name": "get_weather", "description": "The weather in a city.", "input_schema": SCHEMA}],
        tool_choice={"type": "any"},
        extra_body={"temperature": 0},
    )
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert call.name == "get_weather"
    assert isinstance(call.input, dict)
    assert message.stop_reason == "tool_use"


def test_tokens_are_counted_without_a_call(claude: anthropic.Anthropic) -> None:
    """`count_tokens` is answered here."""
    counted = claude.messages.count_tokens(model="local", messages=[{"role": "user", "content": QUESTION}])
    assert counted.input_tokens > 0


def test_models_in_the_callers_shape(claude: anthropic.Anthropic, gpt: openai.OpenAI) -> None:
    """Both vendors' SDKs read the list, and one model of it."""
    assert "local" in {model.id for model in claude.models.list()}
    assert claude.models.retrieve("starter").type == "model"
    assert gpt.models.retrieve("starter").object == "model"
