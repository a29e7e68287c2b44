"""Whatever is said, a body in each dialect is of its vendor's type, is taken by a strict vendor, and says the same."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.engines import protocol
from pointsman.wire.body import Change
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.translate.neutral import Call, Choice, Format, Image, Prompt, Result, Text, Thinking, Tool, Turn
from pointsman.wire.translate.prompts import worker
from tests.fakes import strict_chat, vendor_types
from tests.wire.translate.transcript import STRICT

SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}')
PIXEL = "data:image/png;base64,iVBORw0KGgo="
EXAMPLES = settings(max_examples=400 if os.environ.get("POINTSMAN_SOAK") else 30)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=9)
texts = st.builds(Text, words)
asked = st.lists(texts | st.just(Image(PIXEL)), min_size=1, max_size=3).map(lambda parts: Turn("user", tuple(parts)))
names = st.sampled_from(["read", "write"])
tools = tuple(Tool(name=name, description="It does.", schema=SCHEMA, strict=True) for name in ("read", "write"))


@st.composite
def steps(draw: st.DrawFn) -> list[Turn]:
    """What the assistant says and calls, and the results of all its calls."""
    parts: list[Any] = draw(st.lists(texts, max_size=2))
    if draw(st.booleans()):
        parts.insert(0, Thinking(draw(words), by="chat"))
    calls = [f"call_{draw(st.uuids())}" for _ in range(draw(st.integers(0, 2)))]
    parts += [Call(id_, draw(names), json.dumps({"a": draw(words)})) for id_ in calls]
    results = [Turn("tool", (Result(id_, tuple(draw(st.lists(texts, max_size=2)))),)) for id_ in calls]
    return [Turn("assistant", tuple(parts)), *results] if parts else []


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    """A conversation that a client could have had, and what it may ask for."""
    turns = [Turn("system", (Text("Be brief."),))] if draw(st.booleans()) else []
    turns.append(Turn("user", (Text("Go."),)))
    for _ in range(draw(st.integers(1, 3))):
        turns += [draw(asked), *draw(steps())]
    if draw(st.booleans()):
        turns.append(Turn(draw(st.sampled_from(["system", "developer"])), (draw(texts),)))
    kinds = st.sampled_from([Choice(), Choice("none"), Choice("required", parallel=False), Choice("named", "read")])
    forms = st.sampled_from([Format("json_object"), Format("json_schema", "out", SCHEMA, strict=True)])
    return Prompt(
        model="m",
        turns=tuple(turns),
        tools=tools,
        choice=draw(st.none() | kinds),
        format=draw(st.none() | forms),
        temperature=draw(st.sampled_from([None, 0.5])),
        stop=draw(st.sampled_from([(), ("END",)])),
        effort=draw(st.sampled_from([None, "low", "high"])),
        verbosity=draw(st.sampled_from([None, "low"])),
        user=draw(st.sampled_from([None, "u1"])),
        stream=draw(st.booleans()),
    )


def written(prompt: Prompt, to: str) -> bytes:
    """For a vendor that takes nothing beyond its type."""
    return DIALECTS[to].write(prompt, Change(model="m", output=200, reasoning=False))


@pytest.mark.parametrize("to", DIALECTS)
@EXAMPLES
@given(prompt=prompts())
def test_a_body_is_of_its_vendors_type(to: str, prompt: Prompt) -> None:
    """And nothing in it would be refused."""
    STRICT[to].check(vendor_types.body(to, written(prompt, to)), {"anthropic-version": "1"})


@pytest.mark.parametrize("to", DIALECTS)
@pytest.mark.parametrize("source", DIALECTS)
@EXAMPLES
@given(prompt=prompts())
def test_a_body_made_of_a_body_is_too(source: str, to: str, prompt: Prompt) -> None:
    """A client's own body of any dialect, read and written in any other: calls and results stay as they were."""
    read = DIALECTS[source].prompt(written(prompt, source))
    STRICT[to].check(vendor_types.body(to, written(read, to)), {"anthropic-version": "1"})
    assert said(DIALECTS[to].prompt(written(read, to))) == said(prompt)


@pytest.mark.parametrize("source", DIALECTS)
@EXAMPLES
@given(prompt=prompts())
def test_a_worker_takes_every_body(source: str, prompt: Prompt) -> None:
    """As a command, whose messages are those of chat completions."""
    fields = worker.fields(DIALECTS[source].prompt(written(prompt, source)))
    command = protocol.decode_command(protocol.encode(protocol.Chat(id="a", **fields)))
    assert isinstance(command, protocol.Chat)
    strict_chat.check({"messages": command.messages, "tools": command.tools}, {})


def said(prompt: Prompt) -> tuple[list[Any], list[Any], str]:
    """Calls, results, and all words of users and assistant in their order, without blanks, which not all vendors take.

    What else was said stands apart from them.
    """
    parts = [part for turn in prompt.turns for part in turn.parts]
    calls = [(part.id, part.name, json.loads(part.arguments)) for part in parts if isinstance(part, Call)]
    results = [(part.id, bare(one.text for one in part.parts)) for part in parts if isinstance(part, Result)]
    spoken = [turn for turn in prompt.turns if turn.role in ("user", "assistant")]
    words = bare(part.text for turn in spoken for part in turn.parts if isinstance(part, Text))
    return calls, results, re.sub("<system>.*?</system>", "", words)


def bare(texts: Iterable[str]) -> str:
    """All that is no blank."""
    return "".join("".join(texts).split())
