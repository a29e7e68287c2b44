"""What stands between the marks of a tool call, in each way that model families write it, as calls.

Each reader takes the text between the marks and the tools on offer, and gives None for what is no call.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pointsman.engines.protocol import ToolCall

Tools = Mapping[str, Mapping[str, Any]]  # name -> JSON schema of its arguments
Reader = Callable[[str, Tools], list[ToolCall] | None]


def deepseek(name: str) -> str:
    """One of DeepSeek's marks; the bars in them are wide ones."""
    return f"<\uff5ctool▁{name}\uff5c>"


_FUNCTION = re.compile(r"\s*<function=([^>\s]+)>\s*(.*?)\s*(?:</function>)?\s*", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>\n]+)>(.*?)</parameter>\s*(?=<parameter=|\Z)", re.DOTALL)
_GLM = re.compile(r"\s*([^\s<]+)\s*((?:<arg_key>.*)?)", re.DOTALL)
_PAIR = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>\s*(?=<arg_key>|\Z)", re.DOTALL)
_DEEPSEEK = re.compile(
    rf"\s*{deepseek('call▁begin')}(.*?){deepseek('sep')}(.*?)(?:{deepseek('call▁end')}\s*|\Z)", re.DOTALL
)
_FENCED = re.compile(r"\s*(\S+)\s*```(?:json)?\s*(\{.*\})\s*```\s*", re.DOTALL)
_MISTRAL = re.compile(r"\s*([^\s\[{]+)\s*(?:\[CALL_ID\][^\[{]*)?(?:\[ARGS\])?\s*(\{.*)", re.DOTALL)
_BROKEN = (ValueError, TypeError, RecursionError, SyntaxError, MemoryError)


def read_json(body: str, _tools: Tools) -> list[ToolCall] | None:
    """`{"name": ..., "arguments": {...}}`, or a list of those."""
    try:
        value = _loads(body)
        return _all([_from_object(one) for one in (value if isinstance(value, list) else [value])])
    except _BROKEN:
        return None


def read_tagged(body: str, tools: Tools) -> list[ToolCall] | None:
    """What stands in `<tool_call>`: JSON, Qwen's `<function=...>` or GLM's `<arg_key>`."""
    begin = body.lstrip()
    if begin.startswith(("{", "[")):
        return read_json(body, tools)
    return read_xml(body, tools) if begin.startswith("<function=") else _read_glm(body, tools)


def read_xml(body: str, tools: Tools) -> list[ToolCall] | None:
    """`<function=name><parameter=key>value</parameter></function>`."""
    found = _FUNCTION.fullmatch(body)
    return _pairs(found[1], found[2], _PARAMETER, tools) if found else None


def _read_glm(body: str, tools: Tools) -> list[ToolCall] | None:
    found = _GLM.fullmatch(body)
    return _pairs(found[1], found[2], _PAIR, tools) if found else None


def read_mistral(body: str, tools: Tools) -> list[ToolCall] | None:
    """`[{...}, ...]`, or `name[ARGS]{...}`."""
    if body.lstrip().startswith("["):
        return read_json(body, tools)
    found = _MISTRAL.fullmatch(body)
    return _all([call_of(found[1], found[2])]) if found else None


def read_deepseek(body: str, _tools: Tools) -> list[ToolCall] | None:
    """Calls with marks of their own: `function<sep>name` and fenced JSON, or `name<sep>{...}`."""
    calls: list[ToolCall | None] = []
    at = 0
    while (found := _DEEPSEEK.match(body, at)) is not None:
        fenced = _FENCED.fullmatch(found[2])
        calls.append(call_of(fenced[1], fenced[2]) if fenced else call_of(found[1].strip(), found[2]))
        at = found.end()
    return None if body[at:].strip() else _all(calls)


