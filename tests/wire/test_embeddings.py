"""Embeddings: what is read of a body, what goes upstream, and what an answer says of its use."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core import facts
from pointsman.core.catalog import Sensitivity
from pointsman.core.errors import BadRequest
from pointsman.core.pricing import Meters
from pointsman.core.request import Finding, Hints, Request, Verdict
from pointsman.wire import embeddings
from pointsman.wire.body import Change
from pointsman.wire.embeddings import EmbeddingsScan

FOUND = Verdict((Finding("card_number", 1),))


def read(given: Any, **fields: Any) -> Request:
    """The neutral request of a body; sense finds a card in each text that says so."""
    body = json.dumps({"model": "vectors", "input": given, **fields}).encode()
    return embeddings.read("r1", body, Hints(), lambda raw: FOUND if b"card" in raw else Verdict())


@given(st.lists(st.text(min_size=1), min_size=1))
def test_the_bound_covers_every_byte(texts: list[str]) -> None:
    """No byte-level tokenizer makes more tokens than bytes."""
    request = read(texts)
    bound = facts.gather(request, Sensitivity()).bound
    assert bound >= sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    assert (len(request.messages), request.embeds, request.stream) == (len(texts), True, False)


@pytest.mark.parametrize(("given_", "tokens", "inputs"), [([5, 6, 7], 3, 1), ([[100_257], [1, 2]], 3, 2), ([[]], 0, 1)])
def test_tokens_as_numbers_are_counted(given_: Any, tokens: int, inputs: int) -> None:
    """By their number, in the likely price as in the bound; their digits say nothing."""
    request = read(given_)
    told = facts.gather(request, Sensitivity())
    assert (request.extra_tokens, request.size, len(request.messages)) == (tokens, 0, inputs)
    assert told.bound == told.estimate
    assert told.estimate >= tokens


def test_each_text_is_looked_at() -> None:
    """And the other fields too."""
    assert read(["plain", "my card"]).findings == (Finding("card_number", 1),)
    assert read("plain", user="my card").findings == (Finding("card_number", 1),)
    assert read("plain").findings == ()


@pytest.mark.parametrize("given_", [[], 5, None, {"a": 1}, ["a", 1], [[1], "a"], [1, "a"], [["a"]], [1.5]])
def test_what_is_no_input_is_refused_by_name(given_: Any) -> None:
    """400 with the field."""
    with pytest.raises(BadRequest, match="input"):
        read(given_)


def test_a_field_that_nobody_has_priced_is_named() -> None:
    """The router keeps it out of the cloud."""
    assert read("a", dimensions=4, encoding_format="base64", user="u").unpriced is None
    assert read("a", input_type="query").unpriced == "the field 'input_type'"


def test_only_the_model_changes() -> None:
    """Everything else keeps its bytes; there is no limit of output to send."""
    body = b'{"model":"x","input":[ "\\u00e9" ],"encoding_format":"base64","x":{ "y":1}}'
    sent = embeddings.splice(body, Change(model="m", output=0))
    assert sent == b'{"model":"m","input":[ "\\u00e9" ],"encoding_format":"base64","x":{ "y":1}}'


@pytest.mark.parametrize(
    ("usage", "meters"),
    [
        ({"prompt_tokens": 8, "total_tokens": 8}, Meters(fresh_input=8)),
        ({"total_tokens": 8}, Meters(fresh_input=8)),
        ({"prompt_tokens": 3, "total_tokens": 9}, Meters(fresh_input=9)),
        ({"prompt_tokens": -1}, None),
        (None, None),
    ],
)
def test_usage_is_input_alone(usage: Any, meters: Meters | None) -> None:
    """What makes no sense is missing, so that the bound is charged."""
    scan = EmbeddingsScan()
    scan.data(json.dumps({"object": "list", "data": [], "usage": usage}).encode())
    assert (scan.meters, scan.finish) == (meters, "stop")


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error":{"message":"no"}}'])
def test_what_is_no_answer_has_no_end(body: bytes) -> None:
    """So nothing of it counts as whole."""
    scan = EmbeddingsScan()
    scan.data(body)
    assert (scan.meters, scan.finish) == (None, None)


def asked(**fields: Any) -> embeddings.Asked:
    """What a model of this machine is told."""
    return embeddings.asked(json.dumps({"model": "here", **fields}).encode())


def test_what_a_model_here_is_told() -> None:
    """Texts in order, the size of the vector, and how it is sent; numbers where nothing is said."""
    assert asked(input="a") == embeddings.Asked(["a"], None, False)
    told = asked(input=["a", "b"], dimensions=8, encoding_format="base64", user="me")
    assert told == embeddings.Asked(["a", "b"], 8, True)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"input": [1, 2]}, "'input' holds tokens"),
        ({"input": [[1], [2]]}, "'input' holds tokens"),
        ({"input": ["a"] * 2049}, "'input' holds 2049 texts"),
        ({"input": "a", "dimensions": 0}, "'dimensions' must be"),
        ({"input": "a", "dimensions": "8"}, "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": []}, "input"),
    ],
)
def test_what_a_model_here_does_not_take(fields: dict[str, Any], named: str) -> None:
    """400 with the field."""
    with pytest.raises(BadRequest, match=named):
        asked(**fields)


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3)))
def test_both_encodings_hold_the_same_numbers(rows: list[list[float]]) -> None:
    """To the last bit, in order, with the tokens that were read."""
    vectors = [struct.pack("<3f", *row) for row in rows]
    plain = json.loads(embeddings.answer("here", vectors, 7, packed=False))
    packed = json.loads(embeddings.answer("here", vectors, 7, packed=True))
    assert [row["embedding"] for row in plain["data"]] == rows
    assert [list(struct.unpack("<3f", base64.b64decode(row["embedding"]))) for row in packed["data"]] == rows
    assert [row["index"] for row in plain["data"]] == list(range(len(rows)))
    assert plain["usage"] == packed["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
