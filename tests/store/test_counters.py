"""Counters: each number is what the rows say, by target, by agent and for each hand-over."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.store import fares
from pointsman.store.audit import Audit, Row
from pointsman.store.counters import Count, Counters, Handover
from pointsman.store.db import Database

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"

OUTCOMES = ("done", "failed_over", "rejected", "refused", "failed", "stopped", "cancelled")


@pytest.fixture
async def counters(db: Database) -> Counters:
    """Counters over a day of two agents."""
    audit = Audit(db)
    rows: list[dict[str, Any]] = [
        {"request": "r1", "agent": "claude", "target": "small", "outcome": "done", "attempt": 1, "queue_ms": 5.0},
        {"request": "r2", "agent": "claude", "target": "small", "outcome": "done", "attempt": 1, "queue_ms": 1000.0},
        # one that failed over twice: a timeout at big, then small was passed up, then large answered
        {"request": "r3", "kind": "attempt", "attempt": 1, "agent": "claude", "target": "big", "code": "timed_out",
         "outcome": "failed"},
        {"request": "r3", "kind": "attempt", "attempt": 2, "agent": "claude", "target": "small", "code": "unsure",
         "outcome": "escalated"},
        {"request": "r3", "attempt": 3, "agent": "claude", "target": "large", "outcome": "failed_over"},
        {"request": "r4", "agent": "codex", "outcome": "refused", "code": "insufficient_quota"},
        {"request": "r5", "agent": "codex", "outcome": "rejected", "code": "invalid_request"},
        {"request": "r6", "agent": "codex", "target": "big", "attempt": 1, "outcome": "failed", "code": "timed_out"},
        {"request": "r7", "agent": "codex", "target": "big", "attempt": 1, "outcome": "stopped"},
        {"request": "r8", "agent": "codex", "target": "big", "attempt": 1, "outcome": "cancelled"},
        {"kind": "cap", "agent": "codex"},
    ]  # fmt: skip
    for number, row in enumerate(rows):
        await audit.append(Row(at=float(number), **row))
    return Counters(db)


async def test_each_target_has_its_counts(counters: Counters) -> None:
    """What never came to a target stands under no name; changes of settings are no requests."""
    found = {one.name: one for one in (await counters.between(None)).by_target}
    assert found == {
        "small": Count(name="small", requests=2, answered_first=2, queued=1, escalated=1),
        "large": Count(name="large", requests=1, by_fallback=1),
        "big": Count(name="big", requests=3, failed=1, stopped=2, timed_out=2),
        "": Count(name="", requests=2, rejected=2),
    }


async def test_each_agent_has_its_counts(counters: Counters) -> None:
    """The busiest first."""
    assert (await counters.between(None)).by_agent == [
        Count(name="codex", requests=5, rejected=2, failed=1, stopped=2, timed_out=1),
        Count(name="claude", requests=3, answered_first=2, by_fallback=1, queued=1, escalated=1, timed_out=1),
    ]


async def test_handovers_say_from_where_to_where_and_why(counters: Counters) -> None:
    """Each attempt that failed, with the one after it."""
    assert (await counters.between(None)).handovers == [
        Handover(source="big", target="small", why="timed_out", count=1),
        Handover(source="small", target="large", why="unsure", count=1),
    ]


async def test_a_span_counts_what_came_in_it(counters: Counters) -> None:
    """From `since` to before `until`."""
    found = await counters.between(1.0, 3.0)
    assert [(one.name, one.requests) for one in found.by_agent] == [("claude", 1)]
    assert [one.source for one in found.handovers] == ["big"]


async def test_every_request_is_counted_once(db: Database) -> None:
    """Each outcome is in exactly one of the five ways in which a request can end."""
    audit = Audit(db)
    for number in range(70):
        await audit.append(Row(at=1.0, request=f"r{number}", agent=f"a{number % 3}", outcome=OUTCOMES[number % 7]))
    for one in (await Counters(db).between(None)).by_agent:
        ways = one.answered_first, one.by_fallback, one.rejected, one.failed, one.stopped
        assert sum(ways) == one.requests


async def test_an_empty_audit_has_no_counters(db: Database) -> None:
    """Nothing came."""
    found = await Counters(db).between(0.0)
    assert (found.by_target, found.by_agent, found.handovers) == ([], [], [])


@given(
    st.lists(st.tuples(st.floats(-9_000, 20_000), st.sampled_from(OUTCOMES)), max_size=12),
    st.integers(0, 12),
    st.tuples(*[st.none() | st.integers(-9_000, 20_000).map(float)] * 2),
)
@settings(max_examples=300 if SOAK else 25, deadline=None)
def test_what_is_added_up_counts_as_it_did_row_by_row(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[float, str]],
    at: int,
    span: tuple[float | None, float | None],
) -> None:
    """Wherever the hours begin, and whenever some of the rows were added up."""

    async def found() -> dict[str, int]:
        db = Database.open(tmp_path_factory.mktemp("counters") / "file.sqlite3")
        audit = Audit(db)
        for number, (moment, outcome) in enumerate(rows):
            if number == at:
                await db.write(fares.add_up)
            await audit.append(Row(at=moment, request=f"r{number}", agent=outcome, outcome=outcome))
        tables = await Counters(db).between(*span)
        db.close()
        return {one.name: one.requests for one in tables.by_agent}

    since, until = span
    plain = Counter(
        outcome for moment, outcome in rows if (since is None or moment >= since) and (until is None or moment < until)
    )
    assert asyncio.run(found()) == dict(plain)


async def test_an_audit_adds_up_as_it_goes(db: Database) -> None:
    """After some hundred rows most are in the sums, also where nothing was paid; and each is counted once."""
    audit = Audit(db)
    for number in range(300):
        await audit.append(Row(at=10.0, request=f"r{number}", agent="a", outcome="refused"))
    query = "SELECT (SELECT sum(count) FROM fares), fared FROM audit_head"
    assert tuple(await db.read(lambda c: c.exec_driver_sql(query).one())) == (256, 256)
    assert (await Counters(db).between(None)).by_agent[0].requests == 300
