"""The connections to one upstream: kept while they are fresh, through the proxy and with the certificates of the person.

A machine that slept has connections that nobody answers any more, though its steady clock says they are young: where
the wall clock ran ahead of the steady one, all idle connections are dropped.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import threading
import time
from collections.abc import Callable

from pointsman.providers import reaching
from pointsman.providers.connection import Connection
from pointsman.providers.reaching import Route
from pointsman.providers.room import Room

_TURN = 30.0  # seconds to wait for one of the connections, all of them being busy
_IDLE = 15.0  # seconds to keep an idle connection: under what load balancers keep, so no post meets a dead one
_JUMP = 1.0  # seconds by which the wall clock may run ahead between two requests without a sleep
_MOST = 512  # connections at once
_making = threading.Lock()


class Untrusted(OSError):
    """The file of certificates cannot be read."""


def clocks() -> tuple[float, float]:
    """The wall clock and the steady one, which stands still while the machine sleeps."""
    return time.time(), time.monotonic()


class Pool:
    """At most `limit` connections to `address`. `ca_file` names certificates to trust besides the system's."""

    def __init__(
        self,
        address: str,
        *,
        silence: float,
        ca_file: str | None = None,
        limit: int = _MOST,
        now: Callable[[], tuple[float, float]] = clocks,
    ) -> None:
        self._address = address
        self._ca_file = ca_file
        self._silence = silence
        self._now = now
        self._ahead = 0.0
        self._room = Room(limit)
        self._idle: list[tuple[float, Connection]] = []
        self._busy: set[Connection] = set()
        self._known: tuple[Route, ssl.SSLContext | None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def take(self) -> Connection:
        """A connection for one request; give it back with `give`.

        Raises `OSError` or `ValueError` where none can be had, `Untrusted` where `ca_file` cannot be read.
        """
        if (kept := self.at_hand()) is not None:
            return kept
        if not self._room.enter():
            async with asyncio.timeout(_TURN):
                await self._room.turn()
        try:
            found = self._kept(self._awake()) or await self._opened()
        except BaseException:
            self._room.leave()
            raise
        self._busy.add(found)
        return found

    def at_hand(self) -> Connection | None:
        """The same, where one is idle and nobody waits before: without waiting, or None."""
        steady = self._awake()
        found = self._kept(steady) if self._room.free else None
        if found is not None:
            self._room.enter()
            self._busy.add(found)
        return found

    def give(self, connection: Connection) -> None:
        """Its request is over."""
        self._busy.discard(connection)
        self._room.leave()
        if connection.end() and not self._closed:
            self._idle.append((self._now()[1], connection))
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(_IDLE, self._expire)
        else:
            connection.close()

    async def close(self) -> None:
        """End all connections; one that is being opened is closed as soon as it is there."""
        self._closed = True
        self._drop()
        for connection in list(self._busy):
            connection.abort()

    def _awake(self) -> float:
        """Drop what is older than a sleep of the machine; the steady clock's time."""
        wall, steady = self._now()
        slept, self._ahead = wall - steady - self._ahead > _JUMP, wall - steady
        if slept:
            self._drop()
            self._known = None  # a machine wakes up in another network: its proxy may be another
            for connection in self._busy:
                connection.retired = True
        return steady

    def _drop(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _kept(self, steady: float) -> Connection | None:
        while self._idle:
            since, connection = self._idle.pop()
            if connection.usable and steady - since < _IDLE and not connection.stale:
                return connection
            connection.close()
        return None

    def _expire(self) -> None:
        steady, self._timer = self._now()[1], None
        old = [one for since, one in self._idle if steady - since >= _IDLE or not one.usable]
        self._idle = [kept for kept in self._idle if kept[1] not in old]
        for connection in old:
            connection.close()
        if self._idle:
            left = _IDLE - (steady - self._idle[0][0])
            self._timer = asyncio.get_running_loop().call_later(max(left, _JUMP), self._expire)

    async def _opened(self) -> Connection:
        way, context = await self._way()
        try:
            found = await reaching.connection(way, context, self._silence)
        except OSError:
            self._known = None  # the person may have changed network or proxy
            raise
        if self._closed:
            found.abort()
            raise ConnectionAbortedError("the pool was closed meanwhile")
        return found

    async def _way(self) -> tuple[Route, ssl.SSLContext | None]:
        if self._known is None:
            way = reaching.route(self._address)
            secure = way.place.scheme == "https" or (way.proxy is not None and way.proxy.place.scheme == "https")
            try:
                self._known = way, await asyncio.to_thread(trusted, self._ca_file) if secure else None
            except OSError as error:
                raise Untrusted(error.strerror or str(error)) from None
        return self._known


def trusted(ca_file: str | None) -> ssl.SSLContext:
    """Whom TLS trusts: the system's certificates or SSL_CERT_FILE's, and those of `ca_file`. Made once for each."""
    with _making:
        return _trusted(ca_file)


@functools.cache
def _trusted(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
