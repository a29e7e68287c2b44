"""Responses that are made while their client is away: the same pipeline, with nobody at the other end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec

from pointsman.core.errors import Busy
from pointsman.core.request import Hints
from pointsman.gateway import pipeline
from pointsman.gateway.attempts import Sent
from pointsman.gateway.house import House
from pointsman.gateway.kept_responses import Asked
from pointsman.gateway.pipeline import Call
from pointsman.gateway.reply import Reply
from pointsman.gateway.run import Run
from pointsman.system import trouble
from pointsman.wire import stored
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.answers.responses import bare

_MOST = 64  # at a time, of one agent


class _Unread(Reply):
    """Keeps what nobody reads yet."""

    def __init__(self) -> None:
        super().__init__(self._take)
        self.status = 0
        self.body = b""

    async def _take(self, message: dict[str, Any]) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")


class Background:
    """One response on its way. It ends by itself, or by `cancel`."""

    def __init__(self, house: House, run: Run, asked: Asked) -> None:
        self.items = asked.items
        self._house = house
        self._run = run
        self._asked = asked
        self._key = (run.agent, f"resp_{run.id.removeprefix('req_')}")
        self._first = _first(run, asked)
        self._last: bytes | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, sent: Sent, hints: Hints) -> bytes:
        """Start it; the response as its client first hears of it."""
        self._house.responses.working[self._key] = self
        self._house.responses.mark(self._run, _first(self._run, None))
        self._task = asyncio.create_task(self._work(sent, hints))
        self._task.add_done_callback(self._over)
        self._run.cancel = self._task.cancel
        return self._first

    def told(self) -> bytes:
        """The response as it stands."""
        return stored.changed(self._first, status="in_progress" if self._run.state == "running" else "queued")

    async def cancel(self) -> None:
        """Stop it, and wait until it is settled and kept."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _work(self, sent: Sent, hints: Hints) -> None:
        reply = _Unread()
        try:
            await pipeline.serve(Call(self._house, self._run, sent, reply), hints)
            self._last = self._ended(reply)
        except Exception as error:  # noqa: BLE001 nobody waits for this task: the response is where it shows
            self._last = self._failed("server_error", trouble.sentence(error))

    def _over(self, _task: asyncio.Task[None]) -> None:
        """Kept, before it is on its way no longer. Whoever was cancelled may not even have begun."""
        last = self._last or stored.changed(self._first, status="cancelled")
        self._house.responses.keep(self._run, self._asked, last)
        self._house.responses.working.pop(self._key, None)

    def _ended(self, reply: _Unread) -> bytes:
        if reply.status == 200 and stored.named(reply.body):
            more = {"background": True, "previous_response_id": self._asked.previous}
            return stored.changed(reply.body, id=self._key[1], **more)
        message = "The answer broke off before its end."
        with contextlib.suppress(msgspec.DecodeError, KeyError, TypeError):
            message = str(msgspec.json.decode(reply.body)["error"]["message"])
        return self._failed("rate_limit_exceeded" if reply.status == 429 else "server_error", message)

    def _failed(self, code: str, message: str) -> bytes:
        return stored.changed(self._first, status="failed", error={"code": code, "message": message})


def begin(house: House, run: Run, asked: Asked, given: tuple[Sent, Hints]) -> bytes:
    """Start a response; what its client hears at once. Raises `Busy` where the agent has too many already."""
    if sum(agent == run.agent for agent, _ in house.responses.working) >= _MOST:
        raise Busy(f"{_MOST} responses of this agent are being made in the background. Wait until one has ended.")
    sent, hints = given
    return Background(house, run, asked).begin(sent, msgspec.structs.replace(hints, latency="background"))


def _first(run: Run, asked: Asked | None) -> bytes:
    """The response before it has begun; without what was asked, it holds nobody's words."""
    told: dict[str, Any] = {"background": True, "store": True}
    if asked is not None:
        with contextlib.suppress(msgspec.DecodeError):
            told = {**msgspec.json.decode(asked.body), **told, "previous_response_id": asked.previous}
    about = Answering(
        id=run.id.removeprefix("req_"), model=str(told.get("model", "")), created=int(run.started), asked=told
    )
    return msgspec.json.encode(bare(about, "queued"))
