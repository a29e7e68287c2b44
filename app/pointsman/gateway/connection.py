"""One connection to a door: HTTP/1.1, bounded in what it sends and in how long it takes.

The parser is httptools, the rest is here. Whoever has left is noticed at once, though requests wait in line.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any
from urllib.parse import unquote

import httptools

from pointsman.core.errors import BadRequest, Broken, Refusal
from pointsman.gateway.deadline import Deadline
from pointsman.gateway.exchange import Exchange
from pointsman.gateway.heads import STATUS
from pointsman.gateway.service import Service
from pointsman.system import trouble
from pointsman.wire import refusals

MOST_HEAD = 65_536  # bytes of a request's line and headers, or of what follows its body, give or take one read
_MOST_AHEAD = 2**25  # bytes of the requests that a client may send ahead of its answers
_EACH, _HEADER = 2_048, 128  # bytes that one of them takes, and each of its headers, beside what its client sent
_MOST_UNREAD = 65_536  # bytes of a body that nobody asked for yet
_FRAMING = ("content-length", "transfer-encoding")


class Connection(asyncio.Protocol):
    """`full`: its client does not take what is written. `port` is the door's."""

    def __init__(self, service: Service) -> None:
        self.transport: asyncio.Transport
        self.port = 0
        self.full = False
        self._service = service
        self._patience = service.patience
        self._loop = asyncio.get_running_loop()
        self._parser = _parser(self)
        self._url = b""
        self._headers: dict[str, str] = {}
        self._twice: list[str] = []
        self._fed = 0  # bytes that came since a body grew or ended
        self._begun = False  # a head has begun and is not complete
        self._again = False  # the head that is parsed is known already
        self._coming: Exchange | None = None  # its body is not whole
        self._answering: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._ahead = 0  # bytes of what waits
        self._paused = False
        self._parting = False
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = Deadline(self._loop, self._late)  # for what its client has to do
        self._unsent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It has as long for its first request as every head has."""
        self.transport = transport  # type: ignore[assignment]
        own = transport.get_extra_info("sockname")  # none where its client has left already
        self.port = own[1] if own else 0
        self._service.connections.add(self)
        if not self._service.seats.take(self):
            self._refuse(503, "Too many programs are connected to Pointsman. Close some, then try again.")
        else:
            self._deadline.within(self._patience.head)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 whoever has left has left
        """Every request of it is told."""
        self._deadline.end()
        self._service.seats.leave(self)
        self._service.connections.discard(self)
        self._tell_all()
        self._service.over()

    def eof_received(self) -> None:
        """A client that sends no more has left; what is still to be written to it has a bounded time."""
        self._tell_all()
        self._wait_for_leave()

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        self.full = True

    def resume_writing(self) -> None:
        """It does again."""
        self.full = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Read on; what an ending connection sends is thrown away."""
        if self._parting:
            return
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offered:
            self._pass_over(memoryview(data)[offered.args[0] :])
        except httptools.HttpParserError:
            self._no_http()
        if self._fed > MOST_HEAD and not self._ending():
            self._refuse(431, f"The request's headers are over {MOST_HEAD // 1024} KB. Send fewer or shorter ones.")
        if self._waiting or self._coming is not None:
            self._bound()
        elif self._begun and self._deadline.due is None and self._answering is None:
            self._deadline.within(self._patience.head)

    def on_message_begin(self) -> None:
        """A head begins."""
        if self._again:
            return
        self._url, self._headers, self._twice, self._begun = b"", {}, [], True
        self._deadline.due = None

    def on_url(self, url: bytes) -> None:
        """A part of its path."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers, or of what follows a body: that is nobody's."""
        if self._begun or self._again:
            known = name.decode("latin-1").lower()
            if known in self._headers:
                self._twice.append(known)
            self._headers[known] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """A head is there."""
        if self._again:
            return
        method = self._parser.get_method().decode("ascii")
        exchange = Exchange(self, method, _target(self._url), self._headers)
        exchange.twice = self._twice
        exchange.old = self._parser.get_http_version() != "1.1"
        exchange.keep = not exchange.old and self._parser.should_keep_alive()
        self._begun, self._fed, self._coming = False, 0, exchange
        self._deadline.due = None
        if self._answering is None:
            self._service.seats.busy(self)
            self._begin(exchange)
        else:
            self._waiting.append(exchange)
            self._ahead += _held(exchange)

    def on_body(self, body: bytes) -> None:
        """A piece of it."""
        self._fed = 0
        if self._coming is not None:
            self._coming.add(body)
            if self._waiting:  # it is the last of them
                self._ahead += len(body)

    def on_message_complete(self) -> None:
        """The body has come too, unless an upgrade was offered: then it comes yet."""
        if self._coming is not None and (self._again or not self._parser.should_upgrade()):
            self._fed = 0
            self._coming.end()
            self._coming = None

    def date(self) -> bytes:
        """The line that dates an answer."""
        return self._service.dates.line()

    def write(self, data: bytes) -> None:
        """Send this."""
        self.transport.write(data)

    def read_on(self) -> None:
        """What comes is wanted."""
        if self._paused:
            self._paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    async def taken(self) -> None:
        """Returns once the client takes more, or has left."""
        self._waiter = self._loop.create_future()
        await self._waiter

    def answered(self, exchange: Exchange) -> None:
        """The next request, or a rest. A connection whose request is answered before its body has come is not used on."""
        self._answering = None
        if self._parting:
            return
        if not exchange.keep or self._service.ending:
            self._part(reading=not exchange.whole)
        elif self._waiting:
            first = self._waiting.popleft()
            self._ahead -= _held(first)
            self._begin(first)
        else:
            self.read_on()
            self._service.seats.idle(self)
            self._deadline.within(self._patience.head if self._begun else self._patience.rest)

    def shutdown(self) -> None:
        """The gateway ends: a last answer may still be written."""
        if self._answering is None:
            self._part(reading=False)
        else:
            self._answering.keep = False

    def evict(self) -> None:
        """Somebody else needs the place of this one, which rests."""
        self._part(reading=False)

    def _begin(self, exchange: Exchange) -> None:
        self._answering = exchange
        self._service.served.add(exchange)
        exchange.task = self._loop.create_task(self._serve(exchange))

    async def _serve(self, exchange: Exchange) -> None:
        """The door answers; an error that nobody caught is a sentence, or the end of what was begun."""
        refusal = Broken("Pointsman has no answer to this request.")
        try:
            await self._service.door(exchange)
        except asyncio.CancelledError:  # the gateway ends, and has waited long enough
            refusal = Broken("Pointsman ended before this request was answered.")
        except Exception as error:  # noqa: BLE001 the last net: the log gets the lines, nobody the values
            refusal = Broken(trouble.sentence(error))
        finally:
            exchange.task = None
            self._service.served.discard(exchange)
            if not (exchange.complete or exchange.gone):
                self._fail(exchange, refusal)
            if self._service.ending:
                self._service.over()

    def _fail(self, exchange: Exchange, refusal: Refusal) -> None:
        exchange.keep = False
        if exchange.begun:
            self._part(reading=False)
        else:
            status, body = refusals.status_and_body(refusal, _dialect(exchange.path))
            exchange.start(status, [(b"content-type", b"application/json")])
            exchange.write(body, last=True)

    def _pass_over(self, left: memoryview) -> None:
        """Only HTTP/1.1 is spoken here: a request that offers an upgrade stands as it would without."""
        while True:
            try:
                self._parse_body()
                self._parser.feed_data(left)
            except httptools.HttpParserUpgrade as offered:
                left = left[offered.args[0] :]
            except httptools.HttpParserError:
                return self._no_http()
            else:
                return None

    def _parse_body(self) -> None:
        """What follows is its body: the parser is one that saw no upgrade."""
        framing = [f"{name}: {self._headers[name]}" for name in _FRAMING if name in self._headers]
        head = "\r\n".join(["POST / HTTP/1.1", *framing, "\r\n"])
        self._parser = _parser(self)
        self._again, self._headers = True, {}
        self._parser.feed_data(head.encode("latin-1"))
        self._again = False

    def _bound(self) -> None:
        """What waits is read all the same, up to a bound: else nobody would hear that the client leaves."""
        if self._ahead > _MOST_AHEAD:
            self.transport.abort()
        elif not self._waiting and self._unread() > _MOST_UNREAD:
            self._pause()

    def _unread(self) -> int:
        """Bytes of a body that nobody asked for yet."""
        return self._coming.size if self._coming is not None and self._coming.unread else 0

    def _pause(self) -> None:
        if not (self._paused or self._ending()):
            self._paused = True
            self.transport.pause_reading()

    def _no_http(self) -> None:
        if self._coming is not None and self._coming is self._answering:
            self._coming.spoil()
        elif not self._ending():
            self._refuse(400, "This is no HTTP request that can be read. Send HTTP/1.1 as its standard says.")

    def _refuse(self, status: int, sentence: str) -> None:
        """Said by the connection itself, as no request is there that could be answered; never into another's answer."""
        if self._answering is not None:
            self.transport.abort()
            return
        dialect = _dialect(self._url.decode("latin-1")) if self._begun else "chat"
        _, body = refusals.status_and_body(BadRequest(sentence), dialect)
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(STATUS[status] + head + body)
        self._part(reading=True)

    def _part(self, *, reading: bool) -> None:
        """What the client still sends is read, where an answer would be lost on its way otherwise."""
        if self._ending():
            return
        self._parting = True
        if reading and self.transport.can_write_eof():
            self.read_on()
            with contextlib.suppress(OSError):  # its client has left, which will be heard
                self.transport.write_eof()
        else:
            self.transport.close()
        self._wait_for_leave()

    def _ending(self) -> bool:
        return self._parting or self.transport.is_closing()

    def _tell_all(self) -> None:
        """Once: whoever is told twice would be cut off in what it still has to do."""
        answering, self._answering = self._answering, None
        if answering is not None:
            answering.leave()
        while self._waiting:
            self._waiting.popleft().leave()
        self.resume_writing()

    def _late(self) -> None:
        """Its client has not done in time what was waited for."""
        if self._ending():
            self._overdue()
        elif self._begun:
            self._refuse(408, f"The request's headers did not arrive within {self._patience.head:.0f} seconds.")
        else:
            self._part(reading=False)

    def _wait_for_leave(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._deadline.within(self._patience.parting)

    def _overdue(self) -> None:
        """Not while it still takes what is written."""
        if self.transport.get_write_buffer_size() < self._unsent:
            self._wait_for_leave()
        else:
            self.transport.abort()


def _parser(connection: Connection) -> Any:
    made = httptools.HttpRequestParser(connection)
    made.set_dangerous_leniencies(lenient_data_after_close=True)  # an answer to the first of several is an answer
    return made


def _target(url: bytes) -> tuple[str, str]:
    """Path and query. Raises `ValueError` or an error of the parser's where there is none."""
    if url[:1] == b"/" and b"#" not in url:
        path, _, query = url.decode("ascii").partition("?")
    else:
        parsed = httptools.parse_url(url)
        if parsed.path is None:
            raise ValueError("no path")
        path, query = parsed.path.decode("ascii"), (parsed.query or b"").decode("ascii")
    return (unquote(path) if "%" in path else path), query


def _held(waiting: Exchange) -> int:
    """Bytes that it takes while it waits."""
    headers = sum(_HEADER + len(name) + len(value) for name, value in waiting.headers.items())
    again = _HEADER * len(waiting.twice)
    return _EACH + len(waiting.path) + len(waiting.query) + headers + again + waiting.size


def _dialect(path: str) -> str:
    return "messages" if path.startswith("/v1/messages") else "chat"
