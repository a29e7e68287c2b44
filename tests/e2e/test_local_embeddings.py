"""Vectors made on this machine, by the vendor's SDK through a real gateway and a real worker."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from tests.fakes import vector_models
from tests.fakes.home import Home, target

HERE = """
[targets.{name}]
tier = "local"
engine = "llama_cpp"
source = "{path}"
context = 2048
can = ["embeddings"]
"""
STARTER = Path(__file__).resolve().parents[2] / "resources" / "starter" / "starter.gguf"
TEXTS = ["the sky is blue", "paris", "the sky was blue", "what is a hold?"]
SECRET = "My card is 4111 1111 1111 1111"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Two models of vectors, one that may be cut, one that says nothing of pooling, and an alias."""
    folder = tmp_path_factory.mktemp("vectors")
    files = {
        "here": vector_models.bert(folder / "bert.gguf"),
        "here-cut": vector_models.starter(
            STARTER, folder / "cut.gguf", qwen3__pooling_type=vector_models.LAST, general__basename="Qwen3-Embedding"
        ),
        "here-silent": STARTER,
    }
    targets = "".join(HERE.format(name=name, path=path) for name, path in files.items())
    aliases = '[aliases]\nmine = ["here", "here-cut"]\n'
    with Home(folder / "place", targets=target("cloudy", "ok") + targets + aliases) as running:
        yield running


@pytest.fixture(scope="module")
def client(gateway: Home) -> Iterator[openai.OpenAI]:
    """The SDK; a refusal fails the test at once."""
    with openai.OpenAI(base_url=gateway.runtime.address, api_key=gateway.agent("reader"), max_retries=0) as one:
        yield one


def rows(answer: Any) -> np.ndarray:
    """The vectors, in the order in which they are numbered."""
    assert [row.index for row in answer.data] == list(range(len(answer.data)))
    return np.array([row.embedding for row in answer.data])


def test_one_text(gateway: Home, client: openai.OpenAI) -> None:
    """Of length one, counted, free, and written down as made here."""
    answer = client.embeddings.create(model="here", input="paris")
    assert (answer.model, answer.object, len(answer.data)) == ("here", "list", 1)
    assert np.linalg.norm(rows(answer)[0]) == pytest.approx(1, abs=1e-5)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == len("paris") + 2
    row = gateway.audit()[0]
    assert (row["class_"], row["target"], row["tier"], row["cost"]) == ("embeddings", "here", "local", 0)
    assert (row["fresh_input"], row["output"], row["estimated"]) == (len("paris") + 2, 0, 0)


def test_both_encodings(gateway: Home) -> None:
    """The same numbers to the last bit, as numbers and as bytes."""
    head = {"authorization": f"Bearer {gateway.agent('bytes')}"}

    def told(**more: Any) -> list[Any]:
        body = {"model": "here", "input": TEXTS, **more}
        answer = httpx.post(f"{gateway.runtime.address}/embeddings", json=body, headers=head, timeout=60)
        assert answer.status_code == 200, answer.text
        return [row["embedding"] for row in answer.json()["data"]]

    plain, packed = told(), told(encoding_format="base64")
    assert plain == told(encoding_format="float")
    assert [list(struct.unpack(f"<{vector_models.WIDTH}f", base64.b64decode(one))) for one in packed] == plain


@pytest.mark.parametrize("model", ["here", "here-cut"])
def test_a_batch_is_one_by_one(model: str, client: openai.OpenAI) -> None:
    """Order is kept, also of many; what is alike is near; company changes nothing."""
    many = rows(client.embeddings.create(model=model, input=TEXTS * 20))
    alone = np.concatenate([rows(client.embeddings.create(model=model, input=text)) for text in TEXTS])
    cosines = (many * np.concatenate([alone] * 20)).sum(axis=1)
    assert cosines.min() > 0.999
    assert np.abs(many @ many.T).max() < 1 + 1e-5
    near = alone @ alone[0]
    assert near[2] > max(near[1], near[3])


def test_dimensions(client: openai.OpenAI) -> None:
    """Cut and of length one where the model was trained for it, refused by name where not."""
    whole = rows(client.embeddings.create(model="here-cut", input="paris"))[0]
    cut = rows(client.embeddings.create(model="here-cut", input="paris", dimensions=40))[0]
    assert cut == pytest.approx(whole[:40] / np.linalg.norm(whole[:40]), abs=1e-3)
    for model, size in (("here", 16), ("here-cut", 4), ("here-cut", 0)):
        with pytest.raises(openai.BadRequestError, match="'dimensions' must be"):
            client.embeddings.create(model=model, input="paris", dimensions=size)


def test_too_long_is_refused_with_numbers(client: openai.OpenAI) -> None:
    """Nothing is cut off, and nothing else makes the vector."""
    with pytest.raises(openai.BadRequestError, match="Text 2 of 2 has 102 tokens, and this model reads 64") as refused:
        client.embeddings.create(model="mine", input=["a", "b" * 100])
    assert refused.value.code == "context_length_exceeded"


def test_what_this_machine_does_not_take(client: openai.OpenAI) -> None:
    """Another model's tokens, nothing at all, too many, a wrong format: each refused by its field's name."""
    for wrong in ([1, 2, 3], [[1], [2]], "", ["a", ""], ["a"] * 2049):
        with pytest.raises(openai.BadRequestError, match="'input'"):
            client.embeddings.create(model="here", input=wrong)
    with pytest.raises(openai.BadRequestError, match="encoding_format"):
        client.embeddings.create(model="here", input="a", encoding_format="binary")  # type: ignore[arg-type]


def test_a_model_that_does_not_pool(client: openai.OpenAI) -> None:
    """Its target says that it makes vectors, its file does not say how."""
    with pytest.raises(openai.BadRequestError, match="its file names no way to pool them"):
        client.embeddings.create(model="here-silent", input="a")


def test_auto_and_local_are_the_first_here(client: openai.OpenAI) -> None:
    """And an alias its first; a name nobody knows is no model."""
    for name in ("auto", "local", "mine"):
        assert client.embeddings.create(model=name, input="a").model == "here"
    with pytest.raises(openai.BadRequestError, match="would not compare"):
        client.embeddings.create(model="text-embedding-9", input="a")


def test_what_is_private_stays_here(gateway: Home, client: openai.OpenAI) -> None:
    """So nobody is asked."""
    assert len(client.embeddings.create(model="here", input=["plain", SECRET]).data) == 2
    row = gateway.audit()[0]
    assert (row["sensitivity"], row["tier"]) == ("personal", "local")


def test_many_clients_at_once(gateway: Home, client: openai.OpenAI) -> None:
    """Each gets its own."""
    from concurrent.futures import ThreadPoolExecutor

    usual = rows(client.embeddings.create(model="here", input=TEXTS))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: rows(client.embeddings.create(model="here", input=text))[0], TEXTS * 8))
    assert (np.array(found) * np.concatenate([usual] * 8)).sum(axis=1).min() > 0.999
    assert gateway.audit()[0]["kind"] == "request"
