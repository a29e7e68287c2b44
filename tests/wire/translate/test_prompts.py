"""Requests from one dialect to another: nothing that has a place is lost, what has none is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.wire.body import Change
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.translate.bridge import Bridge
from pointsman.wire.translate.neutral import Argued, Called, Ended, Event, Thinking, Tool
from tests.fakes import vendor_types

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
CHANGE = Change(model="m", output=200)
PIXEL = "data:image/png;base64,iVBORw0KGgo="
CHAT: dict[str, Any] = {
    "model": "auto",
    "max_completion_tokens": 500,
    "stream": True,
    "stop": ["END"],
    "reasoning_effort": "high",
    "user": "u1",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
        },
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"path":"a"}'}},
                {"id": "c2", "type": "function", "function": {"name": "read", "arguments": '{"path":"b"}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "A"},
        {"role": "tool", "tool_call_id": "c2", "content": "B"},
        {"role": "user", "content": "And?"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "read", "description": "Read.", "parameters": SCHEMA, "strict": True}}
    ],
    "tool_choice": {"type": "function", "function": {"name": "read"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "out", "schema": SCHEMA, "strict": True}},
}


def translated(body: dict[str, Any], source: str, to: str, **change: Any) -> dict[str, Any]:
    """A body of one dialect in another, which is of its vendor's type."""
    return vendor_types.body(to, raw(body, source, to, **change))


def raw(body: dict[str, Any], source: str, to: str, **change: Any) -> bytes:
    """The same, judged by nobody."""
    prompt = DIALECTS[source].prompt(json.dumps(body).encode())
    return DIALECTS[to].write(prompt, Change(model="m", output=200, **change))


def test_chat_to_messages() -> None:
    """Roles by turns, results before what else is said, the schema in the vendor's place."""
    assert translated(CHAT, "chat", "messages") == {
        "model": "m",
        "max_tokens": 200,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "c1", "name": "read", "input": {"path": "a"}},
                    {"type": "tool_use", "id": "c2", "name": "read", "input": {"path": "b"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "A"}]},
                    {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "B"}]},
                    {"type": "text", "text": "And?"},
                ],
            },
        ],
        "tools": [{"name": "read", "description": "Read.", "input_schema": SCHEMA, "strict": True}],
        "tool_choice": {"type": "tool", "name": "read", "disable_parallel_tool_use": True},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}},
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u1"},
        "stream": True,
    }


def test_chat_to_responses() -> None:
    """Items in order; nothing is stored at the vendor."""
    found = translated(CHAT, "chat", "responses")
    assert found["instructions"] == "Be brief."
    assert found["store"] is False
    assert [item.get("role") or item["type"] for item in found["input"]] == [
        *("user", "assistant", "function_call", "function_call"),
        *("function_call_output", "function_call_output", "user"),
    ]
    assert found["input"][0]["content"][1] == {"type": "input_image", "image_url": PIXEL, "detail": "auto"}
    assert found["tool_choice"] == {"type": "function", "name": "read"}
    assert found["text"]["format"]["schema"] == SCHEMA
    assert found["reasoning"] == {"effort": "high"}


@pytest.mark.parametrize("by", ["messages", "responses"])
def test_there_and_back_is_the_same_request(by: str) -> None:
    """Through another dialect, a chat request says the same in the end, but for what is named as lost."""
    over = translated(CHAT, "chat", by)
    back = translated(over, by, "chat")
    plain = translated(CHAT, "chat", "chat")
    for name in ("messages", "tools", "tool_choice", "parallel_tool_calls", "max_tokens"):
        assert back[name] == plain[name], name
    assert back["response_format"]["json_schema"]["schema"] == SCHEMA
    assert back["reasoning_effort"] == "high"


def test_what_has_no_place_is_named() -> None:
    """The answer's reason says it."""
    body = {**CHAT, "temperature": 0.1, "seed": 7, "frequency_penalty": 0.5}
    prompt = DIALECTS["chat"].prompt(json.dumps(body).encode())
    assert set(DIALECTS["messages"].lost(prompt, CHANGE)) == {"temperature", "seed", "frequency_penalty"}
    assert set(DIALECTS["responses"].lost(prompt, CHANGE)) == {"seed", "frequency_penalty", "stop"}


