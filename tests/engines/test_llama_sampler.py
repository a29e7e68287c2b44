"""A sampler that looks at the few likeliest tokens chooses as one that looks at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pointsman.engines.llama_sampler import Candidates, Sampler, Vocabulary
from pointsman.engines.protocol import Chat
from pointsman.engines.sampling import Sampling, sampling_of

SIZE = 4000


class All(Candidates):
    """Never leaves one out."""

    def likeliest(self, logits: Any, _count: int) -> Any:
        """The whole vocabulary."""
        return self.all(logits)


def rows(spread: float) -> list[Any]:
    """Thirty distributions, flat or steep."""
    chance = np.random.default_rng(5)
    return [(chance.standard_normal(SIZE) * spread).astype(np.float32) for _ in range(30)]


def sampling(**fields: Any) -> Sampling:
    """What a request asks for."""
    return sampling_of(Chat(id="a", messages=[], **fields), SIZE)


def drawn(candidates: Candidates, wanted: Sampling, spread: float) -> list[int]:
    """A token from each row, one after the other."""
    sampler = Sampler(Vocabulary(None, SIZE, lambda _: b"", candidates), wanted, None)
    tokens = [sampler.free(row) for row in rows(spread)]
    sampler.close()
    return tokens


@pytest.mark.parametrize("spread", [0.0, 0.5, 3.0, 30.0])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 1.5, "min_p": 0.0, "top_p": 1.0},
        {"top_k": 1},
        {"top_k": 500, "temperature": 2.0},
        {"top_k": 0},
        {"temperature": 0.0},
        {"frequency_penalty": 1.0, "logit_bias": {"7": 5.0}},
        {"temperature": 0.0, "presence_penalty": 2.0, "logit_bias": {"9": 50.0}},
    ],
)
def test_the_same_tokens(fields: dict[str, Any], spread: float) -> None:
    """Whatever the request asks for and however sure the model is."""
    wanted = sampling(seed=11, **fields)
    assert drawn(Candidates(SIZE), wanted, spread) == drawn(All(SIZE), wanted, spread)


def test_greedy_takes_the_first_of_the_likeliest() -> None:
    """As llama.cpp does."""
    logits = np.zeros(SIZE, np.float32)
    logits[[9, 5, 700]] = 3
    sampler = Sampler(Vocabulary(None, SIZE, lambda _: b"", Candidates(SIZE)), sampling(temperature=0.0), None)
    assert sampler.free(logits) == 5
    sampler.close()


def test_few_are_looked_at() -> None:
    """Of a usual distribution, those that matter."""
    found = Candidates(SIZE).likeliest(rows(3.0)[0], 40)
    assert 40 <= found.size < SIZE / 2
    assert Candidates(SIZE).likeliest(np.zeros(SIZE, np.float32), 40).size == SIZE
