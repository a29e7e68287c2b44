"""What the writer's connection remembers is true, or it is not remembered."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, update

from pointsman.core.errors import Unavailable
from pointsman.store import audit, cached_connection, holds, rollup
from pointsman.store.accounts import ACCOUNTS, CAPS
from pointsman.store.audit import Audit, Row
from pointsman.store.cached_connection import CachedConnection
from pointsman.store.db import Database
from pointsman.store.holds import Books, Reserved
from pointsman.store.ledger import Ledger
from pointsman.store.prepared import Straight
from tests.fakes.money import DAILY, NOON, ZONE, paid, sums, want
from tests.store.conftest import Place

BOOKS = Books(ZONE, "")


@pytest.fixture
def ledger(db: Database) -> Ledger:
    """A ledger on either engine."""
    return Ledger(db, ZONE)


@pytest.fixture
def here(path: Path) -> Iterator[Database]:
    """A file."""
    db = Database.open(path)
    yield db
    db.close()


def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rows of tables that are read on a cached connection from now on."""
    found: list[str] = []
    rows = Straight.rows

    def watched(statement: Straight, one: CachedConnection, values: tuple[Any, ...]) -> list[Any]:
        found.append(str(statement._statement))
        return rows(statement, one, values)

    monkeypatch.setattr(Straight, "rows", watched)
    return found


