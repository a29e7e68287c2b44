"""One HTTP/1.1 connection to an upstream, with one exchange at a time: the parser is httptools, the rest is here.

It is bounded in what it keeps unread, gives up on a silent upstream, and says how far a request came: whether anything
was written decides about money. RFC 9112 is what it follows.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import httptools

from pointsman.providers.unpacking import PACKED, Unpacker, Unreadable

_HEAD = 65_536  # bytes of an answer's head, or of anything else in it that is no body, give or take one read
_UNREAD = 262_144  # bytes of an answer that wait for their reader before the upstream has to wait
_PIECE = 262_144  # bytes of a body that are written at once
_ALL_SENT = memoryview(b"")


class Connection(asyncio.Protocol):
    """`silence`: seconds without a byte before it counts as dead. `retired`: it serves nobody after this exchange.

    `way` is how it was reached, as its opener has it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, silence: float, way: Any = None) -> None:
        self.transport: asyncio.Transport
        self.retired = False
        self.way = way
        self._loop = loop
        self._silence = silence
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0
        self._interim = False
        self._head = 0
        self._full = False
        self._holding = False
        self._lost = False
        self._poll: Callable[[float], Sequence[object]] | None = None

    @property
    def usable(self) -> bool:
        """Whether another request may be written to it."""
        return not (self.retired or self._lost or self.transport.is_closing()) and self._answer is None

    @property
    def stale(self) -> bool:
        """Whether something came, be it the upstream's leave, that this loop has not read yet."""
        if self._poll is None:
            socket = self.transport.get_extra_info("socket")
            self._poll = _readable(None if socket is None else socket.fileno())
        return bool(self._poll(0))

    def ask(self, request: bytes, body: bytes = b"") -> Answer:
        """Write a request, of its body only the first piece; the rest is written while its answer is waited for."""
        self._head = 0
        if len(body) <= _PIECE:
            self._answer = answer = Answer(self, _ALL_SENT)
            self.transport.write(request + body)
        else:
            self._answer = answer = Answer(self, memoryview(body)[_PIECE:])
            self.transport.writelines([request, body[:_PIECE]])
        return answer

    def end(self) -> bool:
        """The exchange is over; whether another one may follow. A connection whose answer is not complete is closed."""
        answer, self._answer = self._answer, None
        if answer is None or not (answer.complete and answer.reusable and not answer.unsent):
            self.abort()
        elif self._holding:
            self._release()
        return self.usable

    def close(self) -> None:
        """Take leave."""
        self.retired = True
        self._quiet()
        self.transport.close()

    def abort(self) -> None:
        """Leave at once: the upstream hears that nobody listens any more."""
        self.retired = True
        self._quiet()
        self.transport.abort()

    def anew(self, transport: asyncio.Transport) -> None:
        """The same connection inside another one, from its beginning."""
        self.transport, self._answer, self._parser = transport, None, httptools.HttpResponseParser(self)
        self._poll = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone. An answer that nothing else bounds ends here."""
        self._lost = True
        answer = self._answer
        if answer is not None and not answer.complete:
            if exc is None and answer.status and answer.unbounded:
                answer.complete = True
            else:
                answer.error = answer.error or ConnectionResetError("the connection was lost")
        self._wake()
        self._quiet()

    def data_received(self, data: bytes) -> None:
        """A part of the answer; what nobody asked for ends the connection."""
        answer = self._answer
        if answer is None or answer.complete:
            self.close()
            return
        self._since = self._loop.time()
        self._head += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(answer, "what came is no HTTP")
        if self._head > _HEAD:
            self._fail(answer, "the answer's headers have no end")
        if self._waiter is not None:
            self._wake()

    def pause_writing(self) -> None:
        """The upstream takes no more for now."""
        self._full = True

    def resume_writing(self) -> None:
        """It does again."""
        self._full = False
        self._wake()

    def on_message_begin(self) -> None:
        """An answer begins. One that nobody asked for must never be taken for that of the next request."""
        if self._answer is not None and self._answer.complete:
            self.retired = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of the answer's headers, or of an interim one's; what comes behind a body is not read."""
        answer = self._answer
        if answer is not None and not answer.status:
            answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is there."""
        answer, status = self._answer, self._parser.get_status_code()
        if answer is None or answer.status:
            return
        self._interim = status < 200
        if self._interim:
            answer.headers.clear()
        else:
            self._head = 0
            answer.started(status, reusable=self._parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        """A piece of it."""
        answer = self._answer
        if answer is None or answer.complete:
            return
        self._head = 0
        if answer.add(body) > _UNREAD and not self._holding:
            self._holding = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        """It has ended, as its own framing says."""
        if self._answer is not None and not self._interim:
            self._head, self._answer.complete = 0, True

    async def happening(self) -> None:
        """Wait until something has come, or may be written. Raises `TimeoutError` after a silence."""
        if self._holding:
            self._release()
        self._waiter, self._since = self._loop.create_future(), self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._silence, self._look)
        try:
            await self._waiter
        finally:
            self._waiter = None

    def more(self, answer: Answer) -> None:
        """Write on, as far as it is taken now."""
        while answer.unsent and not self._full and not self.transport.is_closing():
            self.transport.write(bytes(answer.unsent[:_PIECE]))
            answer.unsent = answer.unsent[_PIECE:]

    def _release(self) -> None:
        self._holding = False
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _look(self) -> None:
        """Most waits end long before: one timer looks again, rather than one for each."""
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        left = self._since + self._silence - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._waiter.set_exception(TimeoutError())

    def _fail(self, answer: Answer, why: str) -> None:
        """What comes behind a whole answer spoils the connection and not the answer."""
        if not answer.complete:
            answer.error = answer.error or Unreadable(why)
        self.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _quiet(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Answer:
    """What an upstream answers. `status` is 0 until its head has come; `unsent` is what is not written of the request."""

    def __init__(self, connection: Connection, unsent: memoryview) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.reusable = False
        self.unbounded = False
        self.error: OSError | None = None
        self.unsent = unsent
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._unpacker: Unpacker | None = None

    def started(self, status: int, *, reusable: bool) -> None:
        """Its head has come."""
        self.status, self.reusable = status, reusable
        headers = self.headers
        self.unbounded = "content-length" not in headers and "transfer-encoding" not in headers
        if "content-encoding" in headers and headers["content-encoding"].lower() in PACKED:  # asked for as it is
            self._unpacker = Unpacker()

    def add(self, piece: bytes) -> int:
        """A piece has come; how many bytes wait now."""
        self._pieces.append(piece)
        self._size += len(piece)
        return self._size

    async def head(self) -> None:
        """Returns once status and headers are there. Raises `OSError`, `TimeoutError` among them, where they never come."""
        while not self.status:
            if self.error is not None:
                raise self.error
            if self.unsent:
                self._connection.more(self)
            await self._connection.happening()

    def at_once(self) -> bytes | None:
        """The whole body, where it is here and comes as it is; else None, and it comes in pieces."""
        if not self.complete or self._unpacker is not None:
            return None
        return self._waiting()

    async def piece(self) -> bytes:
        """What has come of the body since the last call, or what comes next; nothing at its end. Raises `OSError`."""
        if self._unpacker is not None:
            await asyncio.sleep(0)  # many bytes may come of few: others have their turn between
        while True:
            if found := self._waiting() if self._unpacker is None else self._unpacked(self._unpacker):
                return found
            if self.complete:
                return self._ended()
            if self.error is not None:
                raise self.error
            self._connection.more(self)
            await self._connection.happening()

    def _waiting(self) -> bytes:
        if not self._pieces:
            return b""
        raw = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return raw

    def _unpacked(self, unpacker: Unpacker) -> bytes:
        """What the next bytes that come to anything come to."""
        while unpacker.waits or self._pieces:
            if found := unpacker.more(b"" if unpacker.waits else self._next()):
                return found
        return b""

    def _next(self) -> bytes:
        piece = self._pieces.popleft()
        self._size -= len(piece)
        return piece

    def _ended(self) -> bytes:
        if self._unpacker is not None:
            self._unpacker.end()
        return b""


def _readable(handle: int | None) -> Callable[[float], Sequence[object]]:
    """What is there to be read of this socket, asked with how long to wait; of none, nothing."""
    if handle is None:
        return lambda _: ()
    if hasattr(select, "poll"):
        asked = select.poll()
        asked.register(handle, select.POLLIN)
        return asked.poll
    return lambda seconds: select.select([handle], [], [], seconds)[0]  # Windows: no bound on the number of a handle
