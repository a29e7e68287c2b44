"""The sockets of a door and the server behind them."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys

from pointsman.core.errors import SetupError
from pointsman.gateway.connection import Connection
from pointsman.gateway.exchange import Answering
from pointsman.gateway.seats import Seats
from pointsman.gateway.service import Patience, Service
from pointsman.system import descriptors

_OWN = 128  # descriptors for the admin door, workers, files: no crowd at the agents' door may take them
_EACH = 2  # of a busy connection: its own and its upstream's
_ADMIN = 32  # connections of tray, command line and page: whatever agents do, the person can stop them
_FEWEST, _MOST = 32, 16_384
_BACKLOG = 2_048  # connections that the system holds until they are taken
_GRACE = 3.0  # seconds for what is being answered when the gateway ends
_TRIES = 20  # of any free port, until one is free on both addresses


class Server:
    """A door's: it serves the sockets it is given until it is told to stop."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.open = asyncio.Event()
        self._stopped = asyncio.Event()

    async def serve(self, sockets: list[socket.socket]) -> None:
        """Returns once it was told to stop and what was being answered has ended, within seconds."""
        loop, listening = asyncio.get_running_loop(), list[asyncio.Server]()
        for one in sockets:
            listening.append(await loop.create_server(self.protocol, sock=one, backlog=_BACKLOG))
        self.open.set()
        await self._stopped.wait()
        for server in listening:
            server.close()
        for one in sockets:
            one.close()
        await self.service.end(_GRACE)

    def protocol(self) -> Connection:
        """Of one more connection."""
        return Connection(self.service)

    def stop(self) -> None:
        """Take nobody any more, and end."""
        self._stopped.set()


class _Taken(Exception):
    """`address` has another listener on this port."""

    def __init__(self, address: str, port: int, reason: str) -> None:
        super().__init__(address)
        self.address = address
        self.port = port
        self.reason = reason


def seats() -> Seats:
    """As many connections as the system's descriptors allow, less those that Pointsman needs itself."""
    return Seats(max(_FEWEST, min(_MOST, (descriptors.raised() - _OWN) // _EACH)))


def servers(agents: Answering, admin: Answering) -> tuple[Server, Server]:
    """Those of both doors; neither takes the other's places."""
    return server(agents, seats()), server(admin, Seats(_ADMIN))


def server(door: Answering, places: Seats | None = None, patience: Patience | None = None) -> Server:
    """An HTTP server of a door."""
    return Server(Service(door, places or seats(), patience or Patience()))


def listen(port: int, variable: str) -> list[socket.socket]:
    """Sockets on 127.0.0.1 and, where the machine has it, ::1, on one port; 0 is any that is free on both.

    Raises `SetupError`: a program that calls `localhost` takes whichever of the two answers, so a stranger on one of
    them would be sent what is meant for Pointsman, key and all.
    """
    for tries in reversed(range(_TRIES if port == 0 else 1)):
        try:
            return _both(port)
        except _Taken as taken:
            if not tries:
                raise SetupError(
                    f"Port {taken.port} is taken on {taken.address} ({taken.reason}). End the program that has it, or "
                    f"set {variable} to another port."
                ) from None
    raise AssertionError


def _both(port: int) -> list[socket.socket]:
    first = _bind(socket.AF_INET, "127.0.0.1", port)
    try:
        return [first, _bind(socket.AF_INET6, "::1", first.getsockname()[1])]
    except _Taken:
        first.close()
        raise
    except OSError:  # this machine has no IPv6
        return [first]


def _bind(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    """A socket that listens. Raises `_Taken`, or `OSError` where the machine has no such address."""
    one = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there it would let two programs share a port
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind((address, port))
        one.listen(512)
    except OSError as error:
        one.close()
        if family == socket.AF_INET or error.errno in _IN_THE_WAY:
            raise _Taken(address, port, error.strerror or str(error)) from None
        raise
    return one


_IN_THE_WAY = (errno.EADDRINUSE, errno.EACCES)
"""Windows says `EACCES` of a port that another program has for itself."""
