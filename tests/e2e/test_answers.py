"""What a cap or a person says, through the real door: shortened, cheaper, at a price, for a time, for good."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from pointsman.wire import admin
from tests.e2e.conftest import Agent
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home, target

DOLLAR = 1_000_000
UNPRICED = '\n[targets.unpriced]\ntier = "cloud"\nprovider = "fake"\nmodel = "ok"\nmax_output = 1000\n'
TARGETS = "".join(
    [
        target("long", "ok", max_output=20_000, price_in=0, price_out=100.0),
        target("low", "ok", max_output=20_000, price_in=0, price_out=1.0),
        UNPRICED,
        '\n[aliases]\neither = ["long", "low"]\n',
    ]
)


def post(gateway: Home, key: str, model: str, text: str = "Hello") -> httpx.Response:
    """One request, as plain HTTP."""
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    head = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{gateway.runtime.address}/chat/completions", json=body, headers=head, timeout=90)


def asked(gateway: Home) -> admin.Question:
    """The next question, as the event stream tells it."""
    with gateway.events() as events:
        for line in events.iter_lines():
            if line.startswith("data: {") and '"approvals":[{' in line:
                return admin.decode_snapshot(line.removeprefix("data: ").encode()).approvals[0]
    raise AssertionError("the stream ended without a question")


def approved(gateway: Home, key: str, model: str, *argv: str) -> tuple[admin.Question, httpx.Response]:
    """A request that waits, and the command line that lets it through."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(post, gateway, key, model)
        question = asked(gateway)
        code, said = gateway.run("approvals", "approve", question.id, *argv)
        assert code == 0, said
        return question, running.result(60)


def forwarded(upstream: FakeUpstream) -> Any:
    """The last body that went upstream."""
    sent = upstream.requests[-1]
    return sent if isinstance(sent, dict) else json.loads(sent)


def test_a_shortened_answer_says_so(gateway: Home, agent: Agent, upstream: FakeUpstream) -> None:
    """The limit that went upstream is what headroom pays for, and the answer's reason names the cap."""
    gateway.command(agent.cap(DOLLAR, at_limit="shorten"))
    answer = post(gateway, agent.key, "long")
    assert answer.status_code == 200, answer.text
    assert "answer limited to 10000 tokens by the daily cap" in answer.headers["x-pointsman-reason"]
    assert "10000" in json.dumps(forwarded(upstream))
    assert gateway.snapshot().caps[0].spent == 2_000


def test_a_cheaper_target_answers(gateway: Home, agent: Agent) -> None:
    """The cap names no refusal and no question: the plan's cheaper target fits."""
    gateway.command(agent.cap(DOLLAR, at_limit="cheaper"))
    answer = post(gateway, agent.key, "either")
    assert (answer.status_code, answer.headers["x-pointsman-target"]) == (200, "low")
    assert "low instead of long" in answer.headers["x-pointsman-reason"]


def test_a_price_from_the_command_line(gateway: Home, agent: Agent) -> None:
    """The waiting request goes on at that price, the next one does not ask, and the file holds it."""
    gateway.command(agent.cap(DOLLAR))
    question, answer = approved(gateway, agent.key, "unpriced", "--price-in", "0", "--price-out", "15.00")
    assert (question.kind, answer.status_code) == ("price", 200)
    assert gateway.snapshot().caps[0].spent == 300
    assert post(gateway, agent.key, "unpriced", "again").status_code == 200
    assert "output = 15.0" in (gateway.folder / "home" / "models.toml").read_text("utf-8")
    assert [row["reason"] for row in gateway.audit() if row["kind"] == "price"]


def test_a_rule_from_the_command_line(gateway: Home, agent: Agent) -> None:
    """Always: the rule is in the person's file, listed, spent by the next request, and taken back."""
    gateway.command(agent.cap(DOLLAR))
    question, answer = approved(gateway, agent.key, "long", "--scope", "always", "--amount", "2.00", "--yes")
    assert answer.status_code == 200
    assert question.allowance is not None
    written = question.allowance.replace("over = 1.0", "over = 2.0")
    assert written in (gateway.folder / "home" / "models.toml").read_text("utf-8")
    assert post(gateway, agent.key, "long", "again").status_code == 200
    [rule] = gateway.command(admin.Listing("grants"))
    assert (rule["scope"], rule["cap"], rule["amount"]) == ("always", "daily", 2 * DOLLAR)
    assert gateway.run("approvals", "revoke", rule["id"])[0] == 0
    assert gateway.command(admin.Listing("grants")) == []


def test_an_agent_and_model_for_a_time(gateway: Home, agent: Agent) -> None:
    """Any request of the agent with this model, and no other agent's."""
    gateway.command(agent.cap(DOLLAR))
    _, answer = approved(gateway, agent.key, "long", "--scope", "agent", "--amount", "3.00", "--for", "10m")
    assert answer.status_code == 200
    assert post(gateway, agent.key, "long", "another conversation").status_code == 200
    [grant] = gateway.command(admin.Listing("grants"))
    assert grant["bound"] == f"{agent.name}, long"
    assert gateway.run("approvals", "revoke", grant["id"])[0] == 0
