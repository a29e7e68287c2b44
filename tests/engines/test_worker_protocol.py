"""Commands and events survive the wire, and nothing else is taken for one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.engines import protocol as p

_text = st.text(st.characters(exclude_categories=["Cs"]))
_events = st.one_of(
    st.builds(
        p.Ready, protocol=st.integers(0, 9), model=_text, context=st.integers(0, 1 << 20), load_seconds=st.floats(0, 9)
    ),
    st.builds(p.Unloadable, message=_text),
    st.builds(p.Started, id=_text, prompt_tokens=st.integers(0, 99), cached_tokens=st.integers(0, 99)),
    st.builds(
        p.Text, id=_text, text=_text, logprobs=st.lists(st.builds(p.Logprob, _text, st.floats(-9, 0), st.just([1])))
    ),
    st.builds(p.Thought, id=_text, text=_text),
    st.builds(p.Calls, id=_text, calls=st.lists(st.builds(p.ToolCall, name=_text, arguments=_text))),
    st.builds(p.Vector, id=_text, at=st.integers(0, 9), numbers=st.binary()),
    st.builds(p.End, id=_text, finish=_text, prompt_tokens=st.integers(0, 9), completion_tokens=st.integers(0, 9)),
    st.builds(p.Failed, id=_text, code=_text, message=_text),
    st.builds(
        p.Pong,
        steps=st.integers(0),
        active=st.integers(0),
        waiting=st.integers(0),
        resident_bytes=st.integers(0, 1 << 40),
    ),
)
_commands = st.one_of(
    st.builds(p.Chat, id=_text, messages=st.lists(st.dictionaries(_text, _text)), seed=st.none() | st.integers(0, 9)),
    st.builds(p.Embed, id=_text, inputs=st.lists(_text), dimensions=st.none() | st.integers(0, 9)),
    st.builds(p.Cancel, id=_text),
    st.just(p.Ping()),
    st.just(p.Quit()),
)


@given(_events)
def test_events(event: p.Event) -> None:
    """An event is one line and comes back."""
    line = p.encode(event)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert p.decode_event(line) == event


@given(_commands)
def test_commands(command: p.Command) -> None:
    """A command is one line and comes back."""
    line = p.encode(command)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert p.decode_command(line) == command


@pytest.mark.parametrize("line", [b"", b"{}", b"llama: hello", b'{"op":"sing"}', b'{"ev":"text","id":"a","text":"b"}'])
def test_no_command(line: bytes) -> None:
    """What is no command is refused."""
    with pytest.raises(msgspec.DecodeError):
        p.decode_command(line)
