"""Caps under load and under SIGKILL, through the real door, a real ledger and a real upstream."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx
import pytest

from pointsman.wire import admin
from tests.e2e.conftest import Agent
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home

DOLLAR = 1_000_000
DIME = DOLLAR // 10


def post(gateway: Home, key: str, model: str, text: str = "Hello", stream: bool = False) -> httpx.Response:
    """One request, as plain HTTP."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
    head = {"authorization": f"Bearer {key}", "x-pointsman-fallback": "none"}
    return httpx.post(f"{gateway.runtime.address}/chat/completions", json=body, headers=head, timeout=90)


def cap(gateway: Home) -> admin.CapState:
    """The one cap there is."""
    return gateway.snapshot().caps[0]


@pytest.mark.parametrize("tokens", [20, 15, 7])
def test_fifty_at_once_never_pass_the_cap(own_gateway: Home, upstream: FakeUpstream, tokens: int) -> None:
    """Fifty requests, money for ten holds: billed never passes the cap, and less than one hold stays unused."""
    upstream.completion_tokens = tokens
    own_gateway.command(admin.SetCap(name="daily", limit=DOLLAR, at_limit="refuse"))
    key = own_gateway.agent()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda at: post(own_gateway, key, "dime", f"Hello {at}"), range(50)))
    billed = sum(output for _, output in upstream.billed) * DIME // 20
    state = cap(own_gateway)
    assert state.spent == billed
    assert state.held == 0
    assert 0 <= DOLLAR - billed < DIME or len(upstream.billed) == 50
    assert {answer.status_code for answer in answers} <= {200, 402}


def test_killed_in_the_middle(own_gateway: Home, upstream: FakeUpstream) -> None:
    """SIGKILL while holds are open: reopened, they are charged at their estimate and the cap still stands."""
    own_gateway.command(admin.SetCap(name="daily", limit=DOLLAR, at_limit="refuse"))
    key = own_gateway.agent()
    pool = ThreadPoolExecutor(50)
    running = [pool.submit(post, own_gateway, key, "slow", f"Hello {at}") for at in range(50)]
    ten = threading.Event()

    def watch() -> None:
        while len(upstream.billed) < 10 and not ten.wait(0.02):
            pass
        ten.set()

    threading.Thread(target=watch).start()
    assert ten.wait(60)
    own_gateway.kill()
    for request in as_completed(running, 60):
        assert isinstance(request.exception(), httpx.HTTPError)
    pool.shutdown()
    own_gateway.start()
    state = cap(own_gateway)
    assert (state.spent, state.held) == (DOLLAR, 0)
    assert "cut off" in own_gateway.snapshot().notices[0]
    assert post(own_gateway, key, "dime").status_code == 402


def test_error_before_content_costs_nothing(gateway: Home, agent: Agent) -> None:
    """An upstream that answers 500 has sold nothing."""
    gateway.command(agent.cap(DOLLAR, at_limit="refuse"))
    assert post(gateway, agent.key, "broken").status_code == 500
    assert (cap(gateway).spent, cap(gateway).held) == (0, 0)


def test_missing_usage_costs_the_estimate(gateway: Home, agent: Agent) -> None:
    """Without usage the whole hold is charged, and the row says that it is an estimate."""
    gateway.command(agent.cap(DOLLAR, at_limit="refuse"))
    assert post(gateway, agent.key, "mute", stream=True).status_code == 200
    assert cap(gateway).spent == DIME
    assert next(row for row in gateway.audit() if row["kind"] == "request")["estimated"]


def test_cut_stream_costs_the_estimate(gateway: Home, agent: Agent) -> None:
    """A stream that breaks off after content ends with one in-band error and costs the hold."""
    gateway.command(agent.cap(DOLLAR, at_limit="refuse"))
    answer = post(gateway, agent.key, "dies", stream=True)
    assert answer.status_code == 200
    assert '"error"' in answer.text.strip().splitlines()[-1]
    assert cap(gateway).spent == DIME


def test_a_client_that_leaves_pays_what_was_dispatched(gateway: Home, agent: Agent, upstream: FakeUpstream) -> None:
    """Leaving before the first byte closes the upstream's connection and charges the estimate."""
    gateway.command(agent.cap(DOLLAR, at_limit="refuse"))
    body = {"model": "slow", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{gateway.runtime.address}/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {agent.key}"},
            timeout=httpx.Timeout(5, read=1),
        )
    assert upstream.gone.wait(10)
    with gateway.events() as events:
        for line in events.iter_lines():
            if line.startswith("data: {") and '"caps":[{' in line:
                state = admin.decode_snapshot(line.removeprefix("data: ").encode()).caps[0]
                if state.spent == DIME and state.held == 0:
                    break


def test_local_is_free_when_money_is_gone(gateway: Home, agent: Agent) -> None:
    """With the cap used up, a local request still runs."""
    gateway.command(agent.cap(1, at_limit="refuse"))
    assert post(gateway, agent.key, "dime").status_code == 402
    assert post(gateway, agent.key, "local").status_code == 200
