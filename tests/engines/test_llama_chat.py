"""Reasoning, promised forms and refusals in the engine itself, over the starter with other chat templates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.engines import protocol
from pointsman.engines.failures import Rejected
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.llama import LlamaModel, ModelOptions
from pointsman.engines.llama_engine import LlamaEngine

PARIS = [{"role": "user", "content": "What is the capital of France?"}]
ROME = [{"role": "user", "content": "What is the weather in Rome?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 9}}, "required": ["city"], "additionalProperties": False}  # fmt: skip
FORM = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}
TOOL = {"type": "function", "function": {"name": "get_weather", "strict": True, "parameters": SCHEMA}}
Open = Callable[..., LlamaEngine]


@pytest.fixture(scope="module")
def engine(starter: Path) -> Iterator[Open]:
    """The starter behind a template of its own: what it says stays the same, the marks differ."""
    interrupt = Interrupt()
    model = LlamaModel(ModelOptions(path=str(starter), context=512, threads=1, slots=2), interrupt)
    original = model.template or ""

    class Disguised:
        """The model with a few more words in its template."""

        def __init__(self, more: str) -> None:
            self.template = original + more

        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

    def build(more: str = "", tool_format: str | None = None) -> LlamaEngine:
        disguised: Any = Disguised(more)
        return LlamaEngine(disguised, tool_format)

    yield build
    assert interrupt.pointer


def said(engine: LlamaEngine, messages: list[dict[str, Any]] = PARIS, **fields: Any) -> list[protocol.Answer]:
    """All events of one answer."""
    engine.insert(protocol.Chat(id="a", messages=messages, **{"temperature": 0.0, "max_tokens": 80, **fields}))
    events: list[protocol.Answer] = []
    while engine.active + engine.waiting:
        events += engine.step()
    return events


def text(events: list[protocol.Answer], kind: type = protocol.Text) -> str:
    """What was said, or thought."""
    return "".join(event.text for event in events if isinstance(event, kind))


def end(events: list[protocol.Answer]) -> protocol.End:
    """The last event."""
    assert isinstance(events[-1], protocol.End), events[-1]
    return events[-1]


def test_reasoning_that_the_template_opens(engine: Open) -> None:
    """What comes before the closing mark is thought, and its tokens are counted."""
    opened = engine("{{ '<think>' }}")
    never_ending = {str(token): -100.0 for token in range(opened._model.vocabulary) if opened._model.ends(token)}
    events = said(opened, logit_bias=never_ending, max_tokens=9)
    assert text(events, protocol.Thought) and text(events) == "" and end(events).finish == "length"
    assert end(events).reasoning_tokens == end(events).completion_tokens == 9


def test_no_reasoning(engine: Open) -> None:
    """A model that does not reason has no tokens of it."""
    assert end(said(engine())).reasoning_tokens == 0


def test_promise_after_reasoning(engine: Open) -> None:
    """A form binds what comes after the reasoning; a model that would end there still gives the answer it owes."""
    events = said(engine("{{ '<think>' }}"), response_format=FORM, max_tokens=200)
    assert 0 < end(events).reasoning_tokens < end(events).completion_tokens
    assert list(json.loads(text(events))) == ["city"] and end(events).finish == "stop"


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "get_weather"}}])
def test_harmony(engine: Open, choice: Any) -> None:
    """In channels too: analysis is free, then comes what was promised."""
    events = said(engine("", "harmony"), ROME, tools=[TOOL], tool_choice=choice, max_tokens=200)
    calls = [call for event in events if isinstance(event, protocol.Calls) for call in event.calls]
    assert 0 < end(events).reasoning_tokens < end(events).completion_tokens
    assert text(events) or [(call.name, list(json.loads(call.arguments))) for call in calls] == [
        ("get_weather", ["city"])
    ]
    assert calls or choice == "auto"


def test_strict_tool(engine: Open) -> None:
    """A strict tool that the model calls of itself gets arguments that fit."""
    narrow = {"type": "object", "properties": {"town": {"enum": ["Oslo", "Bern"]}}, "required": ["town"]}
    tool = {"type": "function", "function": {"name": "get_weather", "strict": True, "parameters": narrow}}
    events = said(engine(), ROME, tools=[tool])
    calls = [call for event in events if isinstance(event, protocol.Calls) for call in event.calls]
    assert json.loads(calls[0].arguments)["town"] in ("Oslo", "Bern")


def test_logprobs(engine: Open) -> None:
    """Each token of a greedy answer is the likeliest at its place."""
    events = said(engine(), logprobs=2)
    told = [one for event in events if isinstance(event, protocol.Text) for one in event.logprobs]
    assert "".join(one.token for one in told) == text(events)
    assert all(one.logprob <= 0 and one.top[0].token == one.token and len(one.top) == 2 for one in told)
    assert not any(event.logprobs for event in said(engine()) if isinstance(event, protocol.Text))


def test_logit_bias(engine: Open) -> None:
    """A token with the lowest bias is not said."""
    model = engine()._model
    token = model.continued(" Paris")[0]
    assert "Paris" in text(said(engine())) and "Paris" not in text(said(engine(), logit_bias={str(token): -100}))


def test_prompt_that_does_not_fit(engine: Open) -> None:
    """It is refused with both numbers before anything is computed, and is never cut."""
    full = engine()
    with pytest.raises(
        Rejected, match=r"^The prompt has (\d{4,}) tokens, and this model has room for 512 with"
    ) as raised:
        said(full, [{"role": "user", "content": "word " * 1500}])
    assert raised.value.code == "context_exceeded" and "word" not in str(raised.value)
    assert (full.steps, full.active, full.waiting) == (0, 0, 0)


def test_largest_prompt_that_fits(engine: Open) -> None:
    """A prompt that leaves room for one token gets that token, and its whole length is counted."""
    full = engine()
    empty = len(full._model.tokenize(full._prompt(protocol.Chat(id="a", messages=[{"role": "user", "content": ""}]))))
    events = said(full, [{"role": "user", "content": "\n!" * ((511 - empty) // 2)}], max_tokens=None)
    assert end(events).prompt_tokens + end(events).completion_tokens <= 512
    assert end(events).prompt_tokens >= 400
