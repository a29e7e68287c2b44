"""Responses that are made while their client is away: the same pipeline, with nobody at the other end.

Its events are written down as they come, so that a stream that was lost goes on where it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec

from pointsman.core.errors import Busy, UpstreamFailed
from pointsman.core.request import Hints
from pointsman.gateway import pipeline
from pointsman.gateway.attempts import Sent
from pointsman.gateway.following import Told, tell
from pointsman.gateway.house import House
from pointsman.gateway.kept_responses import Asked, response_id
from pointsman.gateway.pipeline import Call
from pointsman.gateway.reply import Reply
from pointsman.gateway.run import Run
from pointsman.system import trouble
from pointsman.wire import body, refusals, stored
from pointsman.wire.scan import UNREADABLE
from pointsman.wire.translate.answers import Answering
from pointsman.wire.translate.answers.responses import bare

_MOST, _OF_ALL = 64, 256  # at a time: of one agent, and of all
_BODIES = 256 * 2**20  # bytes of what all of them were asked
_ANSWER = 64 * 2**20  # bytes of the events of one answer: pictures in it fit, one without end does not


class _Unread(Reply):
    """Keeps what nobody reads yet: a body, or the events of a stream."""

    def __init__(self, told: Told, fields: dict[str, Any]) -> None:
        super().__init__()
        self.status = 0
        self.stream = False
        self.body = b""
        self.last: bytes | None = None
        self._size = 0
        self._told = told
        self._fields = fields

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status and headers. Nobody has to be kept awake."""
        self.started, self.status = True, status
        self.stream = any(value.startswith(b"text/event-stream") for _, value in headers)

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """A piece of the body, or an event."""
        self.finished = last
        if not self.stream:
            self.body += data
            return
        frame = stored.numbered(data, self._told.count, self._fields)
        if frame is not None:
            self._bound(frame)
            self._told.add(frame)
            self.last = stored.ended(frame) or self.last

    def _bound(self, frame: bytes) -> None:
        """Raises `UpstreamFailed`, once, where there is no end to it."""
        before, self._size = self._size, self._size + len(frame)
        if before <= _ANSWER < self._size:
            raise UpstreamFailed(f"This answer is over {_ANSWER // 2**20} MB, the most that is kept in the background.")


class Background:
    """One response on its way. It ends by itself, or by `cancel`."""

    def __init__(self, house: House, run: Run, asked: Asked) -> None:
        self.items = asked.items
        self.events = Told(house.responses.room)
        self._house = house
        self._run = run
        self._asked = asked
        self._key = (run.agent, response_id(run))
        self._first = _first(run, asked)
        self.held = len(asked.body) + len(asked.items) + len(self._first)
        self._last: bytes | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, sent: Sent, hints: Hints) -> bytes:
        """Start it; the response as its client first hears of it."""
        for number, kind in enumerate(("response.created", "response.queued")):
            self.events.add(stored.event(kind, number, self._first))
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
        reply = _Unread(self.events, self._fields)
        try:
            await pipeline.serve(Call(self._house, self._run, sent, reply), hints)
            self._last = reply.last or self._ended(reply)
        except asyncio.CancelledError:  # an answer that is there is paid for; only its row was left to write
            if reply.last or reply.finished:
                self._last = reply.last or self._ended(reply)
            raise
        except Exception as error:  # noqa: BLE001 nobody waits for this task: the response is where it shows
            self._last = self._failed("server_error", trouble.sentence(error))

    def _over(self, _task: asyncio.Task[None]) -> None:
        """Kept, before it is on its way no longer. Whoever was cancelled may not even have begun."""
        last = self._last or stored.changed(self._first, status="cancelled")
        try:
            self._house.responses.keep(self._run, self._asked, last)
        finally:
            self._house.responses.working.pop(self._key, None)
            self.events.end(last)
            self._house.responses.heard(self._key, self.events, again=self._asked.stream)

    @property
    def _fields(self) -> dict[str, Any]:
        """What a response says that was made in the background."""
        return {"id": self._key[1], "background": True, "previous_response_id": self._asked.previous}

    def _ended(self, reply: _Unread) -> bytes:
        if reply.status == 200 and stored.named(reply.body):
            status = stored.status(reply.body) or "completed"  # its provider may not say so, but it is whole
            return stored.changed(reply.body, status=status, **self._fields)
        told: dict[str, Any] = {"message": "The answer broke off before its end."}
        with contextlib.suppress(msgspec.DecodeError, KeyError, TypeError):
            told = msgspec.json.decode(reply.body)["error"]
        code = refusals.vendors_code(self._run.refusal) or _code(reply.status, told.get("code"))
        return self._failed(code, str(told.get("message")))

    def _failed(self, code: str, message: str) -> bytes:
        return stored.changed(self._first, status="failed", error={"code": code, "message": message})


def _code(status: int, said: object) -> str:
    """The refusal's own code, or the vendor's where time may mend it."""
    if status == 429:
        return "rate_limit_exceeded"
    return said if isinstance(said, str) and 400 <= status < 500 else "server_error"


async def serve(house: House, run: Run, asked: Asked, given: tuple[Sent, Hints], reply: Reply) -> None:
    """Start a response, and tell its client of it: at once, or in a stream of its events, which the client may leave."""
    first = begin(house, run, asked, given)
    if asked.stream:
        await tell(reply, house.responses.working[run.agent, response_id(run)].events.after(-1))
    else:
        await reply.whole(first)


def begin(house: House, run: Run, asked: Asked, given: tuple[Sent, Hints]) -> bytes:
    """Start a response; what its client hears at once. Raises `Busy` where the agent has too many already."""
    working = house.responses.working
    if sum(agent == run.agent for agent, _ in working) >= _MOST:
        raise Busy(f"{_MOST} responses of this agent are being made in the background. Wait until one has ended.")
    held = sum(one.held for one in working.values()) + len(asked.body) + len(asked.items)
    if len(working) >= _OF_ALL or held > _BODIES:
        raise Busy("As much as fits is being made in the background. Wait until a response has ended.")
    sent, hints = given
    return Background(house, run, asked).begin(sent, msgspec.structs.replace(hints, latency="background"))


def _first(run: Run, asked: Asked | None) -> bytes:
    """The response before it has begun; without what was asked, it holds nobody's words."""
    told: dict[str, Any] = {"background": True, "store": True}
    if asked is not None:
        with contextlib.suppress(*UNREADABLE):
            told = {**body.readable(asked.body), **told, "previous_response_id": asked.previous}
    about = Answering(
        id=run.id.removeprefix("req_"), model=str(told.get("model", "")), created=int(run.started), asked=told
    )
    return msgspec.json.encode(bare(about, "queued"))
