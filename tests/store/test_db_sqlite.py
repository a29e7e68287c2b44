"""SQLite's file: who may read it, what money needs of it, and files that cannot be used."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from pointsman.core.errors import SetupError, Unavailable
from pointsman.store.committing import Committer
from pointsman.store.db import Database
from pointsman.store.schema import STEPS
from pointsman.store.sqlite import migrate
from tests.store.test_db import half, put, sessions


@pytest.fixture
def db(path: Path) -> Iterator[Database]:
    """An open file."""
    database = Database.open(path)
    yield database
    database.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
async def test_only_its_owner_reads_the_database(db: Database, path: Path) -> None:
    """The file and the files beside it have mode 0600."""
    await db.write(put("a"))
    modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {0o600}


async def test_the_settings_that_money_needs_are_on(db: Database) -> None:
    """Write-ahead log, foreign keys, STRICT tables; readers cannot write."""

    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "foreign_keys", "synchronous")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]

    assert await db.write(pragmas) == ["wal", 1, 1]
    tables = await db.read(lambda c: c.exec_driver_sql("SELECT name, strict FROM pragma_table_list").all())
    assert {strict for name, strict in tables if not name.startswith("sqlite_")} == {1}
    with pytest.raises(Unavailable, match="readonly"):
        await db.read(put("a"))


async def test_a_full_disk_is_one_sentence_and_undoes_the_group(db: Database) -> None:
    """A write that finds no room is refused as a whole; the database stays usable."""
    await db.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1").close())
    with pytest.raises(Unavailable, match=r"cannot use its database \(database or disk is full\)"):
        await db.write(put("a" * 100_000))
    await db.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 100000").close())
    await db.write(put("b"))
    assert await db.read(sessions) == ["b"]


def refused(path: Path) -> str:
    """The sentence with which opening fails; the file is byte for byte what it was."""
    before = path.read_bytes()
    with pytest.raises(SetupError) as failed:
        Database.open(path)
    assert path.read_bytes() == before
    return failed.value.sentence


def test_a_file_of_rubbish_is_left_alone(path: Path) -> None:
    """The sentence names the file and says to move it away."""
    path.write_bytes(b"not a database, whatever its name says" * 100)
    assert f"The database {path} is damaged and was left as it is: move it" in refused(path)


async def test_a_database_with_a_broken_page_is_left_alone(path: Path) -> None:
    """Damage behind a sound first page is found at the start, not in the middle of a request."""
    db = Database.open(path)
    await asyncio.gather(*(db.write(put(f"{n:0>500}")) for n in range(100)))
    db.close()
    whole = bytearray(path.read_bytes())
    for page in range(4096, len(whole), 4096):
        whole[page : page + 64] = b"\xff" * 64
    path.write_bytes(whole)
    assert "is damaged" in refused(path)


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    """Tables that are not ours are not mixed with ours."""
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE cats (name)")
    other.close()
    assert "another program" in refused(path)


def test_a_newer_database_is_left_alone(path: Path) -> None:
    """What a later Pointsman wrote is not touched by an older one."""
    Database.open(path).close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    assert "newer Pointsman (its version 99" in refused(path)


def test_a_database_that_another_program_writes_to_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that stays is one sentence."""
    Database.open(path).close()
    monkeypatch.setattr("pointsman.store.sqlite._PRAGMAS", ("PRAGMA busy_timeout = 1",))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SetupError, match="Another program is writing to"):
        Database.open(path)
    other.close()


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """The sentence names the file and POINTSMAN_HOME."""
    with pytest.raises(SetupError, match=r"cannot write its database .*POINTSMAN_HOME"):
        Database.open(tmp_path / "nowhere" / "x.sqlite3")


async def test_an_older_database_is_brought_forward_step_by_step(db: Database, path: Path) -> None:
    """Only the steps that it lacks are run, in their order."""
    steps = [
        lambda c: c.exec_driver_sql("ALTER TABLE taints ADD COLUMN note TEXT").close(),
        lambda c: c.exec_driver_sql("UPDATE taints SET note = 'seen'").close(),
    ]
    await db.write(put("a"))
    await db.write(lambda c: migrate(c, path, [*STEPS, *steps[:1]]))
    await db.write(lambda c: migrate(c, path, [*STEPS, *steps]))
    found = await db.read(lambda c: c.exec_driver_sql("SELECT note FROM taints").scalar_one())
    version = await db.read(lambda c: c.exec_driver_sql("PRAGMA user_version").scalar_one())
    assert (found, version) == ("seen", len(STEPS) + 3)


