"""A turn with a tool by the vendors' SDKs, through a target of the same dialect: what was sent arrives, and is paid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes import strict_home
from tests.fakes.home import Home
from tests.fakes.strict_home import same
from tests.fakes.strict_model import Script
from tests.fakes.strict_upstream import StrictUpstream
from tests.fakes.tap import Tap

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
CHAT_TOOL = {"type": "function", "function": {"name": "read", "parameters": SCHEMA}}
TOOL = {"type": "function", "name": "read", "parameters": SCHEMA, "strict": False}
MARK = {"cache_control": {"type": "ephemeral"}}
MESSAGES_TOOL = {"name": "read", "input_schema": SCHEMA, **MARK}
USER = {"role": "user", "content": "Read answer.txt."}


@anthropic.beta_tool
def read(path: str) -> str:
    """Read a file."""
    return "42"


SCRIPT = Script(tools={"read": {"path": "answer.txt"}})


@pytest.fixture
def tap(gateway: Home) -> Iterator[Tap]:
    """What writes down the requests at the door."""
    with Tap(strict_home.door(gateway)) as between:
        yield between


@pytest.fixture
def client(key: str, tap: Tap) -> Iterator[openai.OpenAI]:
    """The openai SDK; a refusal fails the test at once."""
    with openai.OpenAI(base_url=f"{tap.address}/v1", api_key=key, max_retries=0) as one:
        yield one


@pytest.fixture
def claude(key: str, tap: Tap) -> Iterator[anthropic.Anthropic]:
    """The anthropic SDK."""
    with anthropic.Anthropic(base_url=tap.address, api_key=key, max_retries=0) as one:
        yield one


@pytest.fixture
def before(gateway: Home) -> int:
    """What earlier tests spent."""
    return strict_home.spent(gateway)


@pytest.fixture
def check(gateway: Home, tap: Tap, upstream: StrictUpstream, before: int) -> Callable[[], None]:
    """Two turns went through as they were, and the ledger holds what they were billed."""

    def look() -> None:
        assert [one.status for one in upstream.turns] == [200, 200]
        assert [same(sent, got) for sent, got in zip(tap.posts, upstream.turns, strict=True)] == [[], []]
        assert strict_home.spent(gateway) - before == upstream.billed > 0

    return look


def test_chat(check: Callable[[], None], upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """The client replays its own message and the tool's result."""
    messages: list[Any] = [{"role": "developer", "content": "Be brief."}, USER]
    asked = {"model": "cloud-chat", "tools": [CHAT_TOOL], "prompt_cache_key": "k", "metadata": {"a": "b"}}
    first = client.chat.completions.create(messages=messages, **asked)
    call = first.choices[0].message.tool_calls[0]
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "42"}]
    second = client.chat.completions.create(messages=messages, **asked)
    assert second.choices[0].message.content == upstream.script.text
    check()


