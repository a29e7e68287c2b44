"""Schemas by chance, through a worker: what it says under a promise is what it promised."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pointsman.engines import protocol
from tests.engines.conformance.speaking import QUESTIONS, SOAK, Worker, ask
from tests.engines.json_schemas import holds, schemas

COUNT = 500 if SOAK else 20
AT_ONCE = 10
# The starter writes on and on under a form; a liking for what closes a value brings it to an end.
CLOSING = {str(ord(char) - ord("!")): 6.0 for char in '"]}'}
pytestmark = pytest.mark.timeout(3600 if SOAK else 240)


def test_schemas(worker: Worker) -> None:
    """Whatever ends by itself fits its schema; what is cut off was on the way to it."""
    chance, asked, ended = random.Random(5), 0, 0

    @settings(
        max_examples=COUNT // AT_ONCE,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(schemas, min_size=AT_ONCE, max_size=AT_ONCE))
    def some(wanted: list[Any]) -> None:
        nonlocal asked, ended
        said = worker.answers([promised(schema, chance) for schema in wanted])
        for schema, one in zip(wanted, said, strict=True):
            asked += 1
            assert one.end.finish in ("stop", "length")
            if one.end.finish == "stop":
                assert holds(schema, json.loads(one.text)), (schema, one.text)
                ended += 1

    some()
    assert asked >= COUNT and ended > asked * 0.9


def promised(schema: Any, chance: random.Random) -> protocol.Chat:
    """A request for that form, drawn hot or cold."""
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    heat = chance.choice([0.0, 0.7, 1.5])
    fields = {"temperature": heat, "seed": chance.randrange(99), "logit_bias": CLOSING, "max_tokens": 120}
    return ask(chance.choice(QUESTIONS), response_format=form, **fields)


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "unheard"}, "type"),
        ({"type": "object", "not": {}}, "not"),
        ({"$ref": "https://elsewhere/schema"}, "outside itself"),
        ({"$ref": "#"}, "leads back to itself"),
        ({"enum": []}, "no value"),
        ({"type": "array", "minItems": 5000}, "more than 1000"),
    ],
)
def test_what_cannot_be_promised(worker: Worker, schema: Any, problem: str) -> None:
    """A form that cannot be held is refused in a sentence, by each engine alike."""
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    failed = worker.answer(ask("Hello", response_format=form)).failed
    assert failed.code == "bad_request" and problem in failed.message and failed.message.endswith(".")
