"""Shapes of messages in all three dialects: what was called, what was said, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.core.request import Message, digest
from pointsman.core.shape import Shape, called, said
from pointsman.wire import shaping
from pointsman.wire.shaping import shape, shaped

CALL = {"name": "read_file", "arguments": '{"path": "a.py"}'}
CALLED = called([("read_file", '{"path": "a.py"}')])


def of(value: Any) -> Shape:
    """The shape of a message that is this JSON."""
    raw = json.dumps(value).encode()
    return shape(Message(role="user", digest=digest(raw), size=1), raw)


@pytest.mark.parametrize(
    "message",
    [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [{"id": "1", "type": "function", "function": CALL}],
        },
        {"role": "assistant", "content": None, "tool_calls": [{"id": "2", "function": CALL}]},
        {"role": "assistant", "function_call": CALL},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", **CALL},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "read_file", "input": {"path": "a.py"}}],
        },
    ],
)
def test_a_call_is_its_name_and_arguments(message: Any) -> None:
    """Whatever the dialect, its ids, and what was said beside it."""
    assert of(message) == CALLED


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "All is well"},
        {"role": "user", "content": [{"type": "text", "text": "All is well"}]},
        {"role": "tool", "tool_call_id": "call_9", "content": "All is well"},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "All is well"}]},
        {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "All is well"}]}]},
        {"type": "function_call_output", "call_id": "c1", "output": "All is well"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "All is well"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "All is well"}]},
        "All is well",
    ],
)
def test_a_text_is_its_words(message: Any) -> None:
    """A turn, a part, a tool's result, an item."""
    assert of(message) == said("All is well")


def test_what_the_model_thought_does_not_count() -> None:
    """Its bytes differ each time."""
    assert of({"type": "reasoning", "encrypted_content": "x", "summary": [], "content": "y"}) == said("")
    assert of({"role": "assistant", "content": [{"type": "thinking", "thinking": "z"}]}) == said("")


def test_a_picture_is_only_like_itself() -> None:
    """Two screenshots are not compared by their words."""
    assert shape(Message(role="user", digest="d", size=1, images=1), b'{"content": "look"}') == Shape("d", "d")


def test_deep_nesting_is_only_like_itself() -> None:
    """What nobody can walk through breaks nothing."""
    raw = b'{"role":"user","content":' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert shape(Message(role="user", digest="d", size=1), raw) == Shape("d", "d")


def test_only_the_newest_step_has_shapes() -> None:
    """Old messages cost nothing."""
    roles = ("system", "user", "assistant", "tool")
    raws = [json.dumps({"role": role, "content": role}).encode() for role in roles]
    found = shaped([Message(role=role, digest=role, size=1) for role in roles], raws)
    assert [bool(message.shape.near) for message in found] == [False, False, True, True]
    assert [message.role for message in found] == list(roles)


def test_what_the_system_says_has_no_shape() -> None:
    """It is in no step, however long it is."""
    roles = ("system", "developer", "user")
    raws = [json.dumps({"role": role, "content": role}).encode() for role in roles]
    found = shaped([Message(role=role, digest=role, size=1) for role in roles], raws)
    assert [bool(message.shape.near) for message in found] == [False, False, True]


def test_what_is_sent_again_is_not_read_again() -> None:
    """The very same shape, found by the digest of its bytes and by who said it."""
    raw = b'{"role": "user", "content": "All is well, again"}'
    one = Message(role="user", digest=digest(raw), size=1)
    assert shape(one, raw) is shape(one, raw)
    assert shape(one, raw) is not shape(Message(role="tool", digest=digest(raw), size=1), raw)


def test_the_memory_of_shapes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much is forgotten, and read again."""
    monkeypatch.setattr(shaping, "_known", {})
    monkeypatch.setattr(shaping, "_MOST_KNOWN", 2)
    for number in range(5):
        of(f"text {number}")
        assert len(shaping._known) <= 2
