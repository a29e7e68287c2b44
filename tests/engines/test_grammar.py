"""Promised forms: the grammar takes exactly the answers that fit, as llama.cpp itself reads it."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as C
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.engines.failures import Rejected
from pointsman.engines.families import FAMILIES, Marks
from pointsman.engines.grammar import grammar_for
from pointsman.engines.protocol import Chat

Fits = Callable[[str, str], bool]
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
}  # fmt: skip


@pytest.fixture(scope="module")
def fits(starter: Path) -> Iterator[Fits]:
    """Whether llama.cpp, held to a grammar, could write just this text and end there."""
    params = C.llama_model_default_params()
    params.vocab_only = True
    model = C.llama_model_load_from_file(str(starter).encode(), params)
    vocab = C.llama_model_get_vocab(model)

    def could_write(grammar: str, text: str) -> bool:
        sampler = C.llama_sampler_init_grammar(vocab, grammar.encode(), b"root")
        assert sampler, grammar
        try:
            return all(_step(sampler, token) for token in [*_tokens(vocab, text), C.llama_vocab_eos(vocab)])
        finally:
            C.llama_sampler_free(sampler)

    yield could_write
    C.llama_model_free(model)


def _tokens(vocab: Any, text: str) -> list[int]:
    raw = text.encode()
    buffer = (C.llama_token * (len(raw) + 8))()
    return buffer[: C.llama_tokenize(vocab, raw, len(raw), buffer, len(buffer), False, True)]


def _step(sampler: Any, token: int) -> bool:
    one = (C.llama_token_data * 1)(C.llama_token_data(id=token, logit=0.0, p=0.0))
    candidates = C.llama_token_data_array(data=one, size=1, selected=-1, sorted=False)
    C.llama_sampler_apply(sampler, ctypes.byref(candidates))
    if one[0].logit == float("-inf"):
        return False
    C.llama_sampler_accept(sampler, token)
    return True


def promised(chat: Chat, family: str = "hermes") -> str | None:
    """What a model of this family may write."""
    return grammar_for(chat, FAMILIES[family], None)


def grammar(schema: Any = None, **fields: Any) -> str:
    """The grammar of a request for any object, or for this schema."""
    form = {"type": "json_object"} if schema is None else {"type": "json_schema", "json_schema": {"schema": schema}}
    text = promised(Chat(id="a", messages=[], **{"response_format": form, **fields}))
    assert text is not None
    return text


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(-1e6, 1e6) | st.text('ab"\\\n\té\u2028🙂\x7f', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"\\é', max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.text("ab", max_size=3), _json, max_size=3), st.sampled_from([None, 1]))
def test_json_object(fits: Fits, value: dict[str, Any], indent: int | None) -> None:
    """A JSON object is any object."""
    assert fits(grammar(), json.dumps(value, ensure_ascii=True, indent=indent))


@pytest.mark.parametrize(
    "text", ["", "[]", "1", "{", '{"a"}', '{"a": }', '{"a": 01}', '{"a": "\n"}', '{"a": NaN}', "{} x", '{"a": "\\x"}']
)
def test_no_json_object(fits: Fits, text: str) -> None:
    """Nothing else is a JSON object."""
    assert not fits(grammar(), text)


_TREE = {
    "$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["v", "next"], "additionalProperties": False}},
    "$ref": "#/$defs/node",
}  # fmt: skip
_PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "tags": {"type": "array", "items": {"enum": ["a", "b\nc"]}}},
    "required": ["name"],
    "additionalProperties": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (_PERSON, ['{"name": "x"}', '{"name":"x","age":3}', '{"name": "x", "age": 3, "tags": ["a", "b\\nc"]}', '{"name": "x", "tags": []}'],
         ["{}", '{"age": 3}', '{"name": 3}', '{"name": "x", "z": 1}', '{"name": "x",}', '{"name": "x", "tags": ["c"]}']),
        (_TREE, ['{"v": 1, "next": {"v": 2, "next": null}}'], ['{"v": 1}', '{"v": 1, "next": 3}']),
        ({"type": "object"}, ["{}", '{"a": [1, {}]}'], ["[]"]),
        (True, ["1", '"a"', "null"], ["nul"]),
        ({"type": ["string", "null"]}, ['"a"', "null"], ["1"]),
        ({"const": 'q"\\\n'}, ['"q\\"\\\\\\n"'], ['"q"']),
        ({"enum": [1, "é", None]}, ["1", '"é"', "null"], ["2"]),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2}, ["[true]", "[true, false]"], ["[]", "[true,true,true]"]),
        ({"type": "array", "maxItems": 0}, ["[]", "[ ]"], ["[1]"]),
        ({"type": "array", "maxItems": 1}, ["[]", "[1]"], ["[1,1]"]),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}]}, ["[1, null]"], ["[1]"]),
        ({"type": "string", "minLength": 1, "maxLength": 2}, ['"a"', '"ab"'], ['""', '"abc"']),
        ({"type": "number"}, ["0", "-1.5", "2e10"], ["01", "+1", "1."]),
        ({"oneOf": [{"type": "integer"}, {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}]}, ["7", '{"a": 1}'], ["{}"]),
        ({"allOf": [{"properties": {"a": {"type": "null"}}, "required": ["a"]}, {"properties": {"b": {"type": "null"}}}]}, ['{"a": null}', '{"a": null, "b": null}'], ["{}"]),
        ({"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": {"type": "integer"}}, ['{"a": null, "b": 1, "c": 2}', '{"b": 1}', "{}"], ['{"b": "x"}']),
        ({"type": "object", "required": ["a"]}, ['{"a": 1}', '{"a": 1, "b": 2}'], ["{}", '{"b": 2}']),
        ({"definitions": {"a/b": {"type": "null"}}, "type": "array", "items": {"$ref": "#/definitions/a~1b"}}, ["[null]"], ["[1]"]),
    ],
)  # fmt: skip
def test_schema(fits: Fits, schema: Any, good: list[str], bad: list[str]) -> None:
    """A schema takes what fits and nothing else."""
    text = grammar(schema)
    assert [one for one in good if not fits(text, one)] == []
    assert [one for one in bad if fits(text, one)] == []


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"type": "string"}},
        {"type": "object", "patternProperties": {"a": {}}},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"$ref": "#/$defs/missing"},
        {"type": "banana"},
        {"enum": []},
        {"enum": 3},
        {"properties": [1]},
        {"type": "array", "minItems": 5000},
        {"type": "array", "minItems": "x"},
        {"anyOf": [False]},
    ],
)
def test_refused_schema(schema: Any) -> None:
    """A schema that cannot be promised is refused in a sentence."""
    with pytest.raises(Rejected, match=r"^[^\n]+\.$") as raised:
        grammar(schema)
    assert raised.value.code == "bad_request"


def test_deep_schema() -> None:
    """A schema that is nested without end is refused."""
    schema: dict[str, Any] = {}
    for _ in range(5000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(Rejected):
        grammar(schema)


@pytest.mark.parametrize(
    "form", [{"type": "xml"}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": {"schema": 3}}]
)
def test_unknown_form(form: dict[str, Any]) -> None:
    """An unknown form is refused."""
    with pytest.raises(Rejected):
        promised(Chat(id="a", messages=[], response_format=form))


def test_free_answer() -> None:
    """A free answer has no grammar."""
    assert promised(Chat(id="a", messages=[], response_format={"type": "text"}, tools=[WEATHER])) is None


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_forced_tool(fits: Fits, choice: Any) -> None:
    """A forced tool must be called."""
    text = grammar(response_format=None, tools=[WEATHER], tool_choice=choice)
    assert fits(text, '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>')
    assert not fits(text, '<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>')
    assert not fits(text, "The weather is fine.")


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "other"}}, {"odd": 1}])
def test_forced_tool_missing(choice: Any) -> None:
    """A forced tool that is not there is refused."""
    tools = [] if choice == "required" else [WEATHER]
    with pytest.raises(Rejected):
        grammar(response_format=None, tools=tools, tool_choice=choice)


def test_tools_and_form(fits: Fits) -> None:
    """With tools and a form the model may do either."""
    text = grammar({"type": "integer"}, tools=[WEATHER])
    assert fits(text, "7")
    assert fits(text, '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>')
    assert not fits(grammar({"type": "integer"}, tools=[WEATHER], tool_choice="none"), "<tool_call>")


STRICT = {"function": {**WEATHER["function"], "strict": True}}
CALLS = {
    "hermes": '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>',
    "qwen_xml": "<tool_call>\n<function=weather>\n<parameter=city>\nRome\n</parameter>\n</function>\n</tool_call>",
    "llama": '{"name": "weather", "parameters": {"city": "Rome"}}',
    "pythonic": '[weather(city="Rome")]',
    "mistral": '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Rome"}}]',
    "mistral_args": '[TOOL_CALLS]weather[ARGS]{"city": "Rome"}',
    "gemma": '```tool_code\nweather(city="Rome")\n```',
    "phi": '<|tool_call|>[{"name": "weather", "arguments": {"city": "Rome"}}]<|/tool_call|>',
    "harmony": '<|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Rome"}',
    "glm": "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n</tool_call>",
    "deepseek": "<\uff5ctool▁calls▁begin\uff5c><\uff5ctool▁call▁begin\uff5c>function<\uff5ctool▁sep\uff5c>weather\n"
    '```json\n{"city": "Rome"}\n```<\uff5ctool▁call▁end\uff5c><\uff5ctool▁calls▁end\uff5c>',
}


@pytest.mark.parametrize("family", CALLS)
def test_each_family_writes_calls_its_own_way(fits: Fits, family: str) -> None:
    """A forced call is written as the family writes calls, with the arguments that the schema wants, and not without."""
    text = promised(Chat(id="a", messages=[], tools=[WEATHER], tool_choice="required"), family)
    assert text is not None
    assert fits(text, CALLS[family])
    assert not fits(text, CALLS[family].replace("city", "town")) and not fits(text, "Sunny.")


@pytest.mark.parametrize("family", CALLS)
def test_strict_tool(fits: Fits, family: str) -> None:
    """Where the model is free to call a strict tool, it may write any text, but only calls that fit."""
    text = promised(Chat(id="a", messages=[], tools=[STRICT]), family)
    assert text is not None
    begin = "<|start|>assistant<|channel|>final<|message|>" if family == "harmony" else ""
    assert fits(text, f"{begin}Sunny < 30 [degrees] `x` {{}}.\n")
    assert fits(text, CALLS[family]) and not fits(text, CALLS[family].replace("city", "town"))
    assert promised(Chat(id="a", messages=[], tools=[WEATHER]), family) is None


@pytest.mark.parametrize("family", ["hermes", "mistral", "phi", "deepseek", "gemma", "qwen_xml", "glm", "mistral_args"])
def test_strict_tool_after_text(fits: Fits, family: str) -> None:
    """Text may stand before a strict call, and is held to nothing."""
    text = promised(Chat(id="a", messages=[], tools=[STRICT]), family)
    assert text is not None
    assert fits(text, f"Let me look.\n{CALLS[family]}")
    assert not fits(text, f"Let me look.\n{CALLS[family].replace('city', 'town')}")


def test_schema_that_cannot_be_promised() -> None:
    """It is refused for a strict tool; another tool then takes any object."""
    parameters = {"type": "object", "patternProperties": {"a": {}}}
    loose = {"function": {"name": "f", "parameters": parameters}}
    assert "object" in (promised(Chat(id="a", messages=[], tools=[loose], tool_choice="required")) or "")
    with pytest.raises(Rejected):
        promised(Chat(id="a", messages=[], tools=[{"function": {**loose["function"], "strict": True}}]))


def test_line_feeds_after_reasoning(fits: Fits) -> None:
    """A model that reasons may leave lines empty before what it promised."""
    chat = Chat(id="a", messages=[], response_format={"type": "json_object"})
    text = grammar_for(chat, FAMILIES["hermes"], Marks("<think>", "</think>"))
    assert text is not None
    assert fits(text, "\n\n{}") and not fits(text, "so {}")
