"""The one thread that writes: jobs in groups, each group in one transaction; what must not be lost waits for a server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from pointsman.store import committing
from pointsman.store.backend import Away, Backend, Busy
from pointsman.store.committing import Committer
from pointsman.store.job import Job
from pointsman.store.tidying import Tidier

T = TypeVar("T")

AT_ONCE = 0
ROWS = 10_000
ALWAYS = sys.maxsize
"""How many jobs may wait for the server when a job joins them; one that may not wait fails."""

_GROUP = 256
_DELAYED = 32  # jobs that wait for what comes next: more would keep the loop for too long
_log = logging.getLogger(__name__)


class Writer:
    """Owns the thread, and the jobs that wait: for their turn, for what comes next, or for a server."""

    def __init__(self, backend: Backend) -> None:
        self._inline = backend.inline
        self._committer = Committer(backend)
        self._tidier = Tidier(backend.tidy)
        self._turn = threading.Lock()  # the committer's
        self._lock = threading.Lock()  # of all that follows
        self._closed = False
        self._delayed: list[Job[Any]] = []
        self._timers: dict[float, asyncio.AbstractEventLoop] = {}
        self._jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._unfinished = 0
        self._kept: deque[Job[Any]] = deque()
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
        if not self._inline:
            return self.add(job)
        with self._lock:
            self._still_open()
            group = self._taken()
            group.append(job)
            free = self._is_free(group)
        if free:
            self._at_once(group, job.loop)
        return job

    def delayed(self, job: Job[T], delay: float) -> Job[T]:
        """As `now`, but in one transaction with what comes next, so many seconds later at most; 0 is in this turn of the loop."""
        if not self._inline:
            return self.add(job)
        loop = job.loop
        with self._lock:
            self._still_open()
            self._delayed.append(job)
        if len(self._delayed) >= _DELAYED:
            self.flush(loop)
        elif self._timers.get(delay) is not loop:
            self._timers[delay] = loop
            loop.call_later(delay, self._over, delay, loop)
        return job

    def flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Do what waits for what comes next."""
        if not self._delayed:
            return
        with self._lock:
            group = self._taken()
            free = bool(group) and self._is_free(group)
        if free:
            self._at_once(group, loop)

    def _over(self, delay: float, loop: asyncio.AbstractEventLoop) -> None:
        self._timers.pop(delay, None)
        self.flush(loop)

    def _taken(self) -> list[Job[Any]]:
        """What waits for what comes next, which is now."""
        group, self._delayed = self._delayed, []
        return group

    def _is_free(self, group: list[Job[Any]]) -> bool:
        """Whether these may be done here and now; else they are handed in."""
        if self._unfinished or self._tidier.behind:
            self._hand_in(group)
            return False
        self._unfinished = len(group)
        return True

    def _hand_in(self, group: Sequence[Job[Any]]) -> None:
        self._unfinished += len(group)
        for job in group:
            self._jobs.put(job)

    def _at_once(self, group: list[Job[Any]], loop: asyncio.AbstractEventLoop) -> None:
        with self._turn:
            self._committer.commit(group, 0.0)
            self._tidier.committed()
        busy = list[Job[Any]]()
        for job in group:
            if isinstance(job.error, Busy):
                job.wait()
                busy.append(job)
            elif job.loop is loop:
                job.answer()
            else:
                job.deliver()
        with self._lock:  # the thread can wait for another program, this one has others to serve
            self._hand_in(busy)
            self._unfinished -= len(group)

    def _still_open(self) -> None:
        if self._closed:
            raise RuntimeError("the database is closed")

    def close(self) -> bool:
        """Finish what was handed in and end the thread; False when that was done before."""
        with self._lock:
            if self._closed:
                return False
            self._closed = True
            self._hand_in(self._taken())
            self._jobs.put(None)
        self._thread.join()
        self._tidier.close()
        return True

    def _run(self) -> None:
        last = False
        while not last:
            group, last = self._next()
            with self._turn:
                away = self._catch_up()
                if group:
                    self._carry_out(group, away)
                    self._tidier.committed()
                self._tidier.catch_up()
            with self._lock:
                self._unfinished -= len(group)
        self._committer.try_again()
        self._catch_up()
        self._committer.drop()
        if self._kept:
            _log.error("%d entries could not be written: the shared ledger did not come back.", len(self._kept))

    def _next(self) -> tuple[list[Job[Any]], bool]:
        """The next group, and whether it is the last; an empty one when it is time to look for the server."""
        group: list[Job[Any]] = []
        with contextlib.suppress(Empty):
            job = self._jobs.get(timeout=committing.RETRY if self._kept else None)
            while job is not None:
                group.append(job)
                if len(group) == _GROUP:
                    return group, False
                job = self._jobs.get_nowait()
            return group, True
        return group, False

    def _catch_up(self) -> Away | None:
        """Do what waits for the server, in its order, for as long as the server is there; why something still waits."""
        while self._kept:
            group = list(islice(self._kept, _GROUP))
            self._committer.commit(group)
            for job in group:
                if isinstance(job.error, Away):
                    return Away(job.error.sentence)
                self._kept.popleft()
                if job.error is not None:
                    _log.error("An entry that waited for the shared ledger was refused (%s).", type(job.error).__name__)
        return None

    def _carry_out(self, group: Sequence[Job[Any]], away: Away | None) -> None:
        """Do them, or have them wait too: none is done before one that was handed in earlier."""
        if away is None:
            self._committer.commit(group)
        for job in group:
            job.error = away or job.error
            if isinstance(job.error, Away) and len(self._kept) < job.room:
                job.wait()
                self._kept.append(job)
            job.deliver()
