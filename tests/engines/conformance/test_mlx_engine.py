"""What is MLX's alone: steps that fail, memory that is shared by requests and by what is kept of old ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.engines import mlx_worker, protocol
from pointsman.engines.failures import LoadFailed
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.mlx_engine import MlxEngine
from pointsman.engines.mlx_model import MlxModel
from pointsman.engines.worker import Wanted
from tests.engines.conformance.broken_models import broken_folders
from tests.engines.conformance.speaking import LONG, PARIS, QUESTIONS, Said, ask

CONTEXT = 400


@pytest.fixture(scope="module")
def model(starter_of: dict[str, Path]) -> MlxModel:
    """The starter with a short context."""
    return MlxModel(str(starter_of["mlx"]), CONTEXT)


@pytest.fixture
def engine(model: MlxModel) -> MlxEngine:
    """Four slots."""
    return MlxEngine(model, 4)


def run(engine: MlxEngine, *chats: protocol.Chat) -> list[Said]:
    """All answers, to the end."""
    for chat in chats:
        engine.insert(chat)
    events = list(steps(engine))
    return [Said([event for event in events if event.id == chat.id]) for chat in chats]


def steps(engine: MlxEngine) -> Iterator[protocol.Answer]:
    """Step by step; after each the memory that counts is within the context."""
    while engine.active + engine.waiting:
        yield from engine.step()
        used = sum(engine._lengths())
        assert used <= CONTEXT
        assert engine._kept.nbytes + used * engine._model.token_bytes <= CONTEXT * engine._model.token_bytes


def test_one_context_for_all(engine: MlxEngine) -> None:
    """Requests that outgrow it together wait for one another, and what is kept of old ones gives way to them."""
    alone = [one.text for one in run(engine, *(ask(question) for question in QUESTIONS))]
    assert engine._kept.nbytes > 0
    said = run(engine, *(ask("Write.", **LONG) for _ in range(4)))
    assert [one.end.finish for one in said] == ["length"] * 4
    assert {one.end.completion_tokens for one in said} == {150}
    assert [one.text for one in run(engine, *(ask(question) for question in QUESTIONS))] == alone


def test_a_step_that_fails(engine: MlxEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those under way fail in a sentence, those that wait are served, and the engine goes on."""
    chats = [ask(PARIS) for _ in range(6)]
    for chat in chats:
        engine.insert(chat)
    events = [*engine.step(), *engine.step()]

    def fail() -> Any:
        raise RuntimeError("[metal::malloc] my secret")

    monkeypatch.setattr(engine._batch, "next", fail)
    events += [*engine.step(), *steps(engine)]
    said = [Said([event for event in events if event.id == chat.id]) for chat in chats]
    assert {(one.failed.code, one.failed.message) for one in said[:4]} == {
        ("engine_error", "The engine could not compute this answer.")
    }
    assert [one.end.finish for one in said[4:]] == ["stop"] * 2


def test_a_prompt_read_in_pieces(engine: MlxEngine) -> None:
    """On a slow machine a long prompt takes many steps, with the same answer in the end."""
    chat = ask("word " * 60 + PARIS, max_tokens=8)
    [usual] = run(engine, chat)
    slow = MlxEngine(engine._model, 4)
    slow._pace.size = 8
    slow.insert(ask("word " * 60 + PARIS, max_tokens=8))
    list(slow.step())
    slow._pace.size = 8
    events = list(steps(slow))
    assert slow.steps > engine.steps + 2 and Said(events).text == usual.text


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("truncated", "its files are damaged, or not complete"),
        ("partial", "its files are damaged, or not complete"),
        ("unheard", "is of the kind unheard_of, which this version of mlx-lm cannot run"),
    ],
)
def test_no_model(starter_of: dict[str, Path], tmp_path: Path, name: str, problem: str) -> None:
    """A folder that cannot be loaded is told in one sentence."""
    broken_folders(tmp_path, starter_of["mlx"])
    with pytest.raises(LoadFailed, match=rf"^{name} .*{problem}\.$"):
        load(tmp_path / name)


def load(folder: Path) -> Any:
    """As the worker does it."""
    wanted = Wanted(path=str(folder), context=None, threads=1, tool_format=None)
    return mlx_worker.load(wanted, Interrupt())


def test_without_mlx(starter_of: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where MLX is not installed, a sentence says so."""
    monkeypatch.setitem(sys.modules, "pointsman.engines.mlx_engine", None)
    with pytest.raises(LoadFailed, match=r"^MLX is not installed here"):
        load(starter_of["mlx"])


def test_a_template_that_cannot_be_read(starter_of: dict[str, Path], tmp_path: Path) -> None:
    """It is told when the model is loaded, not with the first request."""
    broken_folders(tmp_path, starter_of["mlx"])
    whole = tmp_path / "tokenless"
    (whole / "tokenizer.json").write_bytes((starter_of["mlx"] / "tokenizer.json").read_bytes())
    (whole / "chat_template.jinja").write_text("{% if %}")
    with pytest.raises(LoadFailed, match="chat template cannot be read"):
        load(whole)


def test_a_network_that_cannot_be_batched(starter_of: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused when it is loaded."""
    monkeypatch.setattr("pointsman.engines.mlx_model.make_prompt_cache", lambda network: [_Single()] * 4)
    with pytest.raises(LoadFailed, match=r"^starter is of a kind that MLX answers one request at a time with"):
        load(starter_of["mlx"])


class _Single:
    """A cache that holds nothing and cannot be joined with others."""

    offset = 0
    keys = None

    def update_and_fetch(self, keys: Any, values: Any) -> Any:
        return keys, values

    def keys_and_values(self) -> Any:
        raise AssertionError

    def make_mask(self, *_: Any, **__: Any) -> None:
        return None
