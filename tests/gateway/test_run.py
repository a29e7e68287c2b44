"""What is known of a request while it runs."""

from __future__ import annotations

from pointsman.gateway import run as run_
from pointsman.gateway.run import Run


def test_what_is_kept_of_an_answer_is_bounded() -> None:
    """Also where it comes in one piece."""
    run = Run("r1", "tester")
    for _ in range(2):
        run.keep(b"x" * (run_._KEPT - 1))
    assert len(run.answer) == run_._KEPT
    run.keep(b"more")
    assert len(run.answer) == run_._KEPT
