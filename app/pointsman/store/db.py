"""The database: SQLite in WAL mode, one writer thread that commits jobs in groups, and readers beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError

from pointsman.core.errors import SetupError, Unavailable
from pointsman.store.tables import METADATA

T = TypeVar("T")
Step = Callable[[Connection], None]

STEPS: tuple[Step, ...] = ()
"""STEPS[n] brings a database of version n + 1 to version n + 2. A new one is made whole, from tables.py."""

_OURS = 0x506E7473
_CHECKED_WHOLE_BELOW = 64 * 2**20
_GROUP = 256
_READERS = 2
_TROUBLE = (DatabaseError, sqlite3.DatabaseError)
_DISK = "see that its disk has room and can be written."
_PRAGMAS = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
)


class _Job(Generic[T]):
    """Work for the writer, and who waits for it."""

    def __init__(self, work: Callable[[Connection], T], loop: asyncio.AbstractEventLoop) -> None:
        self._work = work
        self._loop = loop
        self.future: asyncio.Future[T] = loop.create_future()
        self._result: T
        self.error: Exception | None = None

    def run(self, connection: Connection) -> None:
        """Do the work; what it raises is kept for the one who waits, and raised."""
        try:
            self._result = self._work(connection)
        except Exception as error:
            self.error = error
            raise

    def deliver(self) -> None:
        """Tell the waiting loop. A loop that is closed, or a waiter that left, is nobody's harm: the work is done."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self._result)
        else:
            self.future.set_exception(_plain(self.error))


class Database:
    """One file. Jobs that write run one after the other in a thread of their own; jobs that read run beside them."""

    def __init__(self, engine: Engine, readers: Engine) -> None:
        self._engine = engine
        self._reading = readers
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="store-reader")
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @staticmethod
    def open(path: Path) -> Database:
        """Open or make the database. A file that cannot be used is left as it is; `SetupError` says what to do."""
        _own(path)
        engine = _engine(path, "BEGIN IMMEDIATE")
        try:
            _prepare(engine, path)
        except DatabaseError as error:
            engine.dispose()
            raise SetupError(_why(path, error)) from None
        except SetupError:
            engine.dispose()
            raise
        return Database(engine, _engine(path, "BEGIN", "PRAGMA query_only = ON"))

    def submit(self, work: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Hand work to the writer now; it is carried out whether or not anybody waits."""
        job = _Job(work, asyncio.get_running_loop())
        with self._lock:
            if self._closed:
                raise RuntimeError("the database is closed")
            self._jobs.put(job)
        return job.future

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Carry out the work in the writer's transaction; returns when it is committed."""
        return await self.submit(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Carry out the work on one unchanging view of the database."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, work)

    def close(self) -> None:
        """Finish what was handed in, then close the file."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        self._pool.shutdown()
        self._reading.dispose()
        self._engine.dispose()

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._reading.begin() as connection:
                return work(connection)
        except _TROUBLE as error:
            raise _plain(error) from None

    def _run(self) -> None:
        with self._engine.connect() as connection:
            while (first := self._jobs.get()) is not None:
                group, last = self._more(first)
                _commit(connection, group)
                for job in group:
                    job.deliver()
                if last:
                    return

    def _more(self, first: _Job[Any]) -> tuple[list[_Job[Any]], bool]:
        group = [first]
        with contextlib.suppress(Empty):
            while len(group) < _GROUP:
                job = self._jobs.get_nowait()
                if job is None:
                    return group, True
                group.append(job)
        return group, False


def _commit(connection: Connection, group: Sequence[_Job[Any]]) -> None:
    """One transaction for the group. A job that fails is undone alone; a commit that fails fails them all."""
    try:
        with connection.begin():
            if len(group) == 1:
                group[0].run(connection)
                return
            for job in group:
                _apart(connection, job)
    except Exception as error:  # noqa: BLE001 - whatever it was, every waiter must hear of it
        for job in group:
            job.error = job.error or error


def _apart(connection: Connection, job: _Job[Any]) -> None:
    connection.exec_driver_sql("SAVEPOINT job")
    try:
        job.run(connection)
    except Exception:  # noqa: BLE001 - the job keeps its error for its own waiter
        connection.exec_driver_sql("ROLLBACK TO job")
    connection.exec_driver_sql("RELEASE job")


def _plain(error: Exception) -> Exception:
    """What the caller sees: trouble with the file becomes one sentence, anything else stays what it is."""
    cause = error.orig if isinstance(error, DatabaseError) else error
    if not isinstance(cause, sqlite3.DatabaseError) or isinstance(cause, sqlite3.IntegrityError):
        return error
    return Unavailable(f"Pointsman cannot use its database ({cause}): {_DISK}")


def _own(path: Path) -> None:
    """Make the file, readable by its owner alone; an existing one is not touched yet."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise SetupError(
            f"Pointsman cannot write its database {path} ({error.strerror}): make it writable, or set POINTSMAN_HOME."
        ) from None


def _engine(path: Path, begin: str, *more: str) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), hide_parameters=True, pool_size=_READERS)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where SQLAlchemy says, not where sqlite3 guesses
        for pragma in (*_PRAGMAS, *more):
            connection.execute(pragma).close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _prepare(engine: Engine, path: Path) -> None:
    with engine.begin() as connection:
        _check(connection, path)
    path.chmod(0o600)  # SQLite gives the files beside it the same mode
    with contextlib.closing(engine.raw_connection()) as raw:
        raw.cursor().execute("PRAGMA journal_mode = WAL").close()
    with engine.begin() as connection:
        migrate(connection, path, STEPS)


def _check(connection: Connection, path: Path) -> None:
    """Refuse what is damaged or another program's. A large file is not read whole at each start: that takes seconds."""
    marks = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    empty = connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema").scalar_one() == 0
    if marks != (0, 0) or not empty:
        if marks[0] != _OURS:
            raise SetupError(f"{path} is a database of another program: move it away, or set POINTSMAN_HOME.")
        if path.stat().st_size < _CHECKED_WHOLE_BELOW and _pragma(connection, "quick_check(1)") != "ok":
            raise SetupError(_damaged(path))


def migrate(connection: Connection, path: Path, steps: Sequence[Step]) -> None:
    """Bring the tables to the newest version, or make them."""
    newest, found = len(steps) + 1, _pragma(connection, "user_version")
    if found > newest:
        raise SetupError(
            f"{path} was written by a newer Pointsman (its version {found}, ours {newest}): "
            "install the newer Pointsman again, or set POINTSMAN_HOME."
        )
    if found == 0:
        METADATA.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA application_id = {_OURS}")
    else:
        for step in steps[found - 1 :]:
            step(connection)
    connection.exec_driver_sql(f"PRAGMA user_version = {newest}")


def _pragma(connection: Connection, name: str) -> Any:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def _why(path: Path, error: DatabaseError) -> str:
    text = str(error.orig)
    if "locked" in text:
        return f"Another program is writing to {path}: stop it, then start Pointsman again."
    if "not a database" in text or "malformed" in text:
        return _damaged(path)
    return f"Pointsman cannot use its database {path} ({text}): {_DISK}"


def _damaged(path: Path) -> str:
    return (
        f"The database {path} is damaged and was left as it is: move it and the files beside it that begin with "
        f'"{path.name}" away to start anew, or put a backup in its place.'
    )
