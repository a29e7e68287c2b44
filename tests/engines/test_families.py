"""What models of each family write becomes text, reasoning and calls, wherever it is cut."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.catalog import CatalogError, Source, read
from pointsman.core.catalog_parts import TOOL_FORMATS
from pointsman.engines.answer import Answer, reader_for
from pointsman.engines.families import FAMILIES, Marks, family_of, reasoning_marks
from pointsman.engines.protocol import Calls, Chat, Text, Thought
from pointsman.engines.supervisor import WorkerSpec, worker_command
from tests.engines.family_templates import TEMPLATES

_FILE = Path(__file__).parent / "transcripts" / "families.toml"
TRANSCRIPTS: list[dict[str, Any]] = tomllib.loads(_FILE.read_text("utf-8"))["transcript"]
_NUMBER: dict[str, Any] = {"type": "integer"}
_TEXT = {"type": "string"}
TOOLS = [
    {"function": {"name": name, "parameters": {"type": "object", "properties": properties}}}
    for name, properties in {
        "weather": {"city": _TEXT},
        "add": {"a": _NUMBER, "b": _NUMBER},
        "write": {"text": _TEXT, "times": _NUMBER},
    }.items()
]
THINK = Marks("<think>", "</think>")


def heard(family: str, pieces: list[bytes], marks: Marks | None = None, prompt: str = "") -> tuple[str, str, list[Any]]:
    """What was thought, what was said, and the calls."""
    chat = Chat(id="a", messages=[], tools=TOOLS)
    answer = Answer("a", [], reader_for(chat, FAMILIES[family], marks, prompt))
    events = [event for piece in pieces for event in answer.feed(piece)] + answer.end()
    thought = "".join(event.text for event in events if isinstance(event, Thought))
    said = "".join(event.text for event in events if isinstance(event, Text))
    calls = [call for event in events if isinstance(event, Calls) for call in event.calls]
    return thought, said, [[call.name, json.loads(call.arguments)] for call in calls]


def bytewise(text: str) -> list[bytes]:
    """One byte at a time."""
    return [bytes([byte]) for byte in text.encode()]


def marks_of(one: dict[str, Any]) -> Marks | None:
    """The reasoning marks that the template of this family knows."""
    return (reasoning_marks(TEMPLATES[one["family"]]) or THINK) if one.get("reasons") else None


@pytest.mark.parametrize("one", TRANSCRIPTS, ids=lambda one: f"{one['family']}: {one['raw'][:24]!r}")
@pytest.mark.parametrize("cut", [lambda text: [text.encode()], bytewise], ids=["whole", "bytewise"])
def test_transcripts(one: dict[str, Any], cut: Any) -> None:
    """A transcript gives the events that are written beside it, whole or byte by byte."""
    calls = [[name, json.loads(arguments, strict=False)] for name, arguments in one.get("calls", [])]
    expected = (one.get("thought", ""), one.get("said", ""), calls)
    assert heard(one["family"], cut(one["raw"]), marks_of(one)) == expected


def test_every_family_has_a_transcript() -> None:
    """No family goes without one, and models.toml may name each."""
    assert {one["family"] for one in TRANSCRIPTS} == set(FAMILIES) == set(TOOL_FORMATS) == set(TEMPLATES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_recognised(name: str) -> None:
    """A chat template tells its family, and what models.toml says wins."""
    assert family_of(TEMPLATES[name]).name == name
    assert family_of(TEMPLATES[name], "phi").name == "phi"


def test_template_without_tools() -> None:
    """Where we describe the tools ourselves, the model is asked to write them as Hermes does."""
    assert family_of("<start_of_turn>{{ messages }}").name == family_of(None).name == "hermes"


_BITS = [
    *("<tool_call>", "</tool_call>", "<function=", "</function>", "<parameter=text>", "</parameter>", "[TOOL_CALLS]"),
    *("[ARGS]", "```tool_code\n", "```json\n", "```", "<|tool_call|>", "<|/tool_call|>", "<|python_tag|>", "<think>"),
    *("</think>", "<|channel|>", "analysis", "final", "<|message|>", "<|end|>", "<|start|>assistant", " to=functions.add"),
    *("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "weather", "add", "(a=1)", "[", "]", "{", "}", '"', "'"),
    *("\\", ";", " ", "\n", "<", "x", "é🙂", '{"name": "add", "parameters": {"a": 1}}', "[add(a=1)]", "{}", ">", "`"),
    *("<\uff5ctool▁calls▁begin\uff5c>", "<\uff5ctool▁call▁begin\uff5c>add<\uff5ctool▁sep\uff5c>{}", "<\uff5ctool▁calls▁end\uff5c>"),
]  # fmt: skip
_texts = st.lists(st.sampled_from(_BITS), max_size=12).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(FAMILIES)), _texts, st.sampled_from([None, THINK]), st.data())
def test_cuts(family: str, text: str, marks: Marks | None, data: st.DataObject) -> None:
    """Fed byte by byte or in two pieces equals fed whole."""
    raw = text.encode()
    whole = heard(family, [raw], marks)
    assert heard(family, bytewise(text), marks) == whole
    at = data.draw(st.integers(0, len(raw)))
    assert heard(family, [raw[:at], raw[at:]], marks) == whole


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(set(FAMILIES) - {"harmony"})), _texts)
def test_nothing_is_lost(family: str, text: str) -> None:
    """What was held back either became a call or was given back, but for white space at the edge of a call."""
    _, said, calls = heard(family, bytewise(text))
    if not calls:
        assert said == text
    else:
        # Text comes in order: what was said is what is left when the calls are taken out.
        rest = iter(text)
        assert all(char in rest for char in said)


@settings(max_examples=300, deadline=None)
@given(_texts)
def test_harmony_loses_nothing(text: str) -> None:
    """Each word in a message is thought, said or argued."""
    thought, said, calls = heard("harmony", bytewise(f"<|channel|>final<|message|>one {text} two"))
    everything = thought + said + json.dumps(calls)
    assert "one " in said and (everything.endswith((" two", " two[]")) or "<|" in text)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["hermes", "llama", "mistral", "mistral_args", "phi", "harmony", "deepseek"]), _values)
def test_any_arguments(family: str, value: Any) -> None:
    """Any JSON comes back as it was written."""
    arguments = json.dumps({"text": value})
    raw = next(one["raw"] for one in TRANSCRIPTS if one["family"] == family and '{"city": "Rome"}' in one["raw"])
    _, _, calls = heard(family, [raw.replace('{"city": "Rome"}', arguments).encode()])
    assert ["weather", {"text": value}] in calls


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"harmony"}))
def test_reasoning_that_the_template_opened(family: str) -> None:
    """Where the prompt ends inside the reasoning, the answer begins there."""
    thought, said, _ = heard(family, bytewise("I see.\n</think>\n\nYes."), THINK, "user: hi\nassistant: <think>\n")
    assert (thought, said) == ("I see.", "Yes.")


def test_reasoning_without_an_end() -> None:
    """Reasoning that is cut off is not said."""
    assert heard("hermes", bytewise("<think>so then </thi"), THINK) == ("so then </thi", "", [])


def test_marks_in_the_answer() -> None:
    """Marks of reasoning in the middle of an answer are text."""
    assert heard("hermes", bytewise("Use <think> and </think>."), THINK)[1] == "Use <think> and </think>."


@pytest.mark.parametrize(
    "text", ['{"a": "\\ud83d"}', '{"a": 1e999}', '{"a": NaN}', '{"a": ' + "9" * 5000 + "}", "[" * 99999]
)
def test_arguments_are_json(text: str) -> None:
    """Arguments are JSON that any client can read, or the call is text."""
    raw = f'<tool_call>{{"name": "add", "arguments": {text}}}</tool_call>'
    _, said, calls = heard("hermes", [raw.encode()])
    assert said == raw or (calls and json.dumps(calls).encode())


def test_unknown_tool_without_a_mark() -> None:
    """Without a mark only a tool on offer is a call; with one any name is."""
    assert heard("llama", [b'{"name": "other", "parameters": {}}'])[1] != ""
    assert heard("phi", [b'<|tool_call|>[{"name": "other", "arguments": {}}]<|/tool_call|>'])[2] == [["other", {}]]


def test_text_flows() -> None:
    """Text that cannot become a call is not held."""
    reader = reader_for(Chat(id="a", messages=[], tools=TOOLS), FAMILIES["llama"], None, "")
    assert "".join(map(str, reader.feed('{"colour": "red", '))) == '{"colour": "red",'
    assert re.fullmatch(
        r"\[1",
        "".join(
            map(str, reader_for(Chat(id="a", messages=[], tools=TOOLS), FAMILIES["pythonic"], None, "").feed("[1"))
        ),
    )


def test_models_toml_names_the_format() -> None:
    """A target's `tool_format` is checked when models.toml is read, and reaches the worker."""
    target = '[targets.x]\ntier = "local"\nengine = "llama_cpp"\nsource = "x.gguf"\ncontext = 512\ntool_format = "%s"\n'
    catalog = read([Source("models.toml", target % "glm")])
    assert catalog.targets["x"].tool_format == "glm"
    with pytest.raises(CatalogError, match="glm"):
        read([Source("models.toml", target % "glmm")])
    argv = worker_command(WorkerSpec(name="x", path="x.gguf", tool_format="glm"))
    assert argv[argv.index("--tool-format") + 1] == "glm"
