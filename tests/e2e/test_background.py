"""Responses made in the background: they outlive their client, and end when they are told to."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.e2e.conftest import Agent
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home


@pytest.fixture
def client(gateway: Home, agent: Agent) -> Any:
    """The SDK."""
    with openai.OpenAI(base_url=gateway.runtime.address, api_key=agent.key, max_retries=0) as one:
        yield one


def _until(client: openai.OpenAI, id_: str, *statuses: str) -> Any:
    while (found := client.responses.retrieve(id_)).status not in statuses:
        pass
    return found


def test_cancelled_it_stops_upstream_and_settles(gateway: Home, upstream: FakeUpstream, client: openai.OpenAI) -> None:
    """The provider's connection is closed, what was sent is charged at its bound, and no hold is left."""
    made = client.responses.create(model="slow", input="Hello", background=True)
    _until(client, made.id, "in_progress")
    while not upstream.requests:
        pass
    assert client.responses.cancel(made.id).status == "cancelled"
    assert upstream.gone.wait(5)
    assert client.responses.retrieve(made.id).status == "cancelled"
    row = gateway.audit()[0]
    assert (row["outcome"], row["estimated"]) == ("cancelled", 1)
    assert row["cost"] == row["held"] > 0
    assert gateway.snapshot().running == []
    with pytest.raises(openai.BadRequestError, match="no whole answer"):
        client.responses.create(model="dime", input="Go on", previous_response_id=made.id)


def test_it_outlives_its_client(gateway: Home, upstream: FakeUpstream, agent: Agent, client: openai.OpenAI) -> None:
    """The agent's connection is long closed when the provider answers."""
    with openai.OpenAI(base_url=gateway.runtime.address, api_key=agent.key, max_retries=0) as leaving:
        made = leaving.responses.create(model="slow", input="Hello", background=True)
        assert made.status == "queued"
    _until(client, made.id, "in_progress")
    upstream.release()
    assert _until(client, made.id, "completed", "failed").output_text == "The cloud says hello."
    rows = [row for row in gateway.audit() if (row["kind"], row["agent"]) == ("request", agent.name)]
    assert [row["outcome"] for row in rows] == ["done"]


def test_deleted_while_it_is_made_it_stops(upstream: FakeUpstream, client: openai.OpenAI) -> None:
    """And nothing of it is kept."""
    made = client.responses.create(model="slow", input="Hello", background=True)
    while not upstream.requests:
        pass
    client.responses.delete(made.id)
    assert upstream.gone.wait(5)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_streamed_it_goes_on_without_its_client(upstream: FakeUpstream, client: openai.OpenAI) -> None:
    """The SDK leaves after the first event, and takes the stream up again from there."""
    with client.responses.create(model="slow", input="Hello", background=True, stream=True) as stream:
        first = next(iter(stream))
    assert first.type == "response.created"
    assert (first.response.status, first.response.background) == ("queued", True)
    upstream.release()
    rest = list(client.responses.retrieve(first.response.id, stream=True, starting_after=0))
    assert [event.sequence_number for event in rest] == list(range(1, len(rest) + 1))
    last: Any = rest[-1]
    assert (last.type, last.response.output_text) == ("response.completed", "The cloud says hello.")
    assert last.response.to_dict() == client.responses.retrieve(first.response.id).to_dict()
