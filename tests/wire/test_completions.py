"""Legacy completions: what is read of a body, and the shapes of the answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import Completion

from pointsman.core.errors import BadRequest
from pointsman.core.pricing import Meters
from pointsman.core.request import Hints, Request, Verdict
from pointsman.wire import completions, sse
from pointsman.wire.completions import CompletionsWriter
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.neutral import Began, Ended, Event, Said, Text, Thought, Turn

ABOUT = Answering(id="1", model="m", created=5)
EVENTS: list[Event] = [
    Began(),
    Thought("hm"),
    Said("To"),
    Said("kyo"),
    Ended("length", Meters(fresh_input=3, output=2)),
]


def body(**fields: Any) -> bytes:
    """A request."""
    return json.dumps({"model": "m", "prompt": "The capital is", **fields}).encode()


def read(**fields: Any) -> Request:
    """The neutral request of it."""
    return completions.read("r1", body(**fields), Hints(), lambda _raw: Verdict())


def test_a_prompt_is_a_user_turn() -> None:
    """As a text, or as a list of one."""
    one, other = read(), read(prompt=["The capital is"])
    assert [message.role for message in one.messages] == ["user"]
    assert (one.last_user, other.last_user) == ("The capital is", "The capital is")
    assert completions.prompt(body()).turns == (Turn("user", (Text("The capital is"),)),)


def test_the_limit_is_the_vendors_where_none_is_given() -> None:
    """16, as it says of itself; a limit that makes no sense is refused."""
    assert (read().max_tokens, read(max_tokens=7).max_tokens) == (16, 7)
    with pytest.raises(BadRequest, match="max_tokens"):
        read(max_tokens=0)


@pytest.mark.parametrize(
    "given",
    [
        {"suffix": "x"},
        {"echo": True},
        {"best_of": 3},
        {"n": 2},
        {"prompt": ["a", "b"]},
        {"prompt": [1]},
        {"prompt": [[1]]},
        {"prompt": ""},
        {"prompt": None},
    ],
)
def test_what_cannot_be_done_is_refused_by_name(given: dict[str, Any]) -> None:
    """Rather than answered with something else."""
    with pytest.raises(BadRequest, match=f"'{next(iter(given))}'"):
        read(**given)


def test_what_asks_for_nothing_is_no_harm() -> None:
    """Clients send these by habit."""
    assert read(suffix=None, echo=False, best_of=1, n=1, logprobs=None).unpriced is None


def test_what_is_lost_is_named() -> None:
    """Chances have another shape in every other dialect."""
    assert completions.prompt(body(logprobs=2, logit_bias={"5": 1}, stop="x")).lost == ("logprobs", "logit_bias")
    assert completions.prompt(body(stop=["x", "y"])).stop == ("x", "y")
    assert completions.prompt(body(prompt_images=[1], suffix=None, best_of=1)).lost == ("prompt_images",)


def test_a_field_that_nobody_has_priced_is_named() -> None:
    """The router keeps it out of the cloud."""
    assert read(prompt_images=[]).unpriced == "the field 'prompt_images'"


def test_a_whole_completion() -> None:
    """What the vendor's types say; what the model thought is no part of the text."""
    found = Completion.model_validate_json(CompletionsWriter(ABOUT).whole(EVENTS), strict=True)
    assert (found.choices[0].text, found.choices[0].finish_reason) == ("Tokyo", "length")
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (3, 2)


@pytest.mark.parametrize("usage", [True, False])
def test_a_streamed_completion(usage: bool) -> None:
    """Each piece is a completion of its own; usage only where it was asked for."""
    writer = CompletionsWriter(Answering(id="1", model="m", created=5, usage=usage))
    frames = [frame for event in EVENTS for frame in writer.stream(event)]
    assert frames[-1] == sse.DONE
    found = [Completion.construct(**json.loads(sse.parse(frame).data)) for frame in frames[:-1]]  # as the SDK does
    said = [one for one in found if one.choices]
    assert "".join(one.choices[0].text for one in said) == "Tokyo"
    assert [one.choices[0].finish_reason for one in said] == [None, None, "length"]
    assert (found[-1].usage is not None) == usage
