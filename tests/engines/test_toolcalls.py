"""Tool calls are found in the text wherever it is cut, and what is no call stays text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.engines.families import FAMILIES
from pointsman.engines.protocol import ToolCall
from pointsman.engines.toolcalls import ToolCallParser

Pieces = list[str | ToolCall]
ROME = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
CALL = ToolCall(name="weather", arguments='{"city": "Rome"}')


def parsed(*pieces: str) -> Pieces:
    """What comes out when these go in one after the other."""
    parser = ToolCallParser(FAMILIES["hermes"])
    return joined([out for piece in pieces for out in parser.feed(piece)] + parser.end())


def joined(pieces: Pieces) -> Pieces:
    """Neighbouring texts as one."""
    out: Pieces = []
    for piece in pieces:
        if out and isinstance(piece, str) and isinstance(out[-1], str):
            out[-1] += piece
        else:
            out.append(piece)
    return out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("plain", ["plain"]),
        (" \n", [" \n"]),
        (ROME, [CALL]),
        (f"Let me look.\n{ROME}", ["Let me look.", CALL]),
        (f"{ROME}\n{ROME}\n", [CALL, CALL]),
        (f"{ROME}\nDone.", [CALL, "\nDone."]),
        ("a < b <tool b", ["a < b <tool b"]),
        ("a <tool_call", ["a <tool_call"]),
        ('<tool_call>{"name": "f"}</tool_call>', [ToolCall("f", "{}")]),
        ('<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>', [ToolCall("f", '{"a": 1}')]),
        ('<tool_call>{"name": "f", "parameters": {"é": 1}}</tool_call>', [ToolCall("f", '{"é": 1}')]),
    ],
)
def test_calls_and_text(text: str, expected: Pieces) -> None:
    """Calls and text come out in order."""
    assert parsed(text) == expected


@pytest.mark.parametrize(
    "inner",
    ["", "not json", "[1]", '{"name": 3}', '{"name": ""}', '{"name": "f", "arguments": 7}', '{"name": "f", "arguments": {"a": NaN}}',
     '{"name": "f", "arguments": "no"}', "[" * 100_000],
)  # fmt: skip
def test_malformed(inner: str) -> None:
    """What is malformed comes back as the text it was."""
    text = f"<tool_call>{inner}</tool_call>"
    assert parsed(text) == [text]


def test_mark_in_argument() -> None:
    """The closing mark inside an argument does not end the call."""
    arguments = {"text": 'say "</tool_call>" twice </tool_call>'}
    body = json.dumps({"name": "echo", "arguments": arguments})
    assert parsed(f"<tool_call>{body}</tool_call>") == [ToolCall("echo", json.dumps(arguments))]


def test_missing_mark() -> None:
    """A call whose closing mark is missing counts when it is whole."""
    assert parsed(ROME.removesuffix("</tool_call>")) == [CALL]
    assert parsed('<tool_call>{"name": "wea') == ['<tool_call>{"name": "wea']


def test_no_leak() -> None:
    """Nothing of a call leaks while it is written."""
    parser = ToolCallParser(FAMILIES["hermes"])
    assert [out for char in ROME[:-1] for out in parser.feed(char)] == []


def test_text_is_not_held() -> None:
    """Text is not held longer than it may be a mark."""
    assert ToolCallParser(FAMILIES["hermes"]).feed("5 < 6") == ["5 < 6"]


_bits = st.sampled_from(
    ["<tool_call>", "</tool_call>", "<tool", "<", '"', "\\", "{", "}", " ", "\n", "x", ROME, '{"name": "f"}']
)


@given(st.lists(_bits).map("".join), st.data())
def test_cuts(text: str, data: st.DataObject) -> None:
    """How the text is cut changes nothing."""
    whole = parsed(text)
    assert parsed(*text) == whole
    at = data.draw(st.integers(0, len(text)))
    assert parsed(text[:at], text[at:]) == whole
