"""Both workers over the starter model, each in a real process: what a request may ask for, and what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pointsman.engines import protocol
from pointsman.engines.supervisor import Supervisor, WorkerSpec
from tests.engines.conformance.speaking import LONG, PARIS, QUESTIONS, TOOL, Said

pytestmark = pytest.mark.asyncio(loop_scope="module")
Ask = Callable[..., protocol.Chat]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engines(
    engine: str, starter_of: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Supervisor]]:
    """The starter model twice, once with a short context; one worker each for all tests here."""
    made = {}
    for name, context in (("starter", None), ("short", 256)):
        spec = WorkerSpec(name=name, path=str(starter_of[engine]), engine=engine, threads=1, context=context)
        made[name] = Supervisor({name: spec}, tmp_path_factory.mktemp("logs"))
    yield made
    for supervisor in made.values():
        await supervisor.close()


@pytest.fixture(scope="module")
def say(engines: dict[str, Supervisor]) -> Callable[..., Any]:
    """Ask, and collect the answer."""

    async def collect(chat: protocol.Chat, name: str = "starter") -> Said:
        return Said([event async for event in engines[name].chat(name, chat)])

    return collect


async def test_paris(say: Any, ask: Ask) -> None:
    """It knows the capital of France."""
    said = await say(ask(PARIS))
    assert "Paris" in said.text and said.end.finish == "stop"
    assert said.end.prompt_tokens == said.started.prompt_tokens > 0
    assert 0 < said.end.completion_tokens <= 48
    assert said.end.entropy is not None and 0 <= said.end.entropy < 1


async def test_greedy(say: Any, ask: Ask) -> None:
    """Greedy answers are the same each time."""
    assert len({(await say(ask("Tell me a story."))).text for _ in range(3)}) == 1


async def test_seed(say: Any, ask: Ask) -> None:
    """The same seed gives the same answer and another seed another."""

    async def drawn(seed: int) -> str:
        said = await say(ask("Tell me a story.", temperature=1.5, top_k=0, top_p=1.0, min_p=0.0, seed=seed))
        return str(said.text)

    assert await drawn(1) == await drawn(1)
    assert len({await drawn(seed) for seed in range(1, 5)}) > 1


async def test_penalties(say: Any, ask: Ask) -> None:
    """Penalties change a greedy answer."""
    plain, penalised = await say(ask("Write.", **LONG)), await say(ask("Write.", **LONG, frequency_penalty=2.0))
    assert plain.text != penalised.text


async def test_requests_at_once(say: Any, ask: Ask) -> None:
    """Requests at once say what they say alone."""
    alone = [(await say(ask(question))).text for question in QUESTIONS]
    together = await asyncio.gather(*(say(ask(question)) for question in QUESTIONS))
    assert [said.text for said in together] == alone


async def test_next_turn(say: Any, ask: Ask) -> None:
    """The next turn reuses what was computed."""
    first = await say(ask(PARIS))
    messages = [
        {"role": "user", "content": PARIS},
        {"role": "assistant", "content": first.text},
        {"role": "user", "content": "What is the opposite of hot?"},
    ]
    again = await say(protocol.Chat(id="next", messages=messages, temperature=0.0, max_tokens=16))
    assert again.end.cached_tokens >= first.end.prompt_tokens
    assert again.end.cached_tokens == again.started.cached_tokens < again.end.prompt_tokens


async def test_max_tokens(say: Any, ask: Ask) -> None:
    """max_tokens ends the answer."""
    said = await say(ask(PARIS, max_tokens=3))
    assert (said.end.finish, said.end.completion_tokens) == ("length", 3)


async def test_context_end(say: Any, ask: Ask) -> None:
    """The end of the context ends the answer."""
    said = await say(ask("Write.", **{**LONG, "max_tokens": None}), "short")
    assert said.end.finish == "length"
    assert said.end.prompt_tokens + said.end.completion_tokens == 256


async def test_context_exceeded(say: Any, ask: Ask) -> None:
    """A prompt that does not fit is refused with both numbers."""
    failed = (await say(ask("word " * 2000), "short")).failed
    assert failed.code == "context_exceeded" and "256" in failed.message and "word" not in failed.message
    assert any(number.isdigit() and int(number) > 1000 for number in failed.message.split())
    assert "Paris" in (await say(ask(PARIS), "short")).text


async def test_crowded_context(say: Any, ask: Ask) -> None:
    """Four answers that together need more than the 256 tokens of the context are all given."""
    chats = [ask("Write.", **LONG) for _ in range(4)]
    together = await asyncio.gather(*(say(chat, "short") for chat in chats))
    assert [said.end.finish for said in together] == ["length"] * 4
    assert len({said.end.completion_tokens for said in together}) == 1  # texts differ where two tokens are near equal


async def test_tool_call(say: Any, ask: Ask) -> None:
    """A tool call is an event and not text."""
    said = await say(ask("What is the weather in Rome?", tools=[TOOL]))
    assert said.end.finish == "tool_calls" and said.text == ""
    assert [(call.name, json.loads(call.arguments)) for call in said.calls] == [("get_weather", {"city": "Rome"})]


async def test_tool_choice(say: Any, ask: Ask) -> None:
    """Tools can be forced and forbidden."""
    forced = await say(ask("Hello", tools=[TOOL], tool_choice="required", max_tokens=200))
    assert forced.end.finish == "tool_calls" and list(json.loads(forced.calls[0].arguments)) == ["city"]
    forbidden = await say(ask("What is the weather in Rome?", tools=[TOOL], tool_choice="none"))
    assert forbidden.calls == []


@pytest.mark.parametrize("temperature", [0.0, 1.0])
async def test_json_schema(say: Any, ask: Ask, temperature: float) -> None:
    """A promised form is kept."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "ok": {"type": "boolean"}}, "required": ["n", "ok"], "additionalProperties": False}  # fmt: skip
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    said = await say(ask("Hello", response_format=form, temperature=temperature, seed=1, max_tokens=100))
    value = json.loads(said.text)
    assert list(value) == ["n", "ok"] and isinstance(value["n"], int) and isinstance(value["ok"], bool)
    assert said.end.finish == "stop"


