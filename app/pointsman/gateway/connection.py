"""One connection to a door: bounded in what it sends and in how long it takes; whoever has left is noticed at once.

uvicorn's protocol has no bound on a request's head, keeps silent connections for ever, and overlooks a client that
leaves with a second request in line. Its parser, its pace and its answers are used as they are.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from pointsman.core.errors import BadRequest
from pointsman.gateway.seats import Seats
from pointsman.system import trouble
from pointsman.wire import refusals

MOST_HEAD = 65_536  # bytes of a request's line and headers, give or take one read
_MOST_IN_LINE = 8  # requests that a client may send ahead of its answers
_MOST_AHEAD = 2**25  # bytes of the bodies of those requests
_FRAMING = (b"content-length", b"transfer-encoding")


class Patience(msgspec.Struct, frozen=True):
    """Seconds for a request's head to be complete, and for a client to take leave once its connection is ending."""

    head: float = 30.0
    parting: float = 30.0


class Connection(HttpToolsProtocol):
    """`seats` are those of its door."""

    def __init__(self, seats: Seats, patience: Patience, **given: Any) -> None:
        super().__init__(**given)
        self.logger = _Log()  # type: ignore[assignment]
        self._seats = seats
        self._patience = patience
        self._due: asyncio.TimerHandle | None = None
        self._head = 0  # bytes that came while a head was not complete
        self._begun = False  # a head has begun and is not complete
        self._reusable = True
        self._parting = False
        self._again = False  # the head that is parsed is known already
        self._unsent = 0
        self._answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It has as long for its first request as every head has."""
        super().connection_made(transport)
        self._exit = _Exit(self)
        if not self._seats.take(self):
            self._refuse(503, "Too many programs are connected to Pointsman. Close some, then try again.")
        else:
            self._due = self.loop.call_later(self._patience.head, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Every request of it is told, not only the last."""
        self._stop_waiting()
        self._seats.leave(self)
        super().connection_lost(exc)
        self._tell_all()

    def eof_received(self) -> None:
        """A client that sends no more has left; what is still to be written to it has a bounded time."""
        self._tell_all()
        self._wait_for_leave()

    def data_received(self, data: bytes) -> None:
        """Read on; what an ending connection sends is thrown away."""
        if self._parting:
            return
        self._head += len(data)
        self._unset_keepalive_if_required()
        self._parse(data)
        answering = self._answering
        if not self._begun and answering is not None and not answering.response_complete:
            return  # as nearly always: a whole head came
        if self._ending():
            return
        if self._begun and self._head > MOST_HEAD:
            self._refuse(431, f"The request's headers are over {MOST_HEAD // 1024} KB. Send fewer or shorter ones.")
        elif self._due is None:
            self._due = self.loop.call_later(self._patience.head, self._late)

    def on_message_begin(self) -> None:
        """A head begins."""
        if not self._again:
            super().on_message_begin()
            self._begun = True

    def on_url(self, url: bytes) -> None:
        """A part of its path."""
        if not self._again:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        if not self._again:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is there. A connection whose request is answered before its body has come is not used again."""
        if self._again:
            return
        super().on_headers_complete()
        self._begun, self._head, cycle = False, 0, self.cycle
        if self._due is not None:
            self._stop_waiting()
        self._seats.busy(self)
        self._reusable, cycle.keep_alive = cycle.keep_alive, False
        cycle.transport = self._exit  # type: ignore[assignment]
        if self.pipeline and len(self.pipeline) < _MOST_IN_LINE:
            self.flow.resume_reading()  # else nobody would hear that the client leaves

    def on_body(self, body: bytes) -> None:
        """A piece of it. One that waits in line is read all the same: else nobody would hear that the client leaves."""
        super().on_body(body)
        if self.pipeline:
            if sum(len(waiting.body) for waiting, _ in self.pipeline) > _MOST_AHEAD:
                self.transport.abort()
            elif len(self.pipeline) < _MOST_IN_LINE:
                self.flow.resume_reading()

    def on_message_complete(self) -> None:
        """The body has come too."""
        if self.parser.should_upgrade() and not self._again:
            return  # it comes yet
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._reusable
        super().on_message_complete()
        self._head = 0

    def on_response_complete(self) -> None:
        """The next request, or a rest."""
        if self._parting:
            return
        self._answering = None
        super().on_response_complete()
        if self._answering is None:
            self._seats.idle(self)

    def shutdown(self) -> None:
        """The gateway ends."""
        self._reusable = False
        super().shutdown()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 ours says more
        """What came is no HTTP."""
        self._refuse(400, "This is no HTTP request that can be read. Send HTTP/1.1 as its standard says.")

    def evict(self) -> None:
        """Somebody else needs the place of this one, which rests."""
        self._part(reading=False)

    def timeout_keep_alive_handler(self) -> None:
        """It rested too long; what its client has not read yet has a bounded time."""
        self._part(reading=False)

    def part(self) -> None:
        """An answer was the last. What the client still sends is read, or the answer would be lost on its way."""
        self._part(reading=self.cycle.more_body)

    def _parse(self, data: bytes) -> None:
        """Only HTTP/1.1 is spoken here: a request that offers an upgrade stands as it would without."""
        left = memoryview(data)
        while True:
            try:
                self.parser.feed_data(left)
            except httptools.HttpParserUpgrade as offered:
                left = left[offered.args[0] :]
                self._parse_body()
            except httptools.HttpParserError:
                self.send_400_response("")
                return
            else:
                return

    def _parse_body(self) -> None:
        """What follows is its body: the parser is one that saw no upgrade."""
        head = [b"POST / HTTP/1.1", *(b"%b: %b" % one for one in self.headers if one[0] in _FRAMING), b"\r\n"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._again = True
        self.parser.feed_data(b"\r\n".join(head))
        self._again = False

    def _part(self, *, reading: bool) -> None:
        if self._ending():
            return
        self._parting = True
        if reading and self.transport.can_write_eof():
            self.flow.resume_reading()
            self.transport.write_eof()
        else:
            self.transport.close()
        self._wait_for_leave()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _ending(self) -> bool:
        return self._parting or self.transport.is_closing()

    def _busy(self) -> bool:
        return self._answering is not None and not self._answering.response_complete

    def _tell_all(self) -> None:
        for cycle in (self._answering, *(waiting for waiting, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        self.flow.resume_writing()

    def _late(self) -> None:
        self._due = None
        if self._busy():  # its answer first; the next head has as long again
            self._due = self.loop.call_later(self._patience.head, self._late)
        elif self._begun:
            self._refuse(408, f"The request's headers did not arrive within {self._patience.head:.0f} seconds.")
        else:
            self._part(reading=False)

    def _refuse(self, status: int, sentence: str) -> None:
        """Said by the connection itself, as no request is there that could be answered; never into another's answer."""
        if self._busy():
            self.transport.abort()
            return
        asked = self.url if self._begun else b""
        dialect = "messages" if asked.startswith(b"/v1/messages") else "chat"
        _, body = refusals.status_and_body(BadRequest(sentence), dialect)
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self._part(reading=True)

    def _stop_waiting(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _wait_for_leave(self) -> None:
        self._stop_waiting()
        self._unsent = self.transport.get_write_buffer_size()
        self._due = self.loop.call_later(self._patience.parting, self._overdue)

    def _overdue(self) -> None:
        """Not while it still takes what is written."""
        if self.transport.get_write_buffer_size() < self._unsent:
            self._wait_for_leave()
        else:
            self._due = None
            self.transport.abort()


class _Exit:
    """What an answer sees of its connection."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, connection: Connection) -> None:
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing
        self.close = connection.part


class _Log:
    """Clients' mistakes are no news; an error nobody caught goes to the log without the values it may hold."""

    level = 100

    def warning(self, *_: object) -> None:
        """A client's mistake."""

    def error(self, *_: object, exc_info: BaseException | None = None) -> None:
        """Ours, where it brings an error along."""
        if isinstance(exc_info, Exception):
            trouble.sentence(exc_info)
