"""The database on either engine: one writer, group commit, and what callers hear."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from pointsman.core.errors import SetupError, Unavailable
from pointsman.store.columns import table
from pointsman.store.committing import Committer
from pointsman.store.db import Clash, Database, choose
from tests.store.conftest import Place

TAINTS = table("taints")


def put(session: str) -> Callable[[Connection], str]:
    """A job that writes one row."""

    def work(connection: Connection) -> str:
        connection.execute(insert(TAINTS), {"session": session, "kinds": "", "at": 0.0})
        return session

    return work


def sessions(connection: Connection) -> list[str]:
    """What is kept."""
    return sorted(connection.execute(select(TAINTS.c.session)).scalars())


def hold_up(db: Database) -> threading.Event:
    """Keep the writer busy until the event is set, so that what follows is one group."""
    go = threading.Event()
    db.submit(lambda connection: go.wait(10))
    return go


def half(connection: Connection) -> None:
    """A job that fails when it has written already."""
    put("half")(connection)
    raise ValueError("no")


async def test_a_write_is_there_for_readers_when_it_returns(db: Database) -> None:
    """`write` returns after the commit, with what the job gave."""
    assert await db.write(put("a")) == "a"
    assert await db.read(sessions) == ["a"]


async def test_readers_cannot_write(db: Database) -> None:
    """Money is moved by the writer alone."""
    with pytest.raises(Unavailable):
        await db.read(put("a"))
    assert await db.read(sessions) == []


async def test_a_job_that_fails_does_not_undo_its_neighbours(db: Database) -> None:
    """In one group, the two good jobs are kept, and the bad one, half done, is not."""
    go = hold_up(db)
    waiting: list[asyncio.Future[Any]] = [db.submit(put("a")), db.submit(half), db.submit(put("b"))]
    go.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["a", "no", "b"]
    assert await db.read(sessions) == ["a", "b"]


async def test_a_job_that_fails_alone_is_undone(db: Database) -> None:
    """Nothing of it stays, and the writer goes on."""
    with pytest.raises(ValueError, match="no"):
        await db.write(half)
    await db.write(put("a"))
    assert await db.read(sessions) == ["a"]


async def test_a_row_that_is_there_already_is_a_clash(db: Database) -> None:
    """Both engines say it with one exception, in a group and alone, and it undoes its own job only."""
    await db.write(put("a"))
    go = hold_up(db)
    waiting = [db.submit(put("a")), db.submit(put("b"))]
    go.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Clash, str]
    with pytest.raises(Clash):
        await db.write(put("b"))
    assert await db.read(sessions) == ["a", "b"]


async def test_a_cancelled_caller_does_not_stop_its_job(db: Database) -> None:
    """What was handed in is carried out."""
    go = hold_up(db)
    caller = asyncio.create_task(db.write(put("a")))
    await asyncio.sleep(0)
    caller.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await db.write(put("b"))
    assert await db.read(sessions) == ["a", "b"]


async def test_closing_finishes_what_was_handed_in(place: Place) -> None:
    """Jobs in the queue are done, later ones are refused, and closing twice is once."""
    db = place.open()
    go = hold_up(db)
    last = db.submit(put("a"))
    go.set()
    db.close()
    db.close()
    assert await last == "a"
    with pytest.raises(RuntimeError, match="closed"):
        await db.write(put("b"))


def test_a_loop_that_ended_meanwhile_harms_nobody(place: Place) -> None:
    """The job of a loop that is gone is done, and the next loop is served."""
    db = place.open()
    go: list[threading.Event] = []

    async def leave() -> None:
        go.append(hold_up(db))
        db.submit(put("a"))

    asyncio.run(leave())
    go[0].set()
    assert asyncio.run(db.write(sessions)) == ["a"]
    db.close()


async def test_what_is_kept_is_there_when_it_is_opened_again(place: Place) -> None:
    """The tables are made once, and found the next time."""
    first = place.open()
    await first.write(put("a"))
    first.close()
    second = place.open()
    assert await second.read(sessions) == ["a"]
    second.close()


async def test_work_that_must_not_be_lost_is_done_at_once_while_all_is_well(db: Database) -> None:
    """`ensure` gives what the job gave, and its failure too."""
    assert await db.ensure(put("a")) == "a"
    with pytest.raises(ValueError, match="no"):
        await db.ensure(half)
    assert (db.waiting, db.full) == (0, False)


@pytest.mark.parametrize(("given", "kept"), [("a\0b", "a"), ("caf\udce9", "caf")])
async def test_text_from_outside_cannot_break_a_write(db: Database, given: str, kept: str) -> None:
    """What no database takes as text is written with a mark in its place, or refused alone; the next write goes on."""
    await asyncio.gather(db.write(put(given)), return_exceptions=True)
    await db.write(put("next"))
    assert all(found == "next" or found.startswith(kept) for found in await db.read(sessions))


async def test_whole_numbers_are_whole_and_wide(db: Database) -> None:
    """64 bits and their sum come back as integers, and a flag may be given as True."""
    audit_head = table("audit_head")

    def work(connection: Connection) -> Any:
        connection.execute(insert(audit_head), {"id": True, "seq": 2**63 - 1, "hash": ""})
        return connection.exec_driver_sql("SELECT sum(seq), max(id), count(*) FROM audit_head").one()

    found = await db.write(work)
    assert [type(number) for number in found] == [int, int, int]
    assert tuple(found) == (2**63 - 1, 1, 1)


async def test_text_sorts_by_its_bytes(db: Database) -> None:
    """Listings and reports come in one order, whatever language the server speaks."""
    for name in ("b", "a", "B", "é", "A", "_"):
        await db.write(put(name))
    found = await db.read(lambda c: c.execute(select(TAINTS.c.session).order_by(TAINTS.c.session)).scalars().all())
    assert found == ["A", "B", "_", "a", "b", "é"]


def test_the_environment_names_the_ledger_before_models_toml(path: Path, url: str) -> None:
    """POINTSMAN_DATABASE wins; where neither names a server, it is the file."""
    opened = [
        choose(path, None, {}),
        choose(path, url, {}),
        choose(path, "postgresql://nobody.invalid/x", {"POINTSMAN_DATABASE": url}),
    ]
    assert [db.shared for db in opened] == [False, True, True]
    for db in opened:
        db.close()


@pytest.mark.parametrize(
    "wrong", ["mysql://box/name", "postgresql://box", "pointsman-ledger", "postgresql://box:port/x"]
)
def test_an_address_that_is_none_is_one_sentence(path: Path, wrong: str) -> None:
    """The sentence shows how to write it, and repeats nothing of what was written: there may be a password in it."""
    with pytest.raises(SetupError, match=r"Write it as postgresql://host/name") as failed:
        choose(path, None, {"POINTSMAN_DATABASE": wrong})
    assert wrong not in failed.value.sentence


async def test_a_short_job_is_done_here_and_now(path: Path) -> None:
    """By the thread that asks, before it goes on; a server is another matter."""
    db = Database.open(path)
    done = db.submit(lambda connection: (put("a")(connection), threading.get_ident()), short=True)
    assert done.result() == ("a", threading.get_ident())
    assert await db.read(sessions) == ["a"]
    db.close()


async def test_a_short_job_waits_for_what_came_before_it(db: Database) -> None:
    """Work is done in the order in which it was handed in."""
    go = hold_up(db)
    first = db.submit(lambda connection: put(f"{len(sessions(connection))} before")(connection))
    second = db.submit(lambda connection: put(f"{len(sessions(connection))} before")(connection), short=True)
    assert not second.done()
    go.set()
    assert [await first, await second] == ["0 before", "1 before"]


async def test_a_short_job_that_fails_leaves_nothing(db: Database) -> None:
    """Its error is its caller's, and the next one is done."""
    with pytest.raises(ValueError, match="no"):
        await db.submit(half, short=True)
    assert await db.submit(put("b"), short=True) == "b"
    assert await db.read(sessions) == ["b"]


