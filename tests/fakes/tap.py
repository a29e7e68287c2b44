"""Stands between a client and the door, passes everything on as it is, and writes down what passed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.fakes.loopback import Loopback

# What belongs to one connection and is made anew for the next.
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass
class Passed:
    """One request and its answer."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""

    @property
    def body(self) -> dict[str, Any]:
        """What was sent, read."""
        read: dict[str, Any] = json.loads(self.raw)
        return read

    def told(self) -> str:
        """The sentence of an answer that is an error, in either vendor's envelope."""
        return str(json.loads(self.answer)["error"]["message"])


class Tap(Loopback):
    """`behind` is the address of the door, without `/v1`."""

    def __init__(self, behind: str) -> None:
        super().__init__()
        self.behind = behind
        self.passed: list[Passed] = []
        self._session: aiohttp.ClientSession

    @property
    def posts(self) -> list[Passed]:
        """What asked for something, other than a look whether anybody is there."""
        return [one for one in self.passed if one.method == "POST"]

    def routes(self, app: web.Application) -> None:
        """Everything."""
        app.cleanup_ctx.append(self._connected)
        app.router.add_route("*", "/{anything:.*}", self._pass)

    async def _connected(self, _: web.Application) -> AsyncIterator[None]:
        whole = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(auto_decompress=False, timeout=whole) as self._session:
            yield

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        lower = {name.lower(): value for name, value in headers.items()}
        one = Passed(request.method, request.path_qs, lower, await request.read())
        self.passed.append(one)
        url = self.behind + request.path_qs
        async with self._session.request(request.method, url, headers=headers, data=one.raw or None) as answer:
            one.status = answer.status
            one.answer_headers = {name.lower(): value for name, value in answer.headers.items()}
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                one.answer += piece
                await response.write(piece)
            await response.write_eof()
            return response
