"""How unsure a model is of its next token: the entropy of the whole distribution."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]

_NOTHING = np.float32(-200)  # e to this is far below the smallest number that counts
_BLOCK = 16_384  # logits at a time: with what is made of them they stay in a core's cache


class Entropy:
    """In nats, worked out in memory that is taken once. Belongs to one thread."""

    def __init__(self) -> None:
        self._shifted, self._weights = (np.empty(_BLOCK, np.float32) for _ in range(2))

    def of(self, logits: Logits) -> float:
        """Of one row."""
        highest, total, mean = logits.max(), 0.0, 0.0
        for start in range(0, len(logits), _BLOCK):
            block = logits[start : start + _BLOCK]
            shifted, weights = self._shifted[: len(block)], self._weights[: len(block)]
            np.subtract(block, highest, out=shifted)
            np.maximum(shifted, _NOTHING, out=shifted)  # else what is impossible counts as nothing times infinity
            np.exp(shifted, out=weights)
            total += float(weights.sum())
            mean += float(np.dot(weights, shifted))
        return math.log(total) - mean / total
