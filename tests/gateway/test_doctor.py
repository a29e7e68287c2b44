"""What the doctor says, on a real house."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from pointsman.core.catalog import Source, read
from pointsman.engines.supervisor import Supervisor
from pointsman.gateway import doctor
from pointsman.gateway.house import House
from pointsman.store.db import Database
from pointsman.store.ledger import Ledger
from pointsman.system import paths
from pointsman.system.keychain import Keychain

MODELS = """
[providers.near]
base_url = "https://near.example/v1"
key = "none"
[providers.far]
base_url = "https://far.example/v1"
key = "keychain"
[targets.tiny]
tier = "cloud"
provider = "near"
model = "tiny-1"
price = { input = 0.0042, output = 170 }
"""


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    """A house without a keychain, with a provider that needs a key and one that needs none."""
    found = paths.make(paths.find())
    db = Database.open(found.database)
    made = House(found, read([Source("models.toml", MODELS)]), db, Ledger(db, UTC), Keychain(found.id))
    made.use_supervisor(Supervisor({}, found.logs, lambda _name, _state: None))
    yield made
    db.close()


async def lines(house: House) -> dict[str, tuple[str, bool, str]]:
    """State, whether it is no fault, and sentence, by name."""
    rows: list[dict[str, Any]] = await doctor.checks(house)
    return {row["name"]: (row["state"], row["ok"], row["sentence"]) for row in rows}


async def test_what_is_not_there_is_absent_and_no_fault(house: House) -> None:
    """No line says of something that is missing that it works."""
    found = await lines(house)
    assert {name: found[name][:2] for name in found} == {
        "gateway": ("works", True),
        "ledger": ("works", True),
        "local models": ("absent", True),
        "keychain": ("absent", True),
        "provider keys": ("absent", True),
    }
    assert found["keychain"][2].startswith("There is no keychain here.")


async def test_providers_without_a_key_are_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that need one, and what follows for their models."""
    said = "Models of these providers are left out until they have a key: far."
    assert (await lines(house))["provider keys"] == ("absent", True, said)
    monkeypatch.setenv("POINTSMAN_KEY_FAR", "sk-x")
    assert (await lines(house))["provider keys"][0] == "works"


async def test_a_record_that_was_changed_fails(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the audit's own sentence."""

    async def broken() -> str:
        return "Row 3 was changed."

    monkeypatch.setattr(house.audit, "verify", broken)
    assert (await lines(house))["ledger"] == ("fails", False, "Row 3 was changed.")


async def test_a_notice_is_a_note(house: House) -> None:
    """It is worth reading, and nothing to mend."""
    house.notices.append("2 requests were cut off.")
    assert (await lines(house))["notice"] == ("note", True, "2 requests were cut off.")


async def test_a_key_without_a_keychain_is_missing_for_that_reason(house: House) -> None:
    """Where it says where the key is, it says why there is none."""
    rows = {row["provider"]: (row["state"], row["where"]) for row in await doctor.keys(house)}
    assert rows == {"near": ("not needed", ""), "far": ("missing", "no keychain here")}


async def test_a_price_is_told_with_its_digits_and_its_source(house: House) -> None:
    """A list may be cheaper than a cent for a million tokens, and a source may have no date."""
    [row] = doctor.targets(house)
    assert row["price"] == "$0.0042 in, $170.00 out (models.toml)"
