"""Answers: each dialect read into neutral events and written from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from pointsman.wire import sse
from pointsman.wire.translate.neutral import Event


class Answering(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says of itself: its id, the model's name, when it was made (Unix seconds), and what was asked.

    `usage`: the client wants usage in the stream. `asked` are the fields of the request that the answer repeats.
    `seal` makes of a summary what only this gateway reads again.
    """

    id: str
    model: str
    created: int
    usage: bool = True
    asked: dict[str, Any] = {}
    seal: Callable[[str], str] = str


class Writer(Protocol):
    """Neutral events to one dialect; one object for each answer."""

    def stream(self, event: Event) -> list[bytes]:
        """The Server-Sent events for this one, each whole."""

    def whole(self, events: Sequence[Event]) -> bytes:
        """The answer in one body, from all its events."""


class Reader(Protocol):
    """One dialect to neutral events; one object for each answer. Raises `ValueError` where it makes no sense."""

    def stream(self, event: sse.Event) -> list[Event]:
        """What this event of the upstream's stream says."""

    def whole(self, body: bytes) -> list[Event]:
        """What a whole answer says."""


Writing = Callable[[Answering], Writer]
