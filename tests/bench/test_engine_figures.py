"""What is made of the engine's runs: ratios by round, bounds, and what a machine bears at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.bench.engine_figures import First, Found, Guessed, Rate, capacity, checks, rows, summary
from pointsman.bench.figures import Check

RATES = [Rate(at_once=count, ours=(90.0, 80.0), theirs=(90.0, 100.0)) for count in (1, 4, 8)]
FIRST = First(tokens=8100, fresh=(20.0, 30.0, 40.0), known=(0.3, 0.6, 0.9))


def check(name: str, found: list[Check]) -> Check:
    """The one check whose name has this in it."""
    (one,) = [one for one in found if name in one.name]
    return one


def test_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    """A round on a slow machine counts as much as one on a quick machine."""
    assert Rate(at_once=1, ours=(10.0, 50.0, 90.0), theirs=(10.0, 100.0, 90.0)).ratio == 1.0


def test_without_xllamacpp_there_is_no_ratio_and_no_verdict() -> None:
    """The row says why."""
    alone = Rate(at_once=4, ours=(10.0, 20.0, 30.0))
    assert alone.ratio is None
    assert check("at 4", checks([alone], None)).passed is None
    assert rows(Found(rates=[alone]), "not installed")[1] == ("  4 at once", "20.0", "not installed", "")


def test_bounds() -> None:
    """At least 0.95 of xllamacpp; a known prefix at most a twentieth."""
    assert check("at 4", checks(RATES, FIRST)).passed is False
    good = Rate(at_once=4, ours=(97.0,), theirs=(100.0,))
    assert check("at 4", checks([good], FIRST)).word == "pass"
    assert check("8k known", checks(RATES, FIRST)).value == pytest.approx(0.02)
    assert check("8k known", checks(RATES, FIRST)).passed


def test_short_prefix_has_a_figure_and_no_verdict() -> None:
    """The bound is of eight thousand tokens."""
    short = First(tokens=900, fresh=(1.0,), known=(0.3,))
    assert check("8k known", checks(RATES, short)).passed is None
    assert rows(Found(rates=RATES, first=short), "")[-1] == ("  900 tokens", "1.00 s", "0.30 s", "30.0%")


def test_summary_has_the_names_that_scripts_read() -> None:
    """One ratio for each number at once."""
    found = summary("m", Found(rates=RATES, first=FIRST))
    assert set(found["ratio_to_reference"]) == {"parallel_1", "parallel_4", "parallel_8"}
    assert found["first_token"]["share"] == pytest.approx(0.02)


def test_what_guessing_gains() -> None:
    """It is told as the median of each round's ratio, without a verdict."""
    guessed = Guessed(plain=(50.0, 100.0, 100.0), lookup=(100.0, 110.0, 300.0))
    found = Found(rates=RATES, guessed=guessed)
    assert rows(found, "")[-1] == ("  one word over and over: each guess is right", "100.0", "110.0", "2.00")
    assert summary("m", found)["guessed"]["ratio"] == 2.0
    assert summary("m", Found(rates=RATES))["guessed"] is None


def test_slots_are_as_many_as_keep_half_the_speed_of_one() -> None:
    """A dip below half ends it, whatever comes later."""
    found = capacity({1: 40.0, 2: 30.0, 4: 20.0, 8: 10.0, 16: 39.0})
    assert (found.slots, found.alone, found.speed) == (4, 40.0, 20.0)


def test_queue_lets_the_last_wait_about_a_minute() -> None:
    """4 slots at 20 tokens a second give an answer of 256 tokens each 13 s, so four turns of four."""
    assert capacity({1: 40.0, 4: 20.0, 8: 10.0}).queue == 16
    assert capacity({1: 1.0, 2: 0.1}).queue == 1
    assert capacity({1: 90_000.0, 2: 10.0}).queue == 64


@given(st.dictionaries(st.integers(2, 16), st.floats(0, 1e5)), st.floats(0.1, 1e5))
def test_any_machine_gets_at_least_one_slot_and_one_place(speeds: dict[int, float], alone: float) -> None:
    """And never more than were tried."""
    found = capacity({1: alone} | speeds)
    assert 1 <= found.slots <= max([1, *speeds]) and 1 <= found.queue <= 64
