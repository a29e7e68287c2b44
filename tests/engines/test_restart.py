"""When a crashed worker may start again."""

from __future__ import annotations

import pytest

from pointsman.engines.restart import GiveUp, Wait, next_restart


@pytest.mark.parametrize(
    ("crashes", "now", "expected"),
    [
        (0, 100.0, Wait(0.0)),
        (1, 100.0, Wait(0.5)),
        (1, 100.25, Wait(0.25)),
        (1, 200.0, Wait(0.0)),
        (2, 100.0, Wait(1.0)),
        (3, 100.0, GiveUp()),
        (9, 1e9, GiveUp()),
    ],
)
def test_wait(crashes: int, now: float, expected: Wait | GiveUp) -> None:
    """The wait doubles until it gives up."""
    assert next_restart(crashes, 100.0, now) == expected
