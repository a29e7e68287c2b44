"""Agents made with openai-agents and pydantic-ai, and the SDKs' own helpers, through every kind of target.

Each of them speaks one dialect and does one turn with a tool: with a provider of its own dialect, with providers of the
two others, and with a model on this machine.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import agents
import anthropic
import openai
import pydantic
import pydantic_ai
import pytest
from agents.models.interface import Model
from anthropic.lib.tools import beta_async_tool
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.fakes import strict_home, vendor_types
from tests.fakes.scripted_home import ScriptedHome
from tests.fakes.strict_model import Script
from tests.fakes.strict_upstream import StrictUpstream

ASKED = "Read answer.txt."
USER = {"role": "user", "content": ASKED}
TEXT = '{"said": "forty-two"}'
TOOLS: dict[str, dict[str, Any]] = {"read": {"path": "answer.txt"}, "final_result": {"said": "forty-two"}}
DIALECTS = {"cloud-chat": "chat", "cloud-responses": "responses", "cloud-messages": "messages"}

pytestmark = pytest.mark.parametrize("target", [*DIALECTS, "here"])


class Answer(pydantic.BaseModel):
    """What the file says."""

    said: str


@pytest.fixture(scope="module")
def provider() -> Iterator[StrictUpstream]:
    """A provider whose model calls `read`, or the tool that pydantic-ai has for its output, and ends with JSON."""
    with StrictUpstream(Script(tools=TOOLS, text=TEXT)) as strict:
        yield strict


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, provider: StrictUpstream) -> Iterator[ScriptedHome]:
    """A gateway in front of it, with a model here that does the same."""
    place = ScriptedHome(tmp_path_factory.mktemp("gateway"), provider)
    try:
        place.start()
        yield place
    finally:
        place.stop()


@pytest.fixture(scope="module")
def key(gateway: ScriptedHome) -> str:
    """An agent's."""
    return gateway.agent()


