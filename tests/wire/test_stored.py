"""Responses with state: what a request continues from, and how a kept response is told again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from openai.types.responses import Response

from pointsman.core.errors import BadRequest
from pointsman.wire import sse, stored
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.answers.responses import ResponsesWriter
from pointsman.wire.translate.neutral import Argued, Began, Called, Ended, Event, Said

EVENTS: list[Event] = [Began(), Said("Hello"), Called(0, "call_1", "read"), Argued(0, "{}"), Ended("tool_calls")]
ABOUT = Answering(id="1", model="m", created=5)


def given(**fields: Any) -> stored.Given:
    """What a body says of state."""
    return stored.given(json.dumps({"model": "m", **fields}).encode())


def response(*output: dict[str, Any], **fields: Any) -> bytes:
    """A response with this output."""
    return json.dumps({"id": "resp_1", "status": "completed", "output": list(output), **fields}).encode()


def values(rows: Any) -> list[Any]:
    """Items, read."""
    return [json.loads(bytes(row)) for row in rows]


def test_what_goes_in_is_items() -> None:
    """A text is a message; items keep their bytes; what is neither is nothing, for reading it will refuse."""
    text = {"type": "input_text", "text": "Hi"}
    assert values(stored.items(given(input="Hi"))) == [{"type": "message", "role": "user", "content": [text]}]
    raw = b'{"model":"m","input":[ {"role" : "user"} ]}'
    assert [bytes(one) for one in stored.items(stored.given(raw))] == [b'{"role" : "user"}']
    assert [stored.items(given(input=odd)) for odd in (5, None, {}, "")] == [[], [], [], []]


def test_the_body_gets_the_whole_conversation() -> None:
    """And loses what only this machine knows of; the rest keeps its bytes."""
    body = b'{"model":"m","previous_response_id":"r","background":true,"input":"x","tools":[ 1 ]}'
    rows = stored.apart(b'[{"a": 1},{"b":2}]')
    assert stored.expanded(body, rows) == b'{"model":"m","input":[{"a": 1},{"b":2}],"tools":[ 1 ]}'
    assert stored.expanded(b'{"background":false,"input":"x"}', None) == b'{"input":"x"}'


def test_reasoning_that_its_maker_can_read_goes_along() -> None:
    """With all ids, by which they belong together."""
    sealed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "n", "arguments": "{}"}
    assert values(stored.spoken(response(sealed, call))) == [sealed, call]


def test_reasoning_that_nobody_can_read_is_left_out() -> None:
    """With the ids, by which its maker would look for it."""
    open_ = {"type": "reasoning", "id": "rs_1", "summary": []}
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "n", "arguments": "{}"}
    assert values(stored.spoken(response(open_, call))) == [{name: call[name] for name in call if name != "id"}]


def test_what_needs_state_that_is_not_kept_is_refused() -> None:
    """By name."""
    with pytest.raises(BadRequest, match="'background'"):
        given(background=True, store=False)


def test_reasoning_told_in_the_open_goes_along() -> None:
    """A model of another dialect may want it back; the vendor of this one never sees it."""
    ours = {"type": "reasoning", "id": f"rs_{'0' * 20}_0", "summary": [], "content": []}
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "n", "arguments": "{}"}
    assert values(stored.spoken(response(ours, call)))[0] == ours


def test_items_can_be_referred_to_by_id() -> None:
    """Each as it would be continued from; reasoning that nobody can read is none, and what says more is no reference."""
    open_ = {"type": "reasoning", "id": "rs_1", "summary": []}
    said = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
    whole = response(open_, said, {"type": "message", "role": "assistant"})
    assert stored.item_names(whole) == ("rs_1", "msg_1")
    found = stored.items_said(whole)
    assert (list(found), found["rs_1"]) == (["rs_1", "msg_1"], None)
    assert values([found["msg_1"]]) == [{name: said[name] for name in said if name != "id"}]
    rows = [{"type": "item_reference", "id": "a"}, {"id": "b"}, {"type": None, "id": "c"}, said, {"role": "user"}]
    assert [stored.referred(msgspec.Raw(json.dumps(row).encode())) for row in rows] == ["a", "b", "c", None, None]
    assert stored.item_names(b"[") == ()
    assert stored.referred(msgspec.Raw(b"5")) is None


def test_an_event_gets_another_number() -> None:
    """And what its response says of itself; what says nothing new is none."""
    frame = stored.event("response.in_progress", 1, b'{"id":"theirs","status":"in_progress"}')
    found = sse.parse(stored.numbered(frame, 7, {"id": "ours"}) or b"")
    assert found.name == "response.in_progress"
    response = {"id": "ours", "status": "in_progress"}
    assert json.loads(found.data) == {"type": "response.in_progress", "sequence_number": 7, "response": response}
    for silent in (stored.event("response.created", 0, b"{}"), b": keep-alive\n\n", b"data: [DONE]\n\n"):
        assert stored.numbered(silent, 7, {}) is None


@pytest.mark.parametrize("fields", [{"store": "yes"}, {"previous_response_id": 5}, {"background": 1}])
def test_a_wrong_type_is_refused(fields: dict[str, Any]) -> None:
    """With the field's name."""
    with pytest.raises(BadRequest, match=next(iter(fields))):
        given(**fields)