def test_a_database_of_version_one_is_brought_forward(path: Path) -> None:
    """It had no table for charges that wait, one index more, and no sums of how requests fared."""
    Database.open(path).close()
    older = sqlite3.connect(path)
    older.executescript(
        "DROP TABLE unsummed; DROP TABLE fares; DROP INDEX audit_attempts; ALTER TABLE audit_head DROP COLUMN fared;"
        "CREATE INDEX audit_at ON audit (at); PRAGMA user_version = 1"
    )
    older.close()
    Database.open(path).close()
    now = sqlite3.connect(path)
    named = {name for (name,) in now.execute("SELECT name FROM sqlite_master")}
    now.close()
    assert named >= {"unsummed", "fares", "audit_attempts"} and "audit_at" not in named


async def test_a_short_job_does_not_keep_its_thread_while_another_program_writes(path: Path) -> None:
    """It waits in the writer's thread; the loop goes on meanwhile."""
    db = Database.open(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = db.submit(put("a"), short=True)
    assert not waiting.done()
    other.rollback()
    assert await waiting == "a"
    other.close()
    db.close()


async def test_another_program_that_never_ends_is_one_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while nothing waits any longer."""
    monkeypatch.setattr(Committer.commit, "__defaults__", (0.01,))
    db = Database.open(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="cannot use its database"):
        await db.submit(put("a"), short=True)
    other.close()
    db.close()


def in_the_file(path: Path) -> int:
    """How many rows are in the file, without what stands beside it."""
    alone = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    [(count,)] = alone.execute("SELECT count(*) FROM taints")
    alone.close()
    return int(count)


async def test_what_stands_beside_the_file_comes_into_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would grow for as long as the gateway runs."""
    monkeypatch.setattr("pointsman.store.tidying._EVERY", 3)
    db = Database.open(path)
    for number in range(3):
        await db.submit(put(f"{number}"), short=True)
    db._writer._tidier.close()
    assert in_the_file(path) == 3
    db.close()


async def test_what_grows_beside_the_file_is_brought_into_it_between_two_jobs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite begins anew beside the file only where all of it was brought, and nobody wrote meanwhile."""
    monkeypatch.setattr("pointsman.store.tidying._EVERY", 3)
    monkeypatch.setattr("pointsman.store.sqlite._MANY", 1)
    db = Database.open(path)
    for number in range(3):
        await db.submit(put(f"{number}"), short=True)
    db._writer._tidier.close()
    waiting = db.submit(put("b"), short=True)
    assert not waiting.done()  # it goes to the thread, which then tidies
    await waiting
    await db.write(lambda _: None)
    assert in_the_file(path) == 4
    db.close()


async def test_where_no_thread_is_to_be_had_the_writer_goes_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is tidied once there is one."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("pointsman.store.tidying._EVERY", 3)
    db = Database.open(path)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        for number in range(3):
            await db.submit(put(f"{number}"), short=True)
    for number in range(3):
        await db.submit(put(f"more {number}"), short=True)
    db._writer._tidier.close()
    assert in_the_file(path) == 6
    db.close()


async def test_a_row_too_large_for_the_disk_fails_alone(path: Path) -> None:
    """SQLite then undoes all of the transaction by itself, also what others wrote in it."""
    db = Database.open(path)
    pages = await db.write(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar_one())
    await db.write(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {pages}").close())
    works = [put("a"), put("large" * 20_000), put("b")]
    found = await asyncio.gather(*[db.submit(work, short=True, delay=0.0) for work in works], return_exceptions=True)
    assert [found[0], type(found[1]), found[2]] == ["a", Unavailable, "b"]
    assert await db.read(sessions) == ["a", "b"]
    db.close()


async def test_what_waits_for_another_program_keeps_its_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a group is done one by one, and the other program begins to write in the midst of it."""
    db, done = Database.open(path), Committer._done
    other = sqlite3.connect(path, isolation_level=None)

    def between(committer: Committer, group: Any, patience: float) -> bool:
        alone = done(committer, group, patience)
        if alone and not other.in_transaction and group[0].error is None:
            other.execute("BEGIN IMMEDIATE")
        elif other.in_transaction and patience == 0.0:
            other.rollback()  # so that the next one could be done, but for its turn
        return alone

    def counts(connection: Connection) -> str:
        return put(f"{len(sessions(connection))} before")(connection)

    monkeypatch.setattr(Committer, "_done", between)
    waiting = [db.submit(work, short=True, delay=0.0) for work in (put("0"), half, counts, counts)]
    db._writer.flush(asyncio.get_running_loop())
    assert [one.done() for one in waiting] == [True, False, False, False]
    monkeypatch.setattr(Committer, "_done", done)
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [found[0], type(found[1]), *found[2:]] == ["0", ValueError, "1 before", "2 before"]
    other.close()
    db.close()
