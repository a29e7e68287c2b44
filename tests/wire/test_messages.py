"""Anthropic Messages: what is read of a body, and what goes upstream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.core.errors import BadRequest
from pointsman.core.request import Finding, Hints, Request, Verdict
from pointsman.wire import messages
from pointsman.wire.body import Change

BILLING = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=abc;"}
SYSTEM = {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}}


def bytes_of(**fields: Any) -> bytes:
    """A body as an SDK writes it."""
    base = {"model": "auto", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
    return json.dumps({**base, **fields}).encode()


def read(**fields: Any) -> Request:
    """The neutral request of a body."""
    return messages.read("r1", bytes_of(**fields), Hints(), lambda _raw: Verdict())


def test_the_system_prompt_is_the_first_message() -> None:
    """A session is told apart by it, as in the other dialects."""
    request = read(system=[SYSTEM])
    assert [message.role for message in request.messages] == ["system", "user"]
    assert request.last_user == "Hello"


def test_what_changes_with_each_request_is_in_no_digest() -> None:
    """Claude Code's billing block differs in a retry, which is the same request all the same."""
    other = {**BILLING, "text": "x-anthropic-billing-header: cc_version=2.1; cch=def;"}
    one, two = read(system=[BILLING, SYSTEM]), read(system=[other, SYSTEM])
    assert one.digest == two.digest
    assert one.messages == two.messages


def test_all_of_the_system_prompt_is_sensed() -> None:
    """The block that no digest holds is looked at as well."""

    def sense(raw: bytes) -> Verdict:
        return Verdict((Finding("secret_key", 1),) if b"cch=abc" in raw else ())

    request = messages.read("r1", bytes_of(system=[BILLING]), Hints(), sense)
    assert request.findings == (Finding("secret_key", 1),)


def test_pictures_in_tool_results_count_as_pictures() -> None:
    """A screenshot that a tool gave back is an image, not its text."""
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 100_000}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "image", "source": source}]}
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}]}
    request = read(messages=[call, {"role": "user", "content": [result]}])
    assert request.images == 1
    assert request.unpriced is None


def test_a_picture_that_stands_in_the_message_is_no_text() -> None:
    """Its base64 is not counted as tokens."""
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 100_000}
    request = read(messages=[{"role": "user", "content": [{"type": "image", "source": source}]}])
    assert request.images == 1
    assert request.size < 1_000


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"service_tier": "priority"}, "this service tier"),
        ({"speed": "fast"}, "this speed"),
        ({"inference_geo": "us"}, "this place of inference"),
        ({"mcp_servers": []}, "the field 'mcp_servers'"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "this edit of the context"),
        ({"context_management": {"edits": "all"}}, "this edit of the context"),
        ({"container": "c"}, "the field 'container'"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "a tool of type 'web_search_20250305'"),
        (
            {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "base64"}}]}]},
            "a block of type 'document'",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}]},
            "a block of type 'image'",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "container_upload"}]}]},
            "a block of type 'container_upload'",
        ),
    ],
)
def test_what_tokens_do_not_show_is_named(fields: dict[str, Any], what: str) -> None:
    """Costs that no bound covers are told to the router."""
    assert read(**fields).unpriced == what


def test_clearing_the_context_costs_nothing() -> None:
    """Claude Code asks for it in each request."""
    edits = [{"type": "clear_thinking_20251015", "keep": "all"}]
    assert read(context_management={"edits": edits}).unpriced is None


def test_the_vendors_own_client_tools_bring_a_prompt_along() -> None:
    """It is bounded; the client runs them, so nothing else costs."""
    request = read(tools=[{"type": "bash_20250124", "name": "bash"}])
    assert request.unpriced is None
    assert request.extra_tokens > 245


def test_message_threads_are_answered_as_documented() -> None:
    """The SDK reads the code and sends the whole conversation."""
    with pytest.raises(BadRequest) as refused:
        read(thread={"type": "continue", "previous_message_id": "m1"})
    assert refused.value.code == "thread_unsupported_request"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"model":"x"}', b'{"model":"x","messages":[],"max_tokens":0}', b'{"model":"x","messages":[]}'],
)
def test_bad_bodies_are_one_sentence(body: bytes) -> None:
    """No traceback, no text of the body."""
    with pytest.raises(BadRequest):
        messages.read("r1", body, Hints(), lambda _raw: Verdict())


def test_unknown_values_keep_their_bytes() -> None:
    """Only model and limit change; signatures, cache marks and new fields pass byte for byte, in order."""
    block = b'{"type" : "thinking","thinking":"\\u00e9","signature":"c2ln"}'
    body = (
        b'{"max_tokens":90,"model":"x","messages":[{"role":"assistant","content":[' + block + b']}],"new":{"a" : 1.0}}'
    )
    sent = messages.splice(body, Change(model="claude", output=50))
    assert block in sent
    assert b'{"a" : 1.0}' in sent
    assert (json.loads(sent)["model"], json.loads(sent)["max_tokens"]) == ("claude", 50)
    assert list(json.loads(sent)) == ["max_tokens", "model", "messages", "new"]


def test_a_limit_is_never_raised() -> None:
    """The client's own stays where it is smaller."""
    assert json.loads(messages.splice(bytes_of(max_tokens=10), Change(model="m", output=50)))["max_tokens"] == 10


def test_reasoning_of_other_models_goes_to_no_vendor() -> None:
    """It would refuse a signature that is not its own; all else keeps its bytes."""
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": messages.FOREIGN}
    own = {"type": "thinking", "thinking": "Ah.", "signature": "c2ln"}
    said = {"type": "text", "text": f"about {messages.FOREIGN}", "new_field": 1.50}
    turns = [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": [foreign, own, said], "x": 1},
        {"role": "assistant", "content": [foreign]},
    ]
    change = Change(model="m", output=9)
    kept = json.loads(messages.splice(bytes_of(messages=turns), change))["messages"]
    assert kept == [turns[0], {"role": "assistant", "content": [own, said], "x": 1}]
