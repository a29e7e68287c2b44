"""Bytes of tokens become whole characters, up to a stop string."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.engines.answer import Answer, StopStrings, reader_for
from pointsman.engines.families import FAMILIES, Marks
from pointsman.engines.protocol import Calls, Chat, Logprob, Text, Thought

THINK = Marks("<think>", "</think>")


def answer_to(stops: list[str], marks: Marks | None = None, **fields: Any) -> Answer:
    """An answer of a Hermes model to a request with these fields."""
    return Answer("a", stops, reader_for(Chat(id="a", messages=[], **fields), FAMILIES["hermes"], marks, ""))


def written(answer: Answer, *pieces: bytes) -> str:
    """All text of an answer."""
    events = [event for piece in pieces for event in answer.feed(piece)] + answer.end()
    return "".join(event.text for event in events if isinstance(event, Text))


def test_character_over_two_tokens() -> None:
    """A character over two tokens is held until it is whole."""
    answer = answer_to([])
    assert answer.feed("é".encode()[:1]) == []
    assert answer.feed("é".encode()[1:]) == [Text("a", "é")]


def test_half_a_character() -> None:
    """Half a character at the end is dropped."""
    assert written(answer_to([]), b"ok", "🙂".encode()[:3]) == "ok"


def test_stop_string() -> None:
    """The text before a stop string is kept and the rest is not."""
    answer = answer_to(["END"])
    assert written(answer, b"one E", b"N", b"D two") == "one "
    assert answer.stopped


def test_almost_a_stop_string() -> None:
    """What only looked like a stop string is given back."""
    answer = answer_to(["END"])
    assert written(answer, b"one EN", b"T") == "one ENT"
    assert written(answer_to(["END"]), b"one EN") == "one EN"
    assert not answer.stopped


def test_tool_calls() -> None:
    """Tool calls are events only when the request has tools."""
    text = b'<tool_call>{"name": "f"}</tool_call>'
    answer = answer_to([], tools=[{"function": {"name": "f"}}])
    assert [type(event) for event in answer.feed(text)] == [Calls] and answer.called
    assert written(answer_to([]), text) == text.decode()


@given(st.text("abé", max_size=30), st.lists(st.text("abé", min_size=1, max_size=4), max_size=3))
def test_byte_by_byte(text: str, stops: list[str]) -> None:
    """Fed one byte at a time equals fed whole."""
    raw = text.encode()
    whole = written(answer_to(stops), raw)
    assert written(answer_to(stops), *(raw[at : at + 1] for at in range(len(raw)))) == whole


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


def test_stop_string_in_reasoning() -> None:
    """A stop string counts in what is said, not in reasoning and not in calls."""
    answer = answer_to(["Rome"], THINK, tools=[{"function": {"name": "f"}}])
    events = answer.feed(
        b'<think>Rome?</think>To <tool_call>{"name": "f", "arguments": {"a": "Rome"}}</tool_call>Rome is'
    )
    assert [type(event) for event in events] == [Thought, Text, Calls] and answer.stopped


def test_held_text_before_a_call() -> None:
    """What only looked like a stop string is said before the call that follows it."""
    answer = answer_to(["END"], tools=[{"function": {"name": "f"}}])
    events = answer.feed(b'EN<tool_call>{"name": "f"}</tool_call>')
    assert events[0] == Text("a", "EN") and isinstance(events[1], Calls)


def test_thinking() -> None:
    """It is known whether the next token is reasoning."""
    answer = answer_to([], THINK)
    states = [
        (answer.feed(piece) and answer.thinking) or answer.thinking for piece in (b"<think>", b"x", b"</think>", b"y")
    ]
    assert states == [True, True, False, False]


def test_logprobs_go_with_their_text() -> None:
    """Each text carries the logprobs of its tokens, also of those that were held back; reasoning carries none."""
    told = [Logprob(name, -1.0, []) for name in "abcd"]
    answer = answer_to(["END"], THINK)
    pieces = [b"<think>so</think>", b"one E", b"N", b"S"]
    events = [event for piece, one in zip(pieces, told, strict=True) for event in answer.feed(piece, one)]
    assert [[one.token for one in event.logprobs] for event in events if isinstance(event, Text)] == [["b"], ["c", "d"]]
