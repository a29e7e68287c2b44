"""What one request has computed serves the others: a long beginning is read once, however many slots share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pointsman.engines import protocol
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.llama import LlamaModel, ModelOptions
from pointsman.engines.llama_engine import LlamaEngine
from pointsman.engines.slots import Run
from tests.fakes import gguf_files, vector_models
from tests.fakes.gguf_files import Size

SYSTEM = "What is the capital of France? What colour is the sky? " * 60
LONG_SYSTEM = SYSTEM * 10
QUESTIONS = ["What is the capital of France?", "What is the opposite of hot?", "What colour is the sky?", "Hello"]
SMALL = Size(layers=6, width=64, inner=64, heads=2, kv_heads=1, head=32, vocabulary=64, context=4096)
LONG = [3 + at % 50 for at in range(300)]
Fresh = Callable[..., LlamaEngine]


class Counting(LlamaModel):
    """Counts the tokens that it computes; `alone` shares nothing."""

    def __init__(self, path: Path, context: int) -> None:
        super().__init__(ModelOptions(path=str(path), context=context, threads=1, slots=4), Interrupt())
        self.computed = 0

    def decode(self, runs: Sequence[Run]) -> int:
        """A step."""
        self.computed += sum(len(run.tokens) for run in runs)
        return super().decode(runs)


@pytest.fixture(scope="module")
def model(starter: Path, tmp_path_factory: pytest.TempPathFactory) -> Counting:
    """The starter with room for a long conversation."""
    path = vector_models.starter(starter, tmp_path_factory.mktemp("long") / "long.gguf", context=40_000)
    return Counting(path, 40_000)


@pytest.fixture
def fresh(model: Counting) -> Fresh:
    """An engine whose slots hold nothing."""

    def make(*, shares: bool = True) -> LlamaEngine:
        for slot in range(4):
            model.keep(slot, 0)
        model.shares, model.computed = shares, 0
        return LlamaEngine(model)

    return make


def chat(id_: str, question: str, system: str = SYSTEM, tokens: int = 8) -> protocol.Chat:
    """A greedy question."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return protocol.Chat(id=id_, messages=messages, temperature=0.0, max_tokens=tokens)


def run(engine: LlamaEngine, *chats: protocol.Chat, steps: int | None = None) -> list[protocol.Answer]:
    """All events, or those of so many steps."""
    for one in chats:
        engine.insert(one)
    told: list[protocol.Answer] = []
    while engine.active + engine.waiting and steps != 0:
        told += engine.step()
        steps = None if steps is None else steps - 1
    return told


def text(events: Sequence[protocol.Answer], id_: str) -> str:
    """What was said."""
    return "".join(event.text for event in events if isinstance(event, protocol.Text) and event.id == id_)


def end(events: Sequence[protocol.Answer], id_: str) -> protocol.End:
    """The last event."""
    return next(event for event in events if isinstance(event, protocol.End) and event.id == id_)


def test_a_long_beginning_is_read_once(model: Counting, fresh: Fresh) -> None:
    """Two requests at once with 30 KB in common: the second computes no more than 64 tokens and its answer."""
    assert len(LONG_SYSTEM) > 30_000
    events = run(fresh(), *(chat(str(at), question, LONG_SYSTEM, 2) for at, question in enumerate(QUESTIONS[:2])))
    first, second = (end(events, str(at)) for at in range(2))
    assert first.cached_tokens == 0
    assert second.prompt_tokens - second.cached_tokens <= 64
    assert first.prompt_tokens > 5_000
    assert model.computed <= first.prompt_tokens + 64 + 2


def test_the_same_answers_as_alone(model: Counting, fresh: Fresh) -> None:
    """Without sharing each computes all of it, and says the same."""
    chats = [chat(str(at), question) for at, question in enumerate(QUESTIONS)]
    shared = run(fresh(), *chats)
    few = model.computed
    apart = run(fresh(shares=False), *chats)
    assert [text(shared, one.id) for one in chats] == [text(apart, one.id) for one in chats]
    assert model.computed > 3 * few


