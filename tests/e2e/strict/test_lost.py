"""What does not come along is named in the answer's reason, whoever answers: translated, spliced, or on this machine."""

from __future__ import annotations

from typing import Any

import httpx

from tests.fakes.home import Home
from tests.fakes.strict_upstream import StrictUpstream

THINKS = """
[providers.thinker]
dialect = "chat"
base_url = "{base_url}"
key = "env"
key_env = "FAKE_KEY"
takes_reasoning = true
[targets.thinker]
tier = "cloud"
provider = "thinker"
model = "gpt-strict"
context = 1000000
max_output = 128000
can = ["tools", "json_schema", "reasoning"]
price = {price}
"""
HI = {"role": "user", "content": "Hello"}
THOUGHT = {"role": "assistant", "content": "Hi.", "reasoning_content": "They greet."}


def more(provider: StrictUpstream) -> str:
    """A provider that takes reasoning back."""
    return THINKS.format(base_url=provider.base_url, price=provider.prices.toml())


def reason(gateway: Home, key: str, path: str, body: dict[str, Any]) -> tuple[int, str]:
    """The status and what the answer says of its way."""
    head = {"authorization": f"Bearer {key}", "x-pointsman-fallback": "none"}
    said = httpx.post(f"{gateway.runtime.address}/{path}", json=body, headers=head, timeout=60)
    return said.status_code, said.headers["x-pointsman-reason"]


def named(text: str) -> set[str]:
    """What was not carried over."""
    return set(text.partition("not carried over: ")[2].split(", ")) - {""}


def test_reasoning_that_a_provider_takes_not_back_is_named(gateway: Home, key: str, upstream: StrictUpstream) -> None:
    """Its own dialect too: by default none is sent, for a request may be refused for it."""
    body = {"model": "cloud-chat", "messages": [HI, THOUGHT, HI], "max_tokens": 50}
    status, said = reason(gateway, key, "chat/completions", body)
    assert (status, named(said)) == (200, {"reasoning_content"})
    assert b"reasoning_content" not in upstream.turns[-1].raw


def test_reasoning_stays_where_it_is_taken(gateway: Home, key: str, upstream: StrictUpstream) -> None:
    """Nothing is lost, so nothing is named; this provider's vendor happens to refuse it."""
    body = {"model": "thinker", "messages": [HI, THOUGHT, HI], "max_tokens": 50}
    _, said = reason(gateway, key, "chat/completions", body)
    assert named(said) == set()
    assert b"reasoning_content" in upstream.turns[-1].raw


def test_what_another_dialect_has_no_place_for_is_named(gateway: Home, key: str) -> None:
    """Fields, parts and tools, however deep."""
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False, "defer_loading": True}
    text = [{"type": "input_text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}}]
    body = {
        "model": "cloud-chat",
        "input": [{"role": "user", "content": text}],
        "tools": [tool],
        "max_tool_calls": 3,
        "max_output_tokens": 50,
        "safety_identifier": "me",
    }
    status, said = reason(gateway, key, "responses", body)
    assert status == 200
    assert named(said) == {"prompt_cache_breakpoint", "defer_loading", "max_tool_calls", "safety_identifier"}


def test_on_this_machine_too(gateway: Home, key: str) -> None:
    """What a worker knows nothing of."""
    body = {"model": "local", "messages": [HI], "max_tokens": 5, "verbosity": "low", "metadata": {"a": "b"}}
    status, said = reason(gateway, key, "chat/completions", body)
    assert (status, named(said)) == (200, {"verbosity", "metadata"})
