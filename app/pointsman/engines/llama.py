"""The thin layer over llama.cpp's C interface.

Not thread safe: one thread owns a `LlamaModel`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pointsman.engines.failures import LoadFailed
from pointsman.engines.interrupt import Interrupt, native_check
from pointsman.engines.llama_api import C
from pointsman.engines.llama_batch import Batch
from pointsman.engines.llama_file import KINDS, ModelOptions, cells, load, tokens_of
from pointsman.engines.llama_sampler import Candidates, Sampler, Vocabulary
from pointsman.engines.sampling import Sampling
from pointsman.engines.slots import Run

__all__ = ["STEP_TOKENS", "LlamaModel", "ModelOptions"]

STEP_TOKENS = 512
_PIECES = 4096  # tokens of which the bytes are kept at hand
_VIEWS = 64  # rows of logits of which an array is kept at hand


class LlamaModel:
    """A loaded model with one context that `slots` sequences share. `loaded` is the file's model where it is there."""

    def __init__(self, options: ModelOptions, interrupt: Interrupt, loaded: Any = None) -> None:
        self._model = loaded or load(options)
        self._context = _open_context(self._model, options)
        memory, vocab = C.llama_get_memory(self._context), C.llama_model_get_vocab(self._model)
        if not memory or not vocab or C.llama_model_has_encoder(self._model):
            raise LoadFailed(f"{Path(options.path).name} is not a model that answers in text.")
        self._memory, self._vocab = memory, vocab
        self._window = int(C.llama_model_n_swa(self._model)) if options.windowed else 0
        stateful = C.llama_model_is_recurrent(self._model) or C.llama_model_is_hybrid(self._model)
        self.shares = not (stateful or self._window)
        self.lookup = options.lookup if self.shares else 0  # what was guessed wrongly has to be forgotten
        self.context = int(C.llama_n_ctx(self._context))
        self.slots = options.slots
        self.vocabulary = C.llama_vocab_n_tokens(vocab)
        self._batch = Batch(STEP_TOKENS)
        self._ahead = bool(C.llama_supports_gpu_offload())  # a processor is done when a call is
        self._candidates = Candidates(self.vocabulary)
        self._views: dict[int, npt.NDArray[np.float32]] = {}
        self._pieces: dict[int, tuple[bytes, bool]] = {}
        # Kept here: llama.cpp only borrows them.
        self._check, self._interrupt = C.ggml_abort_callback(native_check()), interrupt
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
        return self._looked_up(token)[0]

    def show(self, marks: Sequence[str]) -> None:
        """Let these be read even where they are control tokens."""
        self._shown = frozenset(token for mark in marks if (token := self.single(mark)) is not None)
        self._pieces.clear()

    def single(self, text: str) -> int | None:
        """The token that is just this text, if there is one."""
        tokens = self._tokens(text, False)
        return tokens[0] if len(tokens) == 1 else None

    def continued(self, text: str) -> list[int]:
        """Text in the middle of an answer as tokens."""
        return self._tokens(text, False)

    def ends(self, token: int) -> bool:
        """Whether the model says with this token that it is done."""
        return self._looked_up(token)[1]

    def decode(self, runs: Sequence[Run]) -> int:
        """0, 1 when there is no room, 2 when interrupted, less than 0 on a fatal error."""
        self._batch.fill(runs)
        rc = int(C.llama_decode(self._context, self._batch.native))
        if rc == 0 and self._ahead:
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

    def copy(self, source: int, slot: int, length: int) -> bool:
        """Let a slot hold the first `length` tokens of another, in the same cells; False when it then holds nothing.

        Only where the model `shares`: a state, or a window that moved on, is of the other's last token.
        """
        C.llama_memory_seq_rm(self._memory, slot, -1, -1)
        C.llama_memory_seq_cp(self._memory, source, slot, -1, -1)
        return self.keep(slot, length)

    def _forgot(self, slot: int, length: int) -> bool:
        """Whether layers with a window no longer hold what the token after so many would look back at."""
        first = int(C.llama_memory_seq_pos_min(self._memory, slot))
        return first > 0 and first >= length - self._window

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        """A view, good until the next step."""
        pointer = C.llama_get_logits_ith(self._context, row)
        address = ctypes.addressof(pointer.contents)
        view = self._views.get(address)
        if view is None:
            if len(self._views) >= _VIEWS:
                self._views.clear()
            view = self._views[address] = np.ctypeslib.as_array(pointer, (self.vocabulary,))
        return view

    def sampler(self, sampling: Sampling, grammar: str | None) -> Sampler:
        """Raises `Rejected` when llama.cpp does not take the grammar."""
        return Sampler(Vocabulary(self._vocab, self.vocabulary, self.piece, self._candidates), sampling, grammar)

    def _tokens(self, text: str, begin: bool) -> list[int]:
        return tokens_of(self._vocab, text, begin)

    def _looked_up(self, token: int) -> tuple[bytes, bool]:
        """The bytes of a token, and whether the model is done with it."""
        known = self._pieces.get(token)
        if known is None:
            if len(self._pieces) >= _PIECES:
                self._pieces.clear()
            known = self._piece(token, token in self._shown), bool(C.llama_vocab_is_eog(self._vocab, token))
            self._pieces[token] = known
        return known

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


def _open_context(model: Any, options: ModelOptions) -> Any:
    params = C.llama_context_default_params()
    params.n_ctx = cells(model, options)
    params.n_batch = params.n_ubatch = STEP_TOKENS
    params.n_seq_max = options.slots
    params.n_outputs_max = options.slots + options.lookup
    params.n_threads = params.n_threads_batch = options.threads
    params.kv_unified = True
    params.swa_full = not options.windowed
    if options.kv is not None:
        params.type_k = params.type_v = KINDS[options.kv]
    params.no_perf = True
    opened = C.llama_init_from_model(model, params)
    if not opened:
        name = Path(options.path).name
        raise LoadFailed(f"There is not enough memory for {name} with a context of {params.n_ctx} tokens.")
    return opened
