"""Defaults are filled in, and senseless values are refused."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.engines.failures import Rejected
from pointsman.engines.protocol import Chat
from pointsman.engines.sampling import sampling_of


def chat(**fields: Any) -> Chat:
    """A request of which only the sampling matters."""
    return Chat(id="a", messages=[], **fields)


def test_defaults() -> None:
    """What is not said has a default."""
    sampling = sampling_of(chat())
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (0.7, 0.95, 40, 0.05)
    assert not sampling.greedy and not sampling.penalised


def test_greedy() -> None:
    """Temperature zero is greedy and penalties are seen."""
    sampling = sampling_of(chat(temperature=0.0, presence_penalty=1.0))
    assert sampling.greedy and sampling.penalised


def test_seeds() -> None:
    """Seeds are kept and otherwise drawn anew."""
    assert sampling_of(chat(seed=7)).seed == 7
    assert 0 <= sampling_of(chat(seed=-1)).seed < 0xFFFFFFFF
    assert len({sampling_of(chat()).seed for _ in range(8)}) > 1


@pytest.mark.parametrize(
    "fields",
    [{"temperature": -1.0}, {"top_p": 1.5}, {"min_p": -0.1}, {"presence_penalty": 3.0}, {"temperature": float("nan")}],
)
def test_senseless_values(fields: dict[str, float]) -> None:
    """Senseless values are refused by name."""
    with pytest.raises(Rejected) as raised:
        sampling_of(chat(**fields))
    assert raised.value.code == "bad_request" and next(iter(fields)) in raised.value.message
