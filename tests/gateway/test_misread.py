"""What the log says of requests of which nothing could be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.core.errors import BadRequest
from pointsman.gateway import misread
from pointsman.wire.body import understood


@pytest.fixture
def log(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a gateway that has just started."""
    monkeypatch.setattr(misread, "_told", set())
    return home / "logs" / "misread.log"


@understood("chat")
def work(given: dict[str, str]) -> str:
    """Fails where a name is not there."""
    return given["sk-secret"]


@understood("chat")
def convert(given: str) -> int:
    """Fails where it is no number."""
    return int(given)


def refused(given: str | None = None) -> None:
    """A request of which nothing can be made."""
    with pytest.raises(BadRequest) as raised:
        convert(given) if given else work({})
    misread.note(raised.value)


def test_it_names_types_and_lines_but_no_values(log: Path) -> None:
    """The text of the error may be somebody's."""
    refused()
    refused("my private words")
    told = log.read_text("utf-8")
    assert "builtins.KeyError" in told and "test_misread.py:" in told and " convert\n" in told
    assert "sk-secret" not in told and "private" not in told


def test_each_line_of_code_is_told_once(log: Path) -> None:
    """However often a client sends its nonsense."""
    for given in ("a", "b", "c"):
        refused(given)
    assert log.read_text("utf-8").count("builtins.ValueError") == 1


def test_it_does_not_grow_without_end(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ways are found."""
    monkeypatch.setattr(misread, "_MOST", 1)
    refused()
    refused("a")
    assert "ValueError" not in log.read_text("utf-8")


def test_what_was_foreseen_is_not_told(log: Path) -> None:
    """A refusal with a reason of its own."""
    misread.note(BadRequest("No."))
    assert not log.exists()


def test_where_nothing_can_be_written_the_refusal_stands(log: Path) -> None:
    """The client hears it all the same."""
    log.mkdir(parents=True)
    refused()
    assert log.is_dir()
