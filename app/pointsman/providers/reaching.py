"""Opening a connection: names, proxies, TLS. A server with two families of addresses is tried at both (RFC 8305)."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import socket
import ssl
from urllib.parse import quote, unquote, urlsplit

import aiohappyeyeballs
from msgspec import Struct

from pointsman.providers.connection import Connection

_CONNECT = 10.0  # seconds to reach a server at all
_OPEN = 30.0  # seconds for all that an open connection needs
_OTHER_FAMILY = 0.25  # seconds after which the other family of addresses is tried too
_PORTS = {"http": 80, "https": 443}


class Place(Struct, frozen=True):
    """A server by its address. `path` stands before every path there."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def authority(self) -> str:
        """As the Host header names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class Proxy(Struct, frozen=True):
    """What stands between; `authorization` is the line of a head that says who asks, or nothing."""

    place: Place
    authorization: str


class Route(Struct, frozen=True):
    """How a server is reached. `target` is what stands before the path of each request, `extra` more lines of its head."""

    place: Place
    proxy: Proxy | None

    @property
    def target(self) -> str:
        """A proxy of plain HTTP is told the whole address."""
        whole = self.proxy is not None and self.place.scheme == "http"
        return f"http://{self.place.authority}" if whole else ""

    @property
    def extra(self) -> str:
        """It is also told who asks, in each request."""
        return self.proxy.authorization if self.proxy is not None and self.place.scheme == "http" else ""


def place(address: str) -> Place:
    """Where this address leads. Raises `ValueError` for one of another kind."""
    parts = urlsplit(address)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("only http:// and https:// are spoken")
    host = parts.hostname
    if not host.isascii():
        host = host.encode("idna").decode()
    path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
    return Place(parts.scheme, host, parts.port or _PORTS[parts.scheme], path)


def route(address: str) -> Route:
    """The way there that the environment or the system names now. Raises `ValueError`."""
    known = proxy(address)
    return Route(place(address), _proxy(known) if known else None)


def proxy(address: str) -> str | None:
    """The proxy for this address; never one for this machine itself."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if _is_here(host):
        return None
    from urllib.request import getproxies, proxy_bypass  # takes long to load, and nothing on this machine needs it

    return None if proxy_bypass(host) else getproxies().get(parts.scheme)


async def connection(way: Route, context: ssl.SSLContext | None, silence: float) -> Connection:
    """A new connection. Raises `OSError`, `TimeoutError` among them, where none can be had."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_OPEN):
        first = way.proxy.place if way.proxy else way.place
        reached = await _reached(first)
        secure = (context, first.host) if first.scheme == "https" else (None, None)
        opened: Connection
        _, opened = await loop.create_connection(
            lambda: Connection(loop, silence, way), sock=reached, ssl=secure[0], server_hostname=secure[1]
        )
        if way.proxy and way.place.scheme == "https":
            try:
                await _tunnel(opened, way.place, way.proxy, context)
            except BaseException:
                opened.abort()
                raise
        return opened


async def _reached(there: Place) -> socket.socket:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_CONNECT):
        found = await loop.getaddrinfo(there.host, there.port, type=socket.SOCK_STREAM)
        reached = await aiohappyeyeballs.start_connection(
            found, happy_eyeballs_delay=_OTHER_FAMILY, interleave=1, loop=loop
        )
    reached.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return reached


async def _tunnel(outer: Connection, there: Place, through: Proxy, context: ssl.SSLContext | None) -> None:
    """TLS from here to the server itself: the proxy passes bytes on that it cannot read."""
    host = f"[{there.host}]" if ":" in there.host else there.host
    asked = f"CONNECT {host}:{there.port} HTTP/1.1\r\nHost: {host}:{there.port}\r\n{through.authorization}\r\n"
    answer = outer.ask(asked.encode())
    await answer.head()
    if answer.status // 100 != 2:
        raise ConnectionRefusedError("the proxy does not let it through")
    assert context is not None
    loop = asyncio.get_running_loop()
    inner = await loop.start_tls(outer.transport, outer, context, server_hostname=there.host)
    if inner is None:
        raise ConnectionResetError("the connection was lost")
    outer.anew(inner)


def _proxy(address: str) -> Proxy:
    parts = urlsplit(address if "://" in address else f"http://{address}")
    known = place(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
    if parts.username is None:
        return Proxy(known, "")
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return Proxy(known, f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}\r\n")


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
