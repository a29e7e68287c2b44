"""The judges by the vendors' types see what is wrong however deep it lies, and the scripted engine is as strict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pointsman.engines import protocol
from pointsman.engines.failures import Rejected
from tests.fakes import vendor_types
from tests.fakes.scripted_engine import ScriptedEngine
from tests.fakes.strict_model import Script

USER = {"role": "user", "content": "Go"}
CALL = {"id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}}
READ = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}


def test_a_field_that_is_not_known_is_named() -> None:
    """Its place too; the schema of a tool may hold anything."""
    message = {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}
    schema = {"type": "object", "$defs": {}}
    body = {"model": "m", "max_tokens": 1, "messages": [USER], "tools": [{"name": "f", "input_schema": schema}]}
    vendor_types.body("messages", json.dumps(body).encode())
    with pytest.raises(AssertionError, match=r"messages\[1\].reasoning_content"):
        vendor_types.body("chat", json.dumps({"model": "m", "messages": [USER, message]}).encode())


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("chat", {"messages": [{"role": "robot", "content": "Go"}]}),
        ("responses", {"input": [{"role": "assistant", "content": [{"type": "output_text", "text": "Yes."}]}]}),
        ("messages", {"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "text", "text": 4}]}]}),
    ],
)
def test_what_no_type_fits_is_refused(dialect: str, body: dict[str, Any]) -> None:
    """Also inside lists that the types only read when asked."""
    with pytest.raises(ValidationError):
        vendor_types.body(dialect, json.dumps({"model": "m", **body}).encode())


@pytest.fixture
def engine(tmp_path: Path) -> ScriptedEngine:
    """One that calls `read`."""
    return ScriptedEngine(Script(tools={"read": {"path": "a"}}), 1000, tmp_path / "heard")


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([USER, {"role": "tool", "tool_call_id": "c", "content": "42"}], "preceeding message"),
        ([USER, {"role": "assistant", "tool_calls": [CALL]}, USER], "did not have response messages: c"),
        ([{"role": "user", "content": "a" * 4000}], "the context 1000"),
    ],
)
def test_the_scripted_engine_refuses_what_a_provider_would(
    engine: ScriptedEngine, messages: list[dict[str, Any]], said: str
) -> None:
    """A result without its call, a call without its result, and more than its context holds."""
    with pytest.raises(Rejected, match=said):
        engine.insert(protocol.Chat(id="a", messages=messages, tools=[READ]))
    assert engine.active == 0


def test_the_scripted_engine_can_be_stopped(engine: ScriptedEngine) -> None:
    """Its request ends, and it says nothing more."""
    engine.insert(protocol.Chat(id="a", messages=[USER], tools=[READ]))
    assert isinstance(engine.step()[0], protocol.Started)
    assert engine.remove("a") is not None
    assert (engine.step(), engine.remove("a")) == ([], None)
