"""Responses with state by the vendor's SDK: continued, told again, forgotten, made in the background; whoever answers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from pointsman.wire import admin
from tests.fakes import strict_home
from tests.fakes.home import Home
from tests.fakes.strict_model import Script
from tests.fakes.strict_upstream import StrictUpstream

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOL: Any = {"type": "function", "name": "read", "parameters": SCHEMA, "strict": False}
SECRET = "My card is 4111 1111 1111 1111"
ALL = ["responses", "chat", "messages"]
SCRIPT = Script(tools={"read": {"path": "answer.txt"}})


@pytest.fixture(scope="module")
def stranger(gateway: Home) -> Iterator[openai.OpenAI]:
    """Another agent's SDK."""
    with openai.OpenAI(base_url=gateway.runtime.address, api_key=gateway.agent("stranger"), max_retries=0) as one:
        yield one


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("stream", [False, True])
def test_a_turn_with_a_tool_goes_on_by_its_id(
    paid: Callable[[], None], upstream: StrictUpstream, client: openai.OpenAI, dialect: str, stream: bool
) -> None:
    """Only the tool's result is sent; the provider sees the whole conversation, and never the field."""
    asked: dict[str, Any] = {"model": f"cloud-{dialect}", "tools": [TOOL], "instructions": "Be brief."}

    def turn(**more: Any) -> Any:
        if not stream:
            return client.responses.create(**asked, **more)
        with client.responses.stream(**asked, **more) as events:
            return events.get_final_response()

    first = turn(input="Read answer.txt.")
    call = next(item for item in first.output if item.type == "function_call")
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    second = turn(input=[result], previous_response_id=first.id)
    assert second.output_text == upstream.script.text
    assert second.previous_response_id == first.id
    assert b"previous_response_id" not in upstream.turns[1].raw
    assert b"Read answer.txt." in upstream.turns[1].raw
    paid()
    third = turn(input="Thank you.", previous_response_id=second.id)
    assert third.output_text
    assert upstream.turns[2].raw.count(b"42") == 1


