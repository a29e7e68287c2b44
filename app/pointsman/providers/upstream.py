"""One upstream, whatever its dialect: post a body, get bytes back as they arrive.

aiohttp, one session for each upstream. Whether anything was sent decides about money, so each failure says it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import msgspec

_CONNECT = 10.0  # seconds to reach a server at all
_SILENCE = 120.0  # seconds without a byte before an answer counts as stalled
_IDLE = 15.0  # seconds to keep an idle connection: under what load balancers keep, so no post meets a dead one
_DISPATCHED = (408, 504, 524)  # said by proxies after the request went on
_ERROR_BYTES = 16_384


class UpstreamError(Exception):
    """`sent`: the request may have been dispatched, so it may be billed. `said`: what the upstream said; `late`: it took too long."""

    def __init__(self, reason: str, *, sent: bool, said: Said | None = None, late: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.late = late
        self.said = said


class Said(msgspec.Struct, frozen=True):
    """An upstream's answer that is none: its status, its headers by lower-case name, the first bytes of its body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Upstream:
    """A provider's door. `lists` is where it lists its models. `close` it when its provider leaves the catalog."""

    def __init__(self, name: str, base_url: str, silence: float = _SILENCE, lists: str = "/models") -> None:
        self.name = name
        self._lists = lists
        self._base = base_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=silence)
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a body, opened; leaving the block early closes the connection, which stops the upstream.

        Raises `UpstreamError` for no connection, no answer, or a status of 400 and more.
        """
        session = self._open()
        try:
            response = await session.post(
                self._address(path), data=body, headers=_BASE | dict(headers), allow_redirects=False
            )
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._lost(error) from None
        try:
            if response.status != 200:
                raise await self._refused(response)
            yield response
        finally:
            response.close()

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
        try:
            async with self._open().get(
                self._address(self._lists), headers=_BASE | VERSION | authorised(key)
            ) as response:
                if response.status != 200:
                    raise await self._refused(response)
                listed = msgspec.json.decode(await response.read())
        except (TimeoutError, aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
            raise self._lost(error) from None
        rows = listed.get("data") if isinstance(listed, dict) else None
        return [row["id"] for row in rows or () if isinstance(row, dict) and isinstance(row.get("id"), str)]

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()

    def _address(self, path: str) -> str:
        """Anthropic's paths hold the version and OpenAI's base addresses do: it must stand once."""
        return (self._base.removesuffix("/v1") if path.startswith("/v1/") else self._base) + path

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, trust_env=True, auto_decompress=True
            )
        return self._session

    def _lost(self, error: Exception) -> UpstreamError:
        """No answer: not sent only where no connection was made."""
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
            return UpstreamError(f"{self.name} cannot be reached", sent=False)
        if isinstance(error, TimeoutError):
            return UpstreamError(f"{self.name} did not answer in time", sent=True, late=True)
        return UpstreamError(f"{self.name} ended the connection without an answer", sent=True)

    async def _refused(self, response: aiohttp.ClientResponse) -> UpstreamError:
        try:
            body = await response.content.read(_ERROR_BYTES)
        except (TimeoutError, aiohttp.ClientError, OSError):
            body = b""
        return UpstreamError(
            f"{self.name} answered with status {response.status}",
            sent=response.status < 300 or response.status in _DISPATCHED,
            said=Said(response.status, lowered(response), body),
        )


def lowered(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The answer's headers by lower-case name."""
    return {name.lower(): value for name, value in response.headers.items()}


def authorised(key: str | None) -> dict[str, str]:
    """The header that carries a key; all vendors of the three dialects take it."""
    return {"authorization": f"Bearer {key}"} if key else {}


VERSION = {"anthropic-version": "2023-06-01"}
"""What upstreams of Messages want where the client named no version; the others pass over it."""

_BASE = {"content-type": "application/json", "accept": "*/*", "accept-encoding": "identity"}
