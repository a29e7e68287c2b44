"""Legacy completions by the vendor's SDK, answered by targets of every dialect."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.fakes import strict_home
from tests.fakes.home import Home
from tests.fakes.strict_upstream import StrictUpstream

PROMPT = "The capital of France is"


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
def test_whole(gateway: Home, upstream: StrictUpstream, client: openai.OpenAI, dialect: str) -> None:
    """One text with its usage, and the ledger holds what was billed."""
    before = strict_home.spent(gateway)
    answer = client.completions.create(model=f"cloud-{dialect}", prompt=PROMPT, max_tokens=100)
    assert answer.object == "text_completion"
    assert answer.choices[0].text == upstream.script.text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == upstream.turns[0].used.output
    assert strict_home.spent(gateway) - before == upstream.billed > 0


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
def test_streamed(gateway: Home, upstream: StrictUpstream, client: openai.OpenAI, dialect: str) -> None:
    """The same text in pieces; the last chunk has the usage that was asked for."""
    before = strict_home.spent(gateway)
    asked: dict[str, Any] = {"stream_options": {"include_usage": True}, "max_tokens": 100}
    chunks = list(client.completions.create(model=f"cloud-{dialect}", prompt=[PROMPT], stream=True, **asked))
    said = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.text for choice in said) == upstream.script.text
    assert said[-1].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert strict_home.spent(gateway) - before == upstream.billed > 0


def test_without_a_limit_it_is_short(upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """The vendor's own endpoint stops after 16 tokens where nothing is said."""
    client.completions.create(model="cloud-chat", prompt=PROMPT)
    assert upstream.turns[0].body["max_tokens"] == 16


def test_the_model_on_this_machine_answers(client: openai.OpenAI) -> None:
    """Any target does."""
    answer = client.completions.create(
        model="local", prompt="What is the capital of France?", temperature=0, max_tokens=20
    )
    assert "Paris" in answer.choices[0].text


@pytest.mark.parametrize(
    "given",
    [{"suffix": "."}, {"echo": True}, {"best_of": 2}, {"n": 2}, {"prompt": ["a", "b"]}, {"prompt": [1, 2]}],
)
def test_what_no_model_here_can_do_is_refused_by_name(
    upstream: StrictUpstream, client: openai.OpenAI, given: dict[str, Any]
) -> None:
    """Rather than answered with something else."""
    with pytest.raises(openai.BadRequestError, match=f"'{next(iter(given))}'"):
        client.completions.create(**{"model": "cloud-chat", "prompt": PROMPT, **given})
    assert upstream.seen == []
