"""The process that looks at the machine and at files, and what is done when it does not come back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.core.fit import MIB
from pointsman.core.model_shape import ModelProblem
from pointsman.engines import folder_shape, looking
from pointsman.engines.memory import private_bytes, resident_bytes
from tests.fakes import gguf_files


async def test_this_machine(starter: Path, tmp_path: Path) -> None:
    """Its processor is a device; a file has its shape, or the end of a sentence."""
    (tmp_path / "bad.gguf").write_bytes(b"GGUF\xff\xff\xff\xff")
    paths = [str(starter), str(tmp_path / "bad.gguf"), str(tmp_path / "none.gguf")]
    look = await looking.look(paths)
    assert any(one.kind == "cpu" and one.total > 100 * MIB for one in look.devices)
    good, bad, none = look.files
    assert good.shape and good.shape.architecture == "qwen3" and [one.path for one in look.files] == paths
    assert bad.problem == "it is of a GGUF version that is not known here" and none.problem.startswith(
        "it is not there"
    )
    assert look.bandwidth is None, "nobody asked"


async def test_bandwidth() -> None:
    """Measured when it is asked for, where there is memory for it."""
    look = await looking.look(bandwidth=True)
    assert look.bandwidth is not None and look.bandwidth > 1e8


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.kill(os.getpid(), 9)",
        "print('llama_model_loader: hello')",
        "import sys; sys.exit(3)",
        "import time; time.sleep(600)",
    ],
    ids=["killed", "garbage", "failed", "hung"],
)
async def test_it_does_not_come_back(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """No devices, and a problem for each file; nothing is left running."""
    monkeypatch.setattr(looking, "program", lambda: [sys.executable, "-c", code])
    look = await looking.look(["x.gguf"], limit=3.0)
    assert look.devices == () and look.files[0].problem == "its header could not be read"


def test_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen application has no modules to run."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert looking.program() == [sys.executable, "worker", "look"]


def test_imports() -> None:
    """The gateway's side loads neither an engine nor numpy."""
    code = (
        "import sys, pointsman.engines.steward; print([m for m in ('llama_cpp', 'mlx', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


CONFIG = """{"model_type": "qwen3", "num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 8, "head_dim": 64,
"num_key_value_heads": 2, "intermediate_size": 512, "vocab_size": 1000, "max_position_embeddings": 4096}"""


def test_a_folder(tmp_path: Path) -> None:
    """An MLX model: what config.json says, and the size of its weights; what it keeps is not rounded."""
    (tmp_path / "config.json").write_text(CONFIG)
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 4000)
    found = folder_shape.shape(tmp_path)
    assert (len(found.layers), found.weights, found.context, found.vocabulary) == (4, 4000, 4096, 1000)
    assert found.layers[0].keys == found.layers[0].values == 128
    assert not found.squeezes and not found.divides


def test_a_folder_within_a_model(tmp_path: Path) -> None:
    """Models that see keep the part that reads in a table of its own."""
    (tmp_path / "config.json").write_text('{"text_config": ' + CONFIG + "}")
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 4000)
    assert len(folder_shape.shape(tmp_path).layers) == 4


@pytest.mark.parametrize(
    "text", ["", "[1]", "{", "[" * 100_000, "{}", '{"num_hidden_layers": 1e99}', '{"num_hidden_layers": -1}']
)
def test_a_folder_that_is_none(tmp_path: Path, text: str) -> None:
    """The end of a sentence."""
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 4000)
    with pytest.raises(ModelProblem):
        folder_shape.shape(tmp_path)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    """It was not downloaded whole."""
    (tmp_path / "config.json").write_text(CONFIG)
    with pytest.raises(ModelProblem, match="no weights"):
        folder_shape.shape(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere pages of files are not told apart")
def test_pages_of_a_file_are_not_private(tmp_path: Path) -> None:
    """Weights that are mapped would be free for others at any time; what is counted twice would seem to be."""
    path = gguf_files.write(tmp_path / "m.gguf", gguf_files.sinks())
    code = (
        "import mmap, sys\nfile = open(sys.argv[1], 'rb')\nmapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\n"
        "print(sum(mapped[at] for at in range(0, len(mapped), 4096)), flush=True)\nsys.stdin.read()"
    )
    argv = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdin
        process.stdout.readline()
        size = path.stat().st_size
        assert resident_bytes(process.pid) - private_bytes(process.pid) > size * 0.9
        process.stdin.close()
    assert private_bytes(process.pid) == 0
