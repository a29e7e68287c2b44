"""What every attempt at a target has in common: its job, the frames it gives, the tally of what it used.

A frame is one whole Server-Sent event, or the whole body where nothing is streamed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from pointsman.core.errors import Refusal
from pointsman.core.pricing import Meters
from pointsman.core.request import Request
from pointsman.core.routing import Attempt
from pointsman.wire.dialects import Dialect


class Frame(msgspec.Struct, frozen=True):
    """Bytes for the client; `content` marks the first thing that a person would see."""

    data: bytes
    content: bool = True


class Tally:
    """What one attempt used. `sent`: something was dispatched, so it may be billed; `bytes` is how much of it.

    `headers` are those of the upstream's answer that its client may see; `lost` names what its dialect had no place for.
    """

    sent: bool = False
    meters: Meters | None = None
    cost: int | None = None
    finish: str | None = None
    first: float | None = None
    ended: float | None = None
    bytes: int = 0
    peak_memory: int | None = None
    lost: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.started = time.time()
        self.headers: dict[str, str] = {}


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What a client sent: its body, the dialect it speaks, and the headers and query that an upstream of it may see.

    `seal` makes of a summary what its client keeps of it.
    """

    dialect: Dialect
    body: bytes
    headers: dict[str, str] = {}
    query: str = ""
    seal: Callable[[str], str] = str


class Job(msgspec.Struct, frozen=True):
    """What an attempt needs: the request, how it was sent, where it goes, and where to note what it used."""

    request: Request
    sent: Sent
    attempt: Attempt
    tally: Tally


class AttemptFailed(Exception):
    """The attempt brought no answer. `again`: the next one of the plan may; `fault`: the target is to blame."""

    def __init__(self, refusal: Refusal, *, again: bool, fault: bool = True) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal
        self.again = again
        self.fault = fault
