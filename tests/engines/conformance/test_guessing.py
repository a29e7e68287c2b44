"""Guesses change no answer: with them, right or wrong, each is token for token what it is without."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pointsman.engines import protocol
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.llama import LlamaModel, ModelOptions
from pointsman.engines.llama_api import C
from pointsman.engines.llama_engine import NO_ROOM, LlamaEngine
from pointsman.engines.lookup import Growing, Lookups
from pointsman.engines.supervisor import WorkerSpec
from tests.engines.conformance.speaking import LONG, QUESTIONS, SOAK, TOOL, Said, Worker, ask
from tests.fakes import gguf_files
from tests.fakes.gguf_files import Size

CONTEXT = 700
SEEDS = range(40 if SOAK else 3)
DRAWN: dict[str, Any] = {"temperature": 1.2, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 3}
CITY = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 9}}, "required": ["city"], "additionalProperties": False}  # fmt: skip
FORM = {"type": "json_schema", "json_schema": {"schema": CITY}}
REPEATS = "one two three four " * 40
KINDS: dict[str, list[protocol.Chat]] = {
    "greedy": [ask("Tell me a story.", logprobs=2)],
    "drawn": [ask("Tell me a story.", logprobs=0, **DRAWN)],
    "usual": [ask("Tell me a story.", logprobs=0, temperature=None, seed=11)],
    "penalised": [ask("Tell me a story.", logprobs=0, frequency_penalty=0.5, presence_penalty=0.3)],
    "biased": [ask("Tell me a story.", logprobs=0, logit_bias={"300": 3.0}, **DRAWN)],
    "form": [ask("Hello", response_format=FORM, **DRAWN), ask("Hello", response_format=FORM)],
    "tools": [ask("What is the weather in Rome?", tools=[TOOL]), ask("Hello", tools=[TOOL], tool_choice="required")],
    "stop": [ask("Tell me a story.", stop=[stop]) for stop in (" the", "e", ". ")],
    "short": [ask("Tell me a story.", max_tokens=count) for count in range(1, 14)],
    "context": [ask(REPEATS, max_tokens=None, logprobs=0)],
}


class Thinking(LlamaModel):
    """The starter, made to begin each answer with its reasoning."""

    @property
    def template(self) -> str | None:
        """Its own, and an opened mark."""
        return (super().template or "") + "{{ '<think>' }}"


class Oracle:
    """Knows the answers beforehand, and guesses them with faults by chance: too long, wrong, or just right."""

    def __init__(self, known: Mapping[str, Sequence[int]], seed: int, vocabulary: int) -> None:
        self._known, self._chance, self._vocabulary = known, random.Random(seed), vocabulary
        self.right = self.wrong = 0

    def guesses(self, jobs: Mapping[int, Any]) -> dict[int, list[int]]:
        """As `Lookups`."""
        return {slot: self._guess(job.id, job) for slot, job in jobs.items() if len(job.tokens) - job.done == 1}

    def _guess(self, id_: str, job: Growing) -> list[int]:
        at, chance = len(job.tokens), self._chance
        guess = list(self._known[id_][at : at + chance.randrange(5)])
        if chance.random() < 0.5:
            guess.insert(chance.randrange(len(guess) + 1), chance.randrange(self._vocabulary))
        return guess[: max(0, job.limit - at - 1)]

    def took(self, slot: int, guessed: int, true: int) -> None:
        """As `Lookups`."""
        assert 0 <= true <= guessed and slot >= 0
        self.right, self.wrong = self.right + true, self.wrong + guessed - true

    def forget(self, slot: int) -> None:
        """As `Lookups`."""


@pytest.fixture(scope="module")
def interrupt() -> Interrupt:
    """It has to outlive the model."""
    return Interrupt()


@pytest.fixture(scope="module")
def options(starter: Path) -> ModelOptions:
    """The starter with room for five guesses in each of four slots."""
    return ModelOptions(path=str(starter), context=CONTEXT, threads=1, slots=4, lookup=20)


@pytest.fixture(scope="module")
def model(options: ModelOptions, interrupt: Interrupt) -> LlamaModel:
    """As it is."""
    return LlamaModel(options, interrupt)


def engine(model: LlamaModel, guesses: Any = None) -> LlamaEngine:
    """One whose slots hold nothing."""
    for slot in range(model.slots):
        model.keep(slot, 0)
    made = LlamaEngine(model)
    made._lookups = guesses or Lookups(0)
    return made


def steps(running: LlamaEngine, known: dict[str, list[int]]) -> Iterator[protocol.Answer]:
    """To the end; after each step every slot holds what its request says, no guess is left."""
    while running.active + running.waiting:
        told = list(running.step())
        for slot, job in running._active.items():
            known[job.id] = job.tokens
            assert held(running, slot) == job.done
        for slot, tokens in running._idle.items():
            assert held(running, slot) == len(tokens)
        yield from told


def held(running: LlamaEngine, slot: int) -> int:
    """The tokens of a slot in llama.cpp's own books."""
    return int(C.llama_memory_seq_pos_max(running._model._memory, slot)) + 1


