"""Chooses the tokens of one answer for MLX, on rows of logits in numpy: the chain that the GGUF worker has too.

As there, a token is drawn freely first, and only where the grammar refuses it are all others looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pointsman.engines.entropy import Logits
from pointsman.engines.failures import Rejected
from pointsman.engines.mlx_guide import Guide
from pointsman.engines.sampling import Sampling

_Ids = npt.NDArray[np.intp]
_Chances = npt.NDArray[np.float64]
_FEW = 1024  # tokens that nearly always are all that top_p and min_p leave


class Sampler:
    """`refused` counts the tokens that the grammar did not take."""

    def __init__(self, sampling: Sampling, guide: Guide | None) -> None:
        self._sampling, self._guide = sampling, guide
        self._chance = np.random.default_rng(sampling.seed)
        self._said: Counter[int] = Counter()
        self.refused = 0

    @property
    def promised(self) -> bool:
        """Whether the answer has a form to keep."""
        return self._guide is not None

    def free(self, logits: Logits) -> int:
        """The next token, whatever the grammar says."""
        token = self._chosen(logits)
        self._said[token] += 1
        return token

    def constrained(self, logits: Logits, passes: Callable[[int], bool] = lambda _: False) -> int:
        """The next token under the grammar, or one that `passes` unseen by it.

        Raises `Rejected` when the grammar allows none that the model knows.
        """
        assert self._guide is not None
        token = self._chosen(logits)
        if not passes(token):
            if not self._guide.allows(token):
                token = self._masked(logits, self._guide)
            self._guide.accept(token)
        self._said[token] += 1
        return token

    def close(self) -> None:
        """Give the memory back; the sampler is unusable after this."""
        self._guide = None

    def _masked(self, logits: Logits, guide: Guide) -> int:
        self.refused += 1
        left = np.where(guide.mask(), logits, np.float32(-np.inf))
        if not np.isfinite(left).any():
            raise Rejected("engine_error", "The model knows no token that the promised form allows here.")
        return self._chosen(left)

    def _chosen(self, logits: Logits) -> int:
        wished = self._weighed(logits)
        if self._sampling.greedy:
            return int(wished.argmax())
        ids = _likeliest(wished, self._sampling)
        chances = _softmax(wished[ids] / self._sampling.temperature)
        at = int(np.searchsorted(np.cumsum(chances), self._chance.random()))
        return int(ids[min(at, len(ids) - 1)])

    def _weighed(self, logits: Logits) -> Logits:
        """With biases, and penalties for what was said before."""
        sampling = self._sampling
        if not (sampling.logit_bias or sampling.penalised):
            return logits
        weighed = logits.copy()
        for token, bias in sampling.logit_bias.items():
            weighed[token] += bias
        if sampling.penalised:
            for token, count in self._said.items():
                weighed[token] -= sampling.frequency_penalty * count + sampling.presence_penalty
        return weighed


def _likeliest(logits: Logits, sampling: Sampling) -> _Ids:
    """The tokens that top_k, top_p and min_p leave; at least one."""
    if not sampling.top_k and sampling.top_p == 1 and sampling.min_p == 0:
        return np.flatnonzero(np.isfinite(logits))
    if sampling.top_k:
        ids = _first(logits, sampling.top_k)
        return ids[: _kept(_softmax(logits[ids]), sampling)]
    chances = _softmax(logits)
    ids = _first(logits, _FEW)
    kept = _kept(chances[ids], sampling)
    if kept == len(ids):  # there may be more: only now all of them are sorted
        ids = _first(logits, len(logits))
        kept = _kept(chances[ids], sampling)
    return ids[:kept]


def _kept(chances: _Chances, sampling: Sampling) -> int:
    """How many of these, likeliest first, top_p and min_p leave."""
    enough = int(np.searchsorted(np.cumsum(chances), sampling.top_p)) + 1 if sampling.top_p < 1 else len(chances)
    likely = int(((chances > 0) & (chances >= sampling.min_p * chances[0])).sum())
    return max(1, min(enough, likely))


def _first(logits: Logits, count: int) -> _Ids:
    """The likeliest ones, in that order."""
    if count >= len(logits):
        return np.argsort(-logits, kind="stable")
    top = np.argpartition(logits, -count)[-count:]
    return top[np.argsort(-logits[top], kind="stable")]


def _softmax(logits: Logits) -> _Chances:
    weights = np.exp(logits.astype(np.float64) - logits.max())
    return np.asarray(weights / weights.sum())
