"""Memory as worked out from a header, beside what llama.cpp itself says that it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.core import fit
from pointsman.core.fit import Setting
from pointsman.core.model_shape import Shape
from pointsman.engines import gguf, protocol
from pointsman.engines.supervisor import Supervisor, WorkerSpec
from tests.fakes import gguf_files
from tests.fakes.gguf_files import Size

Ask = Callable[[Path, Setting, bool], dict[str, float]]
FAKES = Path(__file__).parents[1] / "fakes"
PRINTED = 0.006  # mebibytes: figures have two digits
SOAK = bool(os.environ.get("POINTSMAN_SOAK"))
# As the real ones are built; their weights are holes in a file.
REAL = {
    "Qwen3-8B": gguf_files.grouped(Size(36, 4096, 12_288, 32, 8, 128, 151_936, 40_960)),
    "Llama-3.1-8B": gguf_files.dense(Size(32, 4096, 14_336, 32, 8, 128, 128_256, 131_072)),
    "Qwen3-30B-A3B": gguf_files.experts(Size(48, 2048, 6144, 32, 4, 128, 151_936, 262_144), 128, 8, 768),
    "gemma-3-12b": gguf_files.windowed(Size(48, 3840, 15_360, 16, 8, 256, 262_208, 131_072), 1024),
    "gpt-oss-20b": gguf_files.sinks(Size(24, 2880, 2880, 64, 8, 64, 201_088, 131_072), 32, 4, 128),
    "Qwen3-Embedding-0.6B": gguf_files.pooled(Size(28, 1024, 3072, 16, 8, 128, 151_669, 32_768)),
    "both ways": gguf_files.pooled(Size(28, 1024, 3072, 16, 8, 128, 151_669, 32_768), whole=True),
    "bge-m3": gguf_files.encoder(Size(24, 1024, 4096, 16, 16, 64, 250_002, 8192)),
    "bge-large": gguf_files.encoder(Size(24, 1024, 4096, 16, 16, 64, 30_522, 512)),
    "granite-4-h-tiny": gguf_files.hybrid(Size(40, 1536, 4096, 12, 4, 128, 100_352, 131_072), 10, 128),
}


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """llama.cpp in a process of its own."""
    argv = [sys.executable, "-P", str(FAKES / "llama_figures.py")]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, text=True, **pipes) as process:
        assert process.stdin and process.stdout

        def figures(path: Path, setting: Setting, real: bool) -> dict[str, float]:
            assert process.stdin and process.stdout
            step = setting.step if setting.slots == fit.TEXTS else 0
            wish = [str(path), setting.context, setting.kv, setting.whole, setting.slots, real, step]
            process.stdin.write(json.dumps(wish) + "\n")
            process.stdin.flush()
            found = json.loads(process.stdout.readline())
            assert found is not None, "llama.cpp does not load this model"
            return found

        yield figures
        process.stdin.close()


def compare(shape: Shape, setting: Setting, theirs: dict[str, float], *, real: bool = True) -> None:
    """Weights and what is kept to the last printed digit; all together never under."""
    ours = fit.memory(shape, setting)
    if real:
        assert ours.weights / fit.MIB == pytest.approx(theirs["weights"], abs=PRINTED)
    assert ours.kept / fit.MIB == pytest.approx(theirs["kept"], abs=2 * PRINTED)
    assert ours.state / fit.MIB == pytest.approx(theirs["state"], abs=PRINTED)
    assert ours.compute / fit.MIB >= theirs["compute"]
    all_theirs = sum(theirs.values()) + (0 if real else ours.weights / fit.MIB)
    assert all_theirs <= ours.total / fit.MIB


@pytest.mark.parametrize("kind", ["f16", "q8_0", "q4_k"])
@pytest.mark.parametrize("name", gguf_files.ALL)
def test_made_up_models(ask: Ask, tmp_path: Path, name: str, kind: str) -> None:
    """Eight architectures, really loaded."""
    path = gguf_files.write(tmp_path / "model.gguf", gguf_files.ALL[name](), kind)
    shape = gguf.shape(path)
    for setting in (
        Setting(context=1000),
        Setting(context=8192, whole=False),
        Setting(context=8192, kv="q8_0", whole=False),
        Setting(context=16_384, slots=1),
    ):
        compare(shape, setting, ask(path, setting, True))


@pytest.mark.parametrize("name", REAL)
def test_real_sizes(ask: Ask, tmp_path: Path, name: str) -> None:
    """Models as large as the real ones, counted without being allocated."""
    path = gguf_files.write(tmp_path / "model.gguf", REAL[name], "q4_k")
    shape = gguf.shape(path)
    for setting in fit.options(shape, 32_768):
        theirs = ask(path, setting, False)
        compare(shape, setting, theirs, real=False)
        # llama.cpp counts what a text comes to only when it reads one: a row of so many numbers for each of its tokens.
        later = 4 * setting.step * shape.vocabulary / fit.MIB if shape.vectors else 0.0
        room, share = (1024, 1.2) if shape.vectors == "whole" else (192, 1.1)
        most = room + share * (sum(theirs.values()) + shape.weights / fit.MIB + later)
        assert sum(theirs.values()) + shape.weights / fit.MIB + later <= fit.memory(shape, setting).total / fit.MIB
        assert fit.memory(shape, setting).total / fit.MIB <= most, "so much more that models are refused that fit"


@given(
    name=st.sampled_from(sorted(gguf_files.ALL)),
    layers=st.integers(1, 9),
    heads=st.sampled_from([2, 4, 8, 16]),
    groups=st.sampled_from([1, 2]),
    head=st.sampled_from([64, 128]),
    inner=st.sampled_from([256, 512, 1024, 4096]),
    vocabulary=st.sampled_from([64, 1000, 150_000]),
    context=st.integers(64, 40_000),
    slots=st.sampled_from([1, 4]),
    whole=st.booleans(),
)
@settings(max_examples=400 if SOAK else 25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_size(ask: Ask, tmp_path: Path, **drawn: Any) -> None:
    """The formula holds for whatever size an architecture has."""
    size = Size(
        layers=drawn["layers"],
        width=drawn["heads"] * drawn["head"],
        inner=drawn["inner"],
        heads=drawn["heads"],
        kv_heads=drawn["heads"] // drawn["groups"],
        head=drawn["head"],
        vocabulary=drawn["vocabulary"],
    )
    path = gguf_files.write(tmp_path / "model.gguf", gguf_files.ALL[drawn["name"]](size), "q8_0")
    setting = Setting(context=drawn["context"], slots=drawn["slots"], whole=drawn["whole"])
    compare(gguf.shape(path), setting, ask(path, setting, False), real=False)


async def test_a_worker_stays_under(starter: Path, tmp_path: Path) -> None:
    """What a real worker ever held, with a long prompt, and with its keys and values rounded."""
    for kv in ("f16", "q8_0"):
        spec = WorkerSpec(name="m", path=str(starter), context=4096, threads=1, kv=kv, windowed=True, gpu_layers=0)
        supervisor = Supervisor({"m": spec}, tmp_path)
        words = [{"role": "user", "content": "Write a long story. " * 300}]
        chat = protocol.Chat(id=kv, messages=words, max_tokens=20, temperature=0.0)
        end = [event async for event in supervisor.chat("m", chat)][-1]
        await supervisor.close()
        assert isinstance(end, protocol.End) and end.prompt_tokens > 2000
        assert (end.peak_bytes or 0) <= fit.memory(gguf.shape(starter), Setting(context=4096, kv=kv)).total


def test_the_starter(ask: Ask, starter: Path) -> None:
    """The model that ships."""
    setting = Setting(context=4096)
    compare(gguf.shape(starter), setting, ask(starter, setting, True))
