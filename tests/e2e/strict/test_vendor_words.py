"""A provider's own refusal, as the vendors' SDKs read it: agents act on its words, whichever dialect they speak."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes.home import Home


@pytest.mark.parametrize("stream", [False, True])
def test_its_words_reach_a_client_of_its_dialect(gateway: Home, key: str, stream: bool) -> None:
    """Code, type and the field's name."""
    with (
        openai.OpenAI(base_url=gateway.runtime.address, api_key=key, max_retries=0) as client,
        pytest.raises(openai.BadRequestError) as raised,
    ):
        client.responses.create(model="cloud-responses", input="Hello", max_output_tokens=5, stream=stream)
    error = raised.value
    assert (error.code, error.type) == ("integer_below_min_value", "invalid_request_error")
    assert error.param == "max_output_tokens"


def test_its_code_reaches_a_client_of_another(gateway: Home, key: str) -> None:
    """Where its SDK looks for codes."""
    base = gateway.runtime.address.removesuffix("/v1")
    asked: Any = {"model": "cloud-responses", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    with (
        anthropic.Anthropic(base_url=base, api_key=key, max_retries=0) as client,
        pytest.raises(anthropic.BadRequestError) as raised,
    ):
        client.messages.create(**asked)
    body: Any = raised.value.body
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"]["details"] == {"error_code": "integer_below_min_value"}
    assert "sk-test" not in json.dumps(body)
