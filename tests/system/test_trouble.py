from __future__ import annotations

from pathlib import Path

from pointsman.system import trouble


def failed() -> Exception:
    """An error with a cause, both with a secret in their text."""
    try:
        look_up()
    except ValueError as error:
        return error
    raise AssertionError


def look_up() -> None:
    """Fails, for another reason."""
    try:
        _ = {}["sk-secret"]
    except KeyError as cause:
        raise ValueError("holds sk-secret") from cause


def test_a_report_names_types_and_lines() -> None:
    """The error, then its cause, each with where it was raised."""
    lines = trouble.report(failed()).splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["builtins.ValueError", "builtins.KeyError"]
    places = [line.split()[-1] for line in lines if "test_trouble.py:" in line]
    assert places == ["failed", "look_up", "look_up"]


def test_a_report_holds_no_values() -> None:
    """The message of an error may hold a secret, so it stays out."""
    assert "sk-secret" not in trouble.report(failed())


def test_a_ring_of_errors_ends() -> None:
    """Errors that are each other's context are told once each."""
    one, two = ValueError(), KeyError()
    one.__context__, two.__context__ = two, one
    assert trouble.report(one).splitlines() == ["builtins.ValueError", "builtins.KeyError"]


def test_the_sentence_names_the_log(home: Path) -> None:
    """A person is told where the lines are."""
    assert trouble.sentence(failed()).endswith(f"The lines are in {home / 'logs' / 'errors.log'}.")


def test_a_home_that_cannot_be_written_is_no_second_error(home: Path, tmp_path: Path) -> None:
    """Where the home cannot be made the log goes to a temporary folder."""
    home.write_text("a file stands where the home should be")
    assert "errors.log" in trouble.sentence(failed())
