"""Who wants to know what happened: the event stream of the admin door, and requests that wait for money."""

from __future__ import annotations

import asyncio

from pointsman.core.events import Event, MoneyMoved

_BACKLOG = 256


class Bus:
    """Publishing never waits. A listener that falls behind loses the oldest events; snapshots make it whole again."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Event]] = set()
        self._money: asyncio.Future[None] | None = None

    @property
    def heard(self) -> bool:
        """Whether anybody listens: an event that nobody hears need not be made."""
        return bool(self._listeners)

    def publish(self, event: Event) -> None:
        """Tell every listener."""
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)
        if self._money is not None and isinstance(event, MoneyMoved):
            self._money.set_result(None)
            self._money = None

    def money_moved(self) -> None:
        """Tell whoever listens or waits for money."""
        if self._listeners or self._money is not None:
            self.publish(MoneyMoved())

    def listen(self) -> asyncio.Queue[Event]:
        """A new listener's queue; hand it back to `leave`."""
        queue: asyncio.Queue[Event] = asyncio.Queue(_BACKLOG)
        self._listeners.add(queue)
        return queue

    def leave(self, queue: asyncio.Queue[Event]) -> None:
        """The listener went away."""
        self._listeners.discard(queue)

    def money(self) -> asyncio.Future[None]:
        """Resolves when money moves next. Take it before looking at the ledger, so that no move is missed."""
        if self._money is None:
            self._money = asyncio.get_running_loop().create_future()
        return self._money