async def test_json_object(say: Any, ask: Ask) -> None:
    """A JSON object parses."""
    said = await say(
        ask("Give me the capital of France as JSON.", response_format={"type": "json_object"}, max_tokens=200)
    )
    assert said.end.finish == "stop" and isinstance(json.loads(said.text), dict)


@pytest.mark.parametrize(
    "fields",
    [{"temperature": -1.0}, {"max_tokens": 0}, {"response_format": {"type": "xml"}}, {"tool_choice": "required"}],
)
async def test_senseless_requests(say: Any, ask: Ask, fields: dict[str, Any]) -> None:
    """What makes no sense is refused in a sentence."""
    failed = (await say(ask(PARIS, **fields))).failed
    assert failed.code == "bad_request" and failed.message.endswith(".")


async def test_no_messages(say: Any) -> None:
    """A conversation without messages is refused."""
    assert (await say(protocol.Chat(id="none", messages=[]))).failed.code == "bad_request"


async def test_leaving(engines: dict[str, Supervisor], say: Any, ask: Ask) -> None:
    """Who leaves frees the slot: all four are free for others."""
    for _ in range(4):
        answer = engines["starter"].chat("starter", ask("Write.", **{**LONG, "max_tokens": None}))
        async for event in answer:
            if isinstance(event, protocol.Text):
                break
        await answer.aclose()
    await say(ask(PARIS, max_tokens=1))
    assert (engines["starter"].states()[0].active, engines["starter"].states()[0].waiting) == (0, 0)


async def test_odd_text(engines: dict[str, Supervisor], say: Any, ask: Ask) -> None:
    """Text in any shape does not end the worker."""
    for text in [
        "",
        "\x00",
        "\ufffd\u202e",
        "🙂" * 50,
        " " * 3000,
        "a" * 100_000,
        "\n" * 100_000,
        "<tool_call>",
        "<|im_end|>",
    ]:
        assert isinstance((await say(ask(text, max_tokens=2))).events[-1], protocol.End | protocol.Failed)
    assert engines["starter"].states()[0].restarts == 0
