"""A refusal, as the vendors' own SDKs read it: one request, none at the provider, and the sentence in the exception."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes import strict_home
from tests.fakes.home import Home
from tests.fakes.strict_upstream import StrictUpstream
from tests.fakes.tap import Tap

USER = {"role": "user", "content": "What is the capital of France?"}
CHAT = {"model": "cloud-chat", "messages": [USER]}
RESPONSES = {"model": "cloud-responses", "input": "What is the capital of France?"}
MESSAGES = {"model": "cloud-messages", "max_tokens": 1000, "messages": [USER]}


@pytest.fixture(scope="module", autouse=True)
def used_up(gateway: Home) -> None:
    """The gateway's cap is."""
    strict_home.use_up(gateway)


@pytest.fixture
def tap(gateway: Home) -> Iterator[Tap]:
    """What counts the requests at the door."""
    with Tap(strict_home.door(gateway)) as between:
        yield between


def check(error: Any, tap: Tap, upstream: StrictUpstream) -> None:
    """402, said once, to be read by a person, and nothing was sent on."""
    assert error.status_code == 402
    assert len(tap.passed) == 1
    assert tap.passed[0].answer_headers["x-should-retry"] == "false"
    assert "daily" in error.body["error"]["message"] if "error" in error.body else "daily" in error.body["message"]
    assert "daily" in str(error)
    assert upstream.seen == []


@pytest.mark.parametrize("stream", [True, False])
def test_openai_chat(key: str, tap: Tap, upstream: StrictUpstream, stream: bool) -> None:
    """Chat completions, with the SDK's own retries on."""
    with (
        openai.OpenAI(base_url=f"{tap.address}/v1", api_key=key, max_retries=2) as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        client.chat.completions.create(**CHAT, stream=stream)
    check(caught.value, tap, upstream)


@pytest.mark.parametrize("stream", [True, False])
async def test_openai_chat_asynchronous(key: str, tap: Tap, upstream: StrictUpstream, stream: bool) -> None:
    """The same from the asynchronous client."""
    async with openai.AsyncOpenAI(base_url=f"{tap.address}/v1", api_key=key, max_retries=2) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(**CHAT, stream=stream)
    check(caught.value, tap, upstream)


@pytest.mark.parametrize("stream", [True, False])
def test_openai_responses(key: str, tap: Tap, upstream: StrictUpstream, stream: bool) -> None:
    """Responses, with the SDK's own retries on."""
    with (
        openai.OpenAI(base_url=f"{tap.address}/v1", api_key=key, max_retries=2) as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        client.responses.create(**RESPONSES, stream=stream)
    check(caught.value, tap, upstream)


@pytest.mark.parametrize("stream", [True, False])
async def test_openai_responses_asynchronous(key: str, tap: Tap, upstream: StrictUpstream, stream: bool) -> None:
    """The same from the asynchronous client."""
    async with openai.AsyncOpenAI(base_url=f"{tap.address}/v1", api_key=key, max_retries=2) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.responses.create(**RESPONSES, stream=stream)
    check(caught.value, tap, upstream)


@pytest.mark.parametrize("stream", [True, False])
def test_anthropic_messages(key: str, tap: Tap, upstream: StrictUpstream, stream: bool) -> None:
    """Messages, with the SDK's own retries on."""
    with (
        anthropic.Anthropic(base_url=tap.address, api_key=key, max_retries=2) as client,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        client.messages.create(**MESSAGES, stream=stream)
    assert caught.value.body["error"]["type"] == "billing_error"
    check(caught.value, tap, upstream)


@pytest.mark.parametrize("stream", [True, False])
async def test_anthropic_messages_asynchronous(key: str, tap: Tap, upstream: StrictUpstream, stream: bool) -> None:
    """The same from the asynchronous client."""
    async with anthropic.AsyncAnthropic(base_url=tap.address, api_key=key, max_retries=2) as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await client.messages.create(**MESSAGES, stream=stream)
    check(caught.value, tap, upstream)
