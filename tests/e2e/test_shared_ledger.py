"""Two real gateways, as on two machines, on one PostgreSQL ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from pointsman.wire import admin
from tests.e2e.conftest import TARGETS
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home
from tests.fakes.postgres import Server

DOLLAR = 1_000_000


@pytest.fixture(scope="module")
def ledger() -> Iterator[Server]:
    """A server that these tests may stop, and start again."""
    started = Server()
    yield started
    started.remove()


@pytest.fixture
def pair(tmp_path: Path, upstream: FakeUpstream, ledger: Server) -> Iterator[tuple[Home, Home]]:
    """Two gateways with homes of their own, started at once on an empty ledger."""
    address = ledger.url()
    homes = []
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        home = Home(tmp_path / name, upstream.base_url, TARGETS)
        home.environment["POINTSMAN_DATABASE"] = address
        homes.append(home)
    left, right = homes
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Home.start, homes))
        yield left, right
    finally:
        left.stop()
        right.stop()


def post(gateway: Home, key: str, model: str, text: str) -> httpx.Response:
    """One request, as plain HTTP."""
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    head = {"authorization": f"Bearer {key}", "x-pointsman-fallback": "none"}
    return httpx.post(f"{gateway.runtime.address}/chat/completions", json=body, headers=head, timeout=90)


def until(happened: Callable[[], bool]) -> None:
    """Ask again until it is so; pytest's own time limit ends it."""
    while not happened():
        pass


def test_two_gateways_never_overspend_one_cap(pair: tuple[Home, Home], upstream: FakeUpstream) -> None:
    """Thirty requests through each at once, money for ten: ten are billed, and both show the same sum."""
    left, right = pair
    left.command(admin.SetCap(name="daily", limit=DOLLAR, at_limit="refuse"))
    doors = [(left, left.agent("one")), (right, right.agent("two"))]
    with ThreadPoolExecutor(60) as pool:
        ask = [pool.submit(post, home, key, "dime", f"Hello {at}") for at in range(30) for home, key in doors]
        codes = [one.result().status_code for one in ask]
    assert sorted(set(codes)) == [200, 402]
    assert (codes.count(200), len(upstream.billed)) == (10, 10)
    states = [home.snapshot().caps[0] for home in pair]
    assert [(state.spent, state.held) for state in states] == [(DOLLAR, 0)] * 2


def test_without_the_ledger_the_local_model_answers_and_the_cloud_is_refused(
    pair: tuple[Home, Home], ledger: Server, upstream: FakeUpstream
) -> None:
    """The sentence says why; with the server back both work, and the audit has every request."""
    left, _ = pair
    key = left.agent("one")
    ledger.stop()
    refused = post(left, key, "dime", "Hello")
    assert refused.status_code == 503
    assert "shared ledger" in refused.text and "free local models go on" in refused.text
    assert post(left, key, "local", "Hello").status_code == 200
    assert upstream.billed == []
    ledger.start()
    until(lambda: post(left, key, "dime", "Hello").status_code == 200)
    targets = [row["target"] for row in left.audit() if row["kind"] == "request" and row["outcome"] == "done"]
    assert targets[0] == "dime" and len(targets) == 2


def test_a_ledger_that_is_not_there_at_the_start_is_one_sentence(tmp_path: Path) -> None:
    """The gateway does not start on a ledger of its own instead: its caps would be others."""
    home = Home(tmp_path)
    home.environment["POINTSMAN_DATABASE"] = "postgresql://ann:hunter2@127.0.0.1:9/money"
    code, said = home.run("gateway", "--port", "0")
    assert code == 1
    assert "no server answers there" in said
    assert "Traceback" not in said and "hunter2" not in said
