"""Steps get shorter on a slow machine, and longer again."""

from __future__ import annotations

from pointsman.engines.pace import Pace


def test_pace() -> None:
    """Halved when a step is slow, never below 32; doubled when a full one is quick, never above the most."""
    pace = Pace(512)
    for _ in range(9):
        pace.took(512, 5.0)
    assert pace.size == 32
    pace.took(31, 0.1)
    assert pace.size == 32
    pace.took(32, 2.0)
    assert pace.size == 32
    for _ in range(9):
        pace.took(pace.size, 0.1)
    assert pace.size == 512


def test_the_first_step_is_small() -> None:
    """On a machine that is not known yet: a model that reads two words a second is not silent for minutes."""
    assert Pace(512).size == 64
    assert Pace(16).size == 16
