"""Names that nobody has."""

from __future__ import annotations

import pytest

from pointsman.core import names

MANY = [f"model-{number}" for number in range(9)]


@pytest.mark.parametrize(
    ("wrong", "known", "said"),
    [
        ("daly", ["daily", "weekly"], "No cap is called 'daly'. Did you mean 'daily'?"),
        ("DAILY", ["daily"], "No cap is called 'DAILY'. Did you mean 'daily'?"),
        ("x", ["daily"], "No cap is called 'x'. There is daily."),
        ("x", ["weekly", "daily"], "No cap is called 'x'. There are daily, weekly."),
        ("x", [], "No cap is called 'x'. There is none yet."),
        ("x", MANY, "No cap is called 'x'. 'pointsman caps list' names those there are."),
    ],
)
def test_unknown(wrong: str, known: list[str], said: str) -> None:
    """The nearest name, else those there are, else where they are listed."""
    assert names.unknown("cap", wrong, known, "pointsman caps list") == said


def test_a_long_name_is_cut() -> None:
    """A sentence stays one."""
    assert len(names.unknown("cap", "x" * 10_000, [])) < 200
