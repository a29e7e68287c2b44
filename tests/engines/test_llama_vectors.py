"""Vectors by llama.cpp of three kinds of models: read forwards, read both ways with what is kept, and without it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pointsman.engines import llama_file, llama_vectors, protocol
from pointsman.engines.embed_engine import EmbedEngine
from pointsman.engines.failures import LoadFailed, Rejected
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.llama_api import C
from pointsman.engines.llama_vectors import LlamaVectors
from pointsman.engines.slots import Run
from tests.fakes import vector_models

KINDS = ["last", "mean", "cls", "both-ways", "bert", "bert-cls"]
TEXTS = ["what is a hold?", "a", "the sky is blue", "paris", "what is a hold!", "the sky was blue"]
Vectors = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def files(starter: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of each kind."""
    folder, made = tmp_path_factory.mktemp("vectors"), vector_models
    return {
        "last": made.starter(starter, folder / "last.gguf", qwen3__pooling_type=made.LAST),
        "mean": made.starter(starter, folder / "mean.gguf", qwen3__pooling_type=made.MEAN),
        "cls": made.starter(starter, folder / "cls.gguf", qwen3__pooling_type=made.CLS),
        "both-ways": made.starter(
            starter, folder / "both.gguf", qwen3__pooling_type=made.MEAN, qwen3__attention__causal=False
        ),
        "bert": made.bert(folder / "bert.gguf"),
        "bert-cls": made.bert(folder / "bert-cls.gguf", made.CLS),
        "cut": made.starter(
            starter, folder / "cut.gguf", qwen3__pooling_type=made.LAST, general__basename="Qwen3-Embedding"
        ),
    }


