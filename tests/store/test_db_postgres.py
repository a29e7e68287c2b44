"""PostgreSQL's server: what goes wrong with it is one sentence, and when it is back the gateway goes on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from pointsman.core.errors import SetupError, Unavailable
from pointsman.store import postgres, writer
from pointsman.store.db import Away, Database
from pointsman.store.tables import METADATA
from tests.fakes.postgres import Server, name_of, server
from tests.store.test_db import TAINTS, hold_up, put, sessions


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    """An open database on the server."""
    database = Database.connect(url)
    yield database
    database.close()


@pytest.fixture(scope="module")
def second() -> Iterator[Server]:
    """A server that nobody else uses."""
    started = Server()
    yield started
    started.remove()


@pytest.fixture
def own(second: Server) -> Iterator[Server]:
    """A server that this test may stop and change."""
    yield second
    second.stop()
    second.demand_passwords(wanted=False)
    second.start()
    second.do("DROP DATABASE IF EXISTS money", "DROP ROLE IF EXISTS ann")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away is looked for again at once."""
    monkeypatch.setattr(writer, "_RETRY", 0.02)


async def back(db: Database) -> None:
    """Until nothing waits any more."""
    while db.waiting:  # noqa: ASYNC110 - the writer's thread knows no event of ours
        await asyncio.sleep(0.01)


def refused(url: str) -> str:
    """The sentence with which opening fails."""
    with pytest.raises(SetupError) as failed:
        Database.connect(url)
    assert failed.value.sentence.count(". ") <= 1 and "\n" not in failed.value.sentence
    return failed.value.sentence


def test_a_server_that_is_not_there_is_one_sentence(own: Server) -> None:
    """The sentence names the place, without user and password."""
    own.stop()
    said = refused(f"postgresql://zoe:hunter2@127.0.0.1:{own.port}/money")
    assert f"postgresql://127.0.0.1:{own.port}/money cannot be used: no server answers there" in said
    assert "zoe" not in said and "hunter2" not in said


def test_a_wrong_password_is_one_sentence(own: Server) -> None:
    """The password is not repeated, and the sentence says where the right one goes."""
    own.do("CREATE ROLE ann LOGIN PASSWORD 'right'", "CREATE DATABASE money OWNER ann")
    own.demand_passwords()
    own.stop()
    own.start()
    address = f"postgresql://ann:{{}}@127.0.0.1:{own.port}/money"
    for wrong in ("hunter2", ""):
        said = refused(address.format(wrong))
        assert "refused the password: put the right one in PGPASSWORD" in said
        assert "hunter2" not in said
    Database.connect(address.format("right")).close()


