"""Defaults are filled in, and senseless values are refused."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.engines.failures import Rejected
from pointsman.engines.protocol import Chat
from pointsman.engines.sampling import Sampling, sampling_of


def chat(**fields: Any) -> Chat:
    """A request of which only the sampling matters."""
    return Chat(id="a", messages=[], **fields)


def drawn(request: Chat) -> Sampling:
    """For a model of a hundred tokens."""
    return sampling_of(request, 100)


def test_defaults() -> None:
    """What is not said has a default."""
    sampling = drawn(chat())
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (0.7, 0.95, 40, 0.05)
    assert not sampling.greedy and not sampling.penalised


def test_greedy() -> None:
    """Temperature zero is greedy and penalties are seen."""
    sampling = drawn(chat(temperature=0.0, presence_penalty=1.0))
    assert sampling.greedy and sampling.penalised


def test_seeds() -> None:
    """Seeds are kept and otherwise drawn anew."""
    assert drawn(chat(seed=7)).seed == 7
    assert 0 <= drawn(chat(seed=-1)).seed < 0xFFFFFFFF
    assert len({drawn(chat()).seed for _ in range(8)}) > 1


@pytest.mark.parametrize(
    "fields",
    [
        {"logit_bias": {"100": 1.0}}, {"logit_bias": {"x": 1.0}}, {"logit_bias": {"1": 101.0}}, {"logit_bias": {"-1": 1.0}},
        {"temperature": -1.0}, {"top_p": 1.5}, {"min_p": -0.1}, {"presence_penalty": 3.0}, {"temperature": float("nan")},
    ],
)  # fmt: skip
def test_senseless_values(fields: dict[str, Any]) -> None:
    """Senseless values are refused by name."""
    with pytest.raises(Rejected) as raised:
        drawn(chat(**fields))
    assert raised.value.code == "bad_request" and next(iter(fields)) in raised.value.message


def test_bias_and_logprobs() -> None:
    """Tokens are named by number, and up to twenty likelier ones are told."""
    sampling = drawn(chat(logit_bias={"7": -100.0}, logprobs=3))
    assert (sampling.logit_bias, sampling.logprobs) == ({7: -100.0}, 3)
    assert drawn(chat()).logprobs is None
    with pytest.raises(Rejected, match="top_logprobs must lie between 0 and 20"):
        drawn(chat(logprobs=21))
