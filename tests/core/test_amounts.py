"""Micro-dollars in words."""

from __future__ import annotations

import pytest

from pointsman.core.amounts import dollars


@pytest.mark.parametrize(
    ("amount", "up", "said"),
    [
        (0, False, "$0.00"),
        (1, True, "less than $0.01"),
        (1_104_999, False, "$1.10"),
        (1_105_000, False, "$1.11"),
        (1_100_001, True, "$1.11"),
        (1_234_567_890_000, False, "$1,234,567.89"),
    ],
)
def test_dollars(amount: int, up: bool, said: str) -> None:
    """Two decimals; bounds are rounded up."""
    assert dollars(amount, up=up) == said
