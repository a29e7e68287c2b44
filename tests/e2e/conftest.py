"""A fake provider and a real gateway for each test that asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    """A provider on loopback."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture
def gateway(tmp_path: Path, upstream: FakeUpstream) -> Iterator[Home]:
    """A gateway that runs, with the fake provider's targets."""
    place = Home(tmp_path, upstream.base_url, TARGETS)
    try:
        yield place.start()
    finally:
        place.stop()
