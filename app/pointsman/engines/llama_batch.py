"""llama.cpp's batch."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, cast

from pointsman.engines.llama_api import C
from pointsman.engines.slots import Run


class Batch:
    """llama.cpp's batch over arrays of C, filled a field at a time: no call for each token, and little for one alone."""

    def __init__(self, size: int) -> None:
        self._token, self._position, self._slot = ((ctypes.c_int32 * size)() for _ in range(3))
        self._count = (ctypes.c_int32 * size)(*[1] * size)
        self._wanted = (ctypes.c_int8 * size)()
        first, pointer = ctypes.addressof(self._slot), ctypes.POINTER(C.llama_seq_id)
        self._slots = (pointer * size)(*(ctypes.cast(first + 4 * at, pointer) for at in range(size)))
        native = cast("Any", C.llama_batch())
        native.token = ctypes.cast(self._token, ctypes.POINTER(C.llama_token))
        native.pos = ctypes.cast(self._position, ctypes.POINTER(C.llama_pos))
        native.n_seq_id = ctypes.cast(self._count, ctypes.POINTER(ctypes.c_int32))
        native.seq_id = self._slots
        native.logits = ctypes.cast(self._wanted, ctypes.POINTER(ctypes.c_int8))
        self.native = native

    def fill(self, runs: Sequence[Run], *, every: bool = False) -> None:
        """These tokens are the next step; of a complete run the last is wanted, with what is guessed; or `every` one."""
        tokens: list[Any] = []
        positions: list[Any] = []
        slots: list[Any] = []
        wanted: list[int] = []
        for run in runs:
            count = len(run.tokens)
            tokens += run.tokens
            positions += range(run.start, run.start + count)
            slots += [run.slot] * count
            if run.complete:
                wanted += range(len(tokens) - 1 - run.guessed, len(tokens))
        at = len(tokens)
        self._token[:at], self._position[:at], self._slot[:at] = tokens, positions, slots
        self._wanted[:at] = [every] * at
        for row in wanted:
            self._wanted[row] = True
        self.native.n_tokens = at