def test_a_password_from_the_environment_is_used(own: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPASSWORD works, so that no file of ours holds it."""
    own.do("CREATE ROLE ann LOGIN PASSWORD 'right'", "CREATE DATABASE money OWNER ann")
    own.demand_passwords()
    own.stop()
    own.start()
    monkeypatch.setenv("PGPASSWORD", "right")
    Database.connect(f"postgresql://ann@127.0.0.1:{own.port}/money").close()


def test_a_database_that_is_not_there_is_one_sentence(url: str) -> None:
    """The sentence says how to make it."""
    assert "make it with createdb" in refused(f"{url}x")


def test_a_user_who_may_not_make_tables_is_one_sentence(url: str) -> None:
    """Nothing is left half made."""
    server().do("DROP ROLE IF EXISTS eve", "CREATE ROLE eve LOGIN")
    assert "make this user the owner" in refused(url.replace("admin@", "eve@"))


def test_a_server_that_is_too_old_is_one_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names both versions."""
    monkeypatch.setattr(postgres, "_OLDEST", 990_000)
    assert "Pointsman needs 99 or newer" in refused(url)


def test_a_database_that_is_not_in_unicode_is_refused(url: str) -> None:
    """Money would be booked under names that cannot be written."""
    server().do(
        "DROP DATABASE IF EXISTS latin",
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc",
    )
    assert "ENCODING 'UTF8'" in refused(url.replace(name_of(url), "latin"))


def test_tables_of_another_program_are_left_alone(url: str) -> None:
    """A table of one of our names stops the opening, and none of ours is made beside it."""
    server().query(url, "CREATE TABLE holds (x int)")
    assert "another program" in refused(url)
    assert server().query(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(1,)]


def test_a_newer_ledger_is_left_alone(url: str) -> None:
    """What a later Pointsman wrote is not touched by an older one."""
    Database.connect(url).close()
    server().query(url, "UPDATE pointsman_version SET version = 99")
    assert "newer Pointsman (its version 99" in refused(url)


def test_an_older_ledger_is_brought_forward(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the steps that it lacks are run, once."""
    Database.connect(url).close()
    steps = (lambda c: c.exec_driver_sql("CREATE TABLE more (x int)").close(),)
    monkeypatch.setattr(postgres, "STEPS", (*postgres.STEPS, *steps))
    Database.connect(url).close()
    Database.connect(url).close()
    assert server().query(url, "SELECT version FROM pointsman_version") == [(len(postgres.STEPS) + 1,)]


def test_without_the_driver_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody needs psycopg who has one machine."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SetupError, match=r"pip install 'pointsman\[postgres\]'"):
        Database.connect("postgresql://box/money")


def test_gateways_that_start_at_once_make_the_tables_once(url: str) -> None:
    """All of them open, and every table is there."""
    with ThreadPoolExecutor(6) as pool:
        for db in list(pool.map(lambda _: Database.connect(url), range(6))):
            db.close()
    [(tables,)] = server().query(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert tables == len(METADATA.tables) + 1


async def test_a_connection_that_broke_while_idle_is_replaced_unseen(db: Database, url: str) -> None:
    """Writers and readers go on after every connection was cut."""
    await db.write(put("a"))
    await db.read(sessions)
    server().cut(url)
    assert await db.write(put("b")) == "b"
    assert await db.read(sessions) == ["a", "b"]


async def test_a_connection_that_breaks_at_work_undoes_the_group_and_says_so(db: Database, url: str) -> None:
    """Nothing of the transaction is there, every waiter hears one sentence, and the next write works."""
    go = hold_up(db)

    def cut(connection: Connection) -> None:
        put("cut")(connection)
        server().cut(url)

    waiting: list[asyncio.Future[Any]] = [db.submit(put("a")), db.submit(cut), db.submit(put("b"))]
    go.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [(type(one), getattr(one, "unsure", None)) for one in outcomes] == [(Away, False)] * 3
    assert "it was shut down" in str(outcomes[2]) and "admin" not in str(outcomes[2])
    await db.write(put("c"))
    assert await db.read(sessions) == ["c"]


async def test_a_connection_that_breaks_in_the_commit_leaves_it_unsure(db: Database, url: str) -> None:
    """Nobody can know whether it came through; the one who waits is told."""

    def cut(connection: Connection) -> None:
        put("a")(connection)
        event.listen(connection.engine, "commit", lambda _: server().cut(url), once=True)

    with pytest.raises(Away) as failed:
        await db.write(cut)
    assert failed.value.unsure
    assert await db.read(sessions) == []


async def test_a_statement_that_failed_and_was_passed_over_commits_nothing(db: Database) -> None:
    """PostgreSQL would undo all of it and say nothing."""

    def careless(connection: Connection) -> None:
        put("a")(connection)
        with contextlib.suppress(Exception):
            connection.exec_driver_sql("SELECT 1/0")

    with pytest.raises(RuntimeError, match="passed over"):
        await db.write(careless)
    await db.write(put("b"))
    assert await db.read(sessions) == ["b"]


async def test_text_that_is_refused_is_not_repeated(db: Database) -> None:
    """An error of the server may quote what was written: it stays out of our sentence."""
    with pytest.raises(Unavailable) as failed:
        await db.write(lambda c: c.exec_driver_sql("SELECT CAST('my secret' AS bigint)").close())
    assert "secret" not in str(failed.value) and "22P02" in str(failed.value)


@pytest.fixture
async def restartable(own: Server, quick: None) -> AsyncIterator[tuple[Server, Database]]:
    """A database with one row on a server that this test may stop."""
    db = Database.connect(own.url())
    await db.write(put("a"))
    yield own, db
    db.close()


async def test_after_a_restart_of_the_server_the_gateway_goes_on(restartable: tuple[Server, Database]) -> None:
    """While it is gone, reads and writes are one sentence; then they work again, with no restart of ours."""
    own, db = restartable
    own.stop(signal.SIGQUIT)
    for refused_ in (db.write(put("b")), db.read(sessions)):
        with pytest.raises(Away, match=r"cannot be used: .*costs money is refused and free local models go on"):
            await refused_
    own.start()
    await until(lambda: db.write(put("c")))
    assert await db.read(sessions) == ["a", "c"]


async def until(attempt: Callable[[], Any]) -> Any:
    """Again and again, until the server is found."""
    while True:
        try:
            return await attempt()
        except Away:
            await asyncio.sleep(0.01)


async def test_what_must_not_be_lost_waits_in_its_order(restartable: tuple[Server, Database]) -> None:
    """`ensure` returns at once; when the server is back the work is done before anything newer."""
    own, db = restartable
    own.stop()
    order: list[str] = []

    def note(name: str) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            put(name)(connection)
            order.append(name)

        return work

    assert [await db.ensure(note(name)) for name in ("b", "c", "d")] == [None] * 3
    assert db.waiting == 3
    own.start()
    await back(db)
    await db.write(note("e"))
    assert order == ["b", "c", "d", "e"]
    assert await db.read(sessions) == ["a", "b", "c", "d", "e"]


async def test_so_much_may_wait_and_no_more(restartable: tuple[Server, Database], monkeypatch: Any) -> None:
    """A bound keeps the memory; ends of holds have none."""
    own, db = restartable
    monkeypatch.setattr("pointsman.store.db.ROWS", 2)
    own.stop()
    await db.ensure(put("b"))
    assert not db.full
    await db.ensure(put("c"))
    assert db.full
    with pytest.raises(Away):
        await db.ensure(put("d"))
    assert await db.ensure(put("e"), always=True) is None
    own.start()
    await back(db)
    assert await db.read(sessions) == ["a", "b", "c", "e"]


async def test_waiting_work_that_is_wrong_does_not_stop_the_rest(restartable: Any, caplog: Any) -> None:
    """It is logged by the kind of its error alone."""
    own, db = restartable
    own.stop()
    for name in ("b", "a", "c"):
        await db.ensure(put(name))
    own.start()
    await back(db)
    assert await db.read(sessions) == ["a", "b", "c"]
    assert [record.getMessage() for record in caplog.records] == [
        "An entry that waited for the shared ledger was refused (Clash)."
    ]


async def test_closing_while_the_server_is_away_says_what_is_lost(own: Server, quick: None, caplog: Any) -> None:
    """The number of entries is in the log, and closing does not hang."""
    db = Database.connect(own.url())
    own.stop()
    await db.ensure(put("b"))
    with caplog.at_level(logging.ERROR):
        db.close()
    assert "1 entries could not be written" in caplog.text


async def test_two_gateways_of_one_name_are_not_let_in(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copied home is found out at the start; when the first is gone, or was cut off, the name is free."""
    monkeypatch.setattr(postgres, "_GRACE", 0.1)
    first = Database.connect(url, "abc")
    await first.write(put("a"))
    with pytest.raises(SetupError, match=r"copied from another machine, delete the file gateway\.id"):
        Database.connect(url, "abc")
    Database.connect(url, "xyz").close()
    server().cut(url)
    await first.write(put("b"))
    with pytest.raises(SetupError, match="with the id of this one"):
        Database.connect(url, "abc")
    first.close()
    Database.connect(url, "abc").close()


async def test_a_writer_keeps_all_others_out(db: Database, url: str) -> None:
    """What one gateway looks at stays as it is until it has written, on every machine."""
    other = Database.connect(url)
    inside, go = threading.Event(), threading.Event()

    def slow(connection: Connection) -> list[str]:
        inside.set()
        go.wait(10)
        return sessions(connection)

    first = db.submit(slow)
    await asyncio.to_thread(inside.wait, 10)
    second = other.submit(put("b"))
    assert await db.read(sessions) == []
    assert not second.done()
    go.set()
    assert (await first, await second) == ([], "b")
    other.close()


async def test_a_gateway_that_hangs_does_not_lock_out_the_others(db: Database, url: str, monkeypatch: Any) -> None:
    """A machine that falls asleep in a transaction loses it, with the lock; its own next write says so."""
    monkeypatch.setattr(postgres, "_SESSION", ("SET idle_in_transaction_session_timeout = '500ms'",))
    sleeper = Database.connect(url)
    inside, go = threading.Event(), threading.Event()

    def sleep(connection: Connection) -> None:
        put("asleep")(connection)
        inside.set()
        go.wait(10)
        put("awake")(connection)

    asleep = sleeper.submit(sleep)
    await asyncio.to_thread(inside.wait, 10)
    await db.write(put("b"))
    go.set()
    with pytest.raises(Away, match=r"sleep of this machine|broke off"):
        await asleep
    await sleeper.write(put("c"))
    assert await db.read(sessions) == ["b", "c"]
    sleeper.close()


async def test_a_lock_that_stays_is_one_sentence(db: Database, url: str, monkeypatch: Any) -> None:
    """Nobody waits for ever; the next write works."""
    monkeypatch.setattr(postgres, "_SESSION", ("SET lock_timeout = '50ms'",))
    hasty = Database.connect(url)
    inside, go = threading.Event(), threading.Event()
    held = db.submit(lambda _: (inside.set(), go.wait(10)))
    await asyncio.to_thread(inside.wait, 10)
    with pytest.raises(Away, match="another gateway kept it locked"):
        await hasty.write(put("a"))
    go.set()
    await held
    await hasty.write(put("b"))
    hasty.close()


async def test_an_error_in_a_prepared_statement_is_told_like_any_other(db: Database) -> None:
    """Statements that go past SQLAlchemy raise the driver's own errors."""
    from pointsman.store.prepared import Prepared

    add = Prepared(insert(TAINTS))

    def twice(connection: Connection) -> None:
        add(connection, {"session": "s", "kinds": "", "at": 0.0})
        add(connection, {"session": "s", "kinds": "", "at": 0.0})

    with pytest.raises(Exception, match="breaks the rule taints_pkey of taints"):
        await db.write(twice)