def test_while_the_first_still_answers(model: Counting, fresh: Fresh) -> None:
    """A second one that comes later takes over what the first has, whose answer stays what it is."""
    alone = text(run(fresh(), chat("a", QUESTIONS[0], tokens=24)), "a")
    engine = fresh()
    begun = run(engine, chat("a", QUESTIONS[0], tokens=24), steps=1)
    while not text(begun, "a"):
        begun += engine.step()
    assert engine.active == 1
    before = model.computed
    events = [*begun, *run(engine, chat("b", QUESTIONS[1], tokens=4))]
    assert end(events, "b").prompt_tokens - end(events, "b").cached_tokens < 64
    assert model.computed - before < 128
    assert text(events, "a") == alone


def test_when_the_first_leaves(fresh: Fresh) -> None:
    """One that waits for another's reading reads for itself when that one goes, from where it came."""
    engine = fresh()
    run(engine, chat("a", QUESTIONS[0]), chat("b", QUESTIONS[1]), steps=1)
    assert (engine.active, engine.waiting) == (1, 1)
    assert engine.remove("a") is not None
    events = run(engine)
    assert 0 < end(events, "b").cached_tokens < end(events, "b").prompt_tokens - 64
    assert text(events, "b") == text(run(fresh(), chat("b", QUESTIONS[1])), "b")


def test_both_conversations_stay(fresh: Fresh) -> None:
    """A second one with the same beginning does not end what the first has of its own."""
    engine, more = fresh(), "and then " * 60
    run(engine, chat("a", more + QUESTIONS[0]))
    run(engine, chat("b", QUESTIONS[1]))
    again = end(run(engine, chat("c", more + QUESTIONS[0])), "c")
    assert again.prompt_tokens - again.cached_tokens == 1


def test_shared_cells_count_once(starter: Path) -> None:
    """Four times the prompt would not fit the room; as it is shared all four are answered together."""
    model = Counting(starter, 2048)
    engine = LlamaEngine(model)
    told = run(engine, *(chat(str(at), question, tokens=30) for at, question in enumerate(QUESTIONS)), steps=1)
    prompt = next(event.prompt_tokens for event in told if isinstance(event, protocol.Started))
    assert 4 * prompt > engine.context > prompt + 400
    most = engine.active
    while engine.active + engine.waiting:
        told += engine.step()
        most = max(most, engine.active)
    assert most > 2
    assert sum(isinstance(event, protocol.End) for event in told) == len(QUESTIONS)


@pytest.mark.parametrize(("kind", "shares"), [("grouped", True), ("hybrid", False), ("convolved", False)])
def test_who_may_share(kind: str, shares: bool, tmp_path: Path) -> None:
    """A state of fixed size is of its last token alone: it is no beginning of anything."""
    made = {"grouped": gguf_files.grouped, "hybrid": gguf_files.hybrid, "convolved": gguf_files.convolved}[kind]()
    assert Counting(gguf_files.write(tmp_path / "m.gguf", made), 512).shares is shares


@pytest.mark.parametrize("windowed", [False, True])
def test_layers_with_a_window(windowed: bool, tmp_path: Path) -> None:
    """They share where they keep everything: the copy then computes what the original does."""
    path = gguf_files.write(tmp_path / "w.gguf", gguf_files.windowed(SMALL, window=16), "f32", noise=True)
    model = LlamaModel(ModelOptions(path=str(path), context=2048, threads=1, slots=2, windowed=windowed), Interrupt())
    assert model.shares is not windowed
    assert model.decode([Run(0, 0, LONG, complete=True)]) == 0
    if not windowed:
        assert model.copy(0, 1, 200)
        assert model.decode([Run(1, 200, LONG[200:], complete=True)]) == 0
        copied = model.logits(-1).copy()
        assert model.keep(1, 0)
        assert model.decode([Run(1, 0, LONG, complete=True)]) == 0
        assert abs(copied - model.logits(-1)).max() < 5e-3
