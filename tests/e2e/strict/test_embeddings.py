"""Vectors by the vendor's SDK: from one model alone, as the bytes they are, and paid to the micro-dollar."""

from __future__ import annotations

import openai
import pytest

from pointsman.wire import admin
from tests.fakes import strict_embeddings, strict_home
from tests.fakes.home import Home
from tests.fakes.strict_upstream import StrictUpstream

VECTORS = """
[targets.{name}]
tier = "cloud"
provider = "{provider}"
model = "embed-strict"
context = 8192
can = ["embeddings"]
price = {price}
"""
SECRET = "My card is 4111 1111 1111 1111"


def more(provider: StrictUpstream) -> str:
    """Two models of vectors, an alias of both, and one at a provider that cannot be reached."""
    price = provider.prices.toml()
    rows = [("vectors", "strict-chat"), ("other-vectors", "strict-responses"), ("lost-vectors", "lost")]
    targets = "".join(VECTORS.format(name=name, provider=one, price=price) for name, one in rows)
    lost = '[providers.lost]\nbase_url = "http://127.0.0.1:9/v1"\nkey = "none"\n'
    return lost + targets + '[aliases]\nmine = ["vectors", "other-vectors"]\nshaky = ["lost-vectors", "vectors"]\n'


def test_a_vector_is_the_providers_and_paid(gateway: Home, upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """The SDK asks for base64 by default and reads it; the ledger holds what was billed."""
    before = strict_home.spent(gateway)
    answer = client.embeddings.create(model="vectors", input="What is a hold?")
    assert answer.data[0].embedding == strict_embeddings.vector("What is a hold?")
    assert upstream.turns[0].body["encoding_format"] == "base64"
    assert strict_home.spent(gateway) - before == upstream.billed > 0
    row = gateway.audit()[0]
    assert (row["kind"], row["class_"], row["output"], row["estimated"]) == ("request", "embeddings", 0, 0)


def test_many_texts_as_floats(upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """A batch keeps its order, its format and its size."""
    texts = ["one", "two", "thré"]
    answer = client.embeddings.create(model="mine", input=texts, encoding_format="float", dimensions=4)
    assert [row.embedding for row in answer.data] == [strict_embeddings.vector(text, 4) for text in texts]
    assert upstream.turns[0].body["input"] == texts


def test_tokens_as_numbers_are_counted_by_their_number(
    gateway: Home, upstream: StrictUpstream, client: openai.OpenAI
) -> None:
    """What is held covers them, though their digits are more than they."""
    before = strict_home.spent(gateway)
    client.embeddings.create(model="vectors", input=[[100_257, 99, 5], [7, 8]])
    client.embeddings.create(model="vectors", input=[1, 2, 3])
    assert [seen.used.fresh for seen in upstream.turns] == [5, 3]
    assert strict_home.spent(gateway) - before == upstream.billed


def test_an_alias_never_falls_back_to_another_model(
    gateway: Home, upstream: StrictUpstream, client: openai.OpenAI
) -> None:
    """Its first model cannot be reached: the other one would answer, but its vectors would not compare."""
    with pytest.raises(openai.APIStatusError) as refused:
        client.embeddings.create(model="shaky", input="Hello")
    assert refused.value.status_code in {502, 503}
    assert upstream.seen == []
    assert "would not compare" in gateway.audit()[0]["plan"]


def test_a_model_nobody_knows_has_no_stand_in(upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """A hard-wired name falls to no other model, unlike for answers."""
    with pytest.raises(openai.BadRequestError, match="would not compare"):
        client.embeddings.create(model="text-embedding-9", input="Hello")
    assert upstream.seen == []


def test_models_that_answer_are_dropped_by_name(upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """Neither a model here nor one there makes vectors if it does not say so."""
    with pytest.raises(openai.BadRequestError, match="starter makes no embeddings"):
        client.embeddings.create(model="starter", input="Hello")
    with pytest.raises(openai.BadRequestError, match="would not compare"):
        client.embeddings.create(model="local", input="Hello")
    with pytest.raises(openai.BadRequestError, match="cloud-chat makes no embeddings"):
        client.embeddings.create(model="cloud-chat", input="Hello")
    assert upstream.seen == []


def test_a_model_of_vectors_never_answers(upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """Asked for by name it is dropped, and what can answer does."""
    answer = client.chat.completions.create(model="vectors", messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content
    assert all(seen.body["model"] != "embed-strict" for seen in upstream.turns)


def test_what_is_private_is_seen_in_a_batch(gateway: Home, upstream: StrictUpstream, client: openai.OpenAI) -> None:
    """A card's number in the last of the texts keeps all of them here until the person agrees."""
    head = {"x-pointsman-timeout": "1", "x-pointsman-session": "private"}
    with pytest.raises(openai.APIStatusError):
        client.embeddings.create(model="vectors", input=["plain", SECRET], extra_headers=head)
    assert upstream.seen == []
    assert gateway.audit()[0]["sensitivity"] == "personal"


def test_a_cap_refuses_in_the_vendors_envelope(gateway: Home, upstream: StrictUpstream) -> None:
    """402 with the sentence, and nothing is sent."""
    gateway.command(admin.SetCap(name="small", scope="agent", match="poor", limit=1, at_limit="refuse"))
    with (
        openai.OpenAI(base_url=gateway.runtime.address, api_key=gateway.agent("poor")) as poor,
        pytest.raises(openai.APIStatusError, match="small") as refused,
    ):
        poor.embeddings.create(model="vectors", input="Hello there")
    assert (refused.value.status_code, refused.value.code) == (402, "insufficient_quota")
    assert upstream.seen == []
