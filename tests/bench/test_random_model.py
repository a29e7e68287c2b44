"""The model that the engine's bench makes: one that loads, talks in words, and does not stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.bench import engine, random_model
from pointsman.bench.random_model import words
from pointsman.bench.streams import Ours, Theirs
from pointsman.core.errors import SetupError
from pointsman.engines import gguf
from pointsman.engines.local_model import WorkerSpec


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, made once."""
    return random_model.write(tmp_path_factory.mktemp("chance") / "model.gguf")


def test_is_as_large_as_it_says(model: Path) -> None:
    """110 million parameters at eight bits and a sixteenth."""
    assert model.stat().st_size == pytest.approx(110.5e6 * 34 / 32, rel=0.02)
    assert gguf.shape(model).vocabulary == 32_000


def test_answers_as_long_as_asked_and_words_are_tokens(model: Path, tmp_path: Path) -> None:
    """Each word of a prompt is one token, each answer has all of its tokens, and what is known is not read again."""
    with (tmp_path / "log").open("wb") as log:
        ours = Ours(WorkerSpec(name="chance", path=str(model), context=2048, threads=1, slots=2), log)
        short = ours.run([words("a", 10)], 4)
        long = ours.run([words("a", 60), words("b", 60)], 4)
        again = ours.run([words("a", 60) + words("c", 3)], 4)
        ours.close()
    assert long.prompt - short.prompt == 50
    assert (short.tokens, long.tokens) == (4, 8)
    assert again.cached >= 60 and again.first > 0 and again.cpu > 0 and again.rate > 0


def test_what_cannot_be_measured_says_why(tmp_path: Path) -> None:
    """A file that is no model, a file that is not there, and a Python that is none."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF")
    with (tmp_path / "log").open("wb") as log:
        with pytest.raises(SetupError, match="broken cannot be measured"):
            Ours(WorkerSpec(name="broken", path=str(broken)), log)
        with pytest.raises(SetupError, match="Name a Python"):
            Theirs(str(tmp_path / "python"), broken, 512, 1, log)
    with pytest.raises(SetupError, match="is not there"):
        engine.main(["--model", str(tmp_path / "none.gguf")])
