"""What a model thought, on its way from one dialect to another: read where it is told, left out where it may not be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.wire.dialects import DIALECTS
from pointsman.wire.translate.neutral import Thinking
from tests.wire.translate.test_prompts import PIXEL, raw, translated


def test_what_a_model_thought_in_the_open_is_read_from_responses() -> None:
    """The text itself where it came with it, else its summary."""
    told: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Short."}]}
    items = [told, {**told, "content": [{"type": "reasoning_text", "text": "Long."}]}]
    prompt = DIALECTS["responses"].prompt(json.dumps({"model": "m", "input": items}).encode())
    assert [part.text for turn in prompt.turns for part in turn.parts if isinstance(part, Thinking)] == [
        "Short.",
        "Long.",
    ]


CALL: dict[str, Any] = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
SHOWN: dict[str, Any] = {
    "type": "function_call_output",
    "call_id": "c",
    "output": [{"type": "input_image", "image_url": PIXEL}],
}


def thought(text: str) -> dict[str, Any]:
    """An item of what a model thought in the open."""
    return {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}


@pytest.mark.parametrize(("takes", "text"), [(False, "Hm."), (True, "")])
def test_a_turn_of_thoughts_that_may_not_be_told_is_left_out(takes: bool, text: str) -> None:
    """A message of the assistant's that says nothing is refused by many."""
    user = {"role": "user", "content": "Go"}
    body = {"model": "m", "input": [user, thought(text), CALL, SHOWN, thought(text), user, thought(text)]}
    found = translated(body, "responses", "chat", reasoning=takes)["messages"]
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "user", "user"]
    assert "tool_calls" in found[1]
    assert found[-1] == user


def test_a_turn_of_thoughts_that_may_be_told_stays() -> None:
    """Some providers want it back."""
    found = json.loads(raw({"model": "m", "input": [thought("Hm.")]}, "responses", "chat"))["messages"]
    assert found == [{"role": "assistant", "content": "", "reasoning_content": "Hm."}]
