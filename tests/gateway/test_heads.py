"""The head of an answer."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from pointsman.gateway import heads
from pointsman.gateway.heads import Dates, head

DATE = b"date: now\r\n"


def test_a_head_is_its_status_its_date_and_its_headers() -> None:
    """In that order, each on a line."""
    assert head(404, [(b"x-a", b"1"), (b"x-b", b"a\tb \xe4")], DATE) == (
        b"HTTP/1.1 404 Not Found\r\ndate: now\r\nx-a: 1\r\nx-b: a\tb \xe4\r\n"
    )


def test_a_status_without_a_name_has_a_line_too() -> None:
    """An upstream may have said it."""
    assert head(529, [], DATE).startswith(b"HTTP/1.1 529 \r\n")


@pytest.mark.parametrize("name", [b"content-length", b"transfer-encoding", b"connection", b"date"])
def test_what_frames_a_body_is_not_a_headers_to_say(name: bytes) -> None:
    """A length of somebody else's would let two answers run into each other."""
    assert head(200, [(name, b"5")], DATE) == head(200, [], DATE)


@pytest.mark.parametrize("odd", [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\0b", b"a\x1bb", b"a\x7fb"])
@pytest.mark.parametrize("as_name", [False, True])
def test_no_header_makes_another_one(odd: bytes, as_name: bool) -> None:
    """Nor anything else than a header."""
    with pytest.raises(ValueError, match="control"):
        head(200, [(odd, b"1") if as_name else (b"x", odd)], DATE)


def test_the_date_is_written_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is that second's."""
    dates, now = Dates(), 1_700_000_000.2
    monkeypatch.setattr(heads.time, "time", lambda: now)
    first = dates.line()
    assert parsedate_to_datetime(first.decode()[6:].strip()).timestamp() == 1_700_000_000
    now += 0.5
    assert dates.line() is first
    now += 0.5
    assert dates.line() != first
