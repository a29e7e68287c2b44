"""A stream that breaks after it began, as the vendors' SDKs and their agents read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.fakes import open_responses
from tests.fakes.home import Home, target

QUESTION: Any = {"role": "user", "content": "Hello"}
# One for each, as three failures in a row make a target rest.
TARGETS = "".join(target(f"dies-{number}", "die") for number in range(4))
BROKEN = "broke off in the middle of its answer"


@pytest.fixture
def gpt(gateway: Home) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK."""
    with openai.OpenAI(base_url=gateway.runtime.address, api_key=gateway.agent("gpt"), max_retries=0) as client:
        yield client


def test_a_response_fails(gpt: openai.OpenAI) -> None:
    """Its last event says why, under the id of the first and the next number; Codex tries again by itself."""
    events: list[Any] = list(gpt.responses.create(model="dies-0", input="Hello", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "response.output_text.delta" in [event.type for event in events]
    last = events[-1]
    assert (last.type, last.response.id, last.response.status) == ("response.failed", events[0].response.id, "failed")
    assert last.response.error.code == "server_error"
    assert BROKEN in last.response.error.message
    assert gpt.responses.retrieve(last.response.id).status == "failed"


def test_it_is_as_open_responses_has_it(gateway: Home) -> None:
    """Every event of it, the last one too."""
    head = {"authorization": f"Bearer {gateway.agent('plain')}"}
    asked = {"model": "dies-1", "input": "Hello", "stream": True, "store": False}
    answer = httpx.post(f"{gateway.runtime.address}/responses", json=asked, headers=head)
    response = open_responses.last(open_responses.events(answer.content))
    assert response.error is not None
    assert response.error.code == "server_error"


def test_chat_completions_raise(gpt: openai.OpenAI) -> None:
    """At the piece that says it."""
    with pytest.raises(openai.APIError, match=BROKEN):
        list(gpt.chat.completions.create(model="dies-2", messages=[QUESTION], stream=True))


def test_messages_raise(gateway: Home) -> None:
    """At the event that says it."""
    base, key = gateway.runtime.address.removesuffix("/v1"), gateway.agent("claude")
    with anthropic.Anthropic(base_url=base, api_key=key, max_retries=0) as client:
        asked: Any = {"model": "dies-3", "max_tokens": 20, "messages": [QUESTION], "stream": True}
        with pytest.raises(anthropic.APIStatusError, match=BROKEN) as raised:
            list(client.messages.create(**asked))
    body: Any = raised.value.body
    assert body["error"]["type"] == "api_error"
