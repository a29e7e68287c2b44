"""What is known of one request while it goes through the pipeline, and the list of those that run now."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable

import msgspec

from pointsman.core.catalog import Catalog
from pointsman.core.errors import Refusal
from pointsman.core.facts import Facts
from pointsman.core.policy import Ruling
from pointsman.core.request import Request
from pointsman.core.routing import Attempt, Plan
from pointsman.core.session import Attribution
from pointsman.gateway.attempts import Tally
from pointsman.store.ledger import Charge, Reserved

_KEPT = 2 * 2**20  # bytes of an answer that are kept
_RESPONSE, _NUMBER = b'"response":', b'"sequence_number":'
_started = f"{int(time.time() * 1000):011x}{os.urandom(4).hex()}"
_numbers = itertools.count()


def new_id() -> str:
    """An id that no other request has, in any run of any gateway; later ones sort behind earlier ones of a run.

    What comes in one order is written side by side, and asking the system for random bytes takes as long as a plan.
    """
    return f"req_{_started}{next(_numbers):08x}"


class Decision(msgspec.Struct, frozen=True):
    """Everything that was decided before anything ran, and the catalog that it was decided on."""

    request: Request
    who: Attribution
    facts: Facts
    ruling: Ruling
    plan: Plan
    catalog: Catalog


class Owed(msgspec.Struct, frozen=True):
    """An attempt that has ended, with its hold and what it cost: None where nothing is owed."""

    attempt: Attempt
    number: int
    hold: Reserved
    charge: Charge | None
    tally: Tally


class Run:
    """One request on its way. `state` is queued, asking or running. `owed` is an attempt whose hold must end yet.

    `notes` are what the answer's reason says beside the plan's own.
    """

    state: str = "queued"
    decision: Decision | None = None
    attempt: Attempt | None = None
    owed: Owed | None = None
    failed_code: str | None = None
    cost: int = 0
    held: int = 0
    estimated: bool = False
    outcome: str = "failed"
    code: str | None = None
    reason: str = ""
    stopped: bool = False
    refusal: Refusal | None = None
    _first: bytes = b""  # events of a stream: which response it is, and how far it came
    _last: bytes = b""

    def __init__(self, id_: str, agent: str) -> None:
        self.id = id_
        self.agent = agent
        self.started = time.time()
        self.tally = Tally()
        self.failures: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.answer = bytearray()
        self.cancel: Callable[[], object] = lambda: None

    def keep(self, data: bytes) -> None:
        """Remember what the client was told, up to a bound; and of a stream, however long, how far it came."""
        self.answer += data[: _KEPT - len(self.answer)]
        if _NUMBER in data:
            self._last = data
            if not self._first and _RESPONSE in data:
                self._first = data

    @property
    def told(self) -> bytes:
        """The event that named the response, and the latest."""
        return self._first + self._last

    def stop(self) -> None:
        """The person ends it; its client is told."""
        self.stopped = True
        self.cancel()


class Live:
    """Requests that have not ended, for the tray and for stopping them."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}

    def enter(self, run: Run) -> None:
        """It passed the door."""
        self._runs[run.id] = run

    def leave(self, run: Run) -> None:
        """It ended."""
        self._runs.pop(run.id, None)

    def all(self) -> list[Run]:
        """The oldest first."""
        return list(self._runs.values())

    def stop(self, id_: str) -> bool:
        """End one; False where none has this id."""
        run = self._runs.get(id_)
        if run is None:
            return False
        run.stop()
        return True

    def stop_agent(self, agent: str | None) -> None:
        """End all requests of an agent, or of all agents."""
        for run in self.all():
            if agent in (None, run.agent):
                run.stop()
