"""What a request promises about the form of its answer, as a grammar that lets a model write nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.engines.failures import Rejected
from pointsman.engines.protocol import Chat
from pointsman.engines.schema_grammar import Rules, literal
from pointsman.engines.toolcalls import CLOSE, OPEN


def grammar_for(chat: Chat) -> str | None:
    """The grammar of an answer to this request, or None where it is free. Raises `Rejected`."""
    forced = _forced_tools(chat)
    wanted = _response_schema(chat.response_format)
    if forced is None and wanted is None:
        return None
    rules = Rules(wanted if isinstance(wanted, dict) else {})
    if forced is not None:
        return rules.text(_calls(rules, forced))
    answer = rules.visit(wanted)
    if chat.tools and chat.tool_choice != "none":
        answer = f"{answer} | {_calls(rules, chat.tools)}"
    return rules.text(answer)


def _response_schema(form: Mapping[str, Any] | None) -> Any:
    kind = form.get("type", "text") if form else "text"
    if form is None or kind == "text":
        return None
    if kind == "json_object":
        return form.get("schema") or {"type": "object"}
    if kind == "json_schema":
        wrapped = form.get("json_schema")
        if isinstance(wrapped, dict) and isinstance(wrapped.get("schema"), dict | bool):
            return wrapped["schema"]
        raise Rejected("bad_request", "response_format of type json_schema needs json_schema.schema.")
    raise Rejected("bad_request", "response_format.type must be text, json_object or json_schema.")


def _forced_tools(chat: Chat) -> Sequence[Mapping[str, Any]] | None:
    """The tools of which one must be called, or None."""
    choice = chat.tool_choice
    if choice in (None, "auto", "none"):
        return None
    if choice == "required":
        tools: Sequence[Mapping[str, Any]] = chat.tools
    else:
        name = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
        tools = [tool for tool in chat.tools if tool.get("function", {}).get("name") == name]
    if not tools:
        raise Rejected("bad_request", "tool_choice asks for a tool that the request does not describe.")
    return tools


def _calls(rules: Rules, tools: Sequence[Mapping[str, Any]]) -> str:
    """One call of one of the tools, as the parser of tool calls reads it."""
    bodies = []
    for tool in tools:
        function = tool.get("function", {})
        inner = Rules(function.get("parameters") or {}, rules.bodies)
        arguments = inner.visit(function.get("parameters") or {"type": "object"})
        name = literal(json.dumps(function.get("name"), ensure_ascii=False))
        bodies.append(f'"{{\\"name\\": " {name} ", \\"arguments\\": " {arguments} "}}"')
    return rules.add(f'"{OPEN}\\n" ({" | ".join(bodies)}) "\\n{CLOSE}"')
