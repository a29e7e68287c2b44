"""Bytes of tokens become whole characters, up to a stop string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.engines.answer import Answer, StopStrings
from pointsman.engines.protocol import Calls, Text


def written(answer: Answer, *pieces: bytes) -> str:
    """All text of an answer."""
    events = [event for piece in pieces for event in answer.feed(piece)] + answer.end()
    return "".join(event.text for event in events if isinstance(event, Text))


def test_character_over_two_tokens() -> None:
    """A character over two tokens is held until it is whole."""
    answer = Answer("a", [], with_tools=False)
    assert answer.feed("é".encode()[:1]) == []
    assert answer.feed("é".encode()[1:]) == [Text("a", "é")]


def test_half_a_character() -> None:
    """Half a character at the end is dropped."""
    assert written(Answer("a", [], with_tools=False), b"ok", "🙂".encode()[:3]) == "ok"


def test_stop_string() -> None:
    """The text before a stop string is kept and the rest is not."""
    answer = Answer("a", ["END"], with_tools=False)
    assert written(answer, b"one E", b"N", b"D two") == "one "
    assert answer.stopped


def test_almost_a_stop_string() -> None:
    """What only looked like a stop string is given back."""
    answer = Answer("a", ["END"], with_tools=False)
    assert written(answer, b"one EN", b"T") == "one ENT"
    assert written(Answer("a", ["END"], with_tools=False), b"one EN") == "one EN"
    assert not answer.stopped


def test_tool_calls() -> None:
    """Tool calls are events only when the request has tools."""
    text = b'<tool_call>{"name": "f"}</tool_call>'
    answer = Answer("a", [], with_tools=True)
    assert [type(event) for event in answer.feed(text)] == [Calls] and answer.called
    assert written(Answer("a", [], with_tools=False), text) == text.decode()


@given(st.text("abé", max_size=30), st.lists(st.text("abé", min_size=1, max_size=4), max_size=3))
def test_byte_by_byte(text: str, stops: list[str]) -> None:
    """Fed one byte at a time equals fed whole."""
    raw = text.encode()
    whole = written(Answer("a", stops, with_tools=False), raw)
    assert written(Answer("a", stops, with_tools=False), *(raw[at : at + 1] for at in range(len(raw)))) == whole


def test_overlapping_stop_strings() -> None:
    """Of stop strings that overlap the first to be complete counts."""
    assert StopStrings(["aba", "b"]).feed("aba") == "a"


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_no_stop_string_in_text(text: str, stops: list[str]) -> None:
    """No stop string is ever in the text."""
    cut = StopStrings(stops)
    out = "".join(map(cut.feed, text)) + cut.end()
    assert text.startswith(out) and not any(stop in out for stop in stops)


@pytest.mark.parametrize("stops", [[], [""]])
def test_nothing_held(stops: list[str]) -> None:
    """Without stop strings nothing is held."""
    assert StopStrings(stops).feed("abc") == "abc"
