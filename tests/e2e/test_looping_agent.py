"""An agent that goes in circles, at a real gateway."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from pointsman.wire import admin
from pointsman.wire.admin import Answer, Question
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home, target
from tests.fixtures.runaway.loops import LOOPS

SHIPPED = "[runaway.agents.Codex]\nrepeats = 8\n"


class Agent:
    """An agent of a gateway that runs, with one connection for each request."""

    def __init__(self, gateway: Home) -> None:
        self.gateway = gateway
        self._head = {"authorization": f"Bearer {gateway.agent('Codex')}"}
        self.pool = ThreadPoolExecutor(2)

    def send(self, body: dict[str, Any]) -> httpx.Response:
        """One request to its end."""
        plain = {**body, "model": "cloudy", "stream": False}
        address = f"{self.gateway.runtime.address}/chat/completions"
        return httpx.post(address, json=plain, headers=self._head, timeout=60)

    def loop(self) -> tuple[Future[httpx.Response], Question]:
        """Send a loop until a request is held; that request, and the question."""
        bodies = (sent.body for sent in LOOPS["same_call"]()[0])
        with self.gateway.events() as events:
            running = self.pool.submit(lambda: [self.send(body) for body in list(bodies)[:12]][-1])
            for line in events.iter_lines():
                if line.startswith("data: {") and '"approvals":[{' in line:
                    asked = admin.decode_snapshot(line.removeprefix("data: ").encode()).approvals[0]
                    return running, asked
        raise AssertionError("the stream ended without a question")


@pytest.fixture
def looping(tmp_path: Path) -> Iterator[tuple[Agent, FakeUpstream]]:
    """A real gateway with the shipped number of repeats, a fake provider, and an agent."""
    with FakeUpstream() as upstream:
        gateway = Home(tmp_path, upstream.base_url, target("cloudy", "ok") + SHIPPED)
        agent = Agent(gateway.start())
        try:
            yield agent, upstream
        finally:
            gateway.stop()
            agent.pool.shutdown(cancel_futures=True)


def test_a_looping_agent_is_paused_by_the_gateway_and_let_go_on(looping: tuple[Agent, FakeUpstream]) -> None:
    """Twelve calls of a loop: the person is asked before the eleventh goes upstream, and a yes lets all through."""
    agent, upstream = looping
    running, asked = agent.loop()
    assert asked.kind == "runaway"
    assert asked.sentence.startswith("Codex sent 8 near-equal requests in ")
    assert [one.paused for one in agent.gateway.snapshot().agents if one.name == "Codex"] == [True]
    assert len(upstream.requests) == 11
    assert agent.gateway.command(Answer(asked.id, "approve")) == {"ok": True}
    assert running.result(30).status_code == 200
    assert [one.paused for one in agent.gateway.snapshot().agents if one.name == "Codex"] == [False]


def test_a_looping_agent_that_is_denied_gets_one_clean_402(looping: tuple[Agent, FakeUpstream]) -> None:
    """Nothing more goes upstream, and the refusal says what was seen and what to do."""
    agent, upstream = looping
    running, asked = agent.loop()
    agent.gateway.command(Answer(asked.id, "deny"))
    refused = running.result(30)
    assert (refused.status_code, refused.headers["x-should-retry"]) == (402, "false")
    assert "near-equal requests" in refused.text
    assert "stays paused until it is resumed" in refused.text
    assert len(upstream.requests) == 11
