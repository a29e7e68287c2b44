"""llama.cpp's batch."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from pointsman.engines.llama_api import C
from pointsman.engines.slots import Run


class Batch:
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

    def fill(self, runs: Sequence[Run], *, every: bool = False) -> None:
        """These tokens are the next step; the last of a complete run is wanted, or `every` one."""
        at = 0
        for run in runs:
            end = at + len(run.tokens)
            self._token[at:end] = run.tokens
            self._position[at:end] = np.arange(run.start, run.start + len(run.tokens))
            self._slot[at:end] = run.slot
            self._wanted[at:end] = every
            self._wanted[end - 1] = every or run.complete
            at = end
        self.native.n_tokens = at
