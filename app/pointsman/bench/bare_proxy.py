"""A proxy that decides nothing: uvicorn and aiohttp, as gateways in Python are made, so what it costs is theirs alone.

python -m pointsman.bench.bare_proxy PORT UPSTREAM_PORT
"""

from __future__ import annotations

import sys
from typing import Any

import aiohttp
import uvicorn


class Proxy:
    """An ASGI application that passes each body on and each answer back, as it comes."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """One request."""
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        if scope["method"] == "GET":
            await _say(send, 200, [], b"")
        else:
            await self._pass(scope["path"], body, send)

    async def _pass(self, path: str, body: bytes, send: Any) -> None:
        headers = {"content-type": "application/json"}
        async with self._opened().post(self._upstream + path, data=body, headers=headers) as answer:
            kept = [(name.encode(), value.encode()) for name, value in answer.headers.items() if name in _KEPT]
            if "Content-Length" in answer.headers:
                await _say(send, answer.status, kept, await answer.read())
                return
            await send({"type": "http.response.start", "status": answer.status, "headers": kept})
            async for piece in answer.content.iter_any():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=512, keepalive_timeout=15)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


async def _say(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_KEPT = ("Content-Type", "Content-Length", "Cache-Control")


def main(port: str, upstream: str) -> None:
    """Serve until ended, as leanly as uvicorn can."""
    uvicorn.run(
        Proxy(f"http://127.0.0.1:{upstream}"),
        port=int(port),
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=3,
        timeout_keep_alive=65,
    )


if __name__ == "__main__":
    main(*sys.argv[1:3])
