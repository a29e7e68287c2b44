"""Answers written in each dialect: the vendors' types accept them, and reading them gives back what was said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import anthropic.types
import msgspec
import openai.types.chat
import openai.types.responses
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pointsman.core.pricing import Meters
from pointsman.wire import sse
from pointsman.wire.dialects import DIALECTS, Dialect
from pointsman.wire.messages import FOREIGN
from pointsman.wire.translate.answers import Answering, Reader, Writer
from pointsman.wire.translate.neutral import Argued, Began, Called, Ended, Event, Said, Thought

METERS = Meters(fresh_input=90, cache_read=10, output=7)
CHUNKS: dict[str, TypeAdapter[Any]] = {
    "chat": TypeAdapter(openai.types.chat.ChatCompletionChunk),
    "responses": TypeAdapter(openai.types.responses.ResponseStreamEvent),
    "messages": TypeAdapter(anthropic.types.RawMessageStreamEvent),
}
WHOLES: dict[str, TypeAdapter[Any]] = {
    "chat": TypeAdapter(openai.types.chat.ChatCompletion),
    "responses": TypeAdapter(openai.types.responses.Response),
    "messages": TypeAdapter(anthropic.types.Message),
}
names = st.from_regex(r"[a-z][a-z_]{0,10}", fullmatch=True)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Reasoning, then text, then calls, as models answer; every part may be missing."""
    events: list[Event] = [Began()]
    events += [Thought(text) for text in draw(st.lists(words, max_size=3))]
    events += [Said(text) for text in draw(st.lists(words, max_size=4))]
    called = draw(st.lists(names, max_size=3))
    for at, name in enumerate(called):
        events += [Called(at, f"call_{at}", name), Argued(at, "{}")]
    finish = "tool_calls" if called else draw(st.sampled_from(["stop", "length", "content_filter"]))
    return [*events, Ended(finish, METERS)]


def about() -> Answering:
    """An answer of the starter."""
    return Answering(id="abc", model="starter", created=1_790_000_000)


def writer(dialect: Dialect) -> Writer:
    """A fresh one."""
    return dialect.writer(about())


def told(events: Sequence[Event]) -> dict[str, Any]:
    """What an answer says, however it is cut into pieces."""
    calls = {event.at: [event.id, event.name, ""] for event in events if isinstance(event, Called)}
    for event in events:
        if isinstance(event, Argued):
            calls[event.at][2] += event.text
    (end,) = [event for event in events if isinstance(event, Ended)]
    return {
        "thought": "".join(event.text for event in events if isinstance(event, Thought)),
        "said": "".join(event.text for event in events if isinstance(event, Said)),
        "calls": [[id_, name, arguments or "{}"] for id_, name, arguments in calls.values()],
        "finish": end.finish,
    }


def heard(reader: Reader, stream: bytes) -> list[Event]:
    """All events of a stream that came byte by byte."""
    parser = sse.Parser()
    pieces = (stream[at : at + 1] for at in range(len(stream)))
    return [event for piece in pieces for found in parser.feed(piece) for event in reader.stream(found)]


@pytest.mark.parametrize("name", DIALECTS)
@given(events=answers())
def test_a_stream_read_again_says_the_same(name: str, events: list[Event]) -> None:
    """Whatever the pieces in which it arrives."""
    dialect = DIALECTS[name]
    writing = writer(dialect)
    stream = b"".join(data for event in events for data in writing.stream(event))
    assert told(heard(dialect.reader(), stream)) == told(events)


@pytest.mark.parametrize("name", DIALECTS)
@given(events=answers())
def test_a_whole_answer_read_again_says_the_same(name: str, events: list[Event]) -> None:
    """One body."""
    dialect = DIALECTS[name]
    assert told(dialect.reader().whole(writer(dialect).whole(events))) == told(events)


@pytest.mark.parametrize("name", DIALECTS)
@given(events=answers())
def test_the_vendors_types_accept_what_is_written(name: str, events: list[Event]) -> None:
    """Every event, and the whole answer."""
    dialect = DIALECTS[name]
    WHOLES[name].validate_json(writer(dialect).whole(events))
    writing = writer(dialect)
    for event in events:
        for data in writing.stream(event):
            found = sse.parse(data)
            if found.data != b"[DONE]":
                CHUNKS[name].validate_json(found.data)


@pytest.mark.parametrize("name", DIALECTS)
@given(events=answers())
def test_the_scan_finds_the_usage_that_was_written(name: str, events: list[Event]) -> None:
    """What is told to the client is what a gateway behind it would bill."""
    dialect = DIALECTS[name]
    writing, scan = writer(dialect), dialect.scan()
    for event in events:
        for data in writing.stream(event):
            scan.data(sse.parse(data).data)
    assert scan.meters == METERS
    whole = dialect.scan()
    whole.data(writer(dialect).whole(events))
    assert whole.meters == METERS


@pytest.mark.parametrize("name", DIALECTS)
def test_one_event_is_one_write(name: str) -> None:
    """Some clients lose an event that comes in two pieces."""
    writing = writer(DIALECTS[name])
    for event in (
        Began(),
        Thought("hm"),
        Said("yes"),
        Called(0, "c", "f"),
        Argued(0, "{}"),
        Ended("tool_calls", METERS),
    ):
        for data in writing.stream(event):
            assert len(sse.Parser().feed(data)) == 1


def test_responses_count_their_events() -> None:
    """`sequence_number` grows by one from 0."""
    writing = writer(DIALECTS["responses"])
    events: list[Event] = [Began(), Said("yes"), Ended("stop", METERS)]
    numbers = [b'"sequence_number":%d' % at for at in range(9)]
    stream = [data for event in events for data in writing.stream(event)]
    assert all(number in data for number, data in zip(numbers, stream, strict=True))


