"""Whether a request comes from a program on this machine: a page in a browser cannot fake what is looked at here."""

from __future__ import annotations

from urllib.parse import urlsplit

from pointsman.core.errors import BadRequest, Forbidden
from pointsman.gateway.exchange import Exchange

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_DECIDE = frozenset(("host", "origin", "authorization", "x-api-key", "content-type"))


def check(asked: Exchange, *, own: bool) -> None:
    """Only programs on this machine, and where `own` says so pages of this very door. Raises `Refusal`."""
    if asked.twice:
        _check_once(asked.twice)
    if not here(asked.headers.get("host", "")):
        raise Forbidden("This Host is not this machine. Use http://127.0.0.1 or http://localhost.")
    origin = asked.headers.get("origin")
    if origin is not None and not (own and _own(origin, asked.line.port)):
        raise Forbidden("Web pages may not use Pointsman: this Origin is not its own.")


def here(host: str) -> bool:
    """Whether a Host is this machine."""
    name, _, port = host.partition(":")
    if name in _LOOPBACK and (not port or (port.isascii() and port.isdecimal())):  # as nearly every client writes it
        return True
    try:
        return urlsplit("//" + host).hostname in _LOOPBACK
    except ValueError:
        return False


def _own(origin: str, port: int) -> bool:
    try:
        parts = urlsplit(origin)
        return parts.hostname in _LOOPBACK and parts.port == port
    except ValueError:
        return False


def _check_once(twice: list[str]) -> None:
    """Of two headers of one name that decide, each reader could believe another one."""
    for name in twice:
        if name in _DECIDE:
            raise BadRequest(f"The header {name} came twice. Send it once.")
