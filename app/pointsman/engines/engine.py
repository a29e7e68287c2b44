"""What every local engine can do: take requests in, go one step, take requests out. One thread owns it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from pointsman.engines import protocol


class Engine(Protocol):
    """`steps` counts those since the model was loaded."""

    context: int
    slots: int
    steps: int

    @property
    def active(self) -> int:
        """Requests that have a slot."""

    @property
    def waiting(self) -> int:
        """Requests that wait for one."""

    def insert(self, chat: protocol.Chat) -> None:
        """Take a request in. Raises `Rejected`."""

    def step(self) -> Iterable[protocol.Answer]:
        """Compute for a moment; returns what became known."""

    def remove(self, request_id: str) -> protocol.End | None:
        """Take a request out before its end; None when it is not here."""


@runtime_checkable
class Embeds(Protocol):
    """What an engine whose model makes vectors can do as well."""

    def embed(self, asked: protocol.Embed) -> None:
        """Take texts in. Raises `Rejected`."""
