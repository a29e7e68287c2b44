"""The connections to one upstream: kept while they are fresh, through the proxy and with the certificates of the person.

A machine that slept has connections that nobody answers any more, though its steady clock says they are young: where
the wall clock ran ahead of the steady one, all idle connections are dropped.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

_CONNECT = 10.0  # seconds to reach a server at all
_TURN = 30.0  # seconds to wait for one of the connections, all of them being busy
_IDLE = 15.0  # seconds to keep an idle connection: under what load balancers keep, so no post meets a dead one
_JUMP = 1.0  # seconds by which the wall clock may run ahead between two requests without a sleep
_MOST = 512  # connections at once
_making = threading.Lock()


def clocks() -> tuple[float, float]:
    """The wall clock and the steady one, which stands still while the machine sleeps."""
    return time.time(), time.monotonic()


class _Kept:
    """A session and how many requests use it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.busy = 0
        self.retired = False


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
        self._limit = limit
        self._timeout = aiohttp.ClientTimeout(total=None, connect=_TURN, sock_connect=_CONNECT, sock_read=silence)
        self._now = now
        self._ahead = 0.0
        self._kept: _Kept | None = None

    @asynccontextmanager
    async def use(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A session for one request. Raises `OSError` where `ca_file` cannot be read."""
        kept = await self._fresh()
        kept.busy += 1
        try:
            yield kept.session
        finally:
            kept.busy -= 1
            if kept.retired and not kept.busy:
                await kept.session.close()

    async def close(self) -> None:
        """End all connections."""
        if self._kept is not None:
            await self._kept.session.close()
            self._kept = None

    async def _fresh(self) -> _Kept:
        """The session in use, or a new one where the machine has slept since the last request."""
        wall, steady = self._now()
        slept, self._ahead = wall - steady - self._ahead > _JUMP, wall - steady
        if slept and self._kept is not None:
            old, self._kept = self._kept, None
            old.retired = True
            if not old.busy:
                await old.session.close()
        return self._kept or self._opened(await self._trusted())

    async def _trusted(self) -> ssl.SSLContext | None:
        return await asyncio.to_thread(trusted, self._ca_file) if self._address.startswith("https:") else None

    def _opened(self, trusted: ssl.SSLContext | None) -> _Kept:
        if self._kept is not None:  # another request was quicker
            return self._kept
        connector = aiohttp.TCPConnector(
            limit=self._limit, keepalive_timeout=_IDLE, ssl=True if trusted is None else trusted
        )
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy(self._address),
            auto_decompress=True,
        )
        self._kept = _Kept(session)
        return self._kept


def proxy(address: str) -> str | None:
    """The proxy that the environment or the system names for this address; never one for this machine itself."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if _is_here(host) or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)


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


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
