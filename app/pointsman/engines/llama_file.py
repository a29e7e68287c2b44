"""A GGUF file opened by llama.cpp, before it is known what its model is for."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import msgspec

from pointsman.core.model_shape import ModelProblem
from pointsman.engines import gguf
from pointsman.engines.failures import LoadFailed
from pointsman.engines.llama_api import C

KINDS = {"f16": C.GGML_TYPE_F16, "q8_0": C.GGML_TYPE_Q8_0}
_USUAL_CONTEXT = 8192
_LONGEST = 256  # bytes of a value of the header


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to load and how; `context` None takes a usual size, and it is never more than the model was trained for.

    `kv` rounds what is kept; `windowed` forgets what is behind a layer's window; `gpu_layers` None moves all;
    `lookup` is how many tokens may be guessed in one step.
    """

    path: str
    context: int | None
    threads: int
    slots: int
    kv: str | None = None
    windowed: bool = False
    gpu_layers: int | None = None
    lookup: int = 0


def load(options: ModelOptions) -> Any:
    """llama.cpp's model. Raises `LoadFailed`."""
    _check(options.path)
    C.llama_backend_init()
    params = C.llama_model_default_params()
    # WORKAROUND: https://github.com/ggml-org/llama.cpp/issues/20824, drop when repacking for AMX no longer crashes.
    params.use_extra_bufts = False
    if options.gpu_layers is not None:
        params.n_gpu_layers = options.gpu_layers
    model = C.llama_model_load_from_file(os.fsencode(options.path), params)
    if not model:
        name = Path(options.path).name
        raise LoadFailed(f"{name} cannot be loaded: it is damaged, not complete, or of a kind this version cannot run.")
    return model


def cells(model: Any, options: ModelOptions) -> int:
    """The tokens to make room for: what is wished, and never more than it was trained for."""
    trained = int(C.llama_model_n_ctx_train(model)) or _USUAL_CONTEXT
    return min(options.context or _USUAL_CONTEXT, trained)


def said(model: Any, key: str) -> str:
    """A value of the header as text; empty where it has none. `{}` stands for the name of the architecture."""
    name = key.format(said(model, "general.architecture")) if "{}" in key else key
    buffer = ctypes.create_string_buffer(_LONGEST)
    length = int(C.llama_model_meta_val_str(model, name.encode(), buffer, _LONGEST))
    return buffer.value.decode("utf-8", "replace") if length > 0 else ""


def tokens_of(vocab: Any, text: str, begin: bool) -> list[int]:
    """Text as tokens, with the model's own marks of beginning and end where `begin`."""
    raw = text.encode("utf-8", "replace")
    size = len(raw) + 8
    while True:
        buffer = (C.llama_token * size)()
        count = C.llama_tokenize(vocab, raw, len(raw), buffer, size, begin, True)
        if count >= 0:
            return buffer[:count]
        size = -count


def _check(path: str) -> None:
    """llama.cpp says only that it failed, and some headers end its process; here is said what is wrong."""
    name = Path(path).name
    try:
        with Path(path).open("rb") as file:
            magic = file.read(4)
    except FileNotFoundError:
        raise LoadFailed(f"The model file {name} is not there.") from None
    except OSError as error:
        raise LoadFailed(f"The model file {name} cannot be read: {error.strerror or 'unknown error'}.") from None
    if magic != b"GGUF":
        raise LoadFailed(f"{name} is not a GGUF file.")
    try:
        gguf.shape(Path(path))
    except ModelProblem as problem:
        raise LoadFailed(f"{name} cannot be loaded: {problem.sentence}.") from None
    except (OSError, MemoryError, ValueError, OverflowError):
        raise LoadFailed(f"{name} cannot be loaded: its header cannot be read.") from None
