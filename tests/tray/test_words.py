"""How numbers read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.tray import words

NOW = datetime(2026, 11, 12, 14, 32, tzinfo=UTC)


@pytest.mark.parametrize(
    ("micro", "nearest", "bound", "left"),
    [
        (0, "$0.00", "$0.00", "$0.00"),
        (1, "$0.000001", "$0.000001", "$0.000001"),
        (3_410, "$0.0034", "$0.0035", "$0.0034"),
        (10_000, "$0.01", "$0.01", "$0.01"),
        (14_999, "$0.01", "$0.02", "$0.01"),
        (15_000, "$0.02", "$0.02", "$0.01"),
        (3_841_200, "$3.84", "$3.85", "$3.84"),
        (1_204_500_000, "$1,204.50", "$1,204.50", "$1,204.50"),
        (None, "\u2013", "\u2013", "\u2013"),
    ],
)
def test_money_keeps_two_decimals_and_bounds_never_lose_a_cent(micro, nearest, bound, left):
    """Estimates go to the nearest cent, bounds up, what is left down; what is smaller keeps its digits."""
    assert (words.money(micro), words.bound(micro), words.left(micro)) == (nearest, bound, left)


@given(st.integers(min_value=10_000, max_value=10**12))
def test_a_bound_is_never_less_than_what_it_bounds(micro):
    """What is shown as "at most" covers the amount."""
    shown = words.bound(micro).removeprefix("$").replace(",", "").replace(".", "")
    assert int(shown) * words.CENT >= micro


@pytest.mark.parametrize(
    ("text", "micro"),
    [
        ("4", 4_000_000),
        ("4.00", 4_000_000),
        ("4,5", 4_500_000),
        ("$12.05", 12_050_000),
        (" $ 3 ", 3_000_000),
        ("0", None),
        ("0.00", None),
        ("-4", None),
        ("4.005", None),
        ("four", None),
        ("", None),
        ("99999999", None),
    ],
)
def test_an_amount_is_read_with_a_point_or_a_comma(text, micro):
    """What is no amount above zero is None, never a guess."""
    assert words.parse_money(text) == micro


@given(st.integers(min_value=1, max_value=99_999_99))
def test_an_amount_that_is_shown_reads_back_the_same(cents):
    """Editing starts from the text that stands there."""
    shown = words.money(cents * words.CENT).replace(",", "")
    assert words.parse_money(shown) == cents * words.CENT


def test_nothing_to_pay_is_the_word():
    """Free in tables, for None and for zero."""
    assert (words.free_or(None), words.free_or(0), words.free_or(60_000)) == ("free", "free", "$0.06")


@given(st.lists(st.integers(min_value=0, max_value=10**6), min_size=1, max_size=5))
def test_percentages_sum_to_a_hundred(parts):
    """Largest remainder leaves none over, and none of zero."""
    shares = words.percentages(tuple(parts))
    assert sum(shares) == (100 if sum(parts) else 0)
    assert all(share == 0 for share, part in zip(shares, parts, strict=True) if part == 0)


def test_percentages_go_to_the_largest_remainders():
    """Thirds are 34, 33 and 33."""
    assert words.percentages((1, 1, 1)) == (34, 33, 33)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3, "just now"), (130, "2 min ago"), (3_700, "1 h ago"), (90_000, "1 day ago"), (200_000, "2 days ago")],
)
def test_ages_read_as_a_person_says_them(seconds, text):
    """Coarser with age."""
    assert words.age(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(38, "0:38"), (37.2, "0:38"), (0.4, "0:01"), (0, "0:00"), (-5, "0:00")])
def test_a_countdown_is_zero_only_at_its_end(seconds, text):
    """Rounded up, so that "0:00" never comes early."""
    assert words.countdown(seconds) == text


def test_run_time_counts_whole_seconds():
    """Rounded down."""
    assert (words.run_time(14.9), words.run_time(75)) == ("0:14", "1:15")


@pytest.mark.parametrize(("days", "text"), [(0, "14:32"), (-2, "Tue 14:32"), (-20, "23 Oct"), (-400, "8 Oct 2025")])
def test_a_moment_says_as_much_date_as_it_needs(days, text):
    """Time today, weekday this week, date before, year in another year."""
    assert words.moment(NOW.timestamp() + days * 86_400, NOW) == text


def test_memory_is_in_gigabytes_with_one_decimal():
    """And in megabytes where that would be zero."""
    assert (words.memory(5_400_000_000), words.memory(62_000_000)) == ("5.4 GB", "62 MB")


def test_the_speed_of_a_download_has_two_figures():
    """In the unit that says something."""
    assert [words.speed(rate) for rate in (38_200_000, 9_940_000, 640_400, 12)] == [
        "38 MB/s",
        "9.9 MB/s",
        "640 kB/s",
        "1 kB/s",
    ]


def test_time_left_is_rounded_up():
    """It is not over before it is."""
    assert [words.time_left(seconds) for seconds in (0, 39.1, 60, 92, 3540, 3541, 3901)] == [
        "1 s left",
        "40 s left",
        "1 min left",
        "2 min left",
        "59 min left",
        "1 h 0 min left",
        "1 h 6 min left",
    ]


def test_finds_have_names_and_plurals():
    """An unknown kind reads as its name."""
    assert [words.found("mail_address", 2), words.found("secret_key", 1), words.found("bank_account", 2)] == [
        "2 e-mail addresses",
        "1 secret key",
        "2 bank accounts",
    ]


def test_initials_are_two_letters():
    """Of two words, else the first two letters."""
    assert [words.initials(name) for name in ("Claude Code", "Codex", "my-agent", "x", "")] == [
        "CC",
        "Co",
        "MA",
        "X",
        "",
    ]


def test_strong_pieces_of_a_sentence_are_spans():
    """And the plain sentence is what a screen reader says."""
    sentence = words.marked("**Codex** wants **gpt**.")
    assert [span.strong for span in sentence] == [True, False, True, False]
    assert words.plain(sentence) == "Codex wants gpt."
