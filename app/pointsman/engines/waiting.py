"""Requests that wait for a slot, in the order in which they came."""

from __future__ import annotations

from collections import deque
from typing import Generic

from pointsman.engines import protocol
from pointsman.engines.job import C, Job


class Waiting(Generic[C]):
    """Each once."""

    def __init__(self) -> None:
        self._jobs: deque[Job[C]] = deque()

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def first(self) -> Job[C]:
        """Whose turn it is."""
        return self._jobs[0]

    def add(self, job: Job[C]) -> None:
        """It goes last."""
        self._jobs.append(job)

    def put_back(self, job: Job[C]) -> None:
        """It was taken out, and goes first again."""
        self._jobs.appendleft(job)

    def take(self) -> Job[C]:
        """The first goes."""
        return self._jobs.popleft()

    def drop(self, request_id: str) -> protocol.End | None:
        """It ends before it began, wherever it stands; None when it is not here."""
        job = next((one for one in self._jobs if one.id == request_id), None)
        if job is None:
            return None
        self._jobs.remove(job)
        return job.end("cancelled")
