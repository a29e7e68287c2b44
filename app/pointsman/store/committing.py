"""The connection that writes, and group commit on it: several jobs in one transaction."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection

from pointsman.store.backend import Away, Backend, Busy
from pointsman.store.job import Job

PATIENCE = 5.0
"""Seconds for another program that writes to the file."""
RETRY = 2.0
"""Seconds until a server that could not be reached is tried again."""


class Committer:
    """Owns the connection. Who calls sees to it that only one thread does at a time."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._connection: Connection | None = None
        self._away: tuple[float, Away] | None = None

    def commit(self, group: Sequence[Job[Any]], patience: float = PATIENCE) -> None:
        """One transaction for the group; each job then has its result or its error. A commit that fails fails them all.

        Where one of several jobs fails, all are undone and done again, each in a transaction of its own.
        """
        if not self._done(group, patience):
            self._one_by_one(group, patience)

    def _one_by_one(self, group: Sequence[Job[Any]], patience: float) -> None:
        for at, job in enumerate(group):
            self._done([job], patience)
            if isinstance(job.error, (Away, Busy)):  # it will be done later, and what came after it not before it
                for following in group[at + 1 :]:
                    following.error = job.error
                return

    def _done(self, group: Sequence[Job[Any]], patience: float) -> bool:
        """False where one of several jobs failed, so that all of them are undone and may be done again."""
        begun = ran = False
        try:
            connection, transaction = self._begin(patience)
            with transaction:
                begun = True
                for job in group:
                    job.run(connection)
                self._backend.sound(connection)
                ran = True
        except Exception as error:  # noqa: BLE001 - whatever it was, every waiter must hear of it
            told = self._told(error, unsure=ran)
            if begun and not ran and len(group) > 1 and not isinstance(told, Away):
                return False
            for job in group:
                job.error = told
        return True

    def _told(self, error: Exception, *, unsure: bool) -> Exception:
        """The error as its waiters see it. With a server that is away, the connection is given up."""
        told = self._backend.plain(error)
        if isinstance(told, Away):
            self.drop(lost=True)
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
                self.drop(lost=True)
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
                self._away = time.monotonic() + RETRY, told
            raise
        self._away = None
        return connection

    def try_again(self) -> None:
        """A server that could not be reached is not left in peace any longer."""
        self._away = None

    def drop(self, *, lost: bool = False) -> None:
        """Give up the connection; one that is lost is not spoken to again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                if lost:
                    connection.invalidate()
                connection.close()
