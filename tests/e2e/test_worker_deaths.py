"""Deaths and noise of a local engine behind a real gateway: they cost its own requests only, and those are answered elsewhere."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home, target
from tests.fakes.local_model import FRANCE, ask, sound, worker

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to stop a worker with")
ENDLESS = {"type": "json_schema", "json_schema": {"name": "f", "schema": {"type": "string", "minLength": 900}}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, provider: FakeUpstream) -> Iterator[Home]:
    """The starter model and a provider."""
    with Home(tmp_path_factory.mktemp("deaths"), provider.base_url, target("cloudy", "ok")) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: Home) -> str:
    """An agent's."""
    return gateway.agent()


def until_waiting(gateway: Home, count: int) -> None:
    """So many requests were handed to the good model's worker, which has not begun them."""
    while next(one.waiting for one in gateway.snapshot().models if one.name == "starter") < count:
        pass


@pytest.mark.parametrize("how", ["SIGKILL", "SIGABRT", "SIGSEGV"])
def test_a_death_before_a_word(gateway: Home, key: str, how: str) -> None:
    """An OOM kill, an abort, a crash: its requests are answered elsewhere, others do not notice, the next is served."""
    stopped = worker(gateway, key)
    stopped.suspend()
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, gateway, key, "local") for _ in range(3)]
        until_waiting(gateway, 3)
        assert ask(gateway, key, "cloudy").status_code == 200
        stopped.send_signal(getattr(signal, how))
        stopped.resume() if how != "SIGKILL" else None
        elsewhere(asked)
    sound(gateway, key)


@pytest.mark.timeout(180)
def test_a_hang_before_a_word(gateway: Home, key: str) -> None:
    """A worker that neither answers nor ends is ended, and its requests are answered elsewhere."""
    stopped = worker(gateway, key)
    stopped.suspend()
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(ask, gateway, key, "local") for _ in range(2)]
        until_waiting(gateway, 2)
        elsewhere(asked)
    assert not stopped.is_running()
    sound(gateway, key)


def elsewhere(asked: list[Future[httpx.Response]]) -> None:
    """Each was answered by the provider, and the header says why."""
    for one in asked:
        answer = one.result(90)
        assert (answer.status_code, answer.headers["x-pointsman-target"]) == (200, "cloudy"), answer.text
        assert "starter failed" in answer.headers["x-pointsman-reason"]


@pytest.mark.parametrize("how", ["SIGKILL", "SIGABRT"])
def test_a_death_after_words(gateway: Home, key: str, upstream: FakeUpstream, how: str) -> None:
    """The stream ends with the sentence inside it; what was told is not told again by somebody else."""
    running, before = worker(gateway, key), len(upstream.requests)
    body = {"model": "local", "messages": FRANCE, "stream": True, "response_format": ENDLESS}
    with httpx.stream(
        "POST",
        f"{gateway.runtime.address}/chat/completions",
        json=body,
        headers={"authorization": f"Bearer {key}"},
        timeout=60,
    ) as answer:
        lines = answer.iter_lines()
        while '"content":"' not in next(lines).replace('"content":""', ""):
            pass
        running.suspend()
        running.send_signal(getattr(signal, how))
        running.resume() if how != "SIGKILL" else None
        rest = "".join(lines)
    assert "crashed before the answer was complete" in rest and "[DONE]" not in rest
    assert len(upstream.requests) == before
    sound(gateway, key)


class Misbehaving(Home):
    """A gateway whose workers do as the request says."""

    def argv(self, *arguments: str) -> list[str]:
        """The same program, over another worker."""
        return [str(Path(__file__).parents[1] / "fakes" / "misbehaving_gateway.py"), *arguments]


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory: pytest.TempPathFactory, provider: FakeUpstream) -> Iterator[Home]:
    """With a provider to go to."""
    with Misbehaving(tmp_path_factory.mktemp("noise"), provider.base_url, target("cloudy", "ok")) as running:
        yield running


def test_noise_from_a_worker(misbehaving: Home) -> None:
    """Prose, bytes, a stranger's event, a line without end, half a line: each costs that request's worker its life.

    The request is answered elsewhere, the one beside it as well, and the next one by a new worker.
    """
    key = misbehaving.agent()
    for noise in ("garbage", "binary", "stranger", "flood", "half", "crash"):
        with ThreadPoolExecutor(2) as pool:
            beside = pool.submit(wish, misbehaving, key, "wait")
            until_waiting_or_active(misbehaving)
            answers = [wish(misbehaving, key, noise), beside.result(60)]
        assert [(one.status_code, one.headers["x-pointsman-target"]) for one in answers] == [(200, "cloudy")] * 2
        again = wish(misbehaving, key, "say 3")
        assert (again.status_code, again.headers["x-pointsman-target"]) == (200, "starter"), again.text
        assert again.json()["choices"][0]["message"]["content"] == "0 1 2"
    health = httpx.get(f"{misbehaving.runtime.address.removesuffix('/v1')}/health").json()
    assert health["status"] == "ok"


def wish(gateway: Home, key: str, said: str) -> httpx.Response:
    """A request that tells the worker what to do."""
    return ask(gateway, key, "local", messages=[{"role": "user", "content": said}])


def until_waiting_or_active(gateway: Home) -> None:
    """The first request is in the worker."""
    while not any(one.waiting + one.active for one in gateway.snapshot().models):
        pass