async def test_a_second_hold_reads_no_account_anew(here: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caps, accounts, and the hold that ends are known by then; whether the request was counted before is looked up."""
    monkeypatch.setattr(rollup, "MOST_WAITING", 100)
    ledger = Ledger(here, ZONE)
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 100), NOON)
    await ledger.settle("a", paid(50), NOON, Row(at=NOON))
    found = asked(monkeypatch)
    await ledger.reserve(want("b", 100), NOON)
    await ledger.settle("b", paid(50), NOON, Row(at=NOON))
    assert [sql for sql in found if "holds.counts" not in sql] == []
    assert await sums(ledger) == (100, 0, 0, 0)


async def test_a_cap_of_another_program_counts_at_the_next_hold(here: Database, path: Path) -> None:
    """Whoever lowers it in the file is heard at once."""
    ledger = Ledger(here, ZONE)
    await ledger.set_cap(DAILY, NOON)
    assert isinstance(await ledger.reserve(want("a", 100), NOON), Reserved)
    with closing(sqlite3.connect(path)) as other:
        other.execute('UPDATE caps SET "limit" = 150')
        other.commit()
    assert not isinstance(await ledger.reserve(want("b", 100), NOON), Reserved)


async def test_what_another_gateway_holds_counts(place: Place) -> None:
    """Two of one ledger never hold more together than the cap lets."""
    dbs = [place.open(), place.open()]
    one, other = (Ledger(db, ZONE, name) for db, name in zip(dbs, ("one", "other"), strict=True))
    await one.set_cap(DAILY, NOON)
    made = [await (one, other)[n % 2].reserve(want(f"h{n}", 300), NOON) for n in range(4)]
    assert [isinstance(each, Reserved) for each in made] == [True, True, True, False]
    assert await other.settle("h0", paid(100), NOON)
    assert not await one.settle("h0", paid(100), NOON)
    assert await sums(one) == (100, 600, 0, 0)
    for db in dbs:
        db.close()


async def test_a_cap_that_is_changed_counts_at_the_next_hold(ledger: Ledger) -> None:
    """Lowered, raised, taken away and made again."""
    await ledger.set_cap(DAILY, NOON)
    answers = [await ledger.reserve(want("a", 600), NOON)]
    await ledger.set_cap(replace(DAILY, limit=700), NOON)
    answers.append(await ledger.reserve(want("b", 200), NOON))
    await ledger.raise_cap("daily", "", 100, NOON)
    answers.append(await ledger.reserve(want("c", 200), NOON))
    await ledger.remove_cap("daily")
    answers.append(await ledger.reserve(want("d", 10_000), NOON))
    await ledger.set_cap(DAILY, NOON)
    answers.append(await ledger.reserve(want("e", 1), NOON))
    assert [isinstance(one, Reserved) for one in answers] == [True, False, True, True, False]


async def test_a_hold_ends_in_a_cap_that_came_after_it(ledger: Ledger) -> None:
    """It was remembered without a part there."""
    await ledger.reserve(want("a", 600), NOON)
    await ledger.set_cap(DAILY, NOON)
    assert await sums(ledger) == (0, 600, 0, 0)
    await ledger.settle("a", paid(250), NOON)
    assert await sums(ledger) == (250, 0, 0, 0)


async def test_a_statement_of_ours_beside_it_is_seen(db: Database, ledger: Ledger) -> None:
    """Also one in the same transaction as what comes next."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 100), NOON)

    def work(connection: Connection) -> Any:
        connection.execute(update(ACCOUNTS).values(spent=850))
        return holds.reserve(connection, BOOKS, want("b", 100), NOON)

    assert not isinstance(await db.write(work), Reserved)
    await db.write(lambda connection: connection.execute(update(CAPS).values(limit=2_000)).close())
    assert isinstance(await ledger.reserve(want("c", 100), NOON), Reserved)


async def test_what_is_undone_is_forgotten(db: Database, ledger: Ledger) -> None:
    """A job that fails after it has held, ended and written a row leaves no trace in what comes next."""
    await ledger.set_cap(DAILY, NOON)
    await ledger.reserve(want("a", 100), NOON)

    def fails(connection: Connection) -> None:
        assert isinstance(holds.reserve(connection, BOOKS, want("b", 900), NOON), Reserved)
        assert holds.settle(connection, "a", paid(100), NOON, Row(at=NOON))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await db.write(fails)
    assert isinstance(await ledger.reserve(want("c", 900), NOON), Reserved)
    assert await ledger.settle("a", paid(70), NOON, Row(at=NOON))
    assert await sums(ledger) == (70, 900, 0, 0)
    assert await Audit(db).verify() is None


async def test_what_is_undone_in_a_group_is_forgotten(db: Database, ledger: Ledger) -> None:
    """Its neighbours count from what is there."""
    await ledger.set_cap(DAILY, NOON)

    def fails(connection: Connection) -> None:
        holds.reserve(connection, BOOKS, want("bad", 900), NOON)
        audit.append(connection, Row(at=NOON))
        raise ZeroDivisionError

    works: list[Callable[[Connection], Any]] = [
        lambda one: holds.reserve(one, BOOKS, want("a", 600), NOON),
        fails,
        lambda one: audit.append(one, Row(at=NOON)),
    ]
    last = db.submit(lambda one: holds.reserve(one, BOOKS, want("b", 400), NOON), short=True, delay=0.0)
    found = [db.submit(work, short=True, delay=0.0) for work in works]
    assert isinstance(await last, Reserved)
    assert isinstance(await found[0], Reserved)
    with pytest.raises(ZeroDivisionError):
        await found[1]
    assert (await found[2]).seq == 1
    assert await sums(ledger) == (0, 1_000, 0, 0)
    assert await Audit(db).verify() is None


async def test_a_commit_that_fails_is_forgotten(here: Database) -> None:
    """What was remembered of it never was."""
    ledger = Ledger(here, ZONE)
    await ledger.set_cap(DAILY, NOON)
    await here.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1").close())
    with pytest.raises(Unavailable):
        await ledger.reserve(want("a", 900, price="p" * 100_000), NOON)
    await here.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 100000").close())
    assert isinstance(await ledger.reserve(want("b", 1_000), NOON), Reserved)
    assert await sums(ledger) == (0, 1_000, 0, 0)


async def test_so_much_is_remembered_and_no_more(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forgotten is read again."""
    monkeypatch.setattr(cached_connection, "_MOST", 2)
    await ledger.set_cap(DAILY, NOON)
    for number in range(5):
        await ledger.reserve(want(f"h{number}", 100), NOON)
    for number in range(5):
        assert await ledger.settle(f"h{number}", paid(50), NOON)
        assert not await ledger.settle(f"h{number}", paid(50), NOON)
    assert await sums(ledger) == (250, 0, 0, 0)


async def test_many_at_once_never_hold_more_than_the_cap(ledger: Ledger) -> None:
    """Those of one turn of the loop are one transaction, and each sees what those before it held."""
    await ledger.set_cap(DAILY, NOON)
    for name in ("w", "x", "y", "z"):
        await ledger.reserve(want(name, 0), NOON)
    made = await asyncio.gather(*[ledger.reserve(want(f"h{n}", 300), NOON) for n in range(5)])
    assert [isinstance(one, Reserved) for one in made] == [True, True, True, False, False]
    ends = await asyncio.gather(*[ledger.settle(f"h{n % 3}", paid(100), NOON, later=True) for n in range(6)])
    assert ends == [True] * 3 + [False] * 3
    assert await sums(ledger) == (300, 0, 0, 0)
