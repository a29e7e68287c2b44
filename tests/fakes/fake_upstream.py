"""A real HTTP server that speaks chat completions as providers do, and misbehaves as they do.

What it does is in the model's name: `ok`, `no-usage`, `die` (after two pieces), `stall` (for ever, after one), `429`,
`500`, `401`, `slow` (until `release` is set). It writes down every request and what it would bill, in tokens.
Run it in a thread of its own: `with FakeUpstream() as upstream: upstream.base_url`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any, Self

from aiohttp import web

PIECES = ("The ", "cloud ", "says ", "hello.")


class FakeUpstream:
    """Its own loop in its own thread, so that tests of any kind can use it."""

    def __init__(self, prompt_tokens: int = 100, completion_tokens: int = 20, key: str = "sk-test") -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.billed: list[tuple[int, int]] = []
        self.gone = threading.Event()
        self.base_url = ""
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = self._usual = completion_tokens
        self._key = key
        self._loop = asyncio.new_event_loop()
        self._released = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def release(self) -> None:
        """Let all `slow` answers go on."""
        self._loop.call_soon_threadsafe(self._released.set)

    def forget(self) -> None:
        """What was sent and billed, and how answers were told to be: as at the start."""
        for told in (self.requests, self.headers, self.billed):
            told.clear()
        self.gone.clear()
        self.completion_tokens = self._usual
        self._loop.call_soon_threadsafe(self._released.clear)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._released.set()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return runner

    async def _models(self, request: web.Request) -> web.Response:
        if request.headers.get("authorization") != f"Bearer {self._key}":
            return web.json_response(_error("Incorrect API key provided."), status=401)
        return web.json_response({"object": "list", "data": [{"id": "ok"}, {"id": "slow"}]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        model = body["model"]
        if request.headers.get("authorization") != f"Bearer {self._key}" or model == "401":
            return web.json_response(_error("Incorrect API key provided: sk-te**st."), status=401)
        if model in ("429", "500", "400"):
            return web.json_response(_error(f"fake {model}"), status=int(model))
        usage = (self.prompt_tokens, min(self.completion_tokens, _limit(body)))
        self.billed.append(usage)
        try:
            if model == "slow":
                await self._released.wait()
            if body.get("stream"):
                return await self._stream(request, body, usage)
            return web.json_response(_whole(model, usage if model != "no-usage" else None))
        except (asyncio.CancelledError, ConnectionResetError):
            self.gone.set()
            raise

    async def _stream(self, request: web.Request, body: dict[str, Any], usage: tuple[int, int]) -> web.StreamResponse:
        model = body["model"]
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(_event(_chunk(model, {"role": "assistant", "content": ""})))
        for at, piece in enumerate(PIECES):
            if model == "die" and at == 2:
                assert request.transport is not None
                request.transport.abort()
                return response
            if model == "die-early":
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(_event(_chunk(model, {"content": piece})))
            if model == "stall":
                await asyncio.Event().wait()
        await response.write(_event(_chunk(model, {}, "stop")))
        if (body.get("stream_options") or {}).get("include_usage") and model != "no-usage":
            await response.write(_event({**_chunk(model, {}), "choices": [], "usage": _usage(usage)}))
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


def _limit(body: dict[str, Any]) -> int:
    return int(body.get("max_completion_tokens") or body.get("max_tokens") or 10**9)


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "fake", "param": None, "code": None}}


def _usage(tokens: tuple[int, int]) -> dict[str, Any]:
    prompt, completion = tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "fake", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}


def _whole(model: str, tokens: tuple[int, int] | None) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(PIECES)}
    answer = {"id": "fake", "object": "chat.completion", "created": 1, "model": model}
    answer["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {**answer, "usage": _usage(tokens)} if tokens else answer
