"""Whatever a model prefers to write, what it promised is kept: both real samplers over the starter's real tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.engines.call_bodies import read_python, read_tagged
from pointsman.engines.failures import Rejected
from pointsman.engines.families import FAMILIES
from pointsman.engines.grammar import grammar_for
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.protocol import Chat
from pointsman.engines.sampling import sampling_of
from pointsman.engines.schema_grammar import Grammar
from tests.engines.conformance.speaking import SOAK
from tests.engines.json_schemas import holds, schemas

COUNT = settings(
    max_examples=500 if SOAK else 25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
Logits = npt.NDArray[np.float32]
_STUBBORN, _LIMIT = 40, 600  # tokens until the adversary lets the model end, and until the test gives up


@pytest.fixture(scope="module")
def model(engine: str, starter_of: dict[str, Path]) -> Iterator[Any]:
    """The starter, of which only the tokens matter here; the interrupt has to outlive it."""
    interrupt = Interrupt()
    yield opened(engine, str(starter_of[engine]), interrupt)
    assert interrupt.pointer


def opened(engine: str, path: str, interrupt: Interrupt) -> Any:
    """The model in this process, with the marks of tools shown."""
    if engine == "mlx":
        from pointsman.engines.mlx_model import MlxModel

        model: Any = MlxModel(path, 64)
    else:
        from pointsman.engines.llama import LlamaModel, ModelOptions

        model = LlamaModel(ModelOptions(path=path, context=64, threads=1, slots=1), interrupt)
    model.show(())
    return model


def sampler(model: Any, grammar: Grammar | None, **fields: Any) -> Any:
    """One that takes the likeliest token."""
    chat = Chat(id="a", messages=[], **{"temperature": 0.0, **fields})
    return model.sampler(sampling_of(chat, model.vocabulary), grammar)


def just(text: str) -> Grammar:
    """The grammar with this one rule."""
    return Grammar({"root": text})


def adversary(model: Any, seed: int) -> Callable[[int], Logits]:
    """Logits by chance, that would rather go on and say anything; in the end they let what is open be closed."""
    chance = np.random.default_rng(seed)
    pieces = [model.piece(token) for token in range(model.vocabulary)]
    closes = np.array([piece[:1] in (b'"', b"}", b"]", b",", b":") and len(piece) == 1 for piece in pieces])
    ends = np.array([model.ends(token) for token in range(model.vocabulary)])

    def logits(at: int) -> Logits:
        wishes = chance.normal(0.0, 5.0, model.vocabulary)
        wishes[ends] = -50.0 if at < _STUBBORN else 100.0
        if at >= _STUBBORN:
            wishes[closes] += 60.0
            wishes[[piece in (b",", b":") for piece in pieces]] -= 30.0
        return wishes.astype(np.float32)

    return logits


def written(model: Any, grammar: Grammar, seed: int) -> tuple[str, int]:
    """What the adversary gets written under a grammar, and how often it was refused."""
    wishes, chooser, said = adversary(model, seed), sampler(model, grammar), b""
    try:
        for at in range(_LIMIT):
            token = chooser.constrained(wishes(at))
            if model.ends(token):
                return said.decode(), chooser.refused
            said += model.piece(token)
    finally:
        chooser.close()
    pytest.fail(f"no end after {_LIMIT} tokens: {said[:200]!r}")


@COUNT
@given(schemas, st.integers(0, 1 << 30))
def test_schemas(model: Any, schema: Any, seed: int) -> None:
    """Any schema is kept by a model that always prefers something else."""
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    grammar = grammar_for(Chat(id="a", messages=[], response_format=form), FAMILIES["hermes"], None)
    assert grammar is not None
    text, _ = written(model, grammar, seed)
    assert holds(schema, json.loads(text)), (schema, text)


def test_the_adversary_is_one(model: Any) -> None:
    """It is refused nearly always."""
    form = {"type": "json_schema", "json_schema": {"schema": {"const": "a constant of some length"}}}
    grammar = grammar_for(Chat(id="a", messages=[], response_format=form), FAMILIES["hermes"], None)
    assert grammar is not None
    text, refused = written(model, grammar, 1)
    assert json.loads(text) == "a constant of some length" and refused > 5


_arguments = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from([{"type": "string"}, {"type": "integer"}, {"enum": ["x", "y z"]}, {"type": "array", "items": {"type": "boolean"}, "maxItems": 2}]),
    max_size=3,
)  # fmt: skip


@COUNT
@given(st.sampled_from(["hermes", "qwen_xml", "glm", "gemma"]), _arguments, st.integers(0, 1 << 30))
def test_forced_calls(model: Any, family: str, properties: dict[str, Any], seed: int) -> None:
    """A forced call is read back as a call, with arguments that its schema describes."""
    if family in ("qwen_xml", "glm"):  # there bare text ends at a mark, which chance never writes
        properties = properties | {
            name: {"type": "integer"} for name, one in properties.items() if one == {"type": "string"}
        }
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    tool = {"function": {"name": "f", "parameters": schema}}
    chat = Chat(id="a", messages=[], tools=[tool], tool_choice="required")
    grammar = grammar_for(chat, FAMILIES[family], None)
    assert grammar is not None
    model.show(FAMILIES[family].shown)
    text, _ = written(model, grammar, seed)
    body = (
        text.removeprefix("<tool_call>").removesuffix("</tool_call>").removeprefix("```tool_code").removesuffix("```")
    )
    calls = (read_python if family == "gemma" else read_tagged)(body, {"f": schema})
    assert calls is not None, text
    assert [call.name for call in calls] == ["f"] and holds(schema, json.loads(calls[0].arguments))


def test_masking_only_on_refusal(model: Any) -> None:
    """A token that the grammar takes costs no look at the others."""
    chooser = sampler(model, just('"aaa"'))
    wish = np.zeros(model.vocabulary, np.float32)
    wish[model.continued("a")[0]] = 9.0
    assert [model.piece(chooser.constrained(wish)) for _ in range(3)] == [b"a"] * 3 and chooser.refused == 0
    assert model.ends(chooser.constrained(wish)) and chooser.refused == 1
    chooser.close()


def test_a_token_that_passes(model: Any) -> None:
    """A mark of reasoning may pass by the grammar, which then still waits for its beginning."""
    chooser = sampler(model, just('"a"'))
    wish = np.zeros(model.vocabulary, np.float32)
    mark = model.continued("z")[0]
    wish[mark] = 9.0
    assert chooser.constrained(wish, lambda token: token == mark) == mark
    assert model.piece(chooser.constrained(wish)) == b"a"
    chooser.close()


def test_no_token_left(model: Any) -> None:
    """A form that no token can begin is refused and does not end the process."""
    chooser = sampler(model, just('"a"'))
    wish = np.full(model.vocabulary, -np.inf, np.float32)
    wish[model.continued("z")[0]] = 0.0
    with pytest.raises(Rejected, match="knows no token"):
        chooser.constrained(wish)
    chooser.close()


def test_bias(model: Any) -> None:
    """A bias moves the choice, also under a grammar, and a forbidden token is taken where nothing else is left."""
    one, two = model.continued("a")[0], model.continued("b")[0]
    wish = np.zeros(model.vocabulary, np.float32)
    wish[one] = 5.0
    for grammar, expected in (('"a" | "b"', two), ('"a"', one)):
        chooser = sampler(model, just(grammar), logit_bias={str(one): -100.0})
        assert chooser.constrained(wish) == expected
        chooser.close()


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("choice", ["auto", "required"])
def test_every_family(model: Any, family: str, choice: str) -> None:
    """The calls of each family, and free text with calls in it, are forms that the engine can hold."""
    tool = {"function": {"name": "f", "strict": True, "parameters": {"type": "object", "properties": {}}}}
    chat = Chat(id="a", messages=[], tools=[tool], tool_choice=choice)
    chooser = sampler(model, grammar_for(chat, FAMILIES[family], None))
    wish = np.zeros(model.vocabulary, np.float32)
    assert [model.ends(chooser.constrained(wish)) for _ in range(3)].count(True) <= 3
    chooser.close()


def test_free_text_before_a_call(model: Any) -> None:
    """Text goes on as long as it wants; a call in it has to be whole."""
    tool = {"function": {"name": "f", "strict": True, "parameters": {"type": "object", "properties": {}}}}
    grammar = grammar_for(Chat(id="a", messages=[], tools=[tool]), FAMILIES["hermes"], None)
    chooser, wish = sampler(model, grammar), np.zeros(model.vocabulary, np.float32)
    for token in model.continued("Some <tool talk. " * 60 + "<tool_call"):
        wish[:] = 0.0
        wish[token] = 9.0
        assert chooser.constrained(wish) == token
    for text in (">", "\n", "{"):
        wish[:] = 0.0
        wish[model.continued(text)[0]] = 9.0
        assert model.piece(chooser.constrained(wish)).startswith(text.encode())
    wish[:] = 0.0
    wish[model.continued("z")[0]] = 9.0
    assert model.piece(chooser.constrained(wish)).startswith(b'"')
    chooser.close()


def test_the_seed_decides(model: Any) -> None:
    """The same seed draws the same tokens, another seed others; what is cut off is never drawn."""
    wish = np.zeros(model.vocabulary, np.float32)
    wish[:50] = 5.0

    def drawn(seed: int, **fields: Any) -> list[int]:
        chooser = sampler(
            model, just(r"[^\x00]*"), **{"temperature": 1.0, "top_p": 1.0, "min_p": 0.0, "seed": seed, **fields}
        )
        tokens = [chooser.constrained(wish, lambda _: True) for _ in range(20)]
        chooser.close()
        return tokens

    assert drawn(1) == drawn(1) != drawn(2)
    assert set(drawn(3, top_k=1)) == {drawn(3, top_k=1)[0]}
    assert max(drawn(4, top_k=50)) < 50 and max(drawn(4, top_k=0, min_p=0.5)) < 50


def test_penalties_of_what_was_said(model: Any) -> None:
    """A token loses its lead each time that it is said."""
    wish = np.zeros(model.vocabulary, np.float32)
    first, second = model.continued("a")[0], model.continued("b")[0]
    wish[first], wish[second] = 3.0, 2.5
    chooser = sampler(model, just(r"[^\x00]*"), frequency_penalty=1.0)
    assert [chooser.constrained(wish, lambda _: True) for _ in range(4)] == [first, second, first, second]
    chooser.close()