def test_claude_code_in_chat() -> None:
    """The billing block goes, a system message in the middle stays in its place, reasoning keeps its text."""
    body = {
        "model": "auto",
        "max_tokens": 32_000,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cch=1;"},
            {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
        ],
        "messages": [
            {"role": "user", "content": "Go"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                    {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "a"}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "A", "is_error": True}],
            },
            {"role": "system", "content": "Now plan."},
        ],
        "tools": [{"name": "read", "input_schema": SCHEMA}, {"type": "web_search_20250305", "name": "web_search"}],
    }
    found = json.loads(raw(body, "messages", "chat"))
    assert [message["role"] for message in found["messages"]] == ["system", "user", "assistant", "tool", "system"]
    assert found["messages"][0]["content"] == "You are Claude Code."
    assert found["messages"][2]["reasoning_content"] == "Hm."
    assert found["messages"][3] == {"role": "tool", "tool_call_id": "t1", "content": "A"}
    assert [tool["function"]["name"] for tool in found["tools"]] == ["read"]
    assert DIALECTS["messages"].prompt(json.dumps(body).encode()).lost == ("cache_control", "tool web_search")
    del found["messages"][2]["reasoning_content"]
    assert translated(body, "messages", "chat", reasoning=False) == found


def test_foreign_signatures_are_dropped() -> None:
    """A vendor would not believe another's."""
    body = {"model": "a", "messages": [{"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}]}
    prompt = DIALECTS["chat"].prompt(json.dumps(body).encode())
    assert prompt.turns[0].parts[0] == Thinking("Hm.", by="chat")
    assert "thinking" not in json.dumps(translated(body, "chat", "messages"))


def test_codex_tools_in_chat() -> None:
    """Free-form tools become functions of one string, namespaces stand before the names."""
    tools = [
        {"type": "custom", "name": "apply_patch", "description": "Patch.", "format": {"type": "grammar"}},
        {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "spawn", "parameters": SCHEMA}]},
        {"type": "web_search"},
    ]
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "Fix"}]},
        {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
    ]
    found = translated({"model": "m", "input": items, "tools": tools}, "responses", "chat")
    assert [tool["function"]["name"] for tool in found["tools"]] == ["apply_patch", "agents__spawn"]
    assert json.loads(found["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"input": "*** Begin"}
    assert found["messages"][2] == {"role": "tool", "tool_call_id": "c1", "content": "ok"}


def test_the_bridge_gives_free_calls_back_as_the_client_offered_them() -> None:
    """The one string alone, once it is whole; names without their namespace."""
    bridge = Bridge(
        [Tool(name="apply_patch", free=True), Tool(name="agents__spawn", namespace="agents"), Tool(name="f")]
    )
    events: list[Event] = [
        Called(0, "c1", "apply_patch"),
        Argued(0, '{"input": "*** '),
        Argued(0, 'Begin"}'),
        Called(1, "c2", "agents__spawn"),
        Argued(1, "{}"),
        Called(2, "c3", "f"),
        Argued(2, "{}"),
        Ended("tool_calls"),
    ]
    over = [event for heard in events for event in bridge.over(heard)]
    assert over == [
        Called(0, "c1", "apply_patch", free=True),
        Argued(0, "*** Begin"),
        Called(1, "c2", "spawn", namespace="agents"),
        Argued(1, "{}"),
        Called(2, "c3", "f"),
        Argued(2, "{}"),
        Ended("tool_calls"),
    ]


def test_two_assistant_items_in_a_row_are_one_message() -> None:
    """Responses tells text and calls apart; chat completions wants all calls in one message before their results."""
    items = [
        {"role": "user", "content": "Go"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I go."}]},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
    ]
    found = translated({"model": "m", "input": items}, "responses", "chat")["messages"]
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "tool"]
    assert found[1]["content"] == "I go."
    assert [call["id"] for call in found[1]["tool_calls"]] == ["a", "b"]


def test_pictures_of_tools_come_after_all_results() -> None:
    """Chat completions takes words alone in a tool's message, and pictures from the user."""
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    calls: list[dict[str, Any]] = [{"type": "tool_use", "id": id_, "name": "shoot", "input": {}} for id_ in ("a", "b")]
    results: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": "a", "content": [picture]},
        {"type": "tool_result", "tool_use_id": "b", "content": "B"},
    ]
    turns: list[dict[str, Any]] = [{"role": "user", "content": "Go"}, {"role": "assistant", "content": calls}]
    turns.append({"role": "user", "content": results})
    found = translated({"model": "m", "max_tokens": 9, "messages": turns}, "messages", "chat")["messages"]
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "tool", "user"]
    assert all(isinstance(message["content"], str) and message["content"] for message in found[2:4])
    assert found[4]["content"][1] == {"type": "image_url", "image_url": {"url": PIXEL}}
    turns.append({"role": "assistant", "content": "Nice."})
    after = translated({"model": "m", "max_tokens": 9, "messages": turns}, "messages", "chat")["messages"]
    assert [message["role"] for message in after[-2:]] == ["user", "assistant"]


