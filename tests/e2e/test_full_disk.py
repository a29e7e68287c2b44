"""A disk without room, behind a real gateway: one sentence, nothing paid unseen, and it goes on when there is room."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home, target
from tests.fakes.local_model import ask, sound

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes room away from a running process")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, provider: FakeUpstream) -> Iterator[Home]:
    """Its local model's log lies where there is never any room."""
    folder = tmp_path_factory.mktemp("gateway")
    logs = folder / "home" / "logs"
    logs.mkdir(parents=True)
    (logs / "worker-starter.log").symlink_to("/dev/full")
    targets = target("cloudy", "ok") + target("slow", "slow", max_output=20, price_in=0, price_out=5_000)
    with Home(folder, provider.base_url, targets) as running:
        yield running


@contextmanager
def full(gateway: Home) -> Iterator[None]:
    """No file of the gateway may grow meanwhile."""
    assert gateway.process is not None
    before = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, before)


def test_a_worker_without_room_for_its_log(gateway: Home) -> None:
    """It answers all the same."""
    sound(gateway, gateway.agent())


@pytest.mark.parametrize("model", ["starter", "cloudy"])
def test_nothing_runs_that_cannot_be_written_down(gateway: Home, upstream: FakeUpstream, model: str) -> None:
    """503 with one sentence that says what to do, and no call; with room again it answers at once."""
    key = gateway.agent()
    sound(gateway, key)
    with full(gateway):
        answer = ask(gateway, key, model)
        assert answer.status_code == 503
        assert answer.json()["error"]["message"].endswith("see that its disk has room and can be written.")
        assert upstream.requests == []
        assert httpx.get(f"{gateway.runtime.address.removesuffix('/v1')}/health").json()["status"] == "ok"
    assert ask(gateway, key, model).status_code == 200


def test_full_in_the_middle_of_an_answer(gateway: Home, upstream: FakeUpstream) -> None:
    """Its charge cannot be written: at the next start, at the latest, it is there, and no hold is left."""
    key = gateway.agent()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, gateway, key, "slow")
        while not upstream.billed:
            gateway.snapshot()
        with full(gateway):
            upstream.release()
            asked.result(60)
            assert httpx.get(f"{gateway.runtime.address.removesuffix('/v1')}/health").json()["status"] == "ok"
    gateway.stop()
    gateway.start()
    [row] = [one for one in gateway.audit() if one["target"] == "slow"]
    assert row["cost"] >= 20 * 5_000
    assert ask(gateway, key, "cloudy").status_code == 200
