"""A conversation as a summary: what a model is asked, and how its words are told."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from openai.types.responses import CompactedResponse, Response

from pointsman.core.errors import BadRequest
from pointsman.core.pricing import Meters
from pointsman.core.request import Hints, Verdict
from pointsman.wire import compacting, sse
from pointsman.wire.body import Change, raw
from pointsman.wire.dialects import Dialect
from pointsman.wire.surfaces import SURFACES, TRIGGERED
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.neutral import Began, Call, Choice, Ended, Event, Result, Said, Text, Thought

CALL = {"type": "function_call", "call_id": "c", "name": "read", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "42"}
TOOL = {"type": "function", "name": "read", "parameters": {"type": "object"}}
USER = {"role": "user", "content": "Read it."}
METERS = Meters(fresh_input=10, output=5)
SAID: list[Event] = [Began(), Thought("Hm."), Said("It "), Said("is 42."), Ended("stop", METERS)]


def body(*items: Any, **more: Any) -> bytes:
    """A request."""
    return json.dumps({"model": "m", "input": list(items), **more}).encode()


def about(*items: Any) -> Answering:
    """An answer to these, whose seal is to be seen."""
    return Answering(id="1", model="m", created=5, asked={"input": list(items)}, seal=lambda text: f"<{text}>")


def test_the_conversation_is_asked_for_its_summary() -> None:
    """With its tools, of which none may be used, and in no format."""
    form = {"format": {"type": "json_object"}}
    prompt = compacting.prompt(body(USER, CALL, RESULT, {"type": "compaction_trigger"}, tools=[TOOL], text=form))
    assert [turn.role for turn in prompt.turns] == ["user", "assistant", "tool", "user"]
    assert (len(prompt.tools), prompt.choice, prompt.format, prompt.lost) == (1, Choice("none"), None, ())
    (last,) = prompt.turns[-1].parts
    assert isinstance(last, Text) and last.text.startswith("Write a summary of this conversation")


def test_calls_are_words_where_no_tool_is_offered() -> None:
    """Some vendors refuse a call of a tool that they do not know."""
    prompt = compacting.prompt(body(USER, CALL, RESULT))
    assert [turn.role for turn in prompt.turns] == ["user", "assistant", "user", "user"]
    assert not any(isinstance(part, Call | Result) for turn in prompt.turns for part in turn.parts)
    assert "".join(part.text for part in prompt.turns[2].parts if isinstance(part, Text)) == "[Result: 42]\n"


def test_it_is_a_compaction_to_all_that_decides() -> None:
    """A bad summary spoils the rest of a session, so it is not for this machine; the question is counted."""
    for surface in (SURFACES["compact"], TRIGGERED):
        read = surface.read("r", body(USER), Hints(), lambda _: Verdict())
        assert (read.dialect, read.hints.kind, read.extra_tokens, read.unpriced) == (
            "responses",
            "compaction",
            600,
            None,
        )


@pytest.mark.parametrize("surface", [SURFACES["compact"], TRIGGERED])
def test_it_asks_for_no_form(surface: Dialect) -> None:
    """Though answers have one: a model that cannot promise it can still sum up. What a vendor adds for it is bounded."""
    form = {"format": {"type": "json_schema", "name": "n", "schema": {}}}
    plain, formed = (surface.read("r", body(USER, text=text), Hints(), lambda _: Verdict()) for text in ({}, form))
    assert (formed.schema, formed.extra_tokens - plain.extra_tokens) == (False, 1_000)


def test_with_a_trigger_it_keeps_its_limit() -> None:
    """For there every upstream gets one."""
    read = TRIGGERED.read("r", body(USER, max_output_tokens=50), Hints(), lambda _: Verdict())
    assert (read.max_tokens, read.unlimited) == (50, False)


def test_its_own_path_has_no_stream_and_no_limit_of_the_clients() -> None:
    """The vendor's model says as much as it can say."""
    read = SURFACES["compact"].read("r", body(USER, max_output_tokens=50), Hints(), lambda _: Verdict())
    assert (read.max_tokens, read.unlimited) == (None, True)
    with pytest.raises(BadRequest, match="'stream' is not known"):
        SURFACES["compact"].read("r", body(USER, stream=True), Hints(), lambda _: Verdict())


@pytest.mark.parametrize("nothing", [body(), b'{"model": "local"}'], ids=["empty", "none"])
def test_nothing_is_not_compacted(nothing: bytes) -> None:
    """Nobody pays for the summary of no conversation."""
    with pytest.raises(BadRequest, match="There is nothing to compact"):
        SURFACES["compact"].read("r", nothing, Hints(), lambda _: Verdict())


