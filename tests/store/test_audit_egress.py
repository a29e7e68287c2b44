"""Egress: what was sent to which provider is the sum of the rows that say so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.store.audit import Audit, Row
from pointsman.store.db import Database
from pointsman.store.egress import Egress, EgressRow

SENT = {"provider": "openai", "region": "us", "tier": "cloud", "sensitivity": "public", "bytes_sent": 100, "cost": 5}


@pytest.fixture
def audit(db: Database) -> Audit:
    """An empty audit."""
    return Audit(db)


async def add(audit: Audit, at: float = 1.0, **more: object) -> None:
    """A request that was sent."""
    await audit.append(Row(at=at, **(SENT | {"request": f"r{at}"} | more)))  # type: ignore[arg-type]


async def test_what_was_sent_is_summed_up(audit: Audit, db: Database) -> None:
    """By provider, region, sensitivity and consent; a second attempt of a request is no second request."""
    await add(audit, 1.0)
    await add(audit, 2.0)
    await add(audit, 2.0, kind="attempt", cost=0)
    await add(audit, 3.0, sensitivity="personal", consent="consented")
    await add(audit, 4.0, sensitivity="personal", consent="masked", provider="mistral", region=None)
    found = await Egress(db).between(None)
    assert [(row.provider, row.consent, row.requests, row.attempts, row.bytes) for row in found] == [
        ("openai", "", 2, 3, 300),
        ("mistral", "masked", 1, 1, 100),
        ("openai", "consented", 1, 1, 100),
    ]
    assert found[0] == EgressRow(
        provider="openai", region="us", tier="cloud", sensitivity="public", consent="", requests=2, attempts=3,
        bytes=300, cost=10, first=1.0, last=2.0,
    )  # fmt: skip
    assert found[1].region == ""


@pytest.mark.parametrize("more", [{"provider": None}, {"bytes_sent": 0}, {"kind": "approval"}, {"tier": "local"}])
async def test_what_was_not_sent_is_no_egress(audit: Audit, db: Database, more: dict[str, object]) -> None:
    """Answered here, refused before it went out, or no request at all."""
    await add(audit, **more)
    assert await Egress(db).between(None) == []


@pytest.mark.parametrize(("since", "until", "bytes_"), [(2.0, None, 200), (None, 2.0, 100), (2.0, 3.0, 100)])
async def test_a_span_holds_what_went_in_it(
    audit: Audit, db: Database, since: float | None, until: float | None, bytes_: int
) -> None:
    """From `since` to before `until`."""
    for at in (1.0, 2.0, 3.0):
        await add(audit, at)
    assert sum(row.bytes for row in await Egress(db).between(since, until)) == bytes_


_ROW = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["request", "attempt", "cap"]),
        "request": st.sampled_from(["r1", "r2", "r3"]),
        "provider": st.sampled_from([None, "openai", "mistral"]),
        "region": st.sampled_from([None, "us", "eu"]),
        "sensitivity": st.sampled_from([None, "public", "personal"]),
        "consent": st.sampled_from(["", "consented", "masked"]),
        "bytes_sent": st.integers(0, 10**12),
        "cost": st.integers(0, 10**9),
    }
)


@given(st.lists(_ROW, max_size=20))
@settings(max_examples=25)
async def test_the_sums_equal_the_rows(rows: list[dict[str, object]]) -> None:
    """For any rows: bytes, money and attempts of each group, and nothing beside them."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        db = Database.open(Path(folder) / "x.sqlite3")
        for row in rows:
            await Audit(db).append(Row(at=1.0, **row))  # type: ignore[arg-type]
        found = await Egress(db).between(None)
        written = await Audit(db).newest(100)
        db.close()
    sent = [row for row in written if row.kind != "cap" and row.provider is not None and row.bytes_sent]
    sums: Counter[tuple[object, ...]] = Counter()
    for row in sent:
        sums[row.provider, row.region or "", row.sensitivity or "", row.consent] += row.bytes_sent
    assert {(row.provider, row.region, row.sensitivity, row.consent): row.bytes for row in found} == dict(sums)
    assert sum(row.cost for row in found) == sum(row.cost for row in sent)
    assert sum(row.attempts for row in found) == len(sent)
