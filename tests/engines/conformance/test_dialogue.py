"""Reasoning, promised forms and refusals in both engines themselves, over the starter with other chat templates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.engines import protocol
from pointsman.engines.failures import Rejected
from pointsman.engines.interrupt import Interrupt

PARIS = [{"role": "user", "content": "What is the capital of France?"}]
ROME = [{"role": "user", "content": "What is the weather in Rome?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 9}}, "required": ["city"], "additionalProperties": False}  # fmt: skip
FORM = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}
TOOL = {"type": "function", "function": {"name": "get_weather", "strict": True, "parameters": SCHEMA}}
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def build(engine: str, starter_of: dict[str, Path]) -> Iterator[Open]:
    """The starter behind a template of its own: what it says stays the same, the marks differ."""
    interrupt = Interrupt()
    model, made = loaded(engine, str(starter_of[engine]), interrupt)
    original = model.template or ""

    class Disguised:
        """The model with a few more words in its template."""

        def __init__(self, more: str) -> None:
            self.template = original + more

        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

    def made_of(more: str = "", tool_format: str | None = None) -> Any:
        return made(Disguised(more), tool_format)

    yield made_of
    assert interrupt.pointer


def loaded(engine: str, path: str, interrupt: Interrupt) -> tuple[Any, Callable[[Any, str | None], Any]]:
    """The model in this process, and how an engine is made of it."""
    if engine == "mlx":
        from pointsman.engines.mlx_engine import MlxEngine
        from pointsman.engines.mlx_model import MlxModel

        return MlxModel(path, 512), lambda model, tool_format: MlxEngine(model, 2, tool_format)
    from pointsman.engines.llama import LlamaModel, ModelOptions
    from pointsman.engines.llama_engine import LlamaEngine

    return LlamaModel(ModelOptions(path=path, context=512, threads=1, slots=2), interrupt), LlamaEngine


def said(engine: Any, messages: list[dict[str, Any]] = PARIS, **fields: Any) -> list[protocol.Answer]:
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


def test_reasoning_that_the_template_opens(build: Open) -> None:
    """What comes before the closing mark is thought, and its tokens are counted."""
    opened = build("{{ '<think>' }}")
    never_ending = {str(token): -100.0 for token in range(opened._model.vocabulary) if opened._model.ends(token)}
    events = said(opened, logit_bias=never_ending, max_tokens=9)
    assert text(events, protocol.Thought) and text(events) == "" and end(events).finish == "length"
    assert end(events).reasoning_tokens == end(events).completion_tokens == 9


def test_no_reasoning(build: Open) -> None:
    """A model that does not reason has no tokens of it."""
    assert end(said(build())).reasoning_tokens == 0


def test_promise_after_reasoning(build: Open) -> None:
    """A form binds what comes after the reasoning; a model that would end there still gives the answer it owes."""
    events = said(build("{{ '<think>' }}"), response_format=FORM, max_tokens=200)
    assert 0 < end(events).reasoning_tokens < end(events).completion_tokens
    assert list(json.loads(text(events))) == ["city"] and end(events).finish == "stop"


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "get_weather"}}])
def test_harmony(build: Open, choice: Any) -> None:
    """In channels too: analysis is free, then comes what was promised."""
    events = said(build("", "harmony"), ROME, tools=[TOOL], tool_choice=choice, max_tokens=200)
    calls = [call for event in events if isinstance(event, protocol.Calls) for call in event.calls]
    assert 0 < end(events).reasoning_tokens < end(events).completion_tokens
    assert text(events) or [(call.name, list(json.loads(call.arguments))) for call in calls] == [
        ("get_weather", ["city"])
    ]
    assert calls or choice == "auto"


def test_strict_tool(build: Open) -> None:
    """A strict tool that the model calls of itself gets arguments that fit."""
    narrow = {"type": "object", "properties": {"town": {"enum": ["Oslo", "Bern"]}}, "required": ["town"]}
    tool = {"type": "function", "function": {"name": "get_weather", "strict": True, "parameters": narrow}}
    events = said(build(), ROME, tools=[tool])
    calls = [call for event in events if isinstance(event, protocol.Calls) for call in event.calls]
    assert json.loads(calls[0].arguments)["town"] in ("Oslo", "Bern")


def test_logprobs(build: Open) -> None:
    """Each token of a greedy answer is the likeliest at its place."""
    events = said(build(), logprobs=2)
    told = [one for event in events if isinstance(event, protocol.Text) for one in event.logprobs]
    assert "".join(one.token for one in told) == text(events)
    assert all(one.logprob <= 0 and one.top[0].token == one.token and len(one.top) == 2 for one in told)
    assert not any(event.logprobs for event in said(build()) if isinstance(event, protocol.Text))


def test_logit_bias(build: Open) -> None:
    """A token with the lowest bias is not said."""
    model = build()._model
    token = model.continued(" Paris")[0]
    assert "Paris" in text(said(build())) and "Paris" not in text(said(build(), logit_bias={str(token): -100}))


def test_prompt_that_does_not_fit(build: Open) -> None:
    """It is refused with both numbers before anything is computed, and is never cut."""
    full = build()
    with pytest.raises(
        Rejected, match=r"^The prompt has (\d{4,}) tokens, and this model has room for 512 with"
    ) as raised:
        said(full, [{"role": "user", "content": "word " * 1500}])
    assert raised.value.code == "context_exceeded" and "word" not in str(raised.value)
    assert (full.steps, full.active, full.waiting) == (0, 0, 0)


def test_largest_prompt_that_fits(build: Open) -> None:
    """A prompt that leaves room for one token gets that token, and its whole length is counted."""
    full = build()
    empty = len(
        full._model.tokenize(full._dialogue.prompt(protocol.Chat(id="a", messages=[{"role": "user", "content": ""}])))
    )
    events = said(full, [{"role": "user", "content": "\n!" * ((511 - empty) // 2)}], max_tokens=None)
    assert end(events).prompt_tokens + end(events).completion_tokens <= 512
    assert end(events).prompt_tokens >= 400
