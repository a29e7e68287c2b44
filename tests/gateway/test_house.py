"""What planning is told of the world: always as it is now, whatever was put together before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.fakes.asking import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A house."""
    one = Office(tmp_path / "home")
    one.house.keyless.reasons = {}
    yield one
    one.close()


async def test_a_key_that_is_missing_counts_at_the_next_request(office: Office) -> None:
    """And so does one that was found."""
    house = office.house
    assert "dear" not in house.circumstances().down
    house.keyless.reasons = {"plain": "plain has no key"}
    assert house.circumstances().down["dear"] == "plain has no key"
    house.keyless.reasons = {}
    assert "dear" not in house.circumstances().down


async def test_a_model_that_went_counts_at_the_next_request(office: Office) -> None:
    """Once its folder was looked at."""
    house = office.house
    assert "cheap" not in house.circumstances().down
    house.downloads.absent = {"cheap": "it is gone"}
    assert house.circumstances().down["cheap"] == "it is gone"


async def test_another_catalog_counts_at_the_next_request(office: Office) -> None:
    """Targets of a provider without a key are those of the file that is in force."""
    house = office.house
    house.keyless.reasons = {"plain": "plain has no key"}
    house.circumstances()
    house.use_catalog(msgspec.structs.replace(house.catalog, targets={}))
    assert "dear" not in house.circumstances().down


async def test_a_target_that_rests_stands_beside_the_others(office: Office) -> None:
    """For a moment; then it is tried again."""
    house = office.house
    house.keyless.reasons = {"fake": "fake has no key"}
    for _ in range(3):
        house.health.failed("fair", time.time())
    assert {"fair", "patient"} <= set(house.circumstances().down)
    assert set(house.circumstances().passing) == {"fair"}
    house.health.answered("fair")
    assert "fair" not in house.circumstances().down


async def test_a_price_is_asked_for_by_name(office: Office) -> None:
    """Of a target that is not there nothing is known."""
    rates = office.house.circumstances().rates
    assert rates.get("dear") == rates["dear"] is not None
    assert rates.get("nobody") is None
