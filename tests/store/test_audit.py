"""The audit: rows come back as they went in, one by one, by day and by page."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pointsman.store.audit import Audit, DayCounts, Page, Row
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


async def test_a_row_comes_back_as_it_went_in(audit: Audit) -> None:
    """All its fields are kept, and four are added."""
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
    assert found.counted.startswith("request\x1fclaude\x1f")
    given = set(Row.__struct_fields__) - {"seq", "previous", "hash", "counted"}
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


async def test_the_newest_row_of_a_kind_is_found(audit: Audit) -> None:
    """Among the changes; requests are found by their id."""
    for number, kind in enumerate(("rule", "rule", "cap")):
        await audit.append(Row(at=float(number), kind=kind))
    found = await audit.latest("rule")
    assert found is not None
    assert (found.seq, await audit.latest("key")) == (2, None)


@pytest.mark.parametrize("wrong", [float("inf"), float("nan")])
async def test_a_row_without_a_number_is_refused(audit: Audit, wrong: float) -> None:
    """What JSON has no word for would be sealed as nothing."""
    with pytest.raises(ValueError, match="what is no number"):
        await audit.append(Row(at=1.0, latency_ms=wrong))


async def test_pages_hold_every_row_once_and_in_order(audit: Audit) -> None:
    """Each page begins after the last row of the one before."""
    await fill(audit, 7)
    pages = [await audit.page(Page(after=after, limit=3)) for after in (0, 3, 6, 7)]
    assert [[row.seq for row in page] for page in pages] == [[1, 2, 3], [4, 5, 6], [7], []]


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [(None, 2.0, [1, 2]), (2.0, None, [3, 4]), (1.0, 3.0, [2, 3]), (9.0, None, []), (None, 0.0, [])],
)
async def test_a_page_keeps_to_its_span(
    audit: Audit, since: float | None, until: float | None, found: list[int]
) -> None:
    """From `since` to before `until`, by when it happened."""
    await fill(audit, 4)
    assert [row.seq for row in await audit.page(Page(since=since, until=until))] == found


async def test_a_span_finds_rows_that_were_written_late(audit: Audit) -> None:
    """A long request is written after shorter ones that began later."""
    for at in (1.0, 9.0, 5.0, 2.0):
        await audit.append(Row(at=at))
    assert [row.at for row in await audit.page(Page(since=2.0, until=9.0))] == [5.0, 2.0]
