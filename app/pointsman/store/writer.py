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
from typing import Any, TypeVar

from sqlalchemy import Connection

from pointsman.store import desk as desks
from pointsman.store.backend import Away, Backend, Busy
from pointsman.store.job import Job

T = TypeVar("T")

AT_ONCE = 0
ROWS = 10_000
ALWAYS = sys.maxsize
"""How many jobs may wait for the server when a job joins them; one that may not wait fails."""

_GROUP = 256
_TOGETHER = 32  # jobs that wait for what comes next: more would keep the loop for too long
_MOMENT = 0.002  # seconds that they wait at most
_CHECKPOINT = 1_000  # commits, each of about ten pages of 4 KB; many write the same pages
_PATIENCE = 5.0  # seconds for another program that writes to the file
_RETRY = 2.0  # seconds until a server that could not be reached is tried again
_log = logging.getLogger(__name__)


class Writer:
    """Owns the thread, its connection, and the jobs that wait for a server."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._ready: list[Job[Any]] = []
        self._armed: asyncio.AbstractEventLoop | None = None
        self._turning: asyncio.AbstractEventLoop | None = None
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
            self._hand_in([*self._taken(), job])
        return job

    def now(self, job: Job[T]) -> Job[T]:
        """Do a short job here and now, where nothing was handed in before it that is not done; else hand it in.

        Two threads that take turns at the interpreter cost more than the work itself.
        """
        if not self._backend.inline:
            return self.add(job)
        with self._lock:
            self._still_open()
            group = self._taken()
            group.append(job)
            free = self._is_free(group)
        if free:
            self._at_once(group, job.loop)
        return job

    def soon(self, job: Job[T]) -> Job[T]:
        """As `now`, but in one transaction with all that is handed in in this turn of the loop."""
        if self._waits(job) and job.loop is not self._turning:
            self._turning = job.loop
            job.loop.call_soon(self._turned, job.loop)
        return job

    def later(self, job: Job[T]) -> Job[T]:
        """As `now`, but in one transaction with what comes next, and a moment later where nothing comes."""
        if self._waits(job) and job.loop is not self._armed:
            self._armed = job.loop
            job.loop.call_later(_MOMENT, self._moment_over, job.loop)
        return job

    def _waits(self, job: Job[Any]) -> bool:
        """Whether it is kept for what comes next; with enough others it is done already, and what a server does is handed in."""
        if not self._backend.inline:
            self.add(job)
            return False
        with self._lock:
            self._still_open()
            self._ready.append(job)
        if len(self._ready) < _TOGETHER:
            return True
        self.flush(job.loop)
        return False

    def flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Do what waits for what comes next."""
        if not self._ready:
            return
        with self._lock:
            group = self._taken()
            free = bool(group) and self._is_free(group)
        if free:
            self._at_once(group, loop)

    def _turned(self, loop: asyncio.AbstractEventLoop) -> None:
        self._turning = None
        self.flush(loop)

    def _moment_over(self, loop: asyncio.AbstractEventLoop) -> None:
        self._armed = None
        self.flush(loop)

    def _taken(self) -> list[Job[Any]]:
        """What waits for what comes next, which is now."""
        group, self._ready = self._ready, []
        return group

    def _is_free(self, group: list[Job[Any]]) -> bool:
        """Whether these may be done here and now; else they are handed in."""
        if self._unfinished or self._commits >= _CHECKPOINT:
            self._hand_in(group)
            return False
        self._unfinished = len(group)
        return True

    def _hand_in(self, group: list[Job[Any]]) -> None:
        self._unfinished += len(group)
        for job in group:
            self._jobs.put(job)

    def _at_once(self, group: list[Job[Any]], loop: asyncio.AbstractEventLoop) -> None:
        try:
            with self._turn:
                self._commit(group, 0.0)
        finally:
            self._finished(len(group))
        for job in group:
            if isinstance(job.error, Busy):  # the thread can wait for that, this one has others to serve
                job.wait()
                self.add(job)
            elif job.loop is loop:
                job.answer()
            else:
                job.deliver()

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
            self._hand_in(self._taken())
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
        self._commits += 1
        if not self._done(group, patience, _together):  # it is rare, so only then each is kept apart from the others
            for job in group:
                job.wait()
            self._done(group, patience, _apart)
        for job in group:
            if job.error is not None:
                job.error = self._backend.plain(job.error)

    def _done(self, group: Sequence[Job[Any]], patience: float, work: _Work) -> bool:
        """False where one of several jobs failed, so that all of them are undone and may be done again, apart."""
        begun = ran = False
        try:
            connection, transaction = self._begin(patience)
            with transaction:
                begun = True
                work(connection, group)
                self._backend.sound(connection)
                ran = True
        except Exception as error:  # noqa: BLE001 - whatever it was, every waiter must hear of it
            told = self._told(error, unsure=ran)
            if begun and not ran and len(group) > 1 and work is _together and not isinstance(told, Away):
                return False
            for job in group:
                job.error = told if job.error in (None, error) else job.error
        return True

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


_Work = Callable[[Connection, Sequence[Job[Any]]], None]


def _together(connection: Connection, group: Sequence[Job[Any]]) -> None:
    for job in group:
        job.run(connection)


def _apart(connection: Connection, group: Sequence[Job[Any]]) -> None:
    for job in group:
        connection.exec_driver_sql("SAVEPOINT job")
        try:
            job.run(connection)
        except Exception:  # noqa: BLE001 - the job keeps its error for its own waiter
            connection.exec_driver_sql("ROLLBACK TO job")
            desks.at(connection).forget()
        connection.exec_driver_sql("RELEASE job")
