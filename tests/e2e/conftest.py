"""A fake provider and a real gateway, one for all tests of a module, or for a test alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pointsman.wire import admin
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home, target

# The fake bills 20 tokens of output, so that these cost $0.97 and $0.10 to the micro-dollar.
TARGETS = "".join(
    [
        target("cloudy", "ok"),
        target("big", "ok", max_output=20, price_in=0, price_out=48_500),
        target("dime", "ok", max_output=20, price_in=0, price_out=5_000),
        target("slow", "slow", max_output=20, price_in=0, price_out=5_000),
        target("dies", "die", max_output=20, price_in=0, price_out=5_000),
        target("dies-early", "die-early", max_output=20, price_in=0, price_out=5_000),
        target("mute", "no-usage", max_output=20, price_in=0, price_out=5_000),
        target("busy", "429", max_output=20, price_in=0, price_out=5_000),
        target("broken", "500", max_output=20, price_in=0, price_out=5_000),
        target("picky", "400", max_output=20, price_in=0, price_out=5_000),
    ]
)


_numbers = itertools.count(1)


class Agent(NamedTuple):
    """An agent that nobody heard of before: what was spent here is not its."""

    name: str
    key: str

    def cap(self, limit: int, **more: Any) -> admin.SetCap:
        """A cap on what this agent spends."""
        return admin.SetCap(name="daily", limit=limit, scope="agent", match=self.name, **more)


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeUpstream]:
    """A provider on loopback."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture
def upstream(provider: FakeUpstream) -> FakeUpstream:
    """The provider with what earlier tests sent forgotten."""
    provider.forget()
    return provider


@pytest.fixture(scope="module")
def standing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, provider: FakeUpstream
) -> Iterator[Home]:
    """The gateway of all tests of a module, with the TARGETS that the module has, or those here."""
    targets = getattr(request.module, "TARGETS", TARGETS)
    with Home(tmp_path_factory.mktemp("gateway"), provider.base_url, targets) as running:
        yield running


@pytest.fixture
def gateway(standing: Home, upstream: FakeUpstream) -> Iterator[Home]:
    """The module's gateway, without the caps and agents of other tests; ended and started again, it is still that."""
    yield standing
    standing.clear()


@pytest.fixture
def own_gateway(tmp_path: Path, upstream: FakeUpstream) -> Iterator[Home]:
    """A gateway for this test alone: on it nobody has spent or failed yet."""
    with Home(tmp_path, upstream.base_url, TARGETS) as running:
        yield running


@pytest.fixture
def agent(gateway: Home) -> Agent:
    """A newcomer at the gateway."""
    name = f"tester-{next(_numbers)}"
    return Agent(name, gateway.agent(name))
