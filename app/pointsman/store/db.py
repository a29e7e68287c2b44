"""The database: one writer thread that commits jobs in groups, and readers beside it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from pointsman.store.backend import Away, Backend, Clash
from pointsman.store.job import Job
from pointsman.store.sqlite import READERS, open_file
from pointsman.store.writer import ALWAYS, AT_ONCE, ROWS, Writer

__all__ = ["Away", "Clash", "Database", "choose"]

T = TypeVar("T")


class Database:
    """Jobs that write run one after the other in a thread of their own; jobs that read run beside them.

    A SQLite file belongs to one gateway; a PostgreSQL server is `shared` by several.
    """

    def __init__(self, backend: Backend, *, shared: bool = False) -> None:
        self.shared = shared
        self._backend = backend
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._writer = Writer(backend)

    @staticmethod
    def open(path: Path) -> Database:
        """Open or make the database. A file that cannot be used is left as it is; `SetupError` says what to do."""
        return Database(open_file(path))

    @staticmethod
    def connect(url: str, gateway: str = "") -> Database:
        """Open the shared ledger on a PostgreSQL server; `SetupError` says in one sentence why it cannot be used."""
        from pointsman.store.postgres import open_server

        return Database(open_server(url, gateway), shared=True)

    def submit(
        self, work: Callable[[Connection], T], *, short: bool = False, delay: float | None = None
    ) -> asyncio.Future[T]:
        """Hand work to the writer now; it is carried out whether or not anybody waits.

        What is `short`, a few rows, is done here and now where nothing waits before it; with a `delay`, in one
        transaction with what comes next, and so many seconds later at most. 0 is in this turn of the loop.
        """
        job = Job(work, asyncio.get_running_loop(), AT_ONCE)
        return (self._short(job, delay) if short else self._writer.add(job)).future

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Carry out the work in the writer's transaction; returns when it is committed."""
        return await self.submit(work)

    async def ensure(
        self, work: Callable[[Connection], T], *, always: bool = False, delay: float | None = None
    ) -> T | None:
        """As `write`, for what is short; while the shared ledger is away it waits, in its order, and this returns None at once.

        So much may wait and no more, then it is `Away`; with `always` there is no bound. The work is done twice when
        the connection broke during the commit: a second time it must change nothing.
        """
        job = Job(work, asyncio.get_running_loop(), ALWAYS if always else ROWS)
        return await self._short(job, delay).future

    @property
    def full(self) -> bool:
        """Whether as much is waiting for the shared ledger as may."""
        return self._writer.waiting >= ROWS

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for the shared ledger to come back."""
        return self._writer.waiting

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Carry out the work on one unchanging view of the database."""
        loop = asyncio.get_running_loop()
        self._writer.flush(loop)  # who reads sees what was done before
        return await loop.run_in_executor(self._pool, self._read, work)

    def close(self) -> None:
        """Finish what was handed in, then close the connections."""
        if self._writer.close():
            self._pool.shutdown()
            self._backend.dispose()

    def _short(self, job: Job[T], delay: float | None) -> Job[T]:
        return self._writer.now(job) if delay is None else self._writer.delayed(job, delay)

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._backend.readers.begin() as connection:
                return work(connection)
        except Exception as error:
            told = self._backend.plain(error)
            if told is error:
                raise
            raise told from None


def choose(
    path: Path, configured: str | None, environment: Mapping[str, str] = os.environ, gateway: str = ""
) -> Database:
    """The shared ledger of POINTSMAN_DATABASE or else of models.toml; where neither names one, the file.

    `gateway` is the name, of `gateway_id`, under which this one holds money there.
    """
    url = environment.get("POINTSMAN_DATABASE") or configured
    return Database.connect(url, gateway) if url else Database.open(path)
