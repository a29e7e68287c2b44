"""Near-equality of messages: what is forgotten, and what is not."""

from __future__ import annotations

import pytest

from pointsman.core.shape import called, newest, said

NEAR = [
    ("failed at 2026-11-21T10:00:03Z", "failed at 2026-11-22T23:59:59.120+01:00"),
    ("10:00:03 up", "9:15:44,017 up"),
    ("took 3.21s", "took 0.4s"),
    ("done in 12 seconds", "done in 7 seconds"),
    ("request 3f2a9bc1d0", "request 00e1f7b2aa"),
    ("id 7f3e1a2b-0c4d-4e5f-8a9b-0c1d2e3f4a5b", "id 00000000-1111-2222-3333-444444444444"),
    ("job_8Xy is queued", "job_zzT19 is queued"),
    ("Attempt 3: is it right?", "Attempt 12: is it right?"),
    ('{"attempt":3,"state":"running"}', '{"attempt": 4, "state": "running"}'),
    ("worker pid=4711 gone", "worker pid=9 gone"),
    ("a  b\n\tc", "a b c"),
    ("1700000000 tick", "1700009999 tick"),
    ("10:00:01 lost\n10:00:02 lost", "10:00:01 lost\n10:00:02 lost\n10:00:03 lost"),
]
FAR = [
    ("3 of 12 checks are done", "4 of 12 checks are done"),
    ("2 failed, 13 passed", "1 failed, 14 passed"),
    ("line 42", "line 7"),
    ("it is 1,204.50", "it is 3"),
]
OTHER = [
    ("all is well", "nothing is well"),
    ("hold_price", "hold_cap"),
    ("", "x"),
    ("1", "one"),
]


@pytest.mark.parametrize(("one", "other"), NEAR)
def test_what_changes_by_itself_is_forgotten(one: str, other: str) -> None:
    """Clocks, durations, ids, counted attempts, white space, a line that came again."""
    assert said(one).near == said(other).near
    assert said(one).far == said(other).far


@pytest.mark.parametrize(("one", "other"), FAR)
def test_a_number_is_forgotten_only_from_afar(one: str, other: str) -> None:
    """It may be progress."""
    assert said(one).near != said(other).near
    assert said(one).far == said(other).far


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_words_are_never_forgotten(one: str, other: str) -> None:
    """Other words, other shape."""
    assert said(one).far != said(other).far


def test_only_the_ends_of_a_long_text_count() -> None:
    """A huge result costs no more than its two ends."""
    start, end = "start " * 200, " end" * 300
    assert said(start + "x" * 100_000 + end).near == said(start + "y" * 90_000 + end).near


def test_all_of_a_long_turn_counts() -> None:
    """A template with another text in its middle is another turn, though both its ends are the same."""
    start, end = "Say what this is about. " * 100, " Answer in one word." * 100
    one, other = (said(f"{start}{item}{end}", turn=True) for item in ("a bill", "a letter"))
    assert (one.near, one.far) != (other.near, other.far)
    assert said(start + "a bill" + end, turn=True) == one


def test_a_long_log_that_grows_by_its_own_lines_stays_near() -> None:
    """Wherever its lines are cut."""
    lines = [f"10:00:{second % 60:02d} worker: connection refused after {second}s" for second in range(400)]
    assert said("\n".join(lines[:300])).near == said("\n".join(lines[:311])).near


@pytest.mark.parametrize(
    "text", ["Error: no", "Traceback (most recent call last)", "[]", " {} ", "No matches.", "x " * 900 + "1 failed"]
)
def test_trouble_is_seen(text: str) -> None:
    """Errors, and results that say that there is nothing."""
    assert said(text).trouble


@pytest.mark.parametrize("text", ["", "The file was changed.", "x " * 300 + "an error in the middle " + "x " * 300])
def test_an_ordinary_result_is_no_trouble(text: str) -> None:
    """Nothing printed is how most commands say that all went well."""
    assert not said(text).trouble


def test_what_a_person_types_again_is_plain() -> None:
    """Short and without a number."""
    assert said("continue").plain
    assert not said("continue 3").plain
    assert not said("continue " * 20).plain


def test_the_numbers_of_a_call_count() -> None:
    """The next page is progress; white space, a clock and a counted attempt are not."""
    assert called([("read", '{"page": 1}')]) != called([("read", '{"page": 2}')])
    assert called([("read", '{"page":1}')]).near == called([("read", '{"page":  1}')]).near
    assert called([("ask", '{"attempt": 1}')]).near == called([("ask", '{"attempt": 2}')]).near


def test_the_order_of_arguments_counts() -> None:
    """An edit and its undoing are two different steps."""
    assert called([("edit", '{"old": "a b", "new": "b a"}')]) != called([("edit", '{"old": "b a", "new": "a b"}')])


def test_a_long_argument_counts_whole() -> None:
    """Two files that differ in the middle are two files."""
    assert called([("write", "a" * 2_500 + "1")]) != called([("write", "a" * 2_500 + "2")])


@pytest.mark.parametrize(
    ("roles", "step"),
    [
        ([], range(0)),
        (["system", "user"], range(2)),
        (["user", "assistant", "tool", "tool"], range(1, 4)),
        (["user", "assistant", "assistant", "tool"], range(1, 4)),
        (["user", "assistant", "user", "assistant", "user"], range(3, 5)),
        (["user", "assistant"], range(1)),
        (["user", "assistant", "user", "assistant"], range(1, 3)),
    ],
)
def test_the_newest_step(roles: list[str], step: range) -> None:
    """The last answer and what came back; words put into the model's mouth at the end are no answer."""
    assert newest(roles) == step