class Counting(LlamaVectors):
    """Keeps what each step was made of; the steps named in `fails` go as llama.cpp says there."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.seen: list[list[Run]] = []
        self.fails: list[int] = []

    def decode(self, runs: Sequence[Run]) -> int:
        """A step."""
        self.seen.append(list(runs))
        return self.fails.pop() if self.fails else super().decode(runs)


def opened(path: Path, context: int | None = 2048) -> Counting:
    """Loaded."""
    options = llama_file.ModelOptions(path=str(path), context=context, threads=1, slots=4)
    return Counting(llama_file.load(options), options, Interrupt())


@pytest.fixture(scope="module")
def models(files: dict[str, Path]) -> Callable[[str], Counting]:
    """Each loaded once."""
    kept: dict[str, Counting] = {}

    def model(kind: str) -> Counting:
        if kind not in kept:
            kept[kind] = opened(files[kind])
        kept[kind].seen.clear()
        return kept[kind]

    return model


def made(model: Counting, texts: list[str], dimensions: int | None = None) -> tuple[Vectors, list[protocol.Answer]]:
    """The vectors of one request, and all that was told of it."""
    engine = EmbedEngine(model)
    engine.embed(protocol.Embed(id="e", inputs=texts, dimensions=dimensions))
    events = finished(engine)
    found = {event.at: np.frombuffer(event.numbers, "<f4") for event in events if isinstance(event, protocol.Vector)}
    return np.array([found[at] for at in range(len(texts))]), events


def finished(engine: EmbedEngine) -> list[protocol.Answer]:
    """All that is told until nothing is left to do."""
    events: list[protocol.Answer] = []
    while engine.active + engine.waiting:
        events += engine.step()
    return events


def same(one: Any, other: Any) -> bool:
    """Whether vectors point the same way, but for what kernels round for other sizes of a step."""
    return bool(((np.array(one, float) * np.array(other, float)).sum(axis=-1) > 0.999).all())


def native(path: Path, tokens: list[int], context: int = 2048) -> Vectors:
    """The vector as llama.cpp itself pools it."""
    options = llama_file.ModelOptions(path=str(path), context=context, threads=1, slots=1)
    model = llama_file.load(options)
    params = C.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = context
    params.n_threads = params.n_threads_batch = 1
    params.embeddings = True
    opened_ = C.llama_init_from_model(model, params)
    assert C.llama_decode(opened_, C.llama_batch_get_one((C.llama_token * len(tokens))(*tokens), len(tokens))) == 0
    pointer = C.llama_get_embeddings_seq(opened_, 0)
    row = np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), (C.llama_model_n_embd(model),))
    vector = row / np.linalg.norm(row)
    C.llama_free(opened_)
    found: Vectors = vector.astype(np.float32)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_as_llama_cpp_pools(kind: str, models: Callable[[str], Counting], files: dict[str, Path]) -> None:
    """The vector is the one that llama.cpp makes by itself, as the file says."""
    model = models(kind)
    assert same(made(model, [TEXTS[0]])[0][0], native(files[kind], model.tokenize(TEXTS[0])))


@pytest.mark.parametrize("kind", KINDS)
def test_together_as_one_by_one(kind: str, models: Callable[[str], Counting]) -> None:
    """Order is kept, all have length one, and company changes nothing."""
    model = models(kind)
    together, events = made(model, TEXTS)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    alone = np.concatenate([made(model, [text])[0] for text in TEXTS])
    assert same(together, alone)
    assert not same(together[:-1], together[1:])
    assert isinstance(events[0], protocol.Started)
    assert isinstance(events[-1], protocol.End)
    assert events[-1].prompt_tokens == sum(len(model.tokenize(text)) for text in TEXTS)


def test_many_texts_share_a_step(models: Callable[[str], Counting]) -> None:
    """What fits is computed at once, and never more than fits."""
    model = models("last")
    made(model, TEXTS * 10)
    sizes = [sum(len(run.tokens) for run in runs) for runs in model.seen]
    assert max(len(runs) for runs in model.seen) > len(TEXTS)
    assert max(sizes) <= model.step


def test_what_is_alike_is_near(models: Callable[[str], Counting]) -> None:
    """The same text is itself, one like it is nearer than another, and no cosine is beyond one."""
    found = made(models("mean"), [TEXTS[2], TEXTS[2], TEXTS[5], TEXTS[3]])[0]
    cosines = found @ found[0]
    assert cosines[0] == pytest.approx(1, abs=1e-5)
    assert cosines[1] == pytest.approx(1, abs=1e-3)
    assert cosines[3] < cosines[2] < 1
    assert np.abs(found @ found.T).max() <= 1 + 1e-5


@pytest.mark.parametrize("kind", ["last", "mean", "cls", "both-ways"])
def test_longer_than_a_step(kind: str, models: Callable[[str], Counting], files: dict[str, Path]) -> None:
    """Read forwards it comes in several steps, else in one: the vector is that of the whole text."""
    model, long = models(kind), "the sky is blue and the grass is green. " * 90
    tokens = model.tokenize(long)
    assert 2 * model.step < len(tokens) < 2048
    found = made(model, ["paris", long, "hot"])[0]
    assert same(found[1], native(files[kind], tokens))
    assert (max(len(run.tokens) for runs in model.seen for run in runs) == len(tokens)) == model.whole


def test_nothing_is_cut_off(models: Callable[[str], Counting], files: dict[str, Path]) -> None:
    """Longer than the model reads: refused with both numbers; just as long: read."""
    model = models("bert")
    with pytest.raises(Rejected, match="Text 2 of 2 has 65 tokens, and this model reads 64 at most") as refused:
        made(model, ["a", "b" * 63])
    assert refused.value.code == "context_exceeded"
    assert made(model, ["b" * 62])[0].shape == (1, 32)
    with pytest.raises(Rejected, match="The text has 33 tokens, and this model reads 32 at most"):
        made(opened(files["bert"], 32), ["b" * 31])


@pytest.mark.parametrize(("texts", "said"), [([], "Send at least one"), (["a", ""], "Text 2 of 2 in 'input' is empty")])
def test_nothing_to_read(texts: list[str], said: str, models: Callable[[str], Counting]) -> None:
    """There is no vector of nothing."""
    with pytest.raises(Rejected, match=said):
        made(models("bert"), texts)


def test_dimensions(models: Callable[[str], Counting]) -> None:
    """Cut where the model was trained for it, refused by name where not."""
    whole, cut = made(models("cut"), ["paris"])[0][0], made(models("cut"), ["paris"], 40)[0][0]
    assert cut == pytest.approx(whole[:40] / np.linalg.norm(whole[:40]), abs=1e-5)
    with pytest.raises(Rejected, match="'dimensions' must be"):
        made(models("last"), ["paris"], 40)


def test_nobody_waits_for_all_of_anothers(models: Callable[[str], Counting]) -> None:
    """A short request is done while a long one goes on."""
    engine = EmbedEngine(models("last"))
    engine.embed(protocol.Embed(id="long", inputs=["the sky is blue. " * 5] * 200))
    engine.embed(protocol.Embed(id="short", inputs=["paris"]))
    ended = [event.id for event in finished(engine) if isinstance(event, protocol.End)]
    assert ended == ["short", "long"]


@pytest.mark.parametrize("kind", ["last", "both-ways", "bert"])
def test_leaving(kind: str, models: Callable[[str], Counting]) -> None:
    """One that leaves ends once, before and while it is computed; the others' vectors are what they always are."""
    model = models(kind)
    usual = made(model, TEXTS)[0]
    for steps in (0, 1):
        engine = EmbedEngine(model)
        engine.embed(protocol.Embed(id="leaver", inputs=["the sky is blue. "] * 100))
        engine.embed(protocol.Embed(id="stays", inputs=TEXTS))
        told = [event for _ in range(steps) for event in engine.step()]
        end = engine.remove("leaver")
        assert end is not None
        assert end.finish == "cancelled"
        assert engine.remove("leaver") is engine.remove("nobody") is None
        told += finished(engine)
        found = {one.at: one.numbers for one in told if isinstance(one, protocol.Vector) and one.id == "stays"}
        assert same([np.frombuffer(found[at], "<f4") for at in range(len(TEXTS))], usual)


