"""The vendor's own SDK, unmodified, pointed at the door."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pydantic_ai
import pytest
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.e2e.conftest import TARGETS
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, provider: FakeUpstream) -> Iterator[Home]:
    """One gateway: nothing here changes what another test sees."""
    with Home(tmp_path_factory.mktemp("gateway"), provider.base_url, TARGETS) as running:
        yield running


@pytest.fixture(scope="module")
def client(gateway: Home) -> Iterator[openai.OpenAI]:
    """The SDK with an agent's key; its own retries on."""
    with openai.OpenAI(base_url=gateway.runtime.address, api_key=gateway.agent(), timeout=60) as one:
        yield one


def test_local_answer(client: openai.OpenAI) -> None:
    """`local` is answered by the starter model on this machine, and the headers say so."""
    raw = client.chat.completions.with_raw_response.create(model="local", messages=FRANCE, temperature=0)
    assert "Paris" in (raw.parse().choices[0].message.content or "")
    assert raw.headers["x-pointsman-tier"] == "local"
    assert raw.headers["x-pointsman-target"] == "starter"
    assert raw.headers["x-pointsman-cost-microusd"] == "0"


def test_local_stream(client: openai.OpenAI) -> None:
    """A local stream arrives in pieces, ends with stop, and carries usage only when asked for."""
    stream = client.chat.completions.create(model="local", messages=FRANCE, temperature=0, stream=True)
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "Paris" in text
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len(chunks) > 4


def test_cloud_answer(client: openai.OpenAI, upstream: FakeUpstream) -> None:
    """`cloud` is answered by the provider, with its own key and not the agent's."""
    raw = client.chat.completions.with_raw_response.create(model="cloudy", messages=FRANCE)
    assert raw.parse().choices[0].message.content == "The cloud says hello."
    assert raw.headers["x-pointsman-tier"] == "cloud"
    assert upstream.headers[-1]["authorization"] == "Bearer sk-test"


def test_cloud_tier_by_name(client: openai.OpenAI) -> None:
    """The model name `cloud` means any cloud target that can answer."""
    raw = client.chat.completions.with_raw_response.create(model="cloud", messages=FRANCE, max_tokens=20)
    assert raw.headers["x-pointsman-tier"] == "cloud"


def test_cloud_stream_without_usage_asked(client: openai.OpenAI, upstream: FakeUpstream) -> None:
    """Usage is asked of the provider for the bill, and kept from a client that did not ask."""
    chunks = list(client.chat.completions.create(model="cloudy", messages=FRANCE, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "The cloud says hello."
    assert all(chunk.usage is None for chunk in chunks)
    assert upstream.requests[-1]["stream_options"] == {"include_usage": True}


def test_cloud_stream_with_usage_asked(client: openai.OpenAI) -> None:
    """A client that asks for usage gets the provider's."""
    options = {"include_usage": True}
    stream = client.chat.completions.create(model="cloudy", messages=FRANCE, stream=True, stream_options=options)
    assert list(stream)[-1].usage.completion_tokens == 20


def test_auto_stays_here_for_simple_work(client: openai.OpenAI) -> None:
    """`auto` answers a simple question on this machine and says why."""
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=FRANCE)
    assert raw.headers["x-pointsman-tier"] == "local"
    assert "simple work" in raw.headers["x-pointsman-reason"]


def test_auto_sends_hard_work_to_the_cloud(client: openai.OpenAI) -> None:
    """`auto` sends code to the cloud and says why."""
    code = [{"role": "user", "content": "Refactor this:\n```python\ndef f(x): return x\n```"}]
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=code, max_tokens=20)
    assert raw.headers["x-pointsman-tier"] == "cloud"
    assert "hard work" in raw.headers["x-pointsman-reason"]


def test_unknown_name_falls_to_auto(client: openai.OpenAI) -> None:
    """A name that an agent has hard-wired falls to auto, and the header says so."""
    raw = client.chat.completions.with_raw_response.create(model="gpt-99", messages=FRANCE)
    assert "gpt-99" in raw.headers["x-pointsman-reason"]


async def test_async_stream_and_whole(gateway: Home) -> None:
    """The asynchronous client gets both kinds of answers, local and cloud."""
    async with openai.AsyncOpenAI(base_url=gateway.runtime.address, api_key=gateway.agent("async")) as client:
        whole = await client.chat.completions.create(model="local", messages=FRANCE, temperature=0)
        assert "Paris" in (whole.choices[0].message.content or "")
        stream = await client.chat.completions.create(model="cloudy", messages=FRANCE, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(pieces) == "The cloud says hello."


def test_models(client: openai.OpenAI) -> None:
    """The list holds tiers, aliases and targets."""
    names = {model.id for model in client.models.list()}
    assert {"auto", "local", "cloud", "starter", "cloudy"} <= names


def test_tool_call_on_this_machine(client: openai.OpenAI) -> None:
    """The starter model calls a tool, in the SDK's own types."""
    weather = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    asked = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = client.chat.completions.create(model="local", messages=asked, tools=[weather], temperature=0)
    calls = answer.choices[0].message.tool_calls
    assert calls and calls[0].function.name == "get_weather"
    assert "Paris" in calls[0].function.arguments


def test_explain_agrees_with_what_runs(gateway: Home) -> None:
    """`explain` names the target that a real request then gets, and makes no call."""
    request = gateway.folder / "request.json"
    request.write_text('{"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}')
    before = gateway.audit()
    code, said = gateway.run("explain", str(request))
    assert code == 0
    assert "starter would answer on this machine" in said
    assert gateway.audit() == before


async def test_a_turn_of_a_pydantic_ai_agent_on_this_machine(gateway: Home) -> None:
    """The starter model calls the person's function, and says what it gave back."""
    asked = []
    async with openai.AsyncOpenAI(
        base_url=gateway.runtime.address, api_key=gateway.agent("pydantic"), timeout=60
    ) as client:
        model = OpenAIChatModel("local", provider=OpenAIProvider(openai_client=client), settings={"temperature": 0})
        agent = pydantic_ai.Agent(model)

        @agent.tool_plain
        def get_weather(city: str) -> str:
            """Get the weather in a city."""
            asked.append(city)
            return "It is sunny, 21 degrees."

        ran = await agent.run("What is the weather in Paris?")
    assert asked == ["Paris"]
    assert "sunny" in ran.output
    assert {row["target"] for row in gateway.audit() if row["agent"] == "pydantic" and row["kind"] == "request"} == {
        "starter"
    }
