"""What a request promises about the form of its answer, as a grammar that lets a model write nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.engines.call_grammar import FINAL, one_call, text_or_calls
from pointsman.engines.failures import Rejected
from pointsman.engines.families import Family, Marks
from pointsman.engines.protocol import Chat
from pointsman.engines.schema_grammar import Grammar, Rules, literal


def grammar_for(chat: Chat, family: Family, marks: Marks | None) -> Grammar | None:
    """The grammar of what comes after any reasoning, or None where that is free. Raises `Rejected`."""
    forced = _forced_tools(chat)
    wanted = _response_schema(chat.response_format)
    offered = chat.tools if chat.tool_choice != "none" else []
    rules = Rules(wanted if isinstance(wanted, dict) else {})
    if forced is not None:
        return _whole(rules, one_call(rules, family.name, forced), marks)
    if wanted is not None:
        begin = f"{literal(FINAL)} " if family.name == "harmony" else ""
        answer = f"{begin}{rules.visit(wanted)}"
        return _whole(rules, f"{answer} | {one_call(rules, family.name, offered)}" if offered else answer, marks)
    if any(_strict(tool) for tool in offered):
        return _whole(rules, text_or_calls(rules, family.name, offered), marks)
    return None


def _whole(rules: Rules, answer: str, marks: Marks | None) -> Grammar:
    """The whole grammar; after reasoning, models write line feeds before they answer."""
    return rules.grammar(f"[ \\n]{{0,3}} ({answer})" if marks else answer)


def _strict(tool: Mapping[str, Any]) -> bool:
    return bool(tool.get("function", {}).get("strict"))


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
