"""PostgreSQL's server: what goes wrong with it is one sentence, and when it is back the gateway goes on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from pointsman.core.errors import SetupError, Unavailable
from pointsman.store import committing, postgres
from pointsman.store.db import Away, Database
from tests.fakes.postgres import Server, server
from tests.store.test_db import TAINTS, hold_up, put, sessions


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    """An open database on the server."""
    database = Database.connect(url)
    yield database
    database.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away is looked for again at once."""
    monkeypatch.setattr(committing, "RETRY", 0.02)


async def back(db: Database) -> None:
    """Until nothing waits any more."""
    while db.waiting:  # noqa: ASYNC110 - the writer's thread knows no event of ours
        await asyncio.sleep(0.01)


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


async def test_what_waits_for_the_server_is_done_before_what_comes_later(db: Database, url: str, quick: None) -> None:
    """Also where the connection breaks while it is done, and the next connection would serve the later one."""
    broken = [True]

    def first(connection: Connection) -> None:
        if broken:
            server().cut(url)
        put(f"{len(sessions(connection))} first")(connection)

    await db.ensure(first)
    await db.ensure(lambda connection: put(f"{len(sessions(connection))} second")(connection))
    assert await db.read(sessions) == []
    broken.clear()
    await back(db)
    assert await db.read(sessions) == ["0 first", "1 second"]
