"""OpenAI Responses: what is read of a body, and what goes upstream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.core.errors import BadRequest
from pointsman.core.request import Hints, Request, Verdict
from pointsman.wire import responses
from pointsman.wire.body import Change


def read(**fields: Any) -> Request:
    """The neutral request of a body."""
    body = json.dumps({"model": "auto", "input": "Hello", **fields}).encode()
    return responses.read("r1", body, Hints(), lambda _raw: Verdict())


def test_a_plain_input_is_a_user_turn() -> None:
    """With the instructions before it, as a system prompt."""
    request = read(instructions="Be brief.")
    assert [message.role for message in request.messages] == ["system", "user"]
    assert request.last_user == "Hello"


def test_items_have_the_role_of_who_made_them() -> None:
    """Calls are the assistant's, results a tool's."""
    items = [
        {"role": "developer", "content": "Rules."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Run it"}]},
        {"type": "reasoning", "summary": [], "encrypted_content": "x"},
        {"type": "function_call", "call_id": "c1", "name": "run", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
    ]
    request = read(input=items)
    assert [message.role for message in request.messages] == ["developer", "user", "assistant", "assistant", "tool"]
    assert request.last_user == "Run it"
    assert request.unpriced is None


def test_codex_may_bring_its_tools_along() -> None:
    """Functions, namespaces, free-form tools, and those inside an item."""
    extra = {"type": "additional_tools", "tools": [{"type": "function", "name": "b"}]}
    tools = [{"type": "function", "name": "a"}, {"type": "namespace", "name": "n"}, {"type": "custom", "name": "patch"}]
    request = read(tools=tools, input=[extra, {"role": "user", "content": "Go"}])
    assert request.tools == 4
    assert request.unpriced is None


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"service_tier": "priority"}, "this service tier"),
        ({"prompt": {"id": "p"}}, "the field 'prompt'"),
        ({"tools": [{"type": "web_search"}]}, "a tool of type 'web_search'"),
        ({"tools": [{"type": "code_interpreter"}]}, "a tool of type 'code_interpreter'"),
        ({"input": [{"type": "additional_tools", "tools": [{"type": "mcp"}]}]}, "a tool of type 'mcp'"),
        (
            {"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]},
            "a tool of type 'shell' at the provider's",
        ),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]}, "a tool of type 'mcp'"),
        ({"tools": [{"type": "tool_search"}]}, "a search for tools at the provider's"),
        ({"reasoning": {"mode": "pro"}}, "this mode of reasoning"),
        (
            {
                "input": [
                    {"type": "function_call_output", "content": [{"text": "x"}], "output": [{"type": "input_file"}]}
                ]
            },
            "a part of type 'input_file'",
        ),
        ({"input": [{"type": "item_reference", "id": "i"}]}, "an item of type 'item_reference'"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "a part of type 'input_file'"),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file"}]}]},
            "a part of type 'input_file'",
        ),
    ],
)
def test_what_tokens_do_not_show_is_named(fields: dict[str, Any], what: str) -> None:
    """Costs that no bound covers are told to the router."""
    assert read(**fields).unpriced == what


def test_tools_that_the_client_runs_are_in_the_tokens() -> None:
    """A shell of this machine, a search for tools here, reasoning as usual."""
    shell = {"type": "shell", "environment": {"type": "local"}}
    search = {"type": "tool_search", "execution": "client"}
    assert read(tools=[shell, search], reasoning={"effort": "high", "mode": "standard"}).unpriced is None


def test_pictures_count_apart_from_text() -> None:
    """In messages and in what tools gave back."""
    picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 50_000}
    items = [
        {"role": "user", "content": [picture]},
        {"type": "function_call_output", "call_id": "c", "output": [picture]},
    ]
    request = read(input=items)
    assert request.images == 2
    assert request.size < 1_000


@pytest.mark.parametrize("fields", [{"previous_response_id": "r"}, {"conversation": "c"}, {"background": True}])
def test_what_a_vendor_would_keep_is_refused_by_name(fields: dict[str, Any]) -> None:
    """Text that never came by here can neither be bounded nor looked at."""
    with pytest.raises(BadRequest) as refused:
        read(**fields)
    assert next(iter(fields)) in refused.value.sentence


def test_what_is_said_and_what_is_instructed_are_never_the_same_request() -> None:
    """Consent to the one is none to the other, though their words are the same."""
    said, told = read(input="Hello", instructions=""), read(input=[], instructions="Hello")
    assert [message.digest for message in said.messages] == [message.digest for message in told.messages]
    assert said.digest != told.digest


def test_a_schema_is_seen() -> None:
    """Structured output needs a target that can."""
    assert read(text={"format": {"type": "json_schema", "name": "x", "schema": {}}}).schema
    assert not read(text={"format": {"type": "text"}}).schema


def test_unknown_values_keep_their_bytes() -> None:
    """Only model and limit change."""
    body = b'{"model":"x","input":[ {"role" : "user","content":"\\u00e9"} ],"include":["a" ],"stream":true}'
    sent = responses.splice(body, Change(model="gpt", output=50))
    assert b'[ {"role" : "user","content":"\\u00e9"} ]' in sent
    assert b'["a" ]' in sent
    assert (json.loads(sent)["model"], json.loads(sent)["max_output_tokens"]) == ("gpt", 50)


def test_a_limit_is_never_raised() -> None:
    """The client's own stays where it is smaller."""
    sent = responses.splice(b'{"model":"x","input":"","max_output_tokens":10}', Change(model="m", output=50))
    assert json.loads(sent)["max_output_tokens"] == 10


def test_reasoning_of_other_models_goes_to_no_vendor() -> None:
    """It would look for an id that is not its own; all else keeps its bytes."""
    foreign = {"type": "reasoning", "id": f"rs_{'a' * 20}_0", "summary": []}
    own = {"type": "reasoning", "id": f"rs_{'a' * 50}", "summary": [], "encrypted_content": "x"}
    said = {"role": "user", "content": f'say "{foreign["id"]}"'}
    body = json.dumps({"model": "m", "input": [foreign, own, said]}).encode()
    assert json.loads(responses.splice(body, Change(model="m", output=9)))["input"] == [own, said]
