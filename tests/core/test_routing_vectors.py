"""Plans for vectors: one model alone, and never one that answers."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.core import facts as facts_
from pointsman.core import policy, routing
from pointsman.core.catalog import Catalog, Source, read
from pointsman.core.pricing import Rates
from pointsman.core.request import Finding, Hints, Message, Request, Verdict
from pointsman.core.routing import Circumstances, Plan
from pointsman.core.session import attribute

TEXT = """
[providers.far]
base_url = "https://far.example/v1"
key = "none"
[providers.claude]
dialect = "messages"
base_url = "https://claude.example"
key = "none"
[targets.small]
tier = "local"
engine = "llama_cpp"
source = "starter"
context = 4096
[targets.here]
tier = "local"
engine = "llama_cpp"
source = "vectors"
context = 4096
can = ["embeddings"]
[targets.here-mlx]
tier = "local"
engine = "mlx"
source = "vectors-mlx"
context = 4096
can = ["embeddings"]
[targets.lab]
tier = "private"
provider = "far"
can = ["embeddings"]
[targets.far-chat]
tier = "cloud"
provider = "far"
[targets.far-vectors]
tier = "cloud"
provider = "far"
context = 100
max_output = 50
can = ["embeddings"]
[targets.odd]
tier = "cloud"
provider = "claude"
can = ["embeddings"]
[aliases]
mine = ["far-vectors", "lab"]
own = ["here", "lab"]
[fallback]
cloud_unavailable = "private"
local_unavailable = "cloud"
[[rules]]
name = "all to chat"
when = { agent = "ruled" }
then = { target = "far-chat" }
[sensitivity]
personal_data = "personal"
personal = ["local", "private"]
"""
CATALOG: Catalog = read([Source("test.toml", TEXT)])
RATE = Rates(
    input=1_000_000,
    cache_read=0,
    cache_write_short=0,
    cache_write_long=0,
    output=9_000_000,
    per_request=7,
    source="s",
    dated="d",
)


def planned(model: str, agent: str = "a", down: dict[str, str] | None = None, **fields: Any) -> Plan:
    """The plan for one text."""
    message = Message(role="user", digest="d", size=20, verdict=fields.pop("verdict", Verdict()))
    asked = {"id": "r", "dialect": "embeddings", "stream": False, "messages": (message,), "size": 20, **fields}
    request = Request(model=model, **asked)
    facts = facts_.gather(request, CATALOG.sensitivity)
    ruling = policy.rule(request, attribute(request, agent, "p"), facts, CATALOG)
    now = Circumstances(rates=dict.fromkeys(CATALOG.targets, RATE), down=down or {})
    return routing.plan(request, facts, ruling, CATALOG, now)


def why(plan: Plan) -> dict[str, str]:
    """What was dropped."""
    return {one.target: one.reason for one in plan.dropped}


@pytest.mark.parametrize(
    ("model", "target"),
    [
        *(("mine", "far-vectors"), ("lab", "lab"), ("here", "here"), ("auto", "here"), ("local", "here")),
        *(("cloud", "far-vectors"), ("private", "lab"), ("own", "here")),
    ],
)
def test_one_model_makes_them(model: str, target: str) -> None:
    """The first that can, of those that were meant; there is no second."""
    assert [one.target for one in planned(model).attempts] == [target]


@pytest.mark.parametrize("latency", ["interactive", "background"])
@pytest.mark.parametrize("size", [20, 100_000])
def test_auto_is_always_the_same_model(latency: str, size: int) -> None:
    """Neither size nor haste moves it: what is looked for must have been made by what looks."""
    hints = Hints(latency=latency)
    assert [one.target for one in planned("auto", size=size, hints=hints).attempts] == ["here"]


def test_a_tier_in_the_header_is_the_tier() -> None:
    """It says which auto is meant."""
    assert [one.target for one in planned("auto", hints=Hints(tier="cloud")).attempts] == ["far-vectors"]
    assert [one.target for one in planned("auto", hints=Hints(tier="private")).attempts] == ["lab"]


def test_another_that_could_is_dropped_by_name() -> None:
    """Even where the one is out of order."""
    plan = planned("mine", down={"far-vectors": "it rests"})
    assert plan.attempts == ()
    assert why(plan) == {
        "far-vectors": "it rests",
        "lab": "vectors of another model than the one asked for would not compare",
    }


@pytest.mark.parametrize("model", ["own", "auto"])
def test_nothing_stands_in_for_this_machine(model: str) -> None:
    """Out of order, it is waited for: vectors of elsewhere would not compare."""
    plan = planned(model, down={"here": "it is not downloaded"})
    assert plan.attempts == ()
    assert why(plan)["here"] == "it is not downloaded"
    assert why(plan)["lab"].endswith("would not compare")


@pytest.mark.parametrize("model", ["small", "here-mlx", "far-chat", "odd", "text-embedding-9"])
def test_nothing_stands_in(model: str) -> None:
    """Not for a model that makes none, nor for one that is not known."""
    assert planned(model).attempts == ()


def test_why_each_cannot() -> None:
    """In words; what could comes first."""
    assert why(planned("small"))["small"] == "it makes no embeddings"
    assert why(planned("here-mlx"))["here-mlx"] == "embeddings are made by GGUF models only on this machine"
    assert why(planned("odd"))["odd"] == "embeddings are made in OpenAI's dialect only"
    assert "would not compare" in planned("text-embedding-9").dropped[0].reason


def test_only_input_is_priced() -> None:
    """The bound is bytes and separators at the input's rate, and the price of a request."""
    (attempt,) = planned("mine").attempts
    assert (attempt.output, attempt.at_most, attempt.about) == (0, 20 + 16 + 7, 5 + 16 + 7)


