"""A provider that bills whatever it is sent, writes each bill down by the request's own name, and answers as it is told.

A request's last message is "say 2 " and JSON of a `Wish`: one act for each attempt. `ok`, `slow`, `mute` (no usage),
`over` (bills more than it was allowed), `die` (after some pieces), `early` (before the first byte), `stall` (for ever,
after some pieces; not streamed: at once), `flood` (pieces without end), `429` and `500` (which bill nothing).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import msgspec
from aiohttp import web

from tests.fakes.fake_upstream import FakeUpstream, _chunk, _error, _event, _limit, _usage, _whole

PRICES = {"dear": (10, 5_000), "cheap": (1, 100)}
"""Micro-dollars for each token in and out, by model."""
_FLOOD = "x" * 16_384


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks of this provider, attempt by attempt; `part` of the allowed output is billed."""

    id: str
    acts: tuple[str, ...] = ("ok",)
    prompt: int = 10
    part: float = 0.5
    pieces: int = 4

    def text(self) -> str:
        """The message that carries it; a fake engine says two words to it."""
        return "say 2 " + msgspec.json.encode(self).decode()


class Bill(msgspec.Struct, frozen=True):
    """Micro-dollars for one dispatched attempt; `fair` is the part of it that stays inside the limit it came with."""

    amount: int
    fair: int


class BillingUpstream(FakeUpstream):
    """`bills` are those of each dispatched attempt, by the name of its request, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.bills: dict[str, list[Bill]] = {}
        self.closed = 0

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        wish = msgspec.json.decode(body["messages"][-1]["content"].removeprefix("say 2 "), type=Wish)
        mine = self.bills.setdefault(wish.id, [])
        act = wish.acts[min(len(mine), len(wish.acts) - 1)]
        if act in ("429", "500"):
            mine.append(Bill(0, 0))
            return web.json_response(_error(f"fake {act}"), status=int(act))
        limit = _limit(body)
        usage = wish.prompt, _completion(wish, act, limit)
        price_in, price_out = PRICES[body["model"]]
        amount, allowed = usage[0] * price_in + usage[1] * price_out, usage[0] * price_in + limit * price_out
        mine.append(Bill(amount, min(amount, allowed)))
        try:
            return await self._act(request, body, (wish, act), usage)
        except (asyncio.CancelledError, ConnectionResetError):
            self.closed += 1
            self.gone.set()
            raise

    async def _act(
        self, request: web.Request, body: dict[str, Any], wanted: tuple[Wish, str], usage: tuple[int, int]
    ) -> web.StreamResponse:
        act = wanted[1]
        if act == "early":
            return _abort(request)
        if act == "slow":
            await asyncio.sleep(0.03)
        if body.get("stream"):
            return await self._pieces(request, body, wanted, usage)
        if act == "stall":
            await asyncio.Event().wait()
        if act == "die":
            return await _torn(request)
        return web.json_response(_whole(body["model"], usage if act != "mute" else None))

    async def _pieces(
        self, request: web.Request, body: dict[str, Any], wanted: tuple[Wish, str], usage: tuple[int, int]
    ) -> web.StreamResponse:
        (wish, act), model = wanted, body["model"]
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(_event(_chunk(model, {"role": "assistant", "content": ""})))
        for _ in range(wish.pieces):
            await response.write(_event(_chunk(model, {"content": "word "})))
            await asyncio.sleep(0.005 if act == "slow" else 0)
        if act == "die":
            return _abort(request)
        if act == "stall":
            await asyncio.Event().wait()
        while act == "flood":
            await response.write(_event(_chunk(model, {"content": _FLOOD})))
        await response.write(_event(_chunk(model, {}, "stop")))
        if (body.get("stream_options") or {}).get("include_usage") and act != "mute":
            await response.write(_event({**_chunk(model, {}), "choices": [], "usage": _usage(usage)}))
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


def _completion(wish: Wish, act: str, limit: int) -> int:
    return 2 * limit if act == "over" else max(1, int(limit * wish.part))


def _abort(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _torn(request: web.Request) -> web.StreamResponse:
    """Half of a whole answer."""
    response = web.StreamResponse(headers={"content-type": "application/json", "content-length": "1000"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionResetError):
        await response.write(json.dumps(_chunk("torn", {})).encode())
    return _abort(request)