def test_chat_streamed(check: Callable[[], None], upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """The SDK's streaming helper puts the pieces together."""
    messages: list[Any] = [USER]
    asked = {"model": "cloud-chat", "tools": [CHAT_TOOL], "stream_options": {"include_usage": True}}
    with client.chat.completions.stream(messages=messages, **asked) as stream:
        first = stream.get_final_completion().choices[0].message
    messages += [first, {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "42"}]
    with client.chat.completions.stream(messages=messages, **asked) as stream:
        assert stream.get_final_completion().choices[0].message.content == upstream.script.text
    check()


def test_responses(check: Callable[[], None], upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """Reasoning goes back as it came, encrypted, beside the call and its result."""
    asked = {"model": "cloud-responses", "tools": [TOOL], "store": False, "include": ["reasoning.encrypted_content"]}
    first = client.responses.create(input=[USER], **asked)
    result = {"type": "function_call_output", "call_id": first.output[-1].call_id, "output": "42"}
    second = client.responses.create(input=[USER, *first.output, result], **asked)
    assert second.output_text == upstream.script.text
    check()


def test_responses_streamed(check: Callable[[], None], upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """The SDK's streaming helper puts the pieces together, for each of its events is whole."""
    asked = {"model": "cloud-responses", "tools": [TOOL], "text": {"verbosity": "low"}}
    with client.responses.stream(input=[USER], **asked) as stream:
        first = stream.get_final_response()
    assert json.loads(first.output[-1].arguments) == {"path": "answer.txt"}
    result = {"type": "function_call_output", "call_id": first.output[-1].call_id, "output": "42"}
    with client.responses.stream(input=[USER, *first.output, result], **asked) as stream:
        assert stream.get_final_response().output_text == upstream.script.text
    check()


@pytest.mark.parametrize("thinking", [{"type": "enabled", "budget_tokens": 1024}, {"type": "disabled"}])
def test_messages(
    check: Callable[[], None], upstream: StrictUpstream, claude: anthropic.Anthropic, thinking: dict[str, Any]
) -> None:
    """Signed thinking, use and result, with marks for the cache."""
    asked = {"model": "cloud-messages", "max_tokens": 2048, "tools": [MESSAGES_TOOL], "thinking": thinking}
    asked["system"] = [{"type": "text", "text": "Be brief.", **MARK}]
    first = claude.messages.create(messages=[USER], **asked)
    result = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "42", **MARK}
    turns = [USER, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = claude.messages.create(messages=turns, **asked)
    assert second.content[-1].text == upstream.script.text
    check()


def test_messages_streamed(check: Callable[[], None], upstream: StrictUpstream, claude: anthropic.Anthropic) -> None:
    """The SDK's streaming helper puts the pieces together; a mark of an hour costs an hour's rate."""
    hour = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    asked = {"model": "cloud-messages", "max_tokens": 2048, "tools": [{**MESSAGES_TOOL, **hour}]}
    with claude.messages.stream(messages=[USER], **asked) as stream:
        first = stream.get_final_message()
    result = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "42"}
    turns = [USER, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    with claude.messages.stream(messages=turns, **asked) as stream:
        assert stream.get_final_text() == upstream.script.text
    assert upstream.turns[0].used.long > 0
    check()


def test_messages_by_the_tool_runner(
    gateway: Home, before: int, upstream: StrictUpstream, claude: anthropic.Anthropic
) -> None:
    """The runner starts a message thread, is told that none are kept, and sends the whole conversation instead."""
    runner = claude.beta.messages.tool_runner(model="cloud-messages", max_tokens=1000, tools=[read], messages=[USER])
    assert runner.until_done().content[-1].text == upstream.script.text
    assert [len(one.body["messages"]) for one in upstream.turns if one.status == 200] == [1, 3]
    assert strict_home.spent(gateway) - before == upstream.billed > 0


def test_the_providers_own_words_arrive(
    gateway: Home, before: int, upstream: StrictUpstream, client: openai.OpenAI, claude: anthropic.Anthropic
) -> None:
    """A result without its call is refused by the provider in each dialect, said as it said it, and costs nothing."""
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "42"}
    output = {"type": "function_call_output", "call_id": "c1", "output": "42"}
    with pytest.raises(openai.BadRequestError, match="must be a response to a preceeding message"):
        client.chat.completions.create(
            model="cloud-chat", messages=[USER, {"role": "tool", "tool_call_id": "c1", "content": "42"}]
        )
    with pytest.raises(openai.BadRequestError, match="No tool call found for function call output with call_id c1"):
        client.responses.create(model="cloud-responses", input=[USER, output])
    with pytest.raises(anthropic.BadRequestError, match="unexpected `tool_use_id` found in `tool_result` blocks: t1"):
        claude.messages.create(model="cloud-messages", max_tokens=100, messages=[{"role": "user", "content": [result]}])
    assert [one.status for one in upstream.turns] == [400, 400, 400]
    assert strict_home.spent(gateway) == before


def test_counting_tokens_is_free(gateway: Home, before: int, claude: anthropic.Anthropic) -> None:
    """count_tokens is answered, and nothing is charged."""
    counted = claude.messages.count_tokens(model="cloud-messages", messages=[USER])
    assert counted.input_tokens > 0
    assert strict_home.spent(gateway) == before


def test_models_in_both_shapes(client: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """Each vendor's SDK reads the list in its own shape."""
    assert "cloud-chat" in {model.id for model in client.models.list()}
    assert "cloud-messages" in {model.id for model in claude.models.list()}
