"""GGUF headers: those that are right are read whole, those that are wrong or hostile end in one sentence, at once."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.core.model_shape import ModelProblem, shape_of
from pointsman.engines import gguf
from tests.fakes import gguf_files

BIG = (1 << 64) - 1
QUIET = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def start(values: int = 0, tensors: int = 0, version: int = 3) -> bytes:
    """A file's first bytes."""
    return b"GGUF" + struct.pack("<IQQ", version, tensors, values)


def text(length: int, raw: bytes = b"") -> bytes:
    """A text that claims this length."""
    return struct.pack("<Q", length) + raw


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "no magic": b"GGML" + b"\0" * 100,
    "cut": start()[:10],
    "old": start(version=1),
    "of the other byte order": start(version=3 << 24),
    "values without end": start(values=BIG),
    "tensors without end": start(tensors=BIG),
    "a name without end": start(values=1) + text(BIG, b"a"),
    "a long name": start(values=1) + text(1 << 20, b"a" * (1 << 20)),
    "a text without end": start(values=1) + text(1, b"a") + struct.pack("<I", 8) + text(BIG),
    "a list without end": start(values=1) + text(1, b"a") + struct.pack("<IIQ", 9, 4, BIG),
    "texts without end": start(values=1) + text(1, b"a") + struct.pack("<IIQ", 9, 8, BIG),
    "many empty texts": start(values=1) + text(1, b"a") + struct.pack("<IIQ", 9, 8, 3_999_999) + b"\0" * 80_000,
    "a list of lists": start(values=1) + text(1, b"a") + struct.pack("<IIQ", 9, 9, 1000) + b"\0" * 8000,
    "a kind that is none": start(values=1) + text(1, b"a") + struct.pack("<I", 99),
    "a tensor of many dimensions": start(tensors=1) + text(1, b"a") + struct.pack("<I", 1 << 30),
    "a tensor far away": start(tensors=1) + text(1, b"a") + struct.pack("<IQIQ", 1, 32, 0, BIG),
    "no alignment": start(values=1) + text(17, b"general.alignment") + struct.pack("<II", 4, 0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(tmp_path: Path, name: str) -> None:
    """The end of a sentence, soon, and without taking memory for what is only claimed."""
    path = tmp_path / "m.gguf"
    path.write_bytes(HOSTILE[name])
    tracemalloc.start()
    try:
        with pytest.raises(ModelProblem) as raised:
            gguf.shape(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in raised.value.sentence and 5 < len(raised.value.sentence) < 80


@pytest.mark.parametrize("name", gguf_files.ALL)
def test_every_architecture(tmp_path: Path, name: str) -> None:
    """Layers, vocabulary and context are found, and each byte of the weights."""
    model = gguf_files.ALL[name]()
    path = gguf_files.write(tmp_path / "m.gguf", model)
    found = gguf.shape(path)
    assert found.architecture == model.architecture
    assert len(found.layers) == model.meta["block_count"]
    assert (found.vocabulary, found.context) == (model.vocabulary, model.meta["context_length"])
    assert path.stat().st_size - 4096 * 8 < found.weights < path.stat().st_size


def test_the_starter(starter: Path) -> None:
    """A real file, with a vocabulary that is counted and not kept."""
    found = gguf.shape(starter)
    assert (found.architecture, found.vocabulary, found.context, len(found.layers)) == ("qwen3", 1024, 4096, 4)


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.3, 0.9])
def test_truncated(tmp_path: Path, starter: Path, keep: float) -> None:
    """A download that stopped is not taken for a model."""
    path = tmp_path / "m.gguf"
    whole = starter.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(ModelProblem):
        gguf.shape(path)


def test_parts_count_together(tmp_path: Path) -> None:
    """A model in several files: the values of the first, the tensors of all; one that lacks a part is none."""
    model = gguf_files.grouped()
    whole = gguf.shape(gguf_files.write(tmp_path / "m.gguf", model))
    for at, tensors in enumerate((model.tensors[:5], model.tensors[5:]), 1):
        gguf_files.write(tmp_path / f"m-{at:05d}-of-00002.gguf", model._replace(tensors=tensors))
    assert gguf.shape(tmp_path / "m-00001-of-00002.gguf").weights == whole.weights
    (tmp_path / "m-00002-of-00002.gguf").unlink()
    with pytest.raises(FileNotFoundError):
        gguf.shape(tmp_path / "m-00001-of-00002.gguf")


@given(at=st.integers(0, 4000), raw=st.binary(min_size=1, max_size=12))
@QUIET
def test_bytes_that_changed(tmp_path: Path, at: int, raw: bytes) -> None:
    """Any damage to a header is read as something, or ends in a sentence."""
    path = gguf_files.write(tmp_path / "m.gguf", gguf_files.experts())
    with path.open("r+b") as file:
        file.seek(at)
        file.write(raw)
    reads_or_refuses(lambda: gguf.shape(path))


@given(raw=st.binary(max_size=600))
@QUIET
def test_any_bytes(tmp_path: Path, raw: bytes) -> None:
    """Whatever a file holds."""
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<I", 3) + raw)
    reads_or_refuses(lambda: gguf.shape(path))


WORDS = st.sampled_from(
    [
        "block_count",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.sliding_window",
        "attention.sliding_window_pattern",
        "expert_count",
        "expert_used_count",
        "vocab_size",
        "embedding_length",
        "feed_forward_length",
        "full_attention_interval",
        "shortconv.l_cache",
        "ssm.inner_size",
        "ssm.state_size",
    ]
)
NUMBERS = st.one_of(
    *(st.integers(-5, 70), st.integers(0, BIG), st.floats(), st.text(max_size=4), st.booleans()),
    st.lists(st.integers(-3, 1 << 40), max_size=70),
    st.lists(st.booleans(), max_size=70),
)


@given(
    name=st.sampled_from(["llama", "gemma3", "falcon-h1", "lfm2", "qwen3next", "x"]),
    values=st.dictionaries(WORDS, NUMBERS),
)
@settings(max_examples=300)
def test_any_values(name: str, values: dict[str, Any]) -> None:
    """Values that make no sense make no error of another kind, and no negative size."""
    meta = {"general.architecture": name, **{f"{name}.{key}": value for key, value in values.items()}}
    meta.setdefault(f"{name}.block_count", 4)
    try:
        found = shape_of(meta, [("token_embd.weight", 100), ("blk.0.attn_q.weight", 50), ("blk.99.x", 1)])
    except ModelProblem:
        return
    assert found.weights == 151 and 0 <= found.active <= 1 and found.step >= 0
    assert all(min(one.keys, one.values, one.state) >= 0 for one in found.layers)


def reads_or_refuses(read: Callable[[], Any]) -> None:
    """Nothing but a shape or a `ModelProblem`."""
    try:
        found = read()
    except ModelProblem:
        return
    assert found.weights >= 0
