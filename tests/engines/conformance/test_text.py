"""What is told of tokens: whole characters, text up to a stop string, and how sure the model was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.engines.supervisor import WorkerSpec
from tests.engines.conformance.speaking import ENGINES, PARIS, QUESTIONS, SOAK, Worker, ask

pytestmark = pytest.mark.timeout(1800 if SOAK else 240)
SIZES = range(1, 13) if SOAK else (1, 5)
STRIDE = 1 if SOAK else 4


def constant(value: Any) -> dict[str, Any]:
    """A request that can be answered in one way."""
    form = {"type": "json_schema", "json_schema": {"schema": {"const": value}}}
    return {"response_format": form, "max_tokens": 200}


@pytest.mark.parametrize("size", SIZES)
def test_stop_strings(worker: Worker, size: int) -> None:
    """Text ends before a stop string, wherever its border lies in the tokens; the others do not matter."""
    whole = worker.answer(ask(PARIS)).text
    stops = [whole[at : at + size] for at in range(0, len(whole) - size + 1, STRIDE)]
    said = worker.answers([ask(PARIS, stop=["never", stop]) for stop in stops])
    assert [one.text for one in said] == [whole[: whole.index(stop)] for stop in stops]
    assert {one.end.finish for one in said} == {"stop"}


def test_half_a_stop_string(worker: Worker) -> None:
    """The beginning of a stop string that does not come is text."""
    whole = worker.answer(ask(PARIS)).text
    said = worker.answers([ask(PARIS, stop=[whole[at:] + "!"]) for at in range(0, len(whole), STRIDE)])
    assert {one.text for one in said} == {whole}


@pytest.mark.parametrize("text", ["日本 🙂 é", "👩‍👩‍👧‍👦", "a\u0301b", "\U0001d54f\u200d", "ÿ\u0080\uffff"])
def test_characters(worker: Worker, text: str) -> None:
    """Characters stay whole where their bytes come in tokens of their own."""
    said = worker.answer(ask("Hello", logprobs=0, **constant(text)))
    assert json.loads(said.text) == text and "\ufffd" not in said.text
    assert b"".join(bytes(one.bytes) for one in said.logprobs).decode() == said.text
    assert any(broken(bytes(one.bytes)) for one in said.logprobs)


def broken(piece: bytes) -> bool:
    """Whether a token is a part of a character."""
    try:
        piece.decode()
    except UnicodeDecodeError:
        return True
    return False


def test_stop_string_of_split_characters(worker: Worker) -> None:
    """A stop string is met also where its bytes come one by one."""
    said = worker.answer(ask("Hello", stop=["🙂"], **constant("日本 🙂 é")))
    assert said.text == '"日本 ' and said.end.finish == "stop"


def test_every_token_is_told(worker: Worker) -> None:
    """Of each token how likely it was, with the likeliest beside it; the mean of doubt is told at the end."""
    said = worker.answer(ask(PARIS, logprobs=3))
    assert len(said.logprobs) == said.end.completion_tokens - 1  # the token that ends it has no text
    assert all(one.logprob <= 0 and one.top[0].logprob >= one.logprob for one in said.logprobs)
    assert all(len(one.top) == 3 and one.top == sorted(one.top, key=lambda top: -top.logprob) for one in said.logprobs)
    assert said.end.entropy is not None and 0 < said.end.entropy < 1


@pytest.fixture(scope="module")
def everyone(starter_of: dict[str, Path]) -> Iterator[list[Worker]]:
    """A worker of each engine."""
    made = [Worker(WorkerSpec(name=one, path=str(starter_of[one]), engine=one, threads=1)) for one in ENGINES]
    yield made
    for one in made:
        one.__exit__()


def test_engines_agree(everyone: list[Worker]) -> None:
    """The same weights say the same in each engine, and are as sure of it."""
    said = [worker.answers([ask(question, logprobs=1) for question in QUESTIONS]) for worker in everyone]
    for ours in zip(*said, strict=True):
        assert len({one.text for one in ours}) == 1
        first = ours[0]
        for other in ours[1:]:
            assert other.end.entropy == pytest.approx(first.end.entropy, abs=0.02)
            assert [one.logprob for one in other.logprobs] == pytest.approx(
                [one.logprob for one in first.logprobs], abs=0.05
            )
