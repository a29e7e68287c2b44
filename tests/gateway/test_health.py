"""What is known of targets that fail."""

from __future__ import annotations

import pytest

from pointsman.core import breaker
from pointsman.gateway.health import Health


def test_it_knows_for_how_long_a_target_rests() -> None:
    """From the failure that opened its breaker; before and after that it does not rest."""
    health = Health()
    assert health.rests("far", 100.0) == 0.0
    for _ in range(breaker.TRIP - 1):
        health.failed("far", 100.0)
    assert health.rests("far", 100.0) == 0.0
    health.failed("far", 100.0)
    assert health.rests("far", 104.0) == pytest.approx(breaker.REST - 4.0)
    assert health.rests("far", 100.0 + breaker.REST) == 0.0
    health.answered("far")
    assert health.rests("far", 101.0) == 0.0