def test_reasoning_goes_along_sealed(upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """The provider finds its own reasoning again, and refuses none of it."""
    asked: dict[str, Any] = {"model": "cloud-responses", "tools": [TOOL], "include": ["reasoning.encrypted_content"]}
    first = client.responses.create(input="Read answer.txt.", **asked)
    result: Any = {"type": "function_call_output", "call_id": first.output[-1].call_id, "output": "42"}
    client.responses.create(input=[result], previous_response_id=first.id, **asked)
    kinds = [item.get("type", "message") for item in upstream.turns[1].body["input"]]
    assert kinds == ["message", "reasoning", "function_call", "function_call_output"]


def test_a_conversation_moves_to_the_model_here(upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """What one target answered, another goes on with; one answer may be continued twice."""
    first = client.responses.create(model="cloud-messages", input="What is the capital of France?")
    for _ in range(2):
        second = client.responses.create(model="local", input="And again?", previous_response_id=first.id)
        assert second.status in {"completed", "incomplete"}
    assert len(upstream.turns) == 1


def test_the_whole_conversation_is_looked_at(gateway: Home, upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """A secret of an earlier turn keeps the next one here, in a session of another name."""
    first = client.responses.create(model="local", input=SECRET)
    head = {"x-pointsman-session": "another", "x-pointsman-timeout": "1"}
    with pytest.raises(openai.APIStatusError):
        client.responses.create(
            model="cloud-chat", input="Repeat it.", previous_response_id=first.id, extra_headers=head
        )
    assert upstream.seen == []
    assert gateway.audit()[0]["sensitivity"] == "personal"


def test_what_was_called_private_stays_so(gateway: Home, upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """Nothing in the words shows it: the client said so, of the turn before."""
    private = {"x-pointsman-sensitivity": "personal"}
    first = client.responses.create(model="local", input="What is the capital of France?", extra_headers=private)
    with pytest.raises(openai.APIStatusError):
        client.responses.create(
            model="cloud-chat",
            input="And of Spain?",
            previous_response_id=first.id,
            extra_headers={"x-pointsman-timeout": "1"},
        )
    assert upstream.seen == []
    assert gateway.audit()[0]["sensitivity"] == "personal"


def test_an_answer_is_told_again_and_forgotten(upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """GET, its input's items, DELETE; then it is gone."""
    first = client.responses.create(model="cloud-responses", input="Hello", metadata={"a": "b"})
    assert client.responses.retrieve(first.id).to_dict() == first.to_dict()
    second = client.responses.create(model="cloud-chat", input="Again", previous_response_id=first.id)
    listed = list(client.responses.input_items.list(second.id, order="asc", limit=2))
    assert [item.type for item in listed] == ["message"] * 3
    assert listed[0].content[0].text == "Hello"
    assert listed[2].content[0].text == "Again"
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError, match=first.id):
        client.responses.retrieve(first.id)
    assert client.responses.retrieve(second.id).id == second.id


def test_an_answer_is_streamed_again(client: openai.OpenAI) -> None:
    """The events make the same response, from the one that is asked for."""
    first = client.responses.create(model="cloud-responses", input="Read answer.txt.", tools=[TOOL])
    events = list(client.responses.retrieve(first.id, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].response.to_dict() == first.to_dict()
    rest = list(client.responses.retrieve(first.id, stream=True, starting_after=2))
    assert [event.to_dict() for event in rest] == [event.to_dict() for event in events[3:]]


@pytest.mark.parametrize("dialect", ALL)
def test_items_are_referred_to(
    upstream: StrictUpstream, client: openai.OpenAI, stranger: openai.OpenAI, dialect: str
) -> None:
    """The provider gets the items themselves; another agent's, and what nobody kept, is refused by name."""
    first = client.responses.create(model=f"cloud-{dialect}", input="Read answer.txt.", tools=[TOOL])
    call = next(item for item in first.output if item.type == "function_call")
    items: Any = [
        {"role": "user", "content": "Read answer.txt."},
        {"type": "item_reference", "id": call.id},
        {"type": "function_call_output", "call_id": call.call_id, "output": "42"},
    ]
    second = client.responses.create(model=f"cloud-{dialect}", input=items, tools=[TOOL])
    assert second.output_text == upstream.script.text
    assert b"item_reference" not in upstream.turns[1].raw
    with pytest.raises(openai.NotFoundError, match=f"Item with id '{call.id}' not found"):
        stranger.responses.create(model=f"cloud-{dialect}", input=items)
    assert len(upstream.turns) == 2


def test_what_another_agent_made_is_not_there(client: openai.OpenAI, stranger: openai.OpenAI) -> None:
    """Neither to be read, nor continued, listed, cancelled or deleted."""
    made = client.responses.create(model="cloud-chat", input="Hello").id
    for ask in (
        stranger.responses.retrieve,
        stranger.responses.delete,
        stranger.responses.cancel,
        stranger.responses.input_items.list,
    ):
        with pytest.raises(openai.NotFoundError):
            ask(made)
    with pytest.raises(openai.BadRequestError) as refused:
        stranger.responses.create(model="cloud-chat", input="Go on", previous_response_id=made)
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")


def test_what_the_client_does_not_store_is_not_kept(client: openai.OpenAI) -> None:
    """`store: false` is obeyed, streamed or not."""
    made = client.responses.create(model="cloud-chat", input="Hello", store=False).id
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"conversation": "conv_1"}, "'conversation'"),
        ({"background": True, "store": False}, "'background'"),
    ],
)
def test_what_is_not_served_is_refused_by_name(
    upstream: StrictUpstream, client: openai.OpenAI, given: dict[str, Any], named: str
) -> None:
    """400, and nothing is sent."""
    with pytest.raises(openai.BadRequestError, match=named):
        client.responses.create(model="cloud-chat", input="Hello", **given)
    assert upstream.seen == []


def test_a_background_response_is_polled(
    paid: Callable[[], None], upstream: StrictUpstream, client: openai.OpenAI
) -> None:
    """Queued at once; its client may leave; the whole is there later, under the same id."""
    made = client.responses.create(model="cloud-responses", input="Hello", background=True)
    assert (made.status, made.background, made.output) == ("queued", True, [])
    done = _polled(client, made.id)
    assert (done.id, done.status, done.background) == (made.id, "completed", True)
    assert done.output_text == upstream.script.text
    assert b'"background"' not in upstream.turns[0].raw
    next_ = client.responses.create(model="cloud-chat", input="Go on", previous_response_id=made.id)
    assert next_.output_text
    assert client.responses.cancel(made.id).status == "completed"
    paid()


def test_a_background_response_that_fails_says_why(gateway: Home, client: openai.OpenAI) -> None:
    """The provider's own words, and nothing is charged."""
    before = strict_home.spent(gateway)
    output: Any = {"type": "function_call_output", "call_id": "c1", "output": "42"}
    made = client.responses.create(model="cloud-responses", input=[output], background=True)
    done = _polled(client, made.id)
    assert done.status == "failed"
    assert done.error is not None
    assert "No tool call found" in done.error.message
    assert strict_home.spent(gateway) == before


def test_a_response_that_was_waited_for_cannot_be_cancelled(client: openai.OpenAI) -> None:
    """As the vendor says."""
    made = client.responses.create(model="cloud-chat", input="Hello")
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(made.id)


def test_nothing_of_it_lies_open_on_the_disk(gateway: Home, client: openai.OpenAI) -> None:
    """Neither what was asked nor what was answered can be read in the file."""
    made = client.responses.create(model="cloud-chat", input="Xylophone quartz")
    client.responses.delete(
        client.responses.create(model="cloud-chat", input="Hello").id
    )  # what came before is written
    path = gateway.folder / "home" / "responses.sqlite3"
    assert path.stat().st_mode & 0o077 == 0
    with sqlite3.connect(path) as file:
        (sealed,) = file.execute("SELECT sealed FROM responses WHERE id = ?", (made.id,)).fetchone()
    file.close()
    assert b"Xylophone" not in sealed
    assert json.loads(made.to_json())["output"][0]["content"][0]["text"].encode() not in sealed


def test_a_removed_agent_leaves_nothing(gateway: Home) -> None:
    """Whoever gets its name later finds nothing of it."""

    def agent() -> openai.OpenAI:
        return openai.OpenAI(base_url=gateway.runtime.address, api_key=gateway.agent("brief"), max_retries=0)

    with agent() as first:
        made = first.responses.create(model="cloud-chat", input="Hello").id
    gateway.command(admin.RemoveAgent("brief"))
    with agent() as second, pytest.raises(openai.NotFoundError):
        second.responses.retrieve(made)


def test_what_the_person_forgets_is_forgotten(gateway: Home) -> None:
    """With the kept bodies of an agent go the answers that it could continue from."""
    with openai.OpenAI(base_url=gateway.runtime.address, api_key=gateway.agent("known"), max_retries=0) as known:
        made = known.responses.create(model="cloud-chat", input="Hello").id
        gateway.command(admin.ForgetBodies(agent="known"))
        with pytest.raises(openai.BadRequestError) as refused:
            known.responses.create(model="cloud-chat", input="Go on", previous_response_id=made)
    assert refused.value.code == "previous_response_not_found"


def _polled(client: openai.OpenAI, id_: str) -> Any:
    while (found := client.responses.retrieve(id_)).status in {"queued", "in_progress"}:
        pass
    return found
