"""The one thread that writes: jobs in groups, each group in one transaction; what must not be lost waits for a server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from pointsman.store.backend import Away, Backend, Busy

T = TypeVar("T")

AT_ONCE = 0
ROWS = 10_000
ALWAYS = sys.maxsize
"""How many jobs may wait for the server when a job joins them; one that may not wait fails."""

_GROUP = 256
_CHECKPOINT = 1_000  # commits, each of about ten pages of 4 KB; many write the same pages
_PATIENCE = 5.0  # seconds for another program that writes to the file
_RETRY = 2.0  # seconds until a server that could not be reached is tried again
_log = logging.getLogger(__name__)


class Job(Generic[T]):
    """Work for the writer, and who waits for it."""

    def __init__(self, work: Callable[[Connection], T], loop: asyncio.AbstractEventLoop, room: int) -> None:
        self.room = room
        self._work = work
        self._loop = loop
        self.future: asyncio.Future[T] = loop.create_future()
        self._result: T | None = None
        self.error: Exception | None = None

    def run(self, connection: Connection) -> None:
        """Do the work; what it raises is kept for the one who waits, and raised."""
        try:
            self._result = self._work(connection)
        except Exception as error:
            self.error = error
            raise

    def wait(self) -> None:
        """Forget the failure: it will be done later, and who waits is told so with None."""
        self._result = self.error = None

    def answer(self) -> None:
        """Tell the waiter, on its own loop."""
        self._resolve(self._result, self.error)

    def deliver(self) -> None:
        """Tell the waiting loop. A loop that is closed, or a waiter that left, is nobody's harm: the work is done."""
        result, error = self._result, self.error
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._resolve, result, error)

    def _resolve(self, result: Any, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Writer:
    """Owns the thread, its connection, and the jobs that wait for a server."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._turn = threading.Lock()
        self._unfinished = 0
        self._commits = 0
        self._kept: deque[Job[Any]] = deque()
        self._connection: Connection | None = None
        self._away: tuple[float, Away] | None = None
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many jobs wait for the server to come back."""
        return len(self._kept)

    def add(self, job: Job[T]) -> Job[T]:
        """Hand in a job."""
        with self._lock:
            self._still_open()
            self._unfinished += 1
            self._jobs.put(job)
        return job

    def now(self, job: Job[T]) -> Job[T]:
        """Do a short job here and now, where nothing was handed in before it that is not done; else hand it in.

        Two threads that take turns at the interpreter cost more than the work itself.
        """
        if not self._backend.inline:
            return self.add(job)
        with self._lock:
            self._still_open()
            free = self._unfinished == 0 and self._commits < _CHECKPOINT
            self._unfinished += free
        if not free:
            return self.add(job)
        try:
            with self._turn:
                self._commit([job], 0.0)
        finally:
            self._finished(1)
        if isinstance(job.error, Busy):  # the thread can wait for that, this one has others to serve
            job.wait()
            return self.add(job)
        job.answer()
        return job

    def _still_open(self) -> None:
        if self._closed:
            raise RuntimeError("the database is closed")

    def _finished(self, count: int) -> None:
        with self._lock:
            self._unfinished -= count

    def close(self) -> bool:
        """Finish what was handed in and end the thread; False when that was done before."""
        with self._lock:
            if self._closed:
                return False
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        return True

    def _run(self) -> None:
        last = False
        while not last:
            group, last = self._next()
            with self._turn:
                self._catch_up()
                if group:
                    self._carry_out(group)
                self._tidy()
            self._finished(len(group))
        self._away = None
        self._catch_up()
        self._drop()
        if self._kept:
            _log.error("%d entries could not be written: the shared ledger did not come back.", len(self._kept))

    def _next(self) -> tuple[list[Job[Any]], bool]:
        """The next group, and whether it is the last; an empty one when it is time to look for the server."""
        group: list[Job[Any]] = []
        with contextlib.suppress(Empty):
            job = self._jobs.get(timeout=_RETRY if self._kept else None)
            while job is not None:
                group.append(job)
                if len(group) == _GROUP:
                    return group, False
                job = self._jobs.get_nowait()
            return group, True
        return group, False

    def _catch_up(self) -> None:
        """Do what waits for the server, in its order, for as long as the server is there."""
        while self._kept:
            group = [self._kept[at] for at in range(min(_GROUP, len(self._kept)))]
            self._commit(group)
            if any(isinstance(job.error, Away) for job in group):
                for job in group:
                    job.wait()
                return
            for job in group:
                self._kept.popleft()
                if job.error is not None:
                    _log.error("An entry that waited for the shared ledger was refused (%s).", type(job.error).__name__)

    def _carry_out(self, group: Sequence[Job[Any]]) -> None:
        self._commit(group)
        for job in group:
            if isinstance(job.error, Away) and len(self._kept) < job.room:
                job.wait()
                self._kept.append(job)
            job.deliver()

    def _tidy(self) -> None:
        """Every so often, what SQLite has written beside its file goes into it: a matter of many milliseconds."""
        if self._commits >= _CHECKPOINT and self._connection is not None:
            self._commits = 0
            with contextlib.suppress(Exception):  # a disk that is full says so at the next commit
                self._backend.tidy(self._connection)

    def _commit(self, group: Sequence[Job[Any]], patience: float = _PATIENCE) -> None:
        """One transaction for the group. A job that fails is undone alone; a commit that fails fails them all."""
        ran = False
        self._commits += 1
        try:
            connection, transaction = self._begin(patience)
            with transaction:
                _do(connection, group)
                self._backend.sound(connection)
                ran = True
        except Exception as error:  # noqa: BLE001 - whatever it was, every waiter must hear of it
            told = self._told(error, unsure=ran)
            for job in group:
                job.error = told if job.error in (None, error) else job.error
        for job in group:
            job.error = job.error and self._backend.plain(job.error)

    def _told(self, error: Exception, *, unsure: bool) -> Exception:
        """The error as its waiters see it. With a server that is away, the connection is given up."""
        told = self._backend.plain(error)
        if isinstance(told, Away):
            self._drop(lost=True)
            told.unsure = unsure
        return told

    def _begin(self, patience: float) -> tuple[Connection, AbstractContextManager[object]]:
        """A connection in a transaction. A connection that broke while it was idle is replaced: nothing was under way on it."""
        if self._connection is not None:
            try:
                return self._connection, self._backend.begin(self._connection, patience)
            except Exception:
                if not self._connection.invalidated:
                    raise
                self._drop(lost=True)
        self._connection = self._connected()
        return self._connection, self._backend.begin(self._connection, patience)

    def _connected(self) -> Connection:
        """A new connection; a server that just now could not be reached is left in peace for a moment."""
        if self._away is not None and time.monotonic() < self._away[0]:
            raise self._away[1]
        try:
            connection = self._backend.writer.connect()
        except Exception as error:
            told = self._backend.plain(error)
            if isinstance(told, Away):
                self._away = time.monotonic() + _RETRY, told
            raise
        self._away = None
        return connection

    def _drop(self, *, lost: bool = False) -> None:
        """Give up the connection; one that is lost is not spoken to again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                if lost:
                    connection.invalidate()
                connection.close()


def _do(connection: Connection, group: Sequence[Job[Any]]) -> None:
    if len(group) == 1:
        group[0].run(connection)
        return
    for job in group:
        connection.exec_driver_sql("SAVEPOINT job")
        try:
            job.run(connection)
        except Exception:  # noqa: BLE001 - the job keeps its error for its own waiter
            connection.exec_driver_sql("ROLLBACK TO job")
        connection.exec_driver_sql("RELEASE job")
