"""The cases of Open Responses' compliance suite that use HTTP, answered by upstreams of each dialect and by the model here.

https://www.openresponses.org/compliance. What is asked is ours; what an answer must be is the specification's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.fakes import open_responses
from tests.fakes.home import Home
from tests.fakes.open_responses import Event, Resource, kind
from tests.fakes.strict_model import Script
from tests.fakes.strict_upstream import StrictUpstream

PLACES = ["cloud-responses", "cloud-chat", "cloud-messages", "local"]
CLOUDS = PLACES[:-1]
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
WEATHER = [{"type": "message", "role": "user", "content": "What is the weather in Paris? Use the tool."}]
CAPITAL = "What is the capital of France?"
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCRIPT = Script(tools={"get_weather": {"city": "Paris"}})


Post = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def post(gateway: Home) -> Iterator[Post]:
    """A body to the endpoint; the answer must be one."""
    head = {"authorization": f"Bearer {gateway.agent()}"}
    with httpx.Client(base_url=gateway.runtime.address, headers=head, timeout=90) as client:

        def send(path: str = "/responses", **body: Any) -> httpx.Response:
            answer = client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            return answer

        yield send


def answered(post: Post, place: str, said: Any, *, stream: bool = False, **more: Any) -> Resource:
    """The whole response, streamed or not."""
    if stream:
        return open_responses.last(streamed(post, place, said, **more))
    return open_responses.resource(post(model=place, input=said, stream=False, **more).content)


def streamed(post: Post, place: str, said: Any, **more: Any) -> list[Event]:
    """The events."""
    return open_responses.events(post(model=place, input=said, stream=True, **more).content)


def text_of(response: Resource) -> str:
    """What it says; a response that says nothing fails the test."""
    texts = [part.text for item in response.output if isinstance(item, open_responses.Message) for part in item.content]
    assert response.status == "completed" and texts
    return "".join(texts)


def a_message(role: str, content: Any) -> dict[str, Any]:
    """An item of the input."""
    return {"type": "message", "role": role, "content": content}


@pytest.mark.parametrize("place", PLACES)
def test_a_text(post: Post, place: str) -> None:
    """One message of a user, one of the assistant; usage adds up."""
    response = answered(post, place, [a_message("user", CAPITAL)])
    assert text_of(response)
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0
    assert (response.error, response.incomplete_details, response.tools) == (None, None, [])


@pytest.mark.parametrize("place", PLACES)
def test_a_stream(post: Post, place: str) -> None:
    """Every event is as specified, in order; its deltas are the text of the last one."""
    events = streamed(post, place, [a_message("user", CAPITAL)])
    assert [kind(event) for event in events[:2]] == ["response.created", "response.in_progress"]
    deltas = [event.delta for event in events if isinstance(event, open_responses.TextDelta)]
    assert "".join(deltas) == text_of(open_responses.last(events))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_a_system_prompt(post: Post, place: str, stream: bool) -> None:
    """As an item of the input, and as instructions."""
    said = [a_message("system", "Answer like a pirate."), a_message("user", CAPITAL)]
    assert text_of(answered(post, place, said, stream=stream))
    response = answered(post, place, said[1:], stream=stream, instructions="Answer like a pirate.")
    assert response.instructions == "Answer like a pirate."


@pytest.mark.parametrize("place", CLOUDS)
def test_a_tool_is_called(post: Post, place: str) -> None:
    """The call is an item of its own; the tool is told again with all of its fields."""
    response = answered(post, place, WEATHER, tools=[TOOL])
    (call,) = [item for item in response.output if isinstance(item, open_responses.FunctionCall)]
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    assert [tool.name for tool in response.tools] == ["get_weather"]


@pytest.mark.parametrize("place", CLOUDS)
def test_a_tool_is_called_in_a_stream(post: Post, place: str) -> None:
    """The call opens, its arguments grow and are told whole, it closes."""
    events = streamed(post, place, WEATHER, tools=[TOOL])
    assert _call(events) == json.loads('{"city": "Paris"}')


def test_the_model_here_calls_a_tool(post: Post) -> None:
    """The same, where the starter model must: it is too small to see by itself that it should."""
    must: dict[str, Any] = {"tools": [TOOL], "tool_choice": "required", "temperature": 0}
    response = answered(post, "local", WEATHER, **must)
    assert [item.name for item in response.output if isinstance(item, open_responses.FunctionCall)] == ["get_weather"]
    assert "city" in _call(streamed(post, "local", WEATHER, **must))


def _call(events: list[Event]) -> dict[str, Any]:
    """The arguments of the one call, which all its events agree on."""
    added = [one for one in events if isinstance(one, open_responses.ItemAdded)]
    done = [one for one in events if isinstance(one, open_responses.ItemDone)]
    (opened,) = [one.item for one in added if isinstance(one.item, open_responses.FunctionCall)]
    (closed,) = [one.item for one in done if isinstance(one.item, open_responses.FunctionCall)]
    grown = "".join(one.delta for one in events if isinstance(one, open_responses.ArgumentsDelta))
    (told,) = [one.arguments for one in events if isinstance(one, open_responses.ArgumentsDone)]
    assert (opened.id, opened.call_id, opened.arguments) == (closed.id, closed.call_id, "")
    assert grown == told == closed.arguments
    read: dict[str, Any] = json.loads(told)
    return read


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("place", CLOUDS)
def test_a_picture(post: Post, provider: StrictUpstream, place: str, stream: bool) -> None:
    """It reaches the provider, in the shape of its dialect."""
    parts = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": PIXEL}]
    provider.seen.clear()
    assert text_of(answered(post, place, [a_message("user", parts)], stream=stream))
    assert PIXEL.partition(",")[2].encode() in provider.turns[0].raw


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_a_conversation(post: Post, place: str, stream: bool) -> None:
    """Turns of both sides, as plain text."""
    said = [
        a_message("user", "My name is Alice."),
        a_message("assistant", "Hello Alice!"),
        a_message("user", "What is my name?"),
    ]
    assert text_of(answered(post, place, said, stream=stream))


@pytest.mark.parametrize("place", PLACES)
def test_what_was_asked_is_told_again_whole(post: Post, place: str) -> None:
    """Where a client names one field of several, the others are there too."""
    asked: dict[str, Any] = {"reasoning": {"effort": "low"}, "text": {"verbosity": "low"}, "tools": [TOOL]}
    response = answered(post, place, CAPITAL, tool_choice="none", metadata={"a": "b"}, **asked)
    assert response.reasoning is not None
    assert (response.reasoning.effort, response.tool_choice, response.metadata) == ("low", "none", {"a": "b"})