def test_a_vendors_own_compaction_marks_the_request() -> None:
    """It can only go where it can be read."""
    sealed = {"type": "compaction", "encrypted_content": "gAAAA"}
    read = SURFACES["responses"].read("r", body(sealed, USER), Hints(), lambda _: Verdict())
    assert (read.sealed, read.unpriced) == (True, None)
    assert not SURFACES["responses"].read("r", body(USER), Hints(), lambda _: Verdict()).sealed


def test_the_bytes_pass_without_a_limit() -> None:
    """For a provider that compacts by itself."""
    sent = json.loads(SURFACES["compact"].splice(body(USER, prompt_cache_key="k"), Change(model="real", output=9)))
    assert sent == {"model": "real", "input": [USER], "prompt_cache_key": "k"}


def test_the_answer_is_of_its_vendors_type() -> None:
    """Messages of the user, but for one that stood for an earlier compaction; then the item."""
    before = json.loads(bytes(compacting.opened("Earlier.")))
    whole = compacting.CompactWriter(about(USER, CALL, RESULT, before)).whole(SAID)
    output = json.loads(whole)["output"]  # the SDK's type has no name for messages of the user, which its text promises
    told = CompactedResponse.model_validate({**json.loads(whole), "output": output[-1:]})
    assert (told.object, told.usage.output_tokens, told.created_at) == ("response.compaction", 5, 5)
    assert [item["type"] for item in output] == ["message", "compaction"]
    assert output[0]["content"] == [{"type": "input_text", "text": "Read it."}]
    assert output[1] == {"id": "cmp_1", "type": "compaction", "encrypted_content": "<It is 42.>"}


def test_a_text_is_a_message_of_the_users() -> None:
    """As an input may be."""
    writer = compacting.CompactWriter(Answering(id="1", model="m", created=5, asked={"input": "Hi"}))
    assert [item["type"] for item in json.loads(writer.whole(SAID))["output"]] == ["message", "compaction"]
    assert writer.stream(Began()) == []


def test_a_stream_has_one_item() -> None:
    """Announced with the first words, whole after the last."""
    writer = compacting.SummaryWriter(about(USER))
    frames = [json.loads(sse.parse(frame).data) for event in SAID for frame in writer.stream(event)]
    assert [frame["type"].removeprefix("response.") for frame in frames] == [
        *("created", "in_progress", "output_item.added", "compaction.compacting", "output_item.done", "completed"),
    ]
    assert [frame["sequence_number"] for frame in frames] == list(range(6))
    assert frames[2]["item"]["encrypted_content"] == ""
    assert frames[4]["item"]["encrypted_content"] == "<It is 42.>"
    last = Response.model_validate(frames[5]["response"])
    assert ([item.type for item in last.output], last.status) == (["compaction"], "completed")
    assert json.loads(compacting.SummaryWriter(about(USER)).whole(SAID))["output"] == frames[5]["response"]["output"]


def test_a_whole_compaction_is_metered() -> None:
    """It has usage and no status."""
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    scan = compacting.CompactScan()
    seen = scan.data(json.dumps({"object": "response.compaction", "output": [], "usage": usage}).encode())
    assert (seen.content, seen.done, seen.error, scan.finish) == (True, True, False, "completed")
    assert scan.meters == METERS
    for odd in (b"\xff", b'{"error":{"message":"no"}}'):
        assert compacting.CompactScan().data(odd).done is False


@pytest.mark.parametrize("item", [{"type": "compaction"}, {"type": "message"}, {"type": 5}, "compaction", None])
def test_what_holds_no_compaction_says_so(item: Any) -> None:
    """Whatever a client sends."""
    assert compacting.sealed(raw(item)) is None
    assert not compacting.triggered([raw(item)])


@pytest.mark.parametrize("kind", ["compaction", "compaction_summary", "context_compaction"])
def test_each_name_of_it_is_known(kind: str) -> None:
    """Clients differ."""
    assert compacting.sealed(raw({"type": kind, "encrypted_content": "x"})) == "x"


def test_a_type_may_be_written_in_other_letters() -> None:
    """As JSON lets any letter be written."""
    assert compacting.sealed(msgspec.Raw(b'{"type":"c\\u006fmpaction","encrypted_content":"x"}')) == "x"
    assert compacting.triggered([msgspec.Raw(b'{"type":"c\\u006fmpaction_trigger"}')])


def test_only_the_last_item_asks() -> None:
    """What was asked for before is answered already."""
    trigger = raw({"type": "compaction_trigger"})
    assert compacting.triggered([raw(USER), trigger])
    assert not compacting.triggered([trigger, raw(USER)])
    assert not compacting.triggered([])


def test_an_earlier_trigger_says_nothing_to_another_model() -> None:
    """It is no turn of the conversation."""
    prompt = compacting.prompt(body(USER, {"type": "compaction_trigger"}, USER))
    assert ([turn.role for turn in prompt.turns], prompt.lost) == (["user"] * 3, ())
