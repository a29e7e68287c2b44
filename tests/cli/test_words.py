from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.cli import words


@given(st.integers(min_value=0, max_value=10**12))
def test_dollars_reads_what_was_written(micros: int) -> None:
    """Every amount of whole micro-dollars is read without loss."""
    assert words.dollars(f"{micros // 10**6}.{micros % 10**6:06}") == micros


@given(st.integers(min_value=1, max_value=10**12))
def test_a_bound_is_never_too_little(micros: int) -> None:
    """What is shown as the most is at least the most."""
    assert words.dollars(words.bound(micros).replace(",", "")) >= micros


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (None, "–"),  # noqa: RUF001 what the app writes
        (0, "$0.00"),
        (3_410, "$0.0034"),
        (9_999, "$0.01"),
        (10_000, "$0.01"),
        (3_840_000, "$3.84"),
        (10**10, "$10,000.00"),
    ],
)
def test_money(micros: int | None, text: str) -> None:
    """Two decimals, an en dash for what is not known, and digits that say something for what is small."""
    assert words.money(micros) == text


@pytest.mark.parametrize(("micros", "text"), [(None, "–"), (0, "free"), (31_200, "$0.0312"), (42, "$0.000042")])  # noqa: RUF001 what the app writes
def test_exact(micros: int | None, text: str) -> None:
    """Four decimals for one request, and the word 'free'."""
    assert words.exact(micros) == text


@pytest.mark.parametrize(("text", "span"), [("45s", 45), ("30m", 1800), ("2h", 7200), ("1d", 86400)])
def test_seconds(text: str, span: float) -> None:
    """A number and one letter are a span."""
    assert words.seconds(text) == span


@pytest.mark.parametrize(("until", "text"), [(100.0, "0:00"), (138.9, "0:38"), (1000.0, "15:00"), (50.0, "0:00")])
def test_left(until: float, text: str) -> None:
    """Minutes and seconds, never below nothing."""
    assert words.left(until, 100.0) == text