def read_python(body: str, tools: Tools) -> list[ToolCall] | None:
    """`[f(a=1), g(b="x")]`, or such calls line by line, as Python writes them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not like
            lines = ast.parse(body.strip()).body
        return _all([_from_python(call, tools) for line in lines for call in _calls_in(line)])
    except _BROKEN:
        return None


def read_any(body: str, tools: Tools) -> list[ToolCall] | None:
    """JSON calls one after the other with `;` between them, or Python."""
    calls: list[ToolCall] = []
    rest = body.strip()
    while rest.startswith("{"):
        try:
            value, end = _decoder.raw_decode(rest)
            one = _from_object(value)
        except _BROKEN:
            return None
        if one is None:
            return None
        calls.append(one)
        rest = rest[end:].lstrip().removeprefix(";").lstrip()
    return calls if calls and not rest else read_python(rest, tools) if not calls else None


def known(reader: Reader) -> Reader:
    """For calls without a mark of their own: only the name of a tool on offer tells them from text."""

    def read(body: str, tools: Tools) -> list[ToolCall] | None:
        calls = reader(body, tools)
        return calls if calls and all(call.name in tools for call in calls) else None

    return read


def call_of(name: str, arguments: str) -> ToolCall | None:
    """A call whose arguments are JSON text of an object, or None."""
    try:
        return _call(name, _loads(arguments.strip() or "{}"))
    except _BROKEN:
        return None


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


# Models write line feeds into strings as they are.
_decoder = json.JSONDecoder(strict=False, parse_constant=_refuse)


def _loads(text: str) -> Any:
    return _decoder.decode(text.strip())


def _all(calls: list[ToolCall | None]) -> list[ToolCall] | None:
    """A body of which one part is no call is none."""
    whole = [call for call in calls if call is not None]
    return whole if whole and len(whole) == len(calls) else None


def _from_object(value: Any) -> ToolCall | None:
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict):
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = _loads(arguments)
    return _call(value.get("name", value.get("function")), {} if arguments is None else arguments)


def _call(name: Any, arguments: Any) -> ToolCall | None:
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        return None
    name.encode()  # half a character has no place in JSON lines
    text = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(arguments, allow_nan=False)
    return ToolCall(name=name, arguments=text)


def _pairs(name: str, text: str, pair: re.Pattern[str], tools: Tools) -> list[ToolCall] | None:
    """Arguments one by one; the tool's schema says which are text and which are JSON."""
    properties = tools.get(name, {}).get("properties", {})
    arguments: dict[str, Any] = {}
    at = 0
    while at < len(text):
        found = pair.match(text, at)
        if found is None:
            return None
        key = found[1].strip()
        arguments[key] = _typed(found[2], properties.get(key) if isinstance(properties, dict) else None)
        at = found.end()
    try:
        return _all([_call(name, arguments)])
    except _BROKEN:
        return None


def _typed(text: str, schema: Any) -> Any:
    text = text.removeprefix("\n").removesuffix("\n")
    if takes_text(schema):
        return text
    try:
        return _loads(text)
    except _BROKEN:
        return text


def takes_text(schema: Any) -> bool:
    """Whether an argument of this schema is written as bare text where a family writes arguments one by one."""
    if not isinstance(schema, dict) or not schema:
        return True
    if "type" in schema:
        return schema["type"] == "string" or (isinstance(schema["type"], list) and "string" in schema["type"])
    if isinstance(schema.get("enum"), list):
        return all(isinstance(one, str) for one in schema["enum"])
    parts = schema.get("anyOf", schema.get("oneOf"))
    return isinstance(parts, list) and any(isinstance(part, dict) and takes_text(part) for part in parts)


def _calls_in(line: ast.stmt) -> Iterator[ast.expr]:
    if not isinstance(line, ast.Expr):
        raise SyntaxError  # noqa: TRY004 - a program, not a call
    value = line.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print" and value.args:
        value = value.args[0]
    yield from value.elts if isinstance(value, ast.List) else [value]


def _from_python(call: ast.expr, tools: Tools) -> ToolCall | None:
    if not isinstance(call, ast.Call):
        return None
    name = _dotted(call.func)
    last = name.removesuffix(".call").rpartition(".")[2]  # Gemma's `default_api.f`, Llama's `search.call`
    name = name if name in tools else last if last in tools or name.endswith(".call") else name
    order = list(tools.get(name, {}).get("properties", {}))
    arguments = dict(zip(order, map(_literal, call.args), strict=False))
    if len(arguments) < len(call.args) or any(keyword.arg is None for keyword in call.keywords):
        return None
    return _call(name, arguments | {str(keyword.arg): _literal(keyword.value) for keyword in call.keywords})


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Name):
        return node.id
    raise ValueError


_JSON_NAMES = {"true": True, "false": False, "null": None}


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Name(id=name) if name in _JSON_NAMES:
            return _JSON_NAMES[name]
        case ast.List(elts=elts) | ast.Tuple(elts=elts):
            return [_literal(one) for one in elts]
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return {str(ast.literal_eval(key)): _literal(value) for key, value in pairs if key is not None}
        case _:
            return ast.literal_eval(node)
