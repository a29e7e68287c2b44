"""How likely a token was among all others, from one row of logits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pointsman.engines.protocol import Logprob

MOST = 20  # as in the services of the vendors


def logprob_of(logits: npt.NDArray[np.float32], token: int, count: int, piece: Callable[[int], bytes]) -> Logprob:
    """Of the chosen token, with the `count` likeliest beside it, before any sampler or grammar."""
    highest = float(logits.max())
    total = highest + float(np.log(np.exp(logits - highest).sum()))

    def told(one: int, top: list[Logprob]) -> Logprob:
        raw = piece(one)
        return Logprob(raw.decode("utf-8", "replace"), round(float(logits[one]) - total, 6), list(raw), top)

    return told(token, [told(int(one), []) for one in _likeliest(logits, count)])


def _likeliest(logits: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.intp]:
    count = min(count, len(logits))
    if count == 0:
        return np.empty(0, np.intp)
    top = np.argpartition(logits, -count)[-count:]
    return top[np.argsort(-logits[top], kind="stable")]
