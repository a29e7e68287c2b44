"""What is read of a body's parts, tools and settings in each dialect; `unread` names whatever stands beside it.

The readers add their bodies' own fields.
"""

from __future__ import annotations

from pointsman.wire.translate.prompts.unread import Kinds, Shape, leaves

_CHAT_PART = Kinds(
    "part",
    {
        "text": leaves("type", "text"),
        "refusal": leaves("type", "refusal"),
        "image_url": {"type": None, "image_url": leaves("url", "detail")},
        "file": {"type": None, "file": leaves("file_data", "filename")},
    },
    usual="text",
)
_CHAT_CALL = {
    **leaves("id", "type", "index"),
    "function": leaves("name", "arguments"),
    "custom": leaves("name", "input"),
}
_CHAT_FUNCTION = {"type": None, "function": leaves("name", "description", "parameters", "strict")}
_CHAT_CUSTOM = {"type": None, "custom": leaves("name", "description", "format")}
CHAT: Shape = {
    "n": None,
    "messages": {
        **leaves("role", "refusal", "reasoning_content", "tool_call_id"),
        "content": _CHAT_PART,
        "tool_calls": _CHAT_CALL,
    },
    "tools": Kinds("tool", {"function": _CHAT_FUNCTION, "custom": _CHAT_CUSTOM}, usual="function"),
    "response_format": {"type": None, "json_schema": leaves("name", "schema", "strict", "description")},
    "stream_options": leaves("include_usage"),
}

_RESPONSES_TEXT = leaves("type", "text")
_RESPONSES_PART = Kinds(
    "part",
    {
        **dict.fromkeys(("input_text", "output_text", "text", "summary_text", "reasoning_text"), _RESPONSES_TEXT),
        "refusal": leaves("type", "refusal"),
        "input_image": leaves("type", "image_url", "detail"),
        "input_file": leaves("type", "file_data", "file_url", "filename"),
    },
)
_RESPONSES_NAMED = leaves("type", "id", "status", "call_id", "name", "namespace")
_RESPONSES_TOOL = Kinds(
    "tool",
    {
        "function": leaves("type", "name", "description", "parameters", "strict"),
        "custom": leaves("type", "name", "description", "format"),
    },
)
_RESPONSES_TOOL.by["namespace"] = {**leaves("type", "name"), "tools": _RESPONSES_TOOL}
_RESPONSES_ITEM = Kinds(
    "item",
    {
        "message": {**leaves("type", "id", "status", "role"), "content": _RESPONSES_PART},
        "function_call": {**_RESPONSES_NAMED, "arguments": None},
        "custom_tool_call": {**_RESPONSES_NAMED, "input": None},
        "function_call_output": {**_RESPONSES_NAMED, "output": _RESPONSES_PART},
        "custom_tool_call_output": {**_RESPONSES_NAMED, "output": _RESPONSES_PART},
        "reasoning": {
            **leaves("type", "id", "status", "encrypted_content"),
            "summary": _RESPONSES_PART,
            "content": _RESPONSES_PART,
        },
        "additional_tools": {**leaves("type", "id", "role"), "tools": _RESPONSES_TOOL},
        "tool_search_output": {**leaves("type", "id", "status", "call_id", "execution"), "tools": _RESPONSES_TOOL},
    },
    usual="message",
)
_HERE = ("store", "background", "previous_response_id", "metadata")  # what the gateway itself does with a response
RESPONSES: Shape = {
    **leaves(*_HERE),
    "input": _RESPONSES_ITEM,
    "tools": _RESPONSES_TOOL,
    "tool_choice": Kinds(
        "tool_choice",
        {
            **dict.fromkeys(("function", "custom"), leaves("type", "name")),
            "allowed_tools": leaves("type", "mode", "tools"),
        },
    ),
    "text": {"verbosity": None, "format": leaves("type", "name", "schema", "strict", "description")},
    "reasoning": leaves("effort"),
}

_MESSAGES_SOURCE = Kinds(
    "source",
    {
        "base64": leaves("type", "media_type", "data"),
        "url": leaves("type", "url"),
        "text": leaves("type", "media_type", "data"),
    },
)
_MESSAGES_BLOCK = Kinds(
    "block",
    {
        "text": leaves("type", "text"),
        "image": {"type": None, "source": _MESSAGES_SOURCE},
        "document": {**leaves("type", "title"), "source": _MESSAGES_SOURCE},
        "tool_use": leaves("type", "id", "name", "input"),
        "thinking": leaves("type", "thinking", "signature"),
        "redacted_thinking": leaves("type", "data"),
    },
    usual="text",
)
_MESSAGES_BLOCK.by["search_result"] = {**leaves("type", "title", "source"), "content": _MESSAGES_BLOCK}
_MESSAGES_BLOCK.by["tool_result"] = {**leaves("type", "tool_use_id", "is_error"), "content": _MESSAGES_BLOCK}
_MESSAGES_TOOL = Kinds(
    "tool", {"custom": leaves("type", "name", "description", "input_schema", "strict")}, usual="custom", by_name=True
)
_MESSAGES_FORMAT = leaves("type", "schema")
MESSAGES: Shape = {
    "messages": {"role": None, "content": _MESSAGES_BLOCK},
    "system": _MESSAGES_BLOCK,
    "tools": _MESSAGES_TOOL,
    "thinking": Kinds("thinking", {"enabled": leaves("type", "budget_tokens"), "adaptive": leaves("type")}),
    "output_config": {"effort": None, "format": _MESSAGES_FORMAT},
    "output_format": _MESSAGES_FORMAT,
}
