"""Micro-dollars in words."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.amounts import dollars

AMOUNTS = st.integers(0, 10**9) | st.integers(0, 200_000)


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0, "$0.00"),
        (1, "$0.000001"),
        (42, "$0.000042"),
        (3_410, "$0.0034"),
        (5_000, "$0.005"),
        (9_960, "$0.01"),
        (10_078, "$0.0101"),
        (50_000, "$0.05"),
        (99_999, "$0.10"),
        (100_499, "$0.10"),
        (1_104_999, "$1.10"),
        (1_105_000, "$1.11"),
        (1_234_567_890_000, "$1,234,567.89"),
    ],
)
def test_dollars(amount: int, said: str) -> None:
    """Two decimals, or as many as a small amount needs to say something."""
    assert dollars(amount) == said


@pytest.mark.parametrize(
    ("amount", "up", "down"),
    [(1, "$0.000001", "$0.000001"), (3_410, "$0.0035", "$0.0034"), (1_100_001, "$1.11", "$1.10")],
)
def test_both_sides(amount: int, up: str, down: str) -> None:
    """A bound is rounded up, what is left is rounded down."""
    assert (dollars(amount, up=True), dollars(amount, down=True)) == (up, down)


@given(AMOUNTS)
def test_neither_side_says_it_better_than_it_is(amount: int) -> None:
    """A bound is never too little, what is left never too much."""
    low, high = (Decimal(dollars(amount, **side)[1:].replace(",", "")) for side in ({"down": True}, {"up": True}))
    assert low * 10**6 <= amount <= high * 10**6


@given(AMOUNTS)
def test_something_is_never_nothing(amount: int) -> None:
    """Only no money at all reads as $0.00, and no amount has more digits than it needs."""
    said = dollars(amount)
    assert (said == "$0.00") == (amount == 0)
    assert len(said.partition(".")[2]) <= (2 if amount >= 100_000 else 6)
