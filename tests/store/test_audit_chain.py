"""The audit's chain: nothing can be changed, removed, moved or cut off without `verify` naming the row."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text, update

from pointsman.store import chain
from pointsman.store.audit import Audit, Page, Row
from pointsman.store.chain import START, Checked, Link
from pointsman.store.columns import table
from pointsman.store.db import Database

AUDIT = table("audit")
ROWS = 5
EXAMPLES = settings(
    max_examples=5_000 if os.environ.get("POINTSMAN_SOAK") == "1" else 150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FULL = {
    **dict.fromkeys(("request", "agent", "session", "task", "person", "project", "label", "model_asked"), "wörd"),
    **dict.fromkeys(("target", "provider", "region", "tier", "class_", "sensitivity", "code", "finish"), "x"),
    **dict.fromkeys(("queue_ms", "first_token_ms", "latency_ms", "tokens_per_second"), 12.25),
    **dict.fromkeys(("attempt", "peak_memory", "bytes_sent", "cost", "held", "saved", "output"), 7),
}


class _Undo(Exception):
    """Carries what was found out of a transaction that is taken back."""

    def __init__(self, problem: str | None) -> None:
        super().__init__(problem)
        self.problem = problem


@pytest.fixture
def audit(db: Database) -> Audit:
    """An empty audit."""
    return Audit(db)


async def fill(audit: Audit) -> None:
    """Rows of which every second one has a value in each column."""
    for number in range(ROWS):
        await audit.append(Row(at=number + 0.5, **(FULL if number % 2 else {})))  # type: ignore[arg-type]


async def found(db: Database, tamper: Callable[[Connection], Any]) -> str | None:
    """What is found after tampering, which is then taken back."""

    def work(connection: Connection) -> None:
        tamper(connection)
        raise _Undo(chain.check(connection, START, 1000).problem)

    with pytest.raises(_Undo) as undone:
        await db.write(work)
    return undone.value.problem


def sql(*statements: str) -> Callable[[Connection], None]:
    """Tampering by statements."""

    def tamper(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    return tamper


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE audit SET cost = 1 WHERE seq = 3", "Row 3 of the audit was changed"),
        ("UPDATE audit SET reason = 'x' WHERE seq = 5", "Row 5 of the audit was changed"),
        ("UPDATE audit SET hash = 'x' WHERE seq = 2", "Row 2 of the audit was changed"),
        ("UPDATE audit SET agent = '' WHERE seq = 1", "Row 1 of the audit was changed"),
        ("UPDATE audit SET latency_ms = 1e308 * 10 WHERE seq = 1", "Row 1 of the audit was changed"),
        ("DELETE FROM audit WHERE seq = 1", "Row 1 of the audit is missing"),
        ("DELETE FROM audit WHERE seq = 2", "Row 2 of the audit is missing"),
        ("DELETE FROM audit WHERE seq = 5", "ends at row 4, but row 5 was written"),
        ("DELETE FROM audit WHERE seq > 1", "ends at row 1, but row 5 was written"),
        ("DELETE FROM audit", "ends at row 0, but row 5 was written"),
        ("UPDATE audit SET seq = seq - 10 WHERE seq < 3", "Row 1 of the audit is missing"),
        ("UPDATE audit_head SET seq = 4", "ends at row 5, but row 4 was written"),
    ],
)
async def test_tampering_is_found(audit: Audit, db: Database, statement: str, says: str) -> None:
    """The sentence names the first row that is not what it was."""
    await fill(audit)
    if "1e308" in statement and db.shared:
        statement = statement.replace("1e308 * 10", "'Infinity'::float8")
    assert says in (await found(db, sql(statement)) or "")


async def test_a_row_put_in_is_found(audit: Audit, db: Database) -> None:
    """A row after the last one was not written by the audit."""
    await fill(audit)
    put_in = sql(
        "CREATE TEMP TABLE made_up AS SELECT * FROM audit WHERE seq = 5",
        "UPDATE made_up SET seq = 6",
        "INSERT INTO audit SELECT * FROM made_up",
    )
    assert "Row 6 of the audit does not follow row 5" in (await found(db, put_in) or "")


async def test_a_row_taken_out_with_the_others_renumbered_is_found(audit: Audit, db: Database) -> None:
    """The hash of the one before shows the gap that the numbers hide."""
    await fill(audit)
    closed = sql(
        "DELETE FROM audit WHERE seq = 2",
        "UPDATE audit SET seq = -seq WHERE seq > 2",
        "UPDATE audit SET seq = -seq - 1 WHERE seq < 0",
        "UPDATE audit_head SET seq = 4",
    )
    assert "Row 2 of the audit does not follow row 1" in (await found(db, closed) or "")


@given(st.integers(1, ROWS), st.integers(1, ROWS))
@EXAMPLES
async def test_any_two_rows_that_changed_places_are_found(file: Database, one: int, two: int) -> None:
    """Whatever two they are, the first of the places is named."""
    assume(one != two)

    def swap(connection: Connection) -> None:
        for old, new in [(one, -1), (two, one), (-1, two)]:
            connection.execute(update(AUDIT).where(AUDIT.c.seq == old).values(seq=new))

    assert f"Row {min(one, two)} of the audit" in (await found(file, swap) or "")


@given(st.sets(st.integers(1, ROWS), min_size=1))
@EXAMPLES
async def test_any_rows_removed_are_found(file: Database, gone: set[int]) -> None:
    """One or several, from the start, the middle or the end."""
    remove = sql(f"DELETE FROM audit WHERE seq IN ({', '.join(map(str, gone))})")
    assert await found(file, remove) is not None


@given(st.integers(1, ROWS), st.sampled_from(list(AUDIT.columns)), st.integers(0, 1000), st.integers(0, 62))
@EXAMPLES
async def test_any_changed_byte_in_any_column_is_found(
    file: Database, seq: int, column: Any, place: int, bit: int
) -> None:
    """A bit of a text, of a whole number or of a real one, or something where there was nothing."""
    row = (await Audit(file).page(Page(after=seq - 1, limit=1)))[0]
    new = _changed(getattr(row, column.name), column.type.python_type, place, bit)
    spoil = update(AUDIT).where(AUDIT.c.seq == seq).values({column.name: new})
    problem = await found(file, lambda connection: connection.execute(spoil))
    assert problem is not None
    assert column.name == "seq" or f"Row {seq} of the audit" in problem


def _changed(old: Any, kind: type, place: int, bit: int) -> Any:
    if old is None:
        return {str: "", int: 0, float: 0.0}[kind]
    if kind is str:
        raw = bytearray(old.encode()) or bytearray(b"x")
        raw[place % len(raw)] ^= 1 << bit % 7
        return raw.decode("utf-8", "replace") if old else "x"
    if kind is int:
        return int(old) ^ (8 << bit % 37)  # no number that another row has
    [bits] = struct.unpack("<q", struct.pack("<d", old))
    [new] = struct.unpack("<d", struct.pack("<q", bits ^ (1 << bit)))
    return 0.125 if math.isnan(new) else new


@pytest.fixture
async def file(path: Path) -> AsyncIterator[Database]:
    """A file with rows, for the many examples of a property."""
    db = Database.open(path)
    await fill(Audit(db))
    yield db
    db.close()


@pytest.mark.parametrize("raw", ["ff", "61ff62", "c3"])
async def test_text_that_is_no_utf8_is_found(file: Database, raw: str) -> None:
    """SQLite takes any bytes for a text; reading them must not end in an error."""
    spoil = sql(f"UPDATE audit SET agent = CAST(x'{raw}' AS TEXT), hash = '' WHERE seq = 3")
    assert "Row 3 of the audit was changed" in (await found(file, spoil) or "")
    assert await Audit(file).verify() is None


async def test_a_chain_is_followed_piece_by_piece(audit: Audit) -> None:
    """Each piece begins at the link where the one before ended; the last says that it is done."""
    await fill(audit)
    first = await audit.check(START, 2)
    second = await audit.check(first.link, 2)
    last = await audit.check(second.link, 2)
    assert [first.link.seq, second.link.seq, last.link.seq] == [2, 4, 5]
    assert [first.done, second.done, last.done] == [False, False, True]


async def test_a_piece_that_does_not_follow_is_found(audit: Audit) -> None:
    """A hash kept elsewhere finds a chain that was reckoned anew."""
    await fill(audit)
    checked = await audit.check(Link(2, "0" * 64), 10)
    assert checked == Checked(
        link=Link(2, "0" * 64), problem="Row 3 of the audit does not follow row 2: rows were moved or replaced."
    )


async def test_an_empty_audit_is_whole(audit: Audit) -> None:
    """There is nothing to be wrong."""
    assert await audit.check(START, 10) == Checked(link=START, done=True)


async def test_rows_written_while_it_is_checked_are_checked_too(audit: Audit) -> None:
    """The end is where the head is when it is reached."""
    await fill(audit)
    first = await audit.check(START, ROWS)
    await audit.append(Row(at=9.0))
    assert await audit.check(first.link, 10) == Checked(link=Link(6, (await audit.newest(1))[0].hash), done=True)
