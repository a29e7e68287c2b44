"""One upstream, whatever its dialect: post a body, get bytes back as they arrive.

Whether anything was sent decides about money, so each failure says it. A post is tried a second time in one case
only: the kept connection was found closed before its first byte was written.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter

from pointsman.providers.failures import Said, UpstreamError
from pointsman.providers.headers import VERSION, authorised, lowered
from pointsman.providers.pool import Pool

_SILENCE = 120.0  # seconds without a byte before an answer counts as stalled
_LAST = 0.05  # seconds for the end of an answer whose last event has come
_PIECE = 262_144  # bytes of a body that are written at once
_DISPATCHED = (408, 504, 524)  # said by proxies after the request went on
_ERROR_BYTES = 16_384
_ERROR_TIME = 10.0  # seconds for them: a refusal may never end


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
        self._lists = lists
        self._base = base_url.rstrip("/")
        self._pool = Pool(self._base, silence=silence, ca_file=ca_file)

    @asynccontextmanager
    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a body, opened; leaving the block by an exception closes the connection, which stops the upstream.

        Raises `UpstreamError` for no connection, no answer, or a status of 400 and more.
        """
        async with self._session() as session:
            response = await self._sent(session, path, body, _BASE | dict(headers))
            try:
                if response.status != 200:
                    raise await self._refused(response)
                yield response
                await _ended(response)
            finally:
                response.close()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        async with AsyncExitStack() as stack:
            try:
                session = await stack.enter_async_context(self._pool.use())
            except OSError as error:
                reason = f"{self.name} cannot be reached, for its ca_file cannot be read ({error.strerror or error})"
                raise UpstreamError(reason, sent=False) from None
            yield session

    async def _sent(
        self, session: aiohttp.ClientSession, path: str, body: bytes, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        address, first = self._address(path), True
        while True:
            sending = _Body(body)
            try:
                return await session.post(address, data=sending, headers=headers, allow_redirects=False)
            except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
                if first and not sending.begun and isinstance(error, _STALE):
                    first = False
                    continue
                raise self._lost(error, begun=sending.begun) from None

    async def pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises `UpstreamError` where it is cut or stalls."""
        try:
            async for piece in response.content.iter_any():
                yield piece
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            late = isinstance(error, TimeoutError)
            reason = f"{self.name} {'stalled' if late else 'broke off'} in the middle of its answer"
            raise UpstreamError(reason, sent=True, late=late) from None

    async def models(self, key: str | None) -> list[str]:
        """Names that the provider lists; a check of the key that costs nothing."""
        headers = _BASE | VERSION | authorised(key)
        async with self._session() as session:
            try:
                async with session.get(self._address(self._lists), headers=headers) as response:
                    if response.status != 200:
                        raise await self._refused(response)
                    listed = msgspec.json.decode(await response.read())
            except (TimeoutError, aiohttp.ClientError, OSError, ValueError, msgspec.DecodeError) as error:
                raise self._lost(error, begun=True) from None
        rows = listed.get("data") if isinstance(listed, dict) else None
        return [row["id"] for row in rows or () if isinstance(row, dict) and isinstance(row.get("id"), str)]

    async def close(self) -> None:
        """End all connections."""
        await self._pool.close()

    def _address(self, path: str) -> str:
        """Anthropic's paths hold the version and OpenAI's base addresses do: it must stand once."""
        return (self._base.removesuffix("/v1") if path.startswith("/v1/") else self._base) + path

    def _lost(self, error: Exception, *, begun: bool) -> UpstreamError:
        """No answer: not sent only where no byte of the request was written."""
        if not begun or isinstance(error, _UNCONNECTED):
            return UpstreamError(f"{self.name} cannot be reached", sent=False)
        if isinstance(error, TimeoutError):
            return UpstreamError(f"{self.name} did not answer in time", sent=True, late=True)
        return UpstreamError(f"{self.name} ended the connection without an answer", sent=True)

    async def _refused(self, response: aiohttp.ClientResponse) -> UpstreamError:
        return UpstreamError(
            f"{self.name} answered with status {response.status}",
            sent=response.status < 300 or response.status in _DISPATCHED,
            said=Said(response.status, lowered(response), await _beginning(response)),
        )


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first bytes of a refusal, which may come in pieces and break off."""
    body = bytearray()
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_ERROR_TIME):
            while piece := await response.content.read(_ERROR_BYTES - len(body)):
                body += piece
    return bytes(body)


async def _ended(response: aiohttp.ClientResponse) -> None:
    """Wait for the end that comes behind the last event: only then may another request use the connection."""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_LAST):
            while not response.content.at_eof():
                await response.content.readany()


class _Body(aiohttp.Payload):
    """A body that knows whether its first byte was handed to the connection; the head goes out together with it."""

    _autoclose = True

    def __init__(self, body: bytes) -> None:
        super().__init__(body, content_type="application/json")
        self._body = body
        self._size = len(body)
        self.begun = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The body as text."""
        return self._body.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write it in pieces, each when the connection takes it."""
        transport = getattr(writer, "transport", None)
        self.begun = transport is not None and not transport.is_closing()
        for start in range(0, max(self._size or 0, 1), _PIECE):
            await writer.write(self._body[start : start + _PIECE])

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002
        """The length is always that of the whole body."""
        await self.write(writer)


_STALE = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
_UNCONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_BASE = {"content-type": "application/json", "accept": "*/*", "accept-encoding": "identity"}