async def test_a_closed_database_takes_no_short_job(db: Database) -> None:
    """As it takes no other."""
    db.close()
    with pytest.raises(RuntimeError, match="closed"):
        db.submit(put("a"), short=True)


async def test_work_that_may_wait_goes_with_what_comes_next(path: Path) -> None:
    """It is not done by itself, and done before what comes next."""
    db = Database.open(path)
    waiting = asyncio.ensure_future(db.ensure(put("first"), delay=0.002))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert db.submit(sessions, short=True).result() == ["first"]
    assert await waiting == "first"
    db.close()


async def test_work_that_may_wait_is_done_where_nothing_comes(db: Database) -> None:
    """A moment later, and it is committed when its caller hears of it."""
    assert await db.ensure(put("a"), delay=0.002) == "a"
    assert await db.read(sessions) == ["a"]


async def test_who_reads_sees_what_may_still_wait(db: Database) -> None:
    """A reader that comes first has it done."""
    waiting = asyncio.ensure_future(db.ensure(put("a"), delay=0.002))
    await asyncio.sleep(0)
    assert await db.read(sessions) == ["a"]
    assert await waiting == "a"


async def test_closing_finishes_what_may_wait(place: Place) -> None:
    """Nothing is lost, and its caller hears of it."""
    db = place.open()
    waiting = asyncio.ensure_future(db.ensure(put("a"), delay=0.002))
    await asyncio.sleep(0)
    db.close()
    assert await waiting == "a"


