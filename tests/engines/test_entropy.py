"""Entropy is that of the whole distribution, however large the vocabulary."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pointsman.engines.entropy import Entropy


@pytest.mark.parametrize("size", [1, 2, 1024, 16_384, 16_385, 151_936])
def test_as_by_the_definition(size: int) -> None:
    """To six digits of what double precision says."""
    entropy = Entropy()
    for seed in range(3):
        logits = (np.random.default_rng(seed).standard_normal(size) * 4).astype(np.float32)
        exact = logits.astype(np.float64) - logits.max()
        weights = np.exp(exact)
        wanted = math.log(weights.sum()) - (weights @ exact) / weights.sum()
        assert entropy.of(logits) == pytest.approx(wanted, abs=2e-6)


def test_one_certain_token_has_none_and_equal_ones_have_most() -> None:
    """The two ends."""
    certain = np.full(1000, -40, np.float32)
    certain[7] = 40
    assert Entropy().of(certain) == pytest.approx(0, abs=1e-9)
    assert Entropy().of(np.zeros(1000, np.float32)) == pytest.approx(math.log(1000))


@pytest.mark.parametrize("impossible", [-math.inf, -3e38])
def test_what_is_impossible_counts_as_nothing(impossible: float) -> None:
    """Some models forbid tokens by a logit below all others."""
    logits = np.zeros(1000, np.float32)
    logits[500:] = impossible
    assert Entropy().of(logits) == pytest.approx(math.log(500))