@pytest.fixture
async def gpt(gateway: ScriptedHome, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's SDK; a refusal fails the test at once."""
    async with openai.AsyncOpenAI(base_url=gateway.runtime.address, api_key=key, max_retries=0) as one:
        yield one


@pytest.fixture
async def claude(gateway: ScriptedHome, key: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Anthropic's SDK."""
    async with anthropic.AsyncAnthropic(base_url=strict_home.door(gateway), api_key=key, max_retries=0) as one:
        yield one


@pytest.fixture
def arrived(gateway: ScriptedHome, provider: StrictUpstream, target: str) -> Iterator[Callable[[], list[str]]]:
    """The bodies where they were meant to go, each of its vendor's type; at the end, the bill is in the ledger."""
    provider.seen.clear()
    gateway.forget()
    before = strict_home.spent(gateway)

    def bodies() -> list[str]:
        if target == "here":
            return [json.dumps(command) for command in gateway.heard()]
        turns = [one for one in provider.turns if one.status == 200]
        return [json.dumps(vendor_types.body(DIALECTS[target], one.raw)) for one in turns]

    yield bodies
    assert strict_home.spent(gateway) - before == provider.billed
    assert (provider.billed == 0) == (target == "here")


Arrived = Callable[[], list[str]]


def check(arrived: Arrived, turns: int = 2) -> None:
    """As many turns as there should be, the last with the tool's result."""
    bodies = arrived()
    assert len(bodies) == turns
    assert ("the answer is 42" in bodies[-1]) == (turns == 2)


@agents.function_tool
def read(path: str) -> str:
    """Read a file."""
    return f"{path}: the answer is 42"


def openai_agent(model: Model, **more: Any) -> agents.Agent[None]:
    """One of openai-agents, whose traces go nowhere."""
    return agents.Agent(name="Reader", instructions="Be brief.", model=model, tools=[read], **more)


MODELS: dict[str, Callable[..., Model]] = {
    "chat": agents.OpenAIChatCompletionsModel,
    "responses": agents.OpenAIResponsesModel,
}
UNTRACED = agents.RunConfig(tracing_disabled=True)


@pytest.mark.parametrize("speaks", MODELS)
async def test_openai_agents(gpt: openai.AsyncOpenAI, arrived: Arrived, target: str, speaks: str) -> None:
    """A run to its end, with an output of the person's own type."""
    agent = openai_agent(MODELS[speaks](model=target, openai_client=gpt), output_type=Answer)
    ran = await agents.Runner.run(agent, ASKED, run_config=UNTRACED)
    assert ran.final_output == Answer(said="forty-two")
    check(arrived)


@pytest.mark.parametrize("speaks", MODELS)
async def test_openai_agents_streamed(gpt: openai.AsyncOpenAI, arrived: Arrived, target: str, speaks: str) -> None:
    """The same, event by event."""
    agent = openai_agent(MODELS[speaks](model=target, openai_client=gpt))
    ran = agents.Runner.run_streamed(agent, ASKED, run_config=UNTRACED)
    kinds = {event.name async for event in ran.stream_events() if event.type == "run_item_stream_event"}
    assert {"tool_called", "tool_output", "message_output_created"} <= kinds
    assert ran.final_output == TEXT
    check(arrived)


def pydantic_model(speaks: str, target: str, gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> Any:
    """One of pydantic-ai's models."""
    if speaks == "messages":
        return AnthropicModel(target, provider=AnthropicProvider(anthropic_client=claude))
    kind = OpenAIChatModel if speaks == "chat" else OpenAIResponsesModel
    return kind(target, provider=OpenAIProvider(openai_client=gpt))


def pydantic_agent(model: Any, **more: Any) -> pydantic_ai.Agent[None, Any]:
    """One of pydantic-ai, with the tool."""
    agent = pydantic_ai.Agent(model, instructions="Be brief.", **more)

    @agent.tool_plain(name="read")
    def _(path: str) -> str:
        """Read a file."""
        return f"{path}: the answer is 42"

    return agent


speaking = pytest.mark.parametrize("speaks", DIALECTS.values())


@speaking
async def test_pydantic_ai(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, arrived: Arrived, target: str, speaks: str
) -> None:
    """A run to its end."""
    ran = await pydantic_agent(pydantic_model(speaks, target, gpt, claude)).run(ASKED)
    assert ran.output == TEXT
    assert ran.usage.output_tokens > 0
    check(arrived)


@speaking
async def test_pydantic_ai_streamed(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, arrived: Arrived, target: str, speaks: str
) -> None:
    """The same, piece by piece."""
    async with pydantic_agent(pydantic_model(speaks, target, gpt, claude)).run_stream(ASKED) as stream:
        pieces = [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]
    assert "".join(pieces) == TEXT
    check(arrived)


@speaking
async def test_pydantic_ai_with_an_output_of_a_type(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, arrived: Arrived, target: str, speaks: str
) -> None:
    """It offers a tool for the output, and says that a tool must be called."""
    agent = pydantic_ai.Agent(pydantic_model(speaks, target, gpt, claude), output_type=Answer)
    assert (await agent.run(ASKED)).output == Answer(said="forty-two")
    check(arrived, turns=1)


@speaking
async def test_pydantic_ai_with_a_schema_of_its_own(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, arrived: Arrived, target: str, speaks: str
) -> None:
    """It has the answer itself in JSON."""
    model = pydantic_model(speaks, target, gpt, claude)
    profile = {"supports_json_schema_output": True}
    agent = pydantic_ai.Agent(
        type(model)(target, provider=model._provider, profile=profile), output_type=pydantic_ai.NativeOutput(Answer)
    )
    assert (await agent.run(ASKED)).output == Answer(said="forty-two")
    check(arrived, turns=1)


async def test_chat_parsed(gpt: openai.AsyncOpenAI, arrived: Arrived, target: str) -> None:
    """`parse` sends the schema, and reads the object."""
    parsed = await gpt.chat.completions.parse(model=target, messages=[USER], response_format=Answer)
    assert parsed.choices[0].message.parsed == Answer(said="forty-two")
    assert '"said"' in arrived()[0]


async def test_responses_parsed(gpt: openai.AsyncOpenAI, arrived: Arrived, target: str) -> None:
    """`parse` of Responses, and its stream."""
    assert (await gpt.responses.parse(model=target, input=ASKED, text_format=Answer)).output_parsed == Answer(
        said="forty-two"
    )
    async with gpt.responses.stream(model=target, input=ASKED, text_format=Answer) as stream:
        assert (await stream.get_final_response()).output_parsed == Answer(said="forty-two")
    assert ['"said"' in body for body in arrived()] == [True, True]


async def test_messages_parsed(claude: anthropic.AsyncAnthropic, arrived: Arrived, target: str) -> None:
    """`parse` of Messages, and its stream."""
    asked: dict[str, Any] = {"model": target, "max_tokens": 500, "messages": [USER], "output_format": Answer}
    assert (await claude.messages.parse(**asked)).parsed_output == Answer(said="forty-two")
    async with claude.messages.stream(**asked) as stream:
        assert (await stream.get_final_message()).parsed_output == Answer(said="forty-two")
    assert ['"said"' in body for body in arrived()] == [True, True]


@beta_async_tool(name="read")
async def reading(path: str) -> str:
    """Read a file."""
    return f"{path}: the answer is 42"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_tool_runner(claude: anthropic.AsyncAnthropic, arrived: Arrived, target: str, stream: bool) -> None:
    """It starts a thread, is told that none are kept, and goes on with the whole conversation."""
    runner = claude.beta.messages.tool_runner(
        model=target, max_tokens=1000, tools=[reading], messages=[USER], stream=stream
    )
    message: Any = await runner.until_done()
    assert message.content[-1].text == TEXT
    check(arrived)