def test_only_the_last_event_holds_the_whole() -> None:
    """Whatever a text says of itself."""
    frames = [frame for event in EVENTS for frame in ResponsesWriter(ABOUT).stream(event)]
    assert all(stored.ended(frame) is None for frame in frames[:-1])
    writer = ResponsesWriter(ABOUT)
    frames = [frame for event in EVENTS for frame in writer.stream(event)]
    whole = stored.ended(frames[-1])
    assert whole is not None
    assert stored.named(whole) == "resp_1"
    liar = {"type": "response.output_text.delta", "delta": "response.completed"}
    assert stored.ended(sse.encode(json.dumps(liar).encode())) is None
    assert stored.ended(b"data: response.completed\n\n") is None


def test_an_event_says_what_it_continues() -> None:
    """Where it holds a response; anything else keeps its bytes."""
    event = sse.encode(
        b'{"type":"response.created","response":{"id":"a","previous_response_id":null}}', "response.created"
    )
    found = sse.parse(stored.continued(event, "resp_0"))
    assert found.name == "response.created"
    assert json.loads(found.data)["response"]["previous_response_id"] == "resp_0"
    for frame in (b": comment\n\n", b'data: {"type":"x"}\n\n', b"data: [DONE]\n\n"):
        assert stored.continued(frame, "resp_0") == frame


def test_items_are_listed_in_pages() -> None:
    """The newest first, unless asked otherwise; each has an id, and texts are parts."""
    rows = b'[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"type":"x","id":"i"}]'
    first = json.loads(stored.page(rows, {"limit": "2"}))
    assert [one["type"] for one in first["data"]] == ["x", "message"]
    assert first["has_more"]
    rest = json.loads(stored.page(rows, {"after": first["last_id"]}))
    assert [one["content"][0]["text"] for one in rest["data"]] == ["a"]
    assert not rest["has_more"]
    asc = json.loads(stored.page(rows, {"order": "asc", "limit": "nonsense"}))
    assert [one["id"] for one in asc["data"]] == [one["id"] for one in (*rest["data"], *reversed(first["data"]))]
    assert json.loads(stored.page(b"[]", {}))["first_id"] is None


def test_a_page_of_a_great_many_is_the_largest_page() -> None:
    """However many digits its number has."""
    rows = json.dumps([{"role": "user", "content": "a"}] * 101).encode()
    assert len(json.loads(stored.page(rows, {"limit": "9" * 5000}))["data"]) == 100


def test_events_are_told_again() -> None:
    """As the vendor's types want them, from a number on."""
    whole = ResponsesWriter(ABOUT).whole(EVENTS)
    frames = [sse.parse(frame) for frame in stored.replayed(whole)]
    kinds = [frame.name for frame in frames]
    assert kinds[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert kinds.count("response.output_item.done") == 2
    last = json.loads(frames[-1].data)
    assert last["response"] == json.loads(whole)
    Response.model_validate(last["response"])
    assert stored.replayed(whole, 3) == stored.replayed(whole)[4:]


def test_what_went_in_counts_until_a_compaction() -> None:
    """And asks for none again."""
    rows = b'[{"role":"user"},{"type":"compaction_trigger"},5,"compaction_trigger"]'
    assert values(stored.before(rows, response())) == [{"role": "user"}, 5, "compaction_trigger"]
    assert stored.before(rows, response({"type": "compaction"})) == []