def test_interrupted(models: Callable[[str], Counting]) -> None:
    """A step that was broken off is done again."""
    model = models("last")
    usual, long = made(model, TEXTS)[0], "the sky is blue and the grass is green. " * 90
    model.fails = [2]
    assert same(made(model, [*TEXTS, long])[0][: len(TEXTS)], usual)


def test_a_step_that_fails(models: Callable[[str], Counting]) -> None:
    """Its requests fail once, and the next one is answered."""
    model = models("last")
    model.fails = [-3]
    engine = EmbedEngine(model)
    engine.embed(protocol.Embed(id="one", inputs=TEXTS))
    engine.embed(protocol.Embed(id="two", inputs=TEXTS))
    failed = [event for event in finished(engine) if isinstance(event, protocol.Failed)]
    assert sorted(event.id for event in failed) == ["one", "two"]
    assert {event.code for event in failed} == {"engine_error"}
    assert len(made(model, TEXTS)[0]) == len(TEXTS)


def test_it_gives_no_answers(models: Callable[[str], Counting]) -> None:
    """A conversation is refused."""
    with pytest.raises(Rejected, match="embeddings, not answers"):
        EmbedEngine(models("bert")).insert(protocol.Chat(id="c", messages=[]))


def test_what_no_vectors_are_made_of(starter: Path, tmp_path: Path) -> None:
    """A model that answers says nothing of pooling; one that ranks is told apart."""
    assert llama_vectors.pooling(llama_file.load(_options(starter))) is None
    with pytest.raises(LoadFailed, match="not a model that makes embeddings"):
        opened(starter)
    ranks = vector_models.bert(tmp_path / "ranks.gguf", vector_models.RANK)
    with pytest.raises(LoadFailed, match="ranks texts"):
        llama_vectors.pooling(llama_file.load(_options(ranks)))


def _options(path: Path) -> llama_file.ModelOptions:
    return llama_file.ModelOptions(path=str(path), context=None, threads=1, slots=1)
