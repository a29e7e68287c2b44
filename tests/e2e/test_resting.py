"""A model that failed rests; whoever takes no other hears until when, in its own dialect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.fakes import strict_home
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home

ALONE = {"x-pointsman-fallback": "none"}
HI: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def resting(own_gateway: Home, upstream: FakeUpstream) -> Iterator[tuple[Home, str]]:
    """A gateway whose model `broken` has failed until it rests; an agent's key."""
    key = own_gateway.agent()
    head = {"authorization": f"Bearer {key}", **ALONE}
    for _ in range(3):
        body = {"model": "broken", "messages": HI}
        said = httpx.post(f"{own_gateway.runtime.address}/chat/completions", json=body, headers=head, timeout=60)
        assert said.status_code == 500
    tried = len(upstream.requests)
    yield own_gateway, key
    assert len(upstream.requests) == tried  # nobody was asked again


def refused(error: Any) -> None:
    """The status, the reason and the time that its SDK reads."""
    assert error.status_code == 503
    assert "broken: it failed 3 times in a row and rests for" in str(error)
    assert 1 <= int(error.response.headers["retry-after"]) <= 17
    assert error.response.headers["x-should-retry"] == "true"


def test_without_fallback_it_is_a_refusal_in_each_dialect(resting: tuple[Home, str]) -> None:
    """With the reason and when to come again; no other model answers instead."""
    gateway, key = resting
    with openai.OpenAI(base_url=gateway.runtime.address, api_key=key, max_retries=0, default_headers=ALONE) as gpt:
        with pytest.raises(openai.InternalServerError) as chat:
            gpt.chat.completions.create(model="broken", messages=HI)
        refused(chat.value)
        with pytest.raises(openai.InternalServerError) as responses:
            gpt.responses.create(model="broken", input="Hello")
        refused(responses.value)
    door = strict_home.door(gateway)
    with anthropic.Anthropic(base_url=door, api_key=key, max_retries=0, default_headers=ALONE) as claude:
        with pytest.raises(anthropic.InternalServerError) as messages:
            claude.messages.create(model="broken", max_tokens=9, messages=HI)
        refused(messages.value)


def test_with_fallback_another_model_answers(resting: tuple[Home, str]) -> None:
    """And says why it does."""
    gateway, key = resting
    head = {"authorization": f"Bearer {key}"}
    body = {"model": "broken", "messages": HI, "max_tokens": 20}
    answer = httpx.post(f"{gateway.runtime.address}/chat/completions", json=body, headers=head, timeout=60)
    assert (answer.status_code, answer.headers["x-pointsman-tier"]) == (200, "local")
    assert "not broken: it failed 3 times" in answer.headers["x-pointsman-reason"]
