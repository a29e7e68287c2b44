"""The audit: rows come back as they went in, days are counted, and tampering is found."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Connection

from pointsman.store.audit import Audit, DayCounts, Row
from pointsman.store.db import Database
from pointsman.store.settings import Agents


@pytest.fixture
def audit(db: Database) -> Audit:
    """An empty audit."""
    return Audit(db)


async def fill(audit: Audit, rows: int = 3) -> None:
    """Append some rows."""
    for number in range(rows):
        await audit.append(Row(at=float(number), request=f"r{number}", agent="claude", tier="local"))


async def tamper(db: Database, sql: str) -> None:
    """Change the file behind our back."""
    await db.write(lambda connection: connection.exec_driver_sql(sql).close())


async def test_a_row_comes_back_as_it_went_in(audit: Audit) -> None:
    """All its fields are kept, and three are added."""
    row = Row(
        at=1.5,
        request="r1",
        agent="claude",
        class_="code_review",
        estimated=True,
        plan='{"attempts":[]}',
        latency_ms=12.5,
        cost=7,
        output=3,
    )
    await audit.append(row)
    [found] = await audit.show("r1")
    assert (found.seq, found.previous, len(found.hash)) == (1, "", 64)
    given = set(Row.__struct_fields__) - {"seq", "previous", "hash"}
    assert {name: getattr(found, name) for name in given} == {name: getattr(row, name) for name in given}


async def test_the_newest_come_first(audit: Audit) -> None:
    """Of one agent or of all, up to a limit."""
    await fill(audit)
    await audit.append(Row(at=9.0, request="x", agent="codex"))
    assert [row.request for row in await audit.newest(2)] == ["x", "r2"]
    assert [row.request for row in await audit.newest(2, "claude")] == ["r2", "r1"]


async def test_a_day_counts_requests_by_tier_and_agent(audit: Audit, db: Database) -> None:
    """Approvals are no requests; an agent that rested today still shows when it last asked."""
    agents = Agents(db)
    for name in ("claude", "codex", "new"):
        await agents.add(name, f"hash of {name}", "abcd", 0.0)
    await audit.append(Row(at=50.0, agent="codex", tier="cloud", saved=99))
    await audit.append(Row(at=100.0, agent="claude", tier="local", saved=5))
    await audit.append(Row(at=101.0, agent="claude", tier="cloud"))
    await audit.append(Row(at=102.0, agent="claude", outcome="refused"))
    await audit.append(Row(at=103.0, agent="claude", kind="approval"))
    assert await audit.day(100.0) == DayCounts(
        requests=3,
        local=1,
        private=0,
        cloud=1,
        by_agent={"claude": (3, 102.0), "codex": (0, 50.0), "new": (0, None)},
        last_request=102.0,
        saved=5,
    )


async def test_a_quiet_day_is_all_zeros(audit: Audit) -> None:
    """No rows, no last request."""
    found = await audit.day(0.0)
    assert (found.requests, found.saved, found.by_agent, found.last_request) == (0, 0, {}, None)


async def test_an_audit_that_nobody_touched_is_whole(audit: Audit) -> None:
    """Also when it is empty, and when many were written at once."""
    assert await audit.verify() is None
    await asyncio.gather(*(audit.append(Row(at=float(n))) for n in range(300)))
    assert await audit.verify() is None


async def test_the_chain_goes_on_after_a_restart(path: Path) -> None:
    """The next row follows the last one of the day before."""
    for _ in range(2):
        db = Database.open(path)
        await fill(Audit(db))
        db.close()
    db = Database.open(path)
    assert await Audit(db).verify() is None
    assert (await Audit(db).newest(1))[0].seq == 6
    db.close()


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE audit SET cost = 1 WHERE seq = 2", "Row 2 of the audit was changed"),
        ("UPDATE audit SET reason = 'x' WHERE seq = 3", "Row 3 of the audit was changed"),
        ("UPDATE audit SET hash = 'x' WHERE seq = 2", "Row 2 of the audit was changed"),
        ("DELETE FROM audit WHERE seq = 1", "Row 1 of the audit is missing"),
        ("DELETE FROM audit WHERE seq = 2", "Row 2 of the audit is missing"),
        ("DELETE FROM audit WHERE seq = 3", "ends at row 2, but row 3 was written"),
        ("DELETE FROM audit", "ends at row 0, but row 3 was written"),
        ("UPDATE audit SET seq = CASE seq WHEN 1 THEN -2 ELSE -1 END WHERE seq < 3", "Row 1 of the audit is missing"),
    ],
)
async def test_tampering_is_found(audit: Audit, db: Database, sql: str, says: str) -> None:
    """The sentence names the first row that is not what it was."""
    await fill(audit)
    await tamper(db, sql)
    assert says in (await audit.verify() or "")


async def test_rows_that_changed_places_are_found(audit: Audit, db: Database) -> None:
    """Two rows with each other's number do not fit the chain."""
    await fill(audit)

    def swap(connection: Connection) -> None:
        for old, new in [(1, -1), (2, 1), (-1, 2)]:
            connection.exec_driver_sql("UPDATE audit SET seq = ? WHERE seq = ?", (new, old))

    await db.write(swap)
    assert "Row 1 of the audit does not follow" in (await audit.verify() or "")


async def test_a_row_put_in_is_found(audit: Audit, db: Database) -> None:
    """A row after the last one was not written by the audit."""
    await fill(audit)
    await tamper(db, "CREATE TEMP TABLE copy AS SELECT * FROM audit WHERE seq = 3")
    await tamper(db, "UPDATE copy SET seq = 4")
    await tamper(db, "INSERT INTO audit SELECT * FROM copy")
    assert "Row 4 of the audit does not follow" in (await audit.verify() or "")