async def test_what_waits_keeps_its_order(db: Database) -> None:
    """Whether what comes next is done here or by the writer's thread."""

    def counts(connection: Connection) -> str:
        return put(f"{len(sessions(connection))} before")(connection)

    later = asyncio.ensure_future(db.ensure(counts, delay=0.002))
    await asyncio.sleep(0)
    assert [await db.write(counts), await later] == ["1 before", "0 before"]


async def test_what_comes_in_one_turn_is_one_transaction(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is done before the turn is over; each caller hears its own."""
    groups: list[int] = []
    commit = Committer.commit

    def counted(committer: Committer, group: Any, *more: Any) -> None:
        groups.append(len(group))
        commit(committer, group, *more)

    monkeypatch.setattr(Committer, "commit", counted)
    db = Database.open(path)
    waiting = [db.submit(put(name), short=True, delay=0.0) for name in "abc"]
    assert groups == []
    assert await asyncio.gather(*waiting) == ["a", "b", "c"]
    assert groups == [3]
    db.close()


async def test_so_many_at_once_do_not_wait_for_the_turn(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop is not kept for longer."""
    monkeypatch.setattr("pointsman.store.writer._DELAYED", 2)
    db = Database.open(path)
    waiting = [db.submit(put(name), short=True, delay=0.0) for name in "abc"]
    assert [one.done() for one in waiting] == [True, True, False]
    assert await waiting[2] == "c"
    db.close()


@pytest.mark.parametrize("bad", [0, 1, 2])
async def test_one_that_fails_among_those_of_a_turn_is_undone_alone(db: Database, bad: int) -> None:
    """The others are kept, each once."""
    works: list[Callable[[Connection], Any]] = [put("a"), put("b")]
    works.insert(bad, half)
    found = await asyncio.gather(*[db.submit(work, short=True, delay=0.0) for work in works], return_exceptions=True)
    assert [type(one) for one in found] == [ValueError if at == bad else str for at in range(3)]
    assert await db.read(sessions) == ["a", "b"]


async def test_what_waited_is_told_when_the_commit_fails(path: Path) -> None:
    """Nobody hears that it is done who cannot rely on it."""
    db = Database.open(path)
    await db.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1").close())
    waiting = asyncio.ensure_future(db.ensure(put("a" * 100_000), delay=0.002))
    await asyncio.sleep(0)
    await asyncio.gather(db.submit(put("b" * 100_000), short=True), return_exceptions=True)
    with pytest.raises(Unavailable):
        await waiting
    assert await db.read(sessions) == []
    db.close()


def test_a_loop_that_ended_before_what_comes_next_harms_nobody(place: Place) -> None:
    """What it left waiting is done with the next loop's, before that."""
    db = place.open()

    async def leave() -> None:
        db.submit(put("a"), short=True, delay=60.0)

    asyncio.run(leave())
    assert asyncio.run(db.ensure(sessions, delay=60.0 if place.shared else 0.0)) == ["a"]
    db.close()
