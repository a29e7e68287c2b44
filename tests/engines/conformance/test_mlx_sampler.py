"""What top_k, top_p and min_p leave, by the short way and by the long one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.engines import mlx_sampler
from pointsman.engines.protocol import Chat
from pointsman.engines.sampling import Sampling, sampling_of

SIZE = 2000


def plainly(logits: np.ndarray, sampling: Sampling) -> set[int]:
    """All sorted, cut by each rule in turn."""
    order = np.argsort(-logits, kind="stable")[: sampling.top_k or None]
    chances = np.exp(logits[order].astype(np.float64) - logits.max())
    chances /= chances.sum()
    kept, mass = set[int](), 0.0
    for token, chance in zip(order, chances, strict=True):
        if chance == 0 or (kept and (chance < sampling.min_p * chances[0] or mass >= sampling.top_p < 1)):
            break
        kept.add(int(token))
        mass += chance
    return kept


@given(
    st.integers(0, 1 << 30),
    st.sampled_from([0.1, 1.0, 5.0]),
    st.sampled_from([0, 1, 40, SIZE, 2 * SIZE]),
    st.sampled_from([0.0, 0.3, 0.95, 1.0]),
    st.sampled_from([0.0, 0.05, 0.9, 1.0]),
)
def test_cuts(seed: int, spread: float, top_k: int, top_p: float, min_p: float) -> None:
    """Both ways leave the same tokens, of any distribution, also where some are forbidden."""
    chance = np.random.default_rng(seed)
    logits = chance.normal(0.0, spread, SIZE).astype(np.float32)
    logits[chance.random(SIZE) < 0.2] = -np.inf
    sampling = sampling_of(Chat(id="a", messages=[], top_k=top_k, top_p=top_p, min_p=min_p), SIZE)
    assert set(mlx_sampler._likeliest(logits, sampling).tolist()) == plainly(logits, sampling)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws(temperature: float) -> None:
    """Tokens are drawn as often as they are likely at that heat."""
    logits = np.log(np.array([0.6, 0.3, 0.1], np.float32))
    fields = {"temperature": temperature, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 1}
    chooser = mlx_sampler.Sampler(sampling_of(Chat(id="a", messages=[], **fields), 3), None)
    drawn = np.bincount([chooser.free(logits) for _ in range(4000)], minlength=3) / 4000
    wanted = np.array([0.6, 0.3, 0.1]) ** (1 / temperature)
    assert drawn == pytest.approx(wanted / wanted.sum(), abs=0.03)
