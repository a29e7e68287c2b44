"""Server-Sent Events, in any pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire import sse

STREAM = b'event: a\ndata: {"x": 1}\n\n: comment\n\ndata: two\ndata: lines\n\r\ndata: crlf\r\n\r\ndata: [DONE]\n\n'


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    """Fed in any pieces, the events are those of the whole."""
    parser, at, events = sse.Parser(), 0, []
    for cut in [*sorted(cuts), len(STREAM)]:
        events += parser.feed(STREAM[at:cut])
        at = cut
    assert events == sse.Parser().feed(STREAM)
    assert b"".join(event.raw for event in events) == STREAM


@given(st.binary(max_size=200))
def test_any_bytes_are_kept(data: bytes) -> None:
    """Whatever comes, no byte is lost between events and rest."""
    parser = sse.Parser()
    events = parser.feed(data)
    assert b"".join(event.raw for event in events) + parser.rest == data


def test_fields() -> None:
    """Names, several data lines, comments."""
    first, comment, lines, *_ = sse.Parser().feed(STREAM)
    assert (first.name, first.data) == ("a", b'{"x": 1}')
    assert (comment.name, comment.data) == ("", b"")
    assert lines.data == b"two\nlines"


def test_what_is_written_is_read() -> None:
    """Encode and parse are each other's inverse."""
    event = sse.parse(sse.encode(b'{"a":1}', "snapshot"))
    assert (event.name, event.data) == ("snapshot", b'{"a":1}')
