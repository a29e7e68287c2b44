"""A body in another dialect never says more than was bounded of the one that came."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.core import facts
from pointsman.core.catalog import Sensitivity
from pointsman.core.request import Hints, Verdict
from pointsman.wire.body import Change
from pointsman.wire.dialects import DIALECTS

FREE = {"type": "custom", "name": "f"}
CALLED = {"type": "custom_tool_call", "call_id": "1", "name": "f", "input": 'say "漢"\n'}
PROMPTS: dict[str, dict[str, Any]] = {
    "responses": {"input": [CALLED], "tools": [FREE] * 40},
    "chat": {
        "messages": [{"role": "user", "content": "a"}, {"role": "developer", "content": "b"}] * 9,
        "tools": [{"type": "custom", "custom": {"name": "f"}}] * 40,
        "response_format": {"type": "json_object"},
    },
    "messages": {
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}] * 9,
    },
}


def said(value: Any) -> int:
    """The bytes of every word in it: no tokenizer makes more tokens of them. Names of fields are for programs."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict | list):
        return sum(said(one) for one in (value.values() if isinstance(value, dict) else value))
    return len(json.dumps(value))


@pytest.mark.parametrize("to", list(PROMPTS))
@pytest.mark.parametrize("dialect", list(PROMPTS))
def test_what_is_written_stays_under_the_bound(dialect: str, to: str) -> None:
    """Bridged tools, added sentences and escapes count."""
    spoken, body = DIALECTS[dialect], json.dumps({"model": "m", **PROMPTS[dialect]}, separators=(",", ":")).encode()
    bound = facts.gather(spoken.read("r", body, Hints(), lambda _raw: Verdict()), Sensitivity()).bound
    written = json.loads(DIALECTS[to].write(spoken.prompt(body), Change(model="m", output=5)))
    told = ("messages", "input", "instructions", "system", "tools", "response_format", "text")
    assert sum(said(written[name]) for name in told if name in written) <= bound
