"""SQLite: one file in WAL mode, for one gateway."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError

from pointsman.core.errors import SetupError, Unavailable
from pointsman.store import cached_connection
from pointsman.store.backend import Backend, Busy, Clash
from pointsman.store.schema import STEPS, Step, bring_forward

READERS = 2
_OURS = 0x506E7473
_WRITING = "BEGIN IMMEDIATE"
_LOOK = 0.02  # seconds between two looks whether another program has ended its writing
_MANY = 32_768  # pages of 4 KB beside the file: 128 MB
_CHECKED_WHOLE_BELOW = 64 * 2**20
_DISK = "see that its disk has room and can be written."
_PRAGMAS = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 0",  # a thread of its own does it
    "PRAGMA foreign_keys = ON",
)


def open_file(path: Path) -> Backend:
    """Open or make the database. A file that cannot be used is left as it is; `SetupError` says what to do."""
    _own(path)
    engine = _engine(path, _WRITING)
    try:
        _prepare(engine, path)
    except DatabaseError as error:
        engine.dispose()
        raise SetupError(_why(path, error)) from None
    except SetupError:
        engine.dispose()
        raise
    readers = _engine(path, "BEGIN", "PRAGMA query_only = ON")
    return Backend(engine, readers, _plain, begin=_Transaction, tidy=lambda: _tidy(readers), inline=True)


def _tidy(readers: Engine) -> bool:
    """Bring what was committed into the file, as far as nobody reads the older state; False where much lies beside it.

    SQLite does so beside a writer, and begins anew beside the file where that one adds nothing meanwhile.
    """
    with contextlib.closing(readers.raw_connection()) as connection:
        [(_, pages, _)] = connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return bool(pages < _MANY)


class _Transaction:
    """A writer's transaction, begun and ended on the driver's own connection: SQLAlchemy's costs more than the work."""

    def __init__(self, connection: Connection, patience: float) -> None:
        self._connection = connection
        driver: Any = connection.connection.dbapi_connection
        self._driver = driver
        self._cached = cached_connection.of(connection)
        if self._cached.patient:  # we wait ourselves, where nobody else has to wait with us
            driver.execute("PRAGMA busy_timeout = 0").close()
            self._cached.patient = False
        self._begin(time.monotonic() + patience)
        try:
            self._cached.begun()
        except BaseException:
            self._undo()
            raise

    def _begin(self, until: float) -> None:
        while True:
            try:
                return self._driver.execute(_WRITING).close()  # type: ignore[no-any-return]
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() >= until:
                    raise
                time.sleep(_LOOK)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: object) -> None:
        if kind is not None:
            self._undo()
            return
        try:
            self._connection.commit()  # where a statement of SQLAlchemy's own took part
            if self._driver.in_transaction:
                self._driver.execute("COMMIT").close()  # compiled once, which the driver's own commit is each time
        except BaseException:
            self._undo()
            raise
        self._cached.ended(undone=False)

    def _undo(self) -> None:
        self._cached.ended(undone=True)
        self._connection.rollback()
        self._driver.rollback()


def _plain(error: Exception) -> Exception:
    """What the caller sees: trouble with the file becomes one sentence, anything else stays what it is."""
    cause = error.orig if isinstance(error, DatabaseError) else error
    if isinstance(cause, sqlite3.IntegrityError):
        return Clash(str(cause))
    if not isinstance(cause, sqlite3.DatabaseError):
        return error
    return (Busy if _is_busy(cause) else Unavailable)(f"Pointsman cannot use its database ({cause}): {_DISK}")


def _is_busy(error: sqlite3.DatabaseError) -> bool:
    """Of any kind: the low byte is the error, what stands above it says more."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _own(path: Path) -> None:
    """Make the file, readable by its owner alone; an existing one is not touched yet."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise SetupError(
            f"Pointsman cannot write its database {path} ({error.strerror}): make it writable, or set POINTSMAN_HOME."
        ) from None


def _engine(path: Path, begin: str, *more: str) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), hide_parameters=True, pool_size=READERS)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where SQLAlchemy says, not where sqlite3 guesses
        for pragma in (*_PRAGMAS, *more):
            connection.execute(pragma).close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        if not driver.in_transaction:
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
    newest = bring_forward(connection, str(path), _pragma(connection, "user_version"), steps)
    connection.exec_driver_sql(f"PRAGMA application_id = {_OURS}")
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
