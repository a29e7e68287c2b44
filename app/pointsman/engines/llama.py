"""The thin layer over llama.cpp's C interface.

Not thread safe: one thread owns a `LlamaModel`.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.engines.failures import LoadFailed
from pointsman.engines.interrupt import Interrupt, native_check
from pointsman.engines.llama_api import C
from pointsman.engines.llama_sampler import Sampler, Vocabulary
from pointsman.engines.sampling import Sampling
from pointsman.engines.slots import Run

STEP_TOKENS = 512
_USUAL_CONTEXT = 8192
_KINDS = {"f16": C.GGML_TYPE_F16, "q8_0": C.GGML_TYPE_Q8_0}


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to load and how; `context` None takes a usual size, and it is never more than the model was trained for.

    `kv` rounds what is kept; `windowed` forgets what is behind a layer's window; `gpu_layers` None moves all.
    """

    path: str
    context: int | None
    threads: int
    slots: int
    kv: str | None = None
    windowed: bool = False
    gpu_layers: int | None = None


class LlamaModel:
    """A loaded model with one context that `slots` sequences share."""

    def __init__(self, options: ModelOptions, interrupt: Interrupt) -> None:
        _check_file(options.path)
        C.llama_backend_init()
        self._model = _load(options)
        self._context = _open_context(self._model, options)
        memory, vocab = C.llama_get_memory(self._context), C.llama_model_get_vocab(self._model)
        if not memory or not vocab or C.llama_model_has_encoder(self._model):
            raise LoadFailed(f"{Path(options.path).name} is not a model that answers in text.")
        self._memory, self._vocab = memory, vocab
        self._window = int(C.llama_model_n_swa(self._model)) if options.windowed else 0
        self.context = int(C.llama_n_ctx(self._context))
        self.slots = options.slots
        self.vocabulary = C.llama_vocab_n_tokens(vocab)
        self._batch = _Batch(STEP_TOKENS)
        self._check = C.ggml_abort_callback(native_check())  # kept here: llama.cpp only borrows it
        C.llama_set_abort_callback(self._context, self._check, interrupt.pointer)
        self.bos = self._special(C.llama_vocab_bos(vocab))
        self.eos = self._special(C.llama_vocab_eos(vocab))
        self._shown: frozenset[int] = frozenset()

    @property
    def template(self) -> str | None:
        """The chat template in the file."""
        raw = C.llama_model_chat_template(self._model, None)
        return raw.decode("utf-8", "replace") if raw else None

    def tokenize(self, text: str) -> list[int]:
        """A rendered prompt as tokens; the beginning token is added unless the template wrote it."""
        begin = bool(C.llama_vocab_get_add_bos(self._vocab)) and not (self.bos and text.startswith(self.bos))
        return self._tokens(text, begin)

    def piece(self, token: int) -> bytes:
        """The bytes of a token; control tokens are empty but for those that `show` named."""
        return self._piece(token, token in self._shown)

    def show(self, marks: Sequence[str]) -> None:
        """Let these be read even where they are control tokens."""
        self._shown = frozenset(token for mark in marks if (token := self.single(mark)) is not None)

    def single(self, text: str) -> int | None:
        """The token that is just this text, if there is one."""
        tokens = self._tokens(text, False)
        return tokens[0] if len(tokens) == 1 else None

    def continued(self, text: str) -> list[int]:
        """Text in the middle of an answer as tokens."""
        return self._tokens(text, False)

    def sample(self, sampler: Sampler, row: int) -> int:
        """The next token, free of any grammar."""
        return sampler.sample(self._context, row)

    def ends(self, token: int) -> bool:
        """Whether the model says with this token that it is done."""
        return bool(C.llama_vocab_is_eog(self._vocab, token))

    def decode(self, runs: Sequence[Run]) -> int:
        """0, 1 when there is no room, 2 when interrupted, less than 0 on a fatal error."""
        self._batch.fill(runs)
        rc = int(C.llama_decode(self._context, self._batch.native))
        if rc == 0:
            C.llama_synchronize(self._context)
        return rc

    def keep(self, slot: int, length: int) -> bool:
        """Forget what a slot holds beyond `length` tokens; False when the model can only forget all, and did."""
        if self._window and self._forgot(slot, length):
            C.llama_memory_seq_rm(self._memory, slot, -1, -1)
            return False
        if C.llama_memory_seq_rm(self._memory, slot, length, -1):
            return True
        C.llama_memory_seq_rm(self._memory, slot, -1, -1)
        return False

    def _forgot(self, slot: int, length: int) -> bool:
        """Whether layers with a window no longer hold what the token after so many would look back at."""
        first = int(C.llama_memory_seq_pos_min(self._memory, slot))
        return first > 0 and first >= length - self._window

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        """A view, good until the next step."""
        pointer = C.llama_get_logits_ith(self._context, row)
        return np.ctypeslib.as_array(pointer, (self.vocabulary,))

    def sampler(self, sampling: Sampling, grammar: str | None) -> Sampler:
        """Raises `Rejected` when llama.cpp does not take the grammar."""
        return Sampler(Vocabulary(self._vocab, self.vocabulary, self.piece), sampling, grammar)

    def _tokens(self, text: str, begin: bool) -> list[int]:
        raw = text.encode("utf-8", "replace")
        size = len(raw) + 8
        while True:
            buffer = (C.llama_token * size)()
            count = C.llama_tokenize(self._vocab, raw, len(raw), buffer, size, begin, True)
            if count >= 0:
                return buffer[:count]
            size = -count

    def _piece(self, token: int, special: bool) -> bytes:
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            count = C.llama_token_to_piece(self._vocab, token, buffer, size, 0, special)
            if count >= 0:
                return buffer.raw[:count]
            size = -count

    def _special(self, token: int) -> str:
        return self._piece(token, True).decode("utf-8", "replace") if token >= 0 else ""


