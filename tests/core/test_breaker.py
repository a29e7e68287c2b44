"""The breaker of a target."""

from __future__ import annotations

from pointsman.core.breaker import LONGEST, REST, TRIP, Breaker


def failed(times: int) -> Breaker:
    """A breaker after failures at second 100."""
    breaker = Breaker()
    for _ in range(times):
        breaker = breaker.failed(100.0)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    """Two failures are bad luck, three are a pattern."""
    assert failed(TRIP - 1).state(100.0) == "closed"
    assert failed(TRIP).state(100.0) == "open"


def test_it_lets_one_try_after_a_rest() -> None:
    """After the rest it is half-open."""
    assert failed(TRIP).state(100.0 + REST) == "half-open"


def test_the_rest_grows_to_a_bound() -> None:
    """Each further failure doubles the rest, up to five minutes."""
    assert failed(TRIP + 1).retry_at == 100.0 + 2 * REST
    assert failed(10_000).retry_at == 100.0 + LONGEST


def test_an_answer_closes_it() -> None:
    """One answer and it is as new."""
    assert failed(50).answered() == Breaker()
