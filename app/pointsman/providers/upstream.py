"""One upstream, whatever its dialect: post a body, get bytes back as they arrive.

Whether anything was sent decides about money, so each failure says it. A post is written once, to a connection that
was open then, and never again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import NoReturn

import msgspec

from pointsman import __version__
from pointsman.providers.connection import Answer, Connection
from pointsman.providers.failures import Said, UpstreamError
from pointsman.providers.headers import VERSION, authorised
from pointsman.providers.pool import Pool, Untrusted
from pointsman.providers.reaching import Route

_SILENCE = 120.0  # seconds without a byte before an answer counts as stalled
_LAST = 0.05  # seconds for the end of an answer whose last event has come
_DISPATCHED = (408, 504, 524)  # said by proxies after the request went on
_ERROR_BYTES = 16_384
_ERROR_TIME = 10.0  # seconds for them: a refusal may never end
_LISTED = 16 * 2**20  # bytes of a list of models
_BASE = {
    "content-type": "application/json",
    "accept": "*/*",
    "accept-encoding": "identity",
    "user-agent": f"Pointsman/{__version__}",
}


class Upstream:
    """A provider's door. `lists` is where it lists its models. `close` it when its provider leaves the catalog."""

    def __init__(
        self,
        name: str,
        base_url: str,
        silence: float = _SILENCE,
        lists: str = "/models",
        ca_file: str | None = None,
    ) -> None:
        self.name = name
        self.pool = Pool(base_url, silence=silence, ca_file=ca_file)
        self._lists = lists
        self._way: _Way | None = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        """The answer to a body, opened, for a `with`: leaving it by an exception closes the connection, which stops the upstream.

        Raises `UpstreamError` for no connection, no answer, or another status than 200.
        """
        return Posted(self, ("POST", path), headers, body)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Posted:
        """The same for a question without a body."""
        return Posted(self, ("GET", path), headers or {}, b"")

    async def models(self, key: str | None) -> list[str]:
        """Names that the provider lists; a check of the key that costs nothing."""
        async with self.get(self._lists, VERSION | authorised(key)) as answer:
            try:
                listed = msgspec.json.decode(await whole(answer, _LISTED))
            except (OSError, ValueError, msgspec.DecodeError) as error:
                raise self.lost(error) from None
        rows = listed.get("data") if isinstance(listed, dict) else None
        return [row["id"] for row in rows or () if isinstance(row, dict) and isinstance(row.get("id"), str)]

    async def pieces(self, answer: Answer) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises `UpstreamError` where it is cut or stalls."""
        try:
            while piece := await answer.piece():
                yield piece
        except OSError as error:
            late = isinstance(error, TimeoutError)
            reason = f"{self.name} {'stalled' if late else 'broke off'} in the middle of its answer"
            raise UpstreamError(reason, sent=True, late=late) from None

    async def close(self) -> None:
        """End all connections."""
        await self.pool.close()

    def head(self, way: Route, line: tuple[str, str], headers: Mapping[str, str], size: int) -> bytes:
        """A request's line, `method` and `path`, and its headers, for a connection that goes this way."""
        (method, path), known = line, self._way
        if known is None or known.way is not way:
            known = self._way = _Way(way)
        # Anthropic's paths hold the version and OpenAI's base addresses do: it must stand once.
        before = known.unversioned if path.startswith("/v1/") else known.before
        said = [f"{name}: {value}\r\n" for name, value in {**_BASE, **headers}.items()]
        head = f"{method} {before}{path}{known.behind}{''.join(said)}content-length: {size}\r\n\r\n"
        breaks = len(said) + known.breaks
        if head.count("\n") != breaks or head.count("\r") != breaks or "\0" in head:
            raise self.unreached(": its key, or a header for it, holds a line break")
        try:
            return head.encode("latin-1")
        except UnicodeEncodeError:
            raise self.unreached(": its key, or a header for it, holds letters that no header can hold") from None

    async def taken(self) -> Connection:
        """A connection to write a request to, at once: before it is awaited for anything else."""
        try:
            found = await self.pool.take()
        except Untrusted as error:
            raise self.unreached(f", for its ca_file cannot be read ({error})") from None
        except (OSError, ValueError):
            raise self.unreached() from None
        if not found.usable:
            self.pool.give(found)
            raise self.unreached()
        return found

    def unreached(self, why: str = "") -> UpstreamError:
        """Nothing was written."""
        return UpstreamError(f"{self.name} cannot be reached{why}", sent=False)

    def lost(self, error: Exception) -> UpstreamError:
        """No answer to what was written."""
        if isinstance(error, TimeoutError):
            return UpstreamError(f"{self.name} did not answer in time", sent=True, late=True)
        return UpstreamError(f"{self.name} ended the connection without an answer", sent=True)

    async def refuse(self, answer: Answer) -> NoReturn:
        """Raises `UpstreamError` for another status than 200."""
        raise UpstreamError(
            f"{self.name} answered with status {answer.status}",
            sent=answer.status < 300 or answer.status in _DISPATCHED,
            said=Said(answer.status, answer.headers, await _beginning(answer)),
        )


class _Way:
    """What every head for one way has in common. `breaks` are its lines, and the one that ends it."""

    def __init__(self, way: Route) -> None:
        self.way = way
        self.before = way.target + way.place.path
        self.unversioned = way.target + way.place.path.removesuffix("/v1")
        self.behind = f" HTTP/1.1\r\nhost: {way.place.authority}\r\n{way.extra}"
        self.breaks = 5 if way.extra else 4


class Posted:
    """A request on its way, for a `with`: its answer inside, its connection given back or closed behind.

    `written`: from when on the upstream may have got some of it, and bill it.
    """

    def __init__(self, upstream: Upstream, line: tuple[str, str], headers: Mapping[str, str], body: bytes) -> None:
        self.written = False
        self._upstream = upstream
        self._line = line
        self._headers = headers
        self._body = body
        self._connection: Connection
        self._answer: Answer

    async def __aenter__(self) -> Answer:
        """Write it, and wait for the answer's head."""
        upstream = self._upstream
        self._connection = connection = upstream.pool.at_hand() or await upstream.taken()
        try:
            head = upstream.head(connection.way, self._line, self._headers, len(self._body))
            self.written = True
            self._answer = answer = connection.ask(head, self._body)
            await answer.head()
            if answer.status != 200:
                await upstream.refuse(answer)
        except OSError as error:
            upstream.pool.give(self._connection)
            raise upstream.lost(error) from None
        except BaseException:
            upstream.pool.give(self._connection)
            raise
        return answer

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for the end that comes behind the last event: only then may another request use the connection."""
        try:
            if kind is None and not self._answer.complete:
                await _ended(self._answer)
        finally:
            self._upstream.pool.give(self._connection)


async def whole(answer: Answer, most: int) -> bytes:
    """All of a body. Raises `OSError` where it does not come, `ValueError` where it is too large."""
    pieces, size = list[bytes](), 0
    while piece := await answer.piece():
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise ValueError("the answer is too large")
    return b"".join(pieces)


async def _beginning(answer: Answer) -> bytes:
    """The first bytes of a refusal, which may come in pieces and break off."""
    body = bytearray()
    with contextlib.suppress(OSError):
        async with asyncio.timeout(_ERROR_TIME):
            while len(body) < _ERROR_BYTES and (piece := await answer.piece()):
                body += piece
    return bytes(body[:_ERROR_BYTES])


async def _ended(answer: Answer) -> None:
    with contextlib.suppress(OSError):
        async with asyncio.timeout(_LAST):
            while await answer.piece():
                pass