def test_responses_repeat_what_was_asked() -> None:
    """Clients read their own settings back from the response."""
    asked = {"temperature": 0.2, "metadata": {"a": "b"}, "instructions": "Be brief.", "input": "not repeated"}
    body = DIALECTS["responses"].writer(Answering(id="a", model="m", created=0, asked=asked)).whole([Ended("stop")])
    response = openai.types.responses.Response.model_validate_json(body)
    assert (response.temperature, response.metadata, response.instructions) == (0.2, {"a": "b"}, "Be brief.")


def test_a_refusal_stays_one() -> None:
    """Chat completions and Responses both have a place of their own for it."""
    for name in ("chat", "responses"):
        dialect = DIALECTS[name]
        events: list[Event] = [Began(), Said("No.", refusal=True), Ended("stop", METERS)]
        again = dialect.reader().whole(writer(dialect).whole(events))
        assert [event for event in again if isinstance(event, Said)] == [Said("No.", refusal=True)]


def test_nonsense_of_a_provider_is_a_value_error() -> None:
    """The caller makes a sentence of it."""
    for dialect in DIALECTS.values():
        with pytest.raises(ValueError, match=r".+"):
            dialect.reader().whole(b"<html>")


def chunks(*deltas: dict[str, Any], finish: str = "tool_calls") -> bytes:
    """A stream of chat completions."""
    told = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    told.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return b"".join(sse.encode(json.dumps(one).encode()) for one in told) + sse.DONE


def called(index: int, id_: str, name: str, arguments: str = "{}") -> dict[str, Any]:
    """A piece of a call."""
    return {"tool_calls": [{"index": index, "id": id_, "function": {"name": name, "arguments": arguments}}]}


def test_calls_of_one_index_are_told_apart_by_their_ids() -> None:
    """Google gives each of several calls the index 0, and says `stop` in the end."""
    stream = chunks(called(0, "a", "f"), called(0, "b", "g"), finish="stop")
    found = told(heard(DIALECTS["chat"].reader(), stream))
    assert found["calls"] == [["a", "f", "{}"], ["b", "g", "{}"]]
    assert found["finish"] == "tool_calls"


@pytest.mark.parametrize("name", ["responses", "messages"])
def test_calls_that_come_mixed_keep_their_own_arguments(name: str) -> None:
    """Dialects that have one block open at a time get them one after the other."""
    more = [{"tool_calls": [{"index": at, "function": {"arguments": text}}]} for at, text in ((0, "{}"), (1, "[1]"))]
    stream = chunks(called(0, "a", "f", ""), called(1, "b", "g", ""), *more)
    writing = writer(DIALECTS[name])
    over = b"".join(data for event in heard(DIALECTS["chat"].reader(), stream) for data in writing.stream(event))
    assert told(heard(DIALECTS[name].reader(), over))["calls"] == [["a", "f", "{}"], ["b", "g", "[1]"]]


def test_a_free_call_has_the_shape_in_which_chat_offers_such_tools() -> None:
    """An SDK reads its text under `custom`."""
    events: list[Event] = [Began(), Called(0, "c", "patch", free=True), Argued(0, "raw"), Ended("tool_calls")]
    (call,) = json.loads(writer(DIALECTS["chat"]).whole(events))["choices"][0]["message"]["tool_calls"]
    assert call == {"id": "c", "type": "custom", "custom": {"name": "patch", "input": "raw"}}
    writing = writer(DIALECTS["chat"])
    stream = b"".join(data for event in events for data in writing.stream(event))
    assert told(heard(DIALECTS["chat"].reader(), stream))["calls"] == [["c", "patch", "raw"]]


def test_logprobs_go_over_between_chat_and_responses() -> None:
    """Streamed and whole."""
    one = {"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}
    logprobs = msgspec.Raw(json.dumps({"content": [one], "refusal": None}).encode())
    events: list[Event] = [Began(), Said("a", logprobs=logprobs), Ended("stop", METERS)]
    responses = DIALECTS["responses"]
    whole = writer(responses).whole(events)
    assert openai.types.responses.Response.model_validate_json(whole).output[0].to_dict()["content"] == [
        {"type": "output_text", "text": "a", "annotations": [], "logprobs": [one]}
    ]
    writing = writer(responses)
    stream = b"".join(data for event in events for data in writing.stream(event))
    for again in (responses.reader().whole(whole), heard(responses.reader(), stream)):
        completion = json.loads(writer(DIALECTS["chat"]).whole(again))
        assert completion["choices"][0]["logprobs"] == {"content": [one]}


def test_reasoning_of_another_model_is_signed_as_such() -> None:
    """So that it can be taken out before a vendor sees it; what is hidden alone makes no block."""
    messages = DIALECTS["messages"]
    events: list[Event] = [Began(), Thought("Hm."), Said("Yes."), Thought(hidden="x"), Ended("stop", METERS)]
    blocks = json.loads(writer(messages).whole(events))["content"]
    assert blocks == [
        {"type": "thinking", "thinking": "Hm.", "signature": FOREIGN},
        {"type": "text", "text": "Yes."},
    ]
    writing = writer(messages)
    stream = [data for event in events for data in writing.stream(event)]
    assert sum(FOREIGN.encode() in data for data in stream) == 1
    assert [event.signature for event in heard(messages.reader(), b"".join(stream)) if isinstance(event, Thought)] == [
        "",
        FOREIGN,
    ]
