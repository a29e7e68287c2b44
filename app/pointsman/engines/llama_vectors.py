"""A model that makes vectors, over llama.cpp's C interface.

Not thread safe: one thread owns a `LlamaVectors`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pointsman.core import fit
from pointsman.engines.embed import POOLINGS, nested
from pointsman.engines.failures import LoadFailed
from pointsman.engines.interrupt import Interrupt, native_check
from pointsman.engines.llama_api import C
from pointsman.engines.llama_batch import Batch
from pointsman.engines.llama_file import KINDS, ModelOptions, cells, said, tokens_of
from pointsman.engines.slots import Run

STEP_TOKENS = 512
_BEAT = 5.0  # seconds of one step, after which it is told that work goes on
SLOTS = fit.TEXTS


def pooling(model: Any) -> str | None:
    """How the file says that tokens become one vector; None where it makes none. Raises `LoadFailed` for a ranker."""
    given = said(model, "{}.pooling_type")
    kind = int(given) if given.isdigit() else 0
    if kind and kind not in POOLINGS:
        raise LoadFailed("This model ranks texts. It makes neither answers nor embeddings.")
    return POOLINGS.get(kind)


class LlamaVectors:
    """A loaded model with a context that gives what it knows of each token; pooling is not its business.

    `whole`: its tokens look at those behind them too, so that a text is computed in one step.
    """

    def __init__(self, loaded: Any, options: ModelOptions, interrupt: Interrupt) -> None:
        self._model, self._vocab = loaded, C.llama_model_get_vocab(loaded)
        self.pooling = pooling(loaded)
        if self.pooling is None or not self._vocab or C.llama_model_has_encoder(loaded):
            raise LoadFailed(f"{Path(options.path).name} is not a model that makes embeddings.")
        names = [said(loaded, "general.name"), said(loaded, "general.basename"), Path(options.path).stem]
        self.nested = nested(names)
        self.width = int(C.llama_model_n_embd_out(loaded))
        self.context = cells(loaded, options)
        self.slots, self.step = SLOTS, min(STEP_TOKENS, self.context)
        self._context = _open(loaded, options, self.step)
        self._memory = C.llama_get_memory(self._context)
        self.whole = not (self._memory and C.llama_get_causal_attn(self._context))
        if self.whole and self.context > self.step:
            C.llama_free(self._context)
            self._context = _open(loaded, options, self.context)
            self._memory = C.llama_get_memory(self._context)
        self._batch = Batch(self.context if self.whole else self.step)
        # Kept here: llama.cpp only borrows them.
        self._check = C.ggml_abort_callback(self._asked if self.whole else native_check())
        self._interrupt, self._told = interrupt, 0.0
        C.llama_set_abort_callback(self._context, self._check, interrupt.pointer)

    def tokenize(self, text: str) -> list[int]:
        """A text as the model was trained to read it, with its marks."""
        return tokens_of(self._vocab, text, True)

    def decode(self, runs: Sequence[Run]) -> int:
        """0, or as llama.cpp says: 2 when interrupted."""
        self._batch.fill(runs, every=True)
        self._told = time.monotonic()
        compute = C.llama_decode if self._memory else C.llama_encode
        rc = int(compute(self._context, self._batch.native))
        if rc == 0:
            C.llama_synchronize(self._context)
        return rc

    def _asked(self, _data: object) -> bool:
        """llama.cpp asks between any two of a step's thousand parts whether to stop: so it does not hang.

        Only where a step is a whole text, which on a slow machine takes longer than a worker may be silent.
        """
        now = time.monotonic()
        if now - self._told >= _BEAT:
            self._told = now
            self._interrupt.beat()
        return self._interrupt.is_set

    def rows(self, count: int) -> npt.NDArray[np.float32]:
        """What the step's tokens came to, in their order; a view, good until the next step."""
        return np.ctypeslib.as_array(C.llama_get_embeddings(self._context), (count, self.width))

    def keep(self, slot: int, length: int) -> None:
        """Forget what a slot holds beyond `length` tokens."""
        if self._memory:
            C.llama_memory_seq_rm(self._memory, slot, length, -1)


def _open(model: Any, options: ModelOptions, step: int) -> Any:
    params = C.llama_context_default_params()
    params.n_ctx = cells(model, options)
    params.n_batch = params.n_ubatch = step
    params.n_seq_max = SLOTS
    params.n_threads = params.n_threads_batch = options.threads
    params.kv_unified = True
    params.embeddings = True
    params.pooling_type = C.LLAMA_POOLING_TYPE_NONE
    if options.kv is not None:
        params.type_k = params.type_v = KINDS[options.kv]
    params.no_perf = True
    opened = C.llama_init_from_model(model, params)
    if not opened:
        name = Path(options.path).name
        raise LoadFailed(f"There is not enough memory for {name} with texts of {params.n_ctx} tokens.")
    return opened
