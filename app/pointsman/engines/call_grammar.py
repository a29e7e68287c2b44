"""Tool calls as GBNF, in the way that a model's own family writes them, so that they are read back as calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from pointsman.engines.call_bodies import deepseek, takes_text
from pointsman.engines.failures import Rejected
from pointsman.engines.schema_grammar import Rules, Until, literal

_Body = Callable[[Rules, str, Any], str]  # rules of one tool, its name, its schema -> the expression of one call


class _Form(msgspec.Struct, frozen=True):
    """`mark`, then `begin`, calls with `join` between them, and `end`; `repeat` if each call has a mark of its own."""

    mark: str
    body: _Body
    begin: str = ""
    join: str = ""
    end: str = ""
    repeat: bool = False
    bare: str = ""  # what a call begins with that has no mark


def _json_body(arguments: str = "arguments") -> _Body:
    def body(rules: Rules, name: str, schema: Any) -> str:
        begin = f'{{"name": {json.dumps(name, ensure_ascii=False)}, "{arguments}": '
        return f'{literal(begin)} {rules.visit(schema)} "}}"'

    return body


def _mistral_args(rules: Rules, name: str, schema: Any) -> str:
    return f"{literal(f'{name}[ARGS]')} {rules.visit(schema)}"


def _deepseek(rules: Rules, name: str, schema: Any) -> str:
    begin = f"{deepseek('call▁begin')}function{deepseek('sep')}{name}\n```json\n"
    return f"{literal(begin)} {rules.visit(schema)} {literal(chr(10) + '```' + deepseek('call▁end'))}"


def _python(rules: Rules, name: str, schema: Any) -> str:
    members = []
    for key, part, needed in rules.properties(schema):
        if not key.isidentifier():
            raise Rejected(
                "bad_request", "This model writes calls as Python, where an argument of that name cannot be."
            )
        members.append((rules.add(f"{literal(key + '=')} {rules.visit(part)}"), needed))
    return f'{literal(name + "(")} {rules.members(members, None)} ")"'


def _xml(rules: Rules, name: str, schema: Any) -> str:
    parts = [literal(f"<function={name}>\n")]
    for key, part, needed in rules.properties(schema):
        value = _value(rules, part, "</parameter>")
        parts.append(f"({literal(f'<parameter={key}>' + chr(10))} {value} {literal(chr(10))}){'' if needed else '?'}")
    return " ".join([*parts, literal("</function>")])


def _glm(rules: Rules, name: str, schema: Any) -> str:
    parts = [literal(f"{name}\n")]
    for key, part, needed in rules.properties(schema):
        value = _value(rules, part, "</arg_value>")
        begin = literal(f"<arg_key>{key}</arg_key>\n<arg_value>")
        parts.append(f"({begin} {value} {literal(chr(10))}){'' if needed else '?'}")
    return " ".join(parts)


def _value(rules: Rules, schema: Any, close: str) -> str:
    """A value and the mark that ends it; bare text where the schema takes text."""
    if not takes_text(schema):
        return f"{rules.visit(schema)} {literal(close)}"
    fixed = schema.get("enum", [schema["const"]] if "const" in schema else None) if isinstance(schema, dict) else None
    if isinstance(fixed, list) and fixed:
        return f"({' | '.join(literal(str(one)) for one in fixed)}) {literal(close)}"
    return text_until(rules, close, then="")


_TAG = "<tool_call>"
_CHANNEL = "<|start|>assistant<|channel|>"
FINAL = _CHANNEL + "final<|message|>"
_FORMS: dict[str, _Form] = {
    "hermes": _Form(_TAG, _json_body(), "\n", "\n", "\n</tool_call>", repeat=True),
    "qwen_xml": _Form(_TAG, _xml, "\n", "\n", "\n</tool_call>", repeat=True),
    "glm": _Form(_TAG, _glm, "", "\n", "</tool_call>", repeat=True),
    "llama": _Form("", _json_body("parameters"), join="; ", bare="{"),
    "pythonic": _Form("", _python, "[", ", ", "]", bare="[{"),
    "mistral": _Form("[TOOL_CALLS]", _json_body(), "[", ", ", "]"),
    "mistral_args": _Form("[TOOL_CALLS]", _mistral_args, repeat=True),
    "gemma": _Form("```tool_code", _python, "\n", "\n", "\n```"),
    "phi": _Form("<|tool_call|>", _json_body(), "[", ", ", "]<|/tool_call|>"),
    "deepseek": _Form(deepseek("calls▁begin"), _deepseek, "", "\n", deepseek("calls▁end")),
}
_OTHER_MARKS = {"llama": "<|python_tag|>", "pythonic": "<|python_start|>"}


def one_call(rules: Rules, family: str, tools: Sequence[Mapping[str, Any]]) -> str:
    """An expression for one call of one of the tools, from its mark on."""
    if family == "harmony":
        return f"{literal(_CHANNEL + 'commentary to=functions.')} {_bodies(rules, _harmony, tools)}"
    form = _FORMS[family]
    body = _bodies(rules, form.body, tools)
    return f"{literal(form.mark + form.begin)} {body} {literal(form.end)}"


def text_or_calls(rules: Rules, family: str, tools: Sequence[Mapping[str, Any]]) -> str:
    """An expression for free text, after which there may be calls."""
    if family == "harmony":
        return _harmony_text_or_calls(rules, tools)
    form = _FORMS[family]
    body = _bodies(rules, form.body, tools)
    if form.repeat:
        one = rules.add(f"{literal(form.begin)} {body} {literal(form.end)}")
        rest = rules.add(f"{one} ({literal(form.join + form.mark)} {one})*")
    else:
        rest = rules.add(f"{literal(form.begin)} {body} ({literal(form.join)} {body})* {literal(form.end)}")
    if form.mark:
        return text_until(rules, form.mark, then=rest, may_end=True)
    return f"{rest} | {text_until(rules, _OTHER_MARKS[family], then=rest, may_end=True, not_first=form.bare)}"


def _bodies(rules: Rules, body: _Body, tools: Sequence[Mapping[str, Any]]) -> str:
    """One call of one of the tools."""
    return rules.add(" | ".join(_one(rules, body, tool.get("function", {})) for tool in tools))


def _one(rules: Rules, body: _Body, function: Mapping[str, Any]) -> str:
    """A schema that cannot be promised is refused for a strict tool, and is any object for another."""
    name, schema = str(function.get("name")), _object(function.get("parameters"))
    try:
        return body(Rules(schema, rules.bodies), name, schema)
    except Rejected:
        if function.get("strict"):
            raise
        return body(Rules({}, rules.bodies), name, {"type": "object"})


def _object(schema: Any) -> Any:
    """Arguments are an object, even where their schema does not say so."""
    if not isinstance(schema, dict):
        return {"type": "object"}
    says = ("type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const")
    return schema if any(keyword in schema for keyword in says) else {"type": "object", **schema}


def _harmony(rules: Rules, name: str, schema: Any) -> str:
    return f"{literal(f'{name} <|constrain|>json<|message|>')} {rules.visit(schema)}"


def _harmony_text_or_calls(rules: Rules, tools: Sequence[Mapping[str, Any]]) -> str:
    said = text_until(rules, "<|", then=None, may_end=True)
    aside = text_until(rules, "<|", then=literal("end|>"))
    return (
        f"({literal(_CHANNEL + 'commentary<|message|>')} {aside})? "
        f"({literal(FINAL)} {said} | {one_call(rules, 'harmony', tools)})"
    )


def text_until(rules: Rules, mark: str, *, then: str | None, may_end: bool = False, not_first: str = "") -> str:
    """A rule for any text without `mark`, up to it, and `then`; None: the mark never comes.

    `may_end`: the text may also just end. `not_first`: characters, and white space, that it does not begin with.
    One rule for each beginning of the mark that the text may stand in.
    """
    names = [rules.reserve() for _ in mark]
    never, end = (not_first + " \n\t\r" if not_first else ""), (' | ""' if may_end else "")
    for at, name in enumerate(names):
        rules.bodies[name] = _state(mark, at, names, then, "") + end
    return rules.add(Until(_state(mark, 0, names, then, never) + end, mark, then, may_end, never))


def _state(mark: str, at: int, names: list[str], then: str | None, never: str) -> str:
    ways, elsewhere = [], ""
    for char in sorted(set(mark)):
        seen = mark[:at] + char
        reached = next((n for n in range(len(seen), 0, -1) if seen.endswith(mark[:n])), 0)
        if reached == 0:
            continue
        elsewhere += _escaped(char)
        if reached < len(mark):
            ways.append(f"[{_escaped(char)}] {names[reached]}")
        elif then is not None:
            ways.append(f"[{_escaped(char)}] {then}")
    others = "".join(map(_escaped, never))
    return " | ".join([*ways, f"[^{elsewhere}{others}] {names[0]}"])


def _escaped(char: str) -> str:
    return f"\\U{ord(char):08X}"