@pytest.mark.parametrize("to", ["chat", "responses", "messages"])
@pytest.mark.parametrize("source", ["chat", "responses"])
def test_of_allowed_tools_the_others_are_not_offered(source: str, to: str) -> None:
    """The model may use them or not, as the client said."""
    bare = [{"type": "function", "name": name, "parameters": SCHEMA} for name in ("read", "write")]
    if source == "chat":
        tools = [{"type": "function", "function": {k: v for k, v in one.items() if k != "type"}} for one in bare]
        choice: dict[str, Any] = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": tools[:1]}}
        body = {"model": "m", "messages": [{"role": "user", "content": "Go"}], "tools": tools, "tool_choice": choice}
    else:
        choice = {"type": "allowed_tools", "mode": "auto", "tools": bare[:1]}
        body = {"model": "m", "input": "Go", "tools": bare, "tool_choice": choice}
    found = translated(body, source, to)
    assert [tool.get("name") or tool["function"]["name"] for tool in found["tools"]] == ["read"]
    assert found["tool_choice"] in ("auto", {"type": "auto"})


@pytest.mark.parametrize(
    ("source", "body", "named"),
    [
        ("chat", {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "part input_audio"),
        (
            "chat",
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
            "part file, file_id",
        ),
        ("chat", {"messages": [], "functions": [{"name": "f"}]}, "functions"),
        (
            "responses",
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "part input_image, file_id",
        ),
        (
            "messages",
            {
                "max_tokens": 9,
                "messages": [{"role": "user", "content": [{"type": "tool_reference", "tool_name": "f"}]}],
            },
            "block tool_reference",
        ),
    ],
)
def test_parts_without_a_place_are_named(source: str, body: dict[str, Any], named: str) -> None:
    """Neither sent on empty nor left out in silence."""
    assert DIALECTS[source].prompt(json.dumps({"model": "m", **body}).encode()).lost == tuple(named.split(", "))


def test_empty_texts_are_left_out() -> None:
    """Anthropic refuses them."""
    parts = [{"type": "text", "text": ""}, {"type": "text", "text": "Hi"}]
    found = translated({"model": "m", "messages": [{"role": "user", "content": parts}]}, "chat", "messages")
    assert found["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]


def test_blanks_are_left_out() -> None:
    """Models say them before a call, and Anthropic refuses a block that holds no word."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [{"role": "system", "content": " "}, {"role": "user", "content": "Go"}]
    turns += [{"role": "assistant", "content": "\n\n", "tool_calls": [call]}]
    turns += [{"role": "tool", "tool_call_id": "c", "content": "\n"}]
    found = translated({"model": "m", "messages": turns}, "chat", "messages")
    assert "system" not in found
    assert [[block["type"] for block in message["content"]] for message in found["messages"]] == [
        ["text"],
        ["tool_use"],
        ["tool_result"],
    ]


def test_search_results_of_the_client_are_text() -> None:
    """With their title and where they are from."""
    block = {"type": "search_result", "source": "s", "title": "T", "content": [{"type": "text", "text": "Found."}]}
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]}
    assert translated(body, "messages", "chat")["messages"][0]["content"] == "T (s)\nFound.\n"


def test_ids_have_the_characters_that_anthropic_takes() -> None:
    """Other vendors write dots and colons; a call and its result stay together."""
    call = {"id": "functions.read:0", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    turns = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": call["id"], "content": "A"}]
    found = translated({"model": "m", "messages": turns}, "chat", "messages")["messages"]
    assert found[0]["content"][0]["id"] == found[1]["content"][0]["tool_use_id"] == "functions_read_0"


def test_a_schema_says_of_itself_that_it_is_an_object() -> None:
    """Anthropic wants it at the top, whatever stands inside."""
    schema = {"properties": {"a": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    (tool,) = translated({"model": "m", "messages": [], "tools": tools}, "chat", "messages")["tools"]
    assert tool["input_schema"] == {"type": "object", **schema}


def test_an_assistants_picture_and_its_text_are_one_message() -> None:
    """Two turns in a row are joined, whatever they hold; the vendor's type has no such picture, and models draw them."""
    picture = {"type": "image_url", "image_url": {"url": PIXEL}}
    turns = [{"role": "assistant", "content": [picture]}, {"role": "assistant", "content": "This."}]
    found = json.loads(raw({"model": "m", "messages": turns}, "chat", "chat"))["messages"]
    assert found == [{"role": "assistant", "content": [picture, {"type": "text", "text": "This."}]}]
    given = translated({"model": "m", "messages": turns}, "chat", "responses")["input"]
    assert [(item["role"], item["content"] == "This.") for item in given] == [("user", False), ("assistant", True)]