def test_it_must_fit() -> None:
    """Without room for an answer, each text by itself; a model here counts its own tokens."""

    def texts(*sizes: int) -> dict[str, Any]:
        messages = tuple(Message(role="user", digest=str(size), size=size) for size in sizes)
        return {"messages": messages, "size": sum(sizes)}

    assert planned("mine", **texts(320)).attempts
    assert planned("mine", **texts(*[320] * 30)).attempts
    assert "do not fit" in why(planned("mine", **texts(400)))["far-vectors"]
    assert "do not fit" in why(planned("mine", **texts(100, 420)))["far-vectors"]
    assert "do not fit" in why(planned("mine", **texts(20), extra_tokens=120))["far-vectors"]
    assert planned("here", **texts(100_000)).attempts


def test_a_rule_moves_no_vectors() -> None:
    """It sends answers elsewhere; where data may not go, vectors of it may not either."""
    assert [one.target for one in planned("mine", agent="ruled").attempts] == ["far-vectors"]
    private = Verdict((Finding("mail_address", 1),))
    plan = planned("mine", verdict=private)
    assert plan.attempts == ()
    assert "data may not go to the cloud" in why(plan)["far-vectors"]


def test_a_client_may_name_a_class() -> None:
    """Else they are a class of their own, for rules."""
    request = Request(id="r", dialect="embeddings", model="m", stream=False, messages=(), size=0)
    assert facts_.gather(request, CATALOG.sensitivity).class_ == "embeddings"
    hinted = Request(
        id="r", dialect="embeddings", model="m", stream=False, messages=(), size=0, hints=Hints(class_="x")
    )
    assert facts_.gather(hinted, CATALOG.sensitivity).class_ == "x"


@pytest.mark.parametrize("model", ["far-vectors", "auto", "cloud"])
def test_what_makes_vectors_never_answers(model: str) -> None:
    """By name or not."""
    plan = planned(model, dialect="chat", max_tokens=10)
    assert {one.target for one in plan.attempts} <= {"small", "far-chat"}
    assert why(plan)["far-vectors"] == "it makes embeddings, not answers"
