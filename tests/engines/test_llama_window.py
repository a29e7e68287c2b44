"""A model with windows whose layers forget: what it computes is the same as when they keep everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointsman.engines.interrupt import Interrupt
from pointsman.engines.llama import LlamaModel, ModelOptions
from pointsman.engines.slots import Run
from tests.fakes import gguf_files
from tests.fakes.gguf_files import Size

SMALL = Size(layers=6, width=64, inner=64, heads=2, kv_heads=1, head=32, vocabulary=64, context=4096)
LONG = [3 + at % 50 for at in range(1400)]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gemma 3, very small, with weights by chance."""
    model = gguf_files.windowed(SMALL, window=16)
    return gguf_files.write(tmp_path_factory.mktemp("m") / "w.gguf", model, "f32", noise=True)


def opened(path: Path, *, windowed: bool) -> LlamaModel:
    """Loaded, with one slot."""
    options = ModelOptions(path=str(path), context=2048, threads=1, slots=1, windowed=windowed)
    return LlamaModel(options, Interrupt())


def fed(model: LlamaModel, tokens: list[int], start: int = 0) -> np.ndarray:
    """The logits after these tokens."""
    for at in range(start, len(tokens), 512):
        some = tokens[at : at + 512]
        assert model.decode([Run(0, at, some, complete=at + len(some) == len(tokens))]) == 0
    return model.logits(-1).copy()


@pytest.mark.parametrize("kept", [1399, 1390, 1000, 5])
def test_a_prefix_is_taken_up_only_while_it_is_known(model_file: Path, kept: int) -> None:
    """Where the window has moved on, the prompt is computed again; the answer is the same in each case."""
    other = [*LONG[:kept], 60, 61]
    fresh = fed(opened(model_file, windowed=False), other)
    model = opened(model_file, windowed=True)
    fed(model, LONG)
    begin = kept if model.keep(0, kept) else 0
    assert begin == kept or kept < 1390
    assert np.allclose(fed(model, other, begin), fresh, atol=5e-3)
