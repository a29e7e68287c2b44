"""Text from outside cannot break a write, nor the audit's chain, on either engine."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pointsman.store.audit import Audit, Row
from pointsman.store.db import Database
from pointsman.store.ledger import Ledger, Reserved
from pointsman.store.text import storable
from tests.fakes.money import DAILY, NOON, WHO, ZONE, paid, want

BAD = "a\0b"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("plain", "plain"), ("käse 🧀", "käse 🧀"), (BAD, "a\ufffdb"), ("caf\udce9", "caf?"), ("\ud83e\0", "?\ufffd")],
)
def test_only_what_no_database_takes_is_replaced(given: str, kept: str) -> None:
    """NUL and half surrogate pairs get a mark; all else stays."""
    assert storable(given) == kept
    assert storable(kept) == kept


async def test_a_row_with_such_text_is_kept_and_the_chain_holds(db: Database) -> None:
    """The hash is over what was written."""
    audit = Audit(db)
    await audit.append(Row(at=NOON, request="r", model_asked=BAD, reason="caf\udce9"))
    await audit.append(Row(at=NOON, request="s"))
    assert [row.model_asked for row in await audit.show("r")] == ["a\ufffdb"]
    assert await audit.verify() is None


@pytest.mark.parametrize("field", ["project", "label", "session", "task", "model"])
async def test_a_hold_with_such_text_is_made_and_ended(db: Database, field: str) -> None:
    """What an agent puts into a header does not stop the ledger, and the sum is right."""
    ledger = Ledger(db, ZONE)
    await ledger.set_cap(DAILY, NOON)
    await ledger.set_cap(replace(DAILY, id="x", name="x", scope="session"), NOON)
    who = replace(WHO, **{field: BAD})
    assert isinstance(await ledger.reserve(want("a", 100, who=who), NOON), Reserved)
    assert await ledger.settle("a", paid(60), NOON, Row(at=NOON, session=who.session))
    assert [account.spent for account in await ledger.accounts(NOON, who)] == [60, 60]