def run(running: LlamaEngine, chats: Sequence[protocol.Chat]) -> tuple[list[Said], dict[str, list[int]]]:
    """All answers, and all tokens of each."""
    known: dict[str, list[int]] = {}
    for chat in chats:
        running.insert(chat)
    for job in running._waiting._jobs:
        known[job.id] = job.tokens
    events = list(steps(running, known))
    return [Said([event for event in events if event.id == chat.id]) for chat in chats], known


def same(one: Said, other: Said) -> None:
    """Token for token; what is reckoned from logits may differ in the last digits."""
    left, right = one.end, other.end
    apart: dict[str, Any] = {"id": "", "entropy": None, "peak_bytes": None, "cached_tokens": 0}
    assert msgspec.structs.replace(left, **apart) == msgspec.structs.replace(right, **apart)
    assert left.entropy == pytest.approx(right.entropy, abs=5e-2)
    assert one.text == other.text and one.calls == other.calls
    assert [told.bytes for told in one.logprobs] == [told.bytes for told in other.logprobs]
    assert [told.logprob for told in one.logprobs] == pytest.approx([t.logprob for t in other.logprobs], abs=5e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_guesses_change_nothing(model: LlamaModel, kind: str) -> None:
    """Whatever is guessed, and wherever an answer ends in it: same tokens, same text, same end."""
    right = wrong = 0
    for chat in KINDS[kind]:
        [plain], known = run(engine(model), [chat])
        for seed in SEEDS:
            oracle = Oracle(known, seed, model.vocabulary)
            [guessed], tokens = run(engine(model, oracle), [chat])
            assert tokens == known
            same(plain, guessed)
            right, wrong = right + oracle.right, wrong + oracle.wrong
    assert right and wrong


@pytest.mark.parametrize("fields", [{}, DRAWN])
def test_reasoning_before_a_form(options: ModelOptions, interrupt: Interrupt, fields: dict[str, Any]) -> None:
    """The answer that a model owes when it would end in its reasoning comes with guesses too."""
    model = Thinking(options, interrupt)
    chat = ask("Hello", response_format=FORM, **fields)
    [plain], known = run(engine(model), [chat])
    assert 0 < plain.end.reasoning_tokens < plain.end.completion_tokens
    for seed in SEEDS:
        [guessed], tokens = run(engine(model, Oracle(known, seed, model.vocabulary)), [chat])
        assert tokens == known
        same(plain, guessed)


def test_many_at_once(model: LlamaModel) -> None:
    """Answers that guess beside each other say what they say without."""
    chats = [ask(question, logprobs=0) for question in QUESTIONS * 2]
    plain, known = run(engine(model), chats)
    for seed in SEEDS:
        guessed, tokens = run(engine(model, Oracle(known, seed, model.vocabulary)), chats)
        assert tokens == known
        for one, other in zip(plain, guessed, strict=True):
            same(one, other)


def test_no_room(model: LlamaModel) -> None:
    """Where the context is full, guesses give way: nobody fails or is cut short for them."""
    chats = [ask(f"{at} Write.", **{**LONG, "max_tokens": 260}) for at in range(4)]
    _, known = run(engine(model), chats)
    for seed in SEEDS:
        oracle = Oracle(known, seed, model.vocabulary)
        said, _ = run(engine(model, oracle), chats)
        assert [(one.end.finish, one.end.completion_tokens) for one in said] == [("length", 260)] * 4
        assert oracle.right and oracle.wrong


def test_guesses_that_do_not_fit(model: LlamaModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step is taken without them, before anything that is kept of old requests goes for their sake."""
    old, chat = ask(QUESTIONS[0]), KINDS["greedy"][0]
    (_, plain), known = run(engine(model), [old, chat])
    decode = model.decode
    monkeypatch.setattr(model, "decode", lambda runs: NO_ROOM if any(one.guessed for one in runs) else decode(runs))
    oracle = Oracle(known, 3, model.vocabulary)
    running = engine(model, oracle)
    (_, guessed), _ = run(running, [old, chat])
    same(plain, guessed)
    assert oracle.wrong and not oracle.right
    assert sum(bool(tokens) for tokens in running._idle.values()) == 2


def test_fewer_steps(model: LlamaModel) -> None:
    """A right guess saves a step."""
    first, second = engine(model), engine(model)
    _, known = run(first, KINDS["greedy"])
    second._lookups = _Right(known)  # type: ignore[assignment]
    run(second, KINDS["greedy"])
    assert second.steps * 3 < first.steps


class _Right(Oracle):
    """Four right tokens each time."""

    def __init__(self, known: Mapping[str, Sequence[int]]) -> None:
        super().__init__(known, 0, 1)

    def _guess(self, id_: str, job: Growing) -> list[int]:
        return list(self._known[id_][len(job.tokens) : len(job.tokens) + 4])


def test_interrupted(model: LlamaModel, interrupt: Interrupt) -> None:
    """A step with guesses that is broken off is done again, with the same answer."""
    chats = KINDS["greedy"]
    plain, known = run(engine(model), chats)
    running = engine(model, Oracle(known, 1, model.vocabulary))
    running.insert(chats[0])
    events = list(running.step())
    for _ in range(12):
        interrupt.set()
        events += running.step()
        interrupt.clear()
        events += running.step()
    same(plain[0], Said([*events, *steps(running, {})]))


def test_cancelled(model: LlamaModel) -> None:
    """One that leaves leaves no guess behind, and those beside it say what they say alone."""
    chats = [ask(question) for question in QUESTIONS[:3]]
    plain, known = run(engine(model), chats)
    running = engine(model, Oracle(known, 2, model.vocabulary))
    for chat in chats:
        running.insert(chat)
    events = [event for _ in range(4) for event in running.step()]
    left = running.remove(chats[1].id)
    assert left is not None and left.finish == "cancelled"
    events += steps(running, {})
    for at in (0, 2):
        same(plain[at], Said([event for event in events if event.id == chats[at].id]))


@pytest.mark.parametrize("fields", [{}, {"seed": 5, "temperature": 0.2}])
def test_a_worker_that_looks_up(starter_of: dict[str, Path], fields: dict[str, Any]) -> None:
    """As models.toml asks for it: several at once, what is said again in fewer steps, and each the same."""
    usual = WorkerSpec(name="starter", path=str(starter_of["llama_cpp"]), threads=1)
    texts = [REPEATS, "What is the capital of France? " * 20, *QUESTIONS[:2]]
    found = []
    for spec in (usual, msgspec.structs.replace(usual, lookup=8)):
        with Worker(spec) as worker:
            alone = worker.answer(ask(REPEATS, logprobs=0, max_tokens=128, **fields))
            said = [alone, *worker.answers([ask(text, logprobs=0, max_tokens=64, **fields) for text in texts])]
            found.append((said, worker.pong().steps))
    (plain, many), (quick, few) = found
    for one, other in zip(plain, quick, strict=True):
        same(one, other)
    assert few < many


@pytest.mark.parametrize(("kind", "windowed"), [("hybrid", False), ("convolved", False), ("windowed", True)])
def test_models_that_cannot_forget(kind: str, windowed: bool, tmp_path: Path) -> None:
    """They do without: a wrong guess could not be taken back."""
    small = Size(layers=6, width=64, inner=64, heads=2, kv_heads=1, head=32, vocabulary=64, context=4096)
    made = gguf_files.windowed(small, window=16) if windowed else getattr(gguf_files, kind)()
    path = gguf_files.write(tmp_path / "m.gguf", made)
    for asked in (False, True):
        options = ModelOptions(path=str(path), context=512, threads=1, slots=2, windowed=asked, lookup=8)
        assert LlamaModel(options, Interrupt()).lookup == (8 if windowed and not asked else 0)