class _Batch:
    """llama.cpp's batch over numpy arrays, so that filling it costs no call per token."""

    def __init__(self, size: int) -> None:
        self._token, self._position, self._slot = (np.zeros(size, np.int32) for _ in range(3))
        self._count = np.ones(size, np.int32)
        self._wanted = np.zeros(size, np.int8)
        first = self._slot.ctypes.data
        pointer = ctypes.POINTER(C.llama_seq_id)
        self._slots = (pointer * size)(*(ctypes.cast(first + 4 * at, pointer) for at in range(size)))
        native = cast("Any", C.llama_batch())
        native.token = self._token.ctypes.data_as(ctypes.POINTER(C.llama_token))
        native.pos = self._position.ctypes.data_as(ctypes.POINTER(C.llama_pos))
        native.n_seq_id = self._count.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        native.seq_id = self._slots
        native.logits = self._wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8))
        self.native = native

    def fill(self, runs: Sequence[Run]) -> None:
        at = 0
        for run in runs:
            end = at + len(run.tokens)
            self._token[at:end] = run.tokens
            self._position[at:end] = np.arange(run.start, run.start + len(run.tokens))
            self._slot[at:end] = run.slot
            self._wanted[at:end] = 0
            self._wanted[end - 1] = run.complete
            at = end
        self.native.n_tokens = at


def _check_file(path: str) -> None:
    """llama.cpp says only that it failed; these are the failures that a person can mend."""
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


def _load(options: ModelOptions) -> Any:
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


def _open_context(model: Any, options: ModelOptions) -> Any:
    trained = int(C.llama_model_n_ctx_train(model)) or _USUAL_CONTEXT
    params = C.llama_context_default_params()
    params.n_ctx = min(options.context or _USUAL_CONTEXT, trained)
    params.n_batch = params.n_ubatch = STEP_TOKENS
    params.n_seq_max = params.n_outputs_max = options.slots
    params.n_threads = params.n_threads_batch = options.threads
    params.kv_unified = True
    params.swa_full = not options.windowed
    if options.kv is not None:
        params.type_k = params.type_v = _KINDS[options.kv]
    params.no_perf = True
    opened = C.llama_init_from_model(model, params)
    if not opened:
        name = Path(options.path).name
        raise LoadFailed(f"There is not enough memory for {name} with a context of {params.n_ctx} tokens.")
    return opened
