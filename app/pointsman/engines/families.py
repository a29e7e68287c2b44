"""Families of models: how each writes tool calls and reasoning, and which one a chat template belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from pointsman.core.catalog_parts import TOOL_FORMATS
from pointsman.engines import call_bodies as bodies
from pointsman.engines.endings import Balanced, Ending, Rest, UntilMark, in_string

__all__ = ["FAMILIES", "TOOL_FORMATS", "Family", "Marks", "Section", "family_of", "reasoning_marks"]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One way to write calls: from `open` to where `ending` says, read by `read`.

    A `bare` section has no mark of its own: it counts only where the answer begins or right after a call, and
    `open` belongs to what is read. `plausible` lets text go early that cannot become a call any more.
    """

    open: str
    ending: Callable[[], Ending]
    read: bodies.Reader
    bare: bool = False
    plausible: Callable[[str, bodies.Tools], bool] = lambda _body, _tools: True


class Marks(msgspec.Struct, frozen=True):
    """What stands before and after reasoning."""

    open: str
    close: str


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """`shown` are marks that may be single control tokens, whose text must be seen all the same."""

    name: str
    sections: tuple[Section, ...] = ()
    shown: tuple[str, ...] = ()


_FIRST_KEY = re.compile(r'[\s\[]*(\{\s*(?:"([^"]*)("?))?)?')
_CALL_KEYS = ("name", "type", "function", "parameters", "arguments")


def _json_begins(body: str, _tools: bodies.Tools) -> bool:
    """Whether this may be the beginning of a call in JSON: its first key decides."""
    found = _FIRST_KEY.match(body)
    if found is None or (found.end() < len(body) and not found[3]):
        return False
    key, closed = found[2] or "", found[3]
    return key in _CALL_KEYS if closed else any(one.startswith(key) for one in _CALL_KEYS)


_PYTHON_NAME = re.compile(r"\[\s*([\w.]*)")


def _python_begins(body: str, tools: bodies.Tools) -> bool:
    """Whether this may be the beginning of a list of calls in Python: the first name decides."""
    found = _PYTHON_NAME.match(body)
    if found is None:
        return False
    name, ended = found[1].rpartition(".")[2], found.end() < len(body)
    return name in tools if ended else any(one.startswith(name) for one in tools)


def _inside_tagged(body: str) -> bool:
    if body.lstrip().startswith(("{", "[")):
        return in_string(body)
    pairs = (("<parameter=", "</parameter>"), ("<arg_value>", "</arg_value>"))
    return any(body.rfind(open_) > body.rfind(close) for open_, close in pairs)


def _mistral_begin(body: str) -> int | None:
    """Where the value begins that ends the section."""
    begin = len(body) - len(body.lstrip())
    if body.startswith("[", begin):
        return begin
    at = body.find("{")
    return at if at >= 0 else None


def _in_python_string(body: str) -> bool:
    return in_string(body, "\"'")


_TAGGED = Section(
    open="<tool_call>",
    ending=lambda: UntilMark("</tool_call>", _inside_tagged),
    read=bodies.read_tagged,
)
_BARE_FUNCTION = Section(
    open="<function=",
    ending=lambda: UntilMark("</function>", _inside_tagged),
    read=lambda body, tools: bodies.read_xml(f"<function={body}", tools),
)
_LLAMA = (
    Section(open="<|python_tag|>", ending=Rest, read=bodies.read_any),
    Section(open="{", ending=Balanced, read=bodies.known(bodies.read_json), bare=True, plausible=_json_begins),
)
_PYTHONIC = (
    Section(
        open="<|python_start|>", ending=lambda: UntilMark("<|python_end|>", _in_python_string), read=bodies.read_any
    ),
    Section(
        open="[",
        ending=lambda: Balanced(quotes="\"'"),
        read=bodies.known(bodies.read_python),
        bare=True,
        plausible=_python_begins,
    ),
    _LLAMA[1],
)
_MISTRAL = Section(open="[TOOL_CALLS]", ending=lambda: Balanced(begin=_mistral_begin), read=bodies.read_mistral)
_GEMMA = (
    Section(open="```tool_code", ending=lambda: UntilMark("```", _in_python_string), read=bodies.read_python),
    Section(
        open="```json",
        ending=lambda: UntilMark("```", in_string),
        read=bodies.known(bodies.read_json),
        plausible=_json_begins,
    ),
)
_PHI = Section(open="<|tool_call|>", ending=lambda: UntilMark("<|/tool_call|>", in_string), read=bodies.read_json)
_DEEPSEEK = Section(
    open=bodies.deepseek("calls▁begin"),
    ending=lambda: UntilMark(bodies.deepseek("calls▁end"), in_string),
    read=bodies.read_deepseek,
)

_TAGS = ("<tool_call>", "</tool_call>")
_CHANNELS = ("<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|constrain|>")
_DEEPSEEK_MARKS = tuple(bodies.deepseek(one) for one in ("calls▁begin", "calls▁end", "call▁begin", "call▁end", "sep"))
_MISTRAL_MARKS = ("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
_GLM_MARKS = ("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(name="hermes", sections=(_TAGGED,), shown=_TAGS),
        Family(name="qwen_xml", sections=(_TAGGED, _BARE_FUNCTION), shown=_TAGS),
        Family(name="llama", sections=_LLAMA, shown=("<|python_tag|>",)),
        Family(name="pythonic", sections=_PYTHONIC, shown=("<|python_start|>", "<|python_end|>")),
        Family(name="mistral", sections=(_MISTRAL,), shown=_MISTRAL_MARKS),
        Family(name="mistral_args", sections=(_MISTRAL,), shown=_MISTRAL_MARKS),
        Family(name="gemma", sections=_GEMMA),
        Family(name="phi", sections=(_PHI,), shown=("<|tool_call|>", "<|/tool_call|>")),
        Family(name="harmony", shown=_CHANNELS),
        Family(name="glm", sections=(_TAGGED,), shown=(*_TAGS, *_GLM_MARKS)),
        Family(name="deepseek", sections=(_DEEPSEEK,), shown=_DEEPSEEK_MARKS),
    )
}

# What only the templates of one family hold; the first that is found decides.
_SIGNS = (
    ("<|channel|>", "harmony"),
    ("tool▁calls▁begin", "deepseek"),
    ("[ARGS]", "mistral_args"),
    ("[TOOL_CALLS]", "mistral"),
    ("<|tool_call|>", "phi"),
    ("<arg_key>", "glm"),
    ("<function=", "qwen_xml"),
    ("<tool_call>", "hermes"),
    ("<|python_start|>", "pythonic"),
    ("<|header_start|>", "pythonic"),
    ("<|python_tag|>", "llama"),
    ("<|start_header_id|>", "llama"),
    ("tool_code", "gemma"),
    ("<start_of_turn>", "gemma"),
)


def family_of(template: str | None, told: str | None = None) -> Family:
    """The family of a chat template; `told` wins.

    A template that knows no tools gets them described by us, so its model is asked to write them our way.
    """
    if told is not None:
        return FAMILIES[told]
    text = template or ""
    if "<|channel|>" not in text and "tools" not in text:
        return FAMILIES["hermes"]
    return FAMILIES[next((name for sign, name in _SIGNS if sign in text), "hermes")]


def reasoning_marks(template: str | None) -> Marks | None:
    """The marks that a template knows, or None for a model that does not reason aloud."""
    pairs = (Marks("<think>", "</think>"), Marks("[THINK]", "[/THINK]"))
    return next((marks for marks in pairs if marks.close in (template or "") or marks.open in (template or "")), None)
