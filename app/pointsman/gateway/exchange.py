"""One request and the way for its answer: what a connection and the door behind it have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from pointsman.core.errors import BadRequest, TooLarge
from pointsman.gateway import heads

SLOWEST_BODY = 60.0  # seconds for a whole body to arrive
_LARGE = 65_536  # bytes of a body that are written beside its head rather than copied behind it


class Line(Protocol):
    """The connection, as an exchange sees it."""

    port: int
    full: bool

    def date(self) -> bytes:
        """The line that dates an answer."""

    def write(self, data: bytes) -> None:
        """Send this."""

    def read_on(self) -> None:
        """What comes is wanted."""

    def answered(self, exchange: Exchange) -> None:
        """Its answer is whole."""

    async def taken(self) -> None:
        """Returns once the client takes more, or has left."""


class Exchange:
    """What came of a request, and what was said to it. `twice` are headers that came more than once.

    `keep` says whether its connection serves another one; `on_leave` is called when its client leaves before it is over.
    """

    __slots__ = (
        *("method", "path", "query", "headers", "twice", "old", "keep", "whole", "spoilt", "gone", "begun"),
        *("complete", "on_leave", "task", "line", "size", "_pieces", "_most", "_waiter", "_head", "_bare", "_chunked"),
    )

    def __init__(self, line: Line, method: str, target: tuple[str, str], headers: dict[str, str]) -> None:
        self.line = line
        self.method = method
        self.path, self.query = target
        self.headers = headers
        self.twice: list[str] = []
        self.old = False  # older than HTTP/1.1
        self.keep = False
        self.whole = False  # all of its body is here
        self.spoilt = False  # where its body ends will never be known
        self.gone = False
        self.begun = False
        self.complete = False
        self.on_leave: Callable[[], object] | None = None
        self.task: asyncio.Task[None] | None = None
        self.size = 0  # bytes of its body that came
        self._pieces: list[bytes] = []
        self._most: int | None = None  # bytes of its body that its door takes, once it reads
        self._waiter: asyncio.Future[None] | None = None
        self._head = b""
        self._bare = False
        self._chunked = False

    @property
    def unread(self) -> bool:
        """Whether nobody asked for its body yet."""
        return self._most is None and not self.whole

    @property
    def full(self) -> bool:
        """Whether the client has not taken yet what was written."""
        return self.line.full and not self.gone

    async def taken(self) -> None:
        """Returns once the client takes more, or has left."""
        while self.full:
            await self.line.taken()

    def add(self, piece: bytes) -> None:
        """A piece of its body."""
        if self.complete:
            return
        self._pieces.append(piece)
        self.size += len(piece)
        if self._most is not None and self.size > self._most:
            self._wake()

    def end(self) -> None:
        """Its body is whole."""
        self.whole = True
        self._wake()

    def spoil(self) -> None:
        """Its body is none that can be read."""
        self.spoilt = True
        self._wake()

    def leave(self) -> None:
        """Its client has left."""
        self.gone = True
        self._pieces = []
        self._wake()
        if self.on_leave is not None:
            self.on_leave()

    async def body(self, most: int, seconds: float = SLOWEST_BODY) -> bytes:
        """What was sent. Raises `BadRequest` where it breaks off, cannot be read or takes its time.

        Raises `TooLarge` as soon as it is.
        """
        if not (self.whole or self.gone):
            if self._declared() > most:
                raise _too_large(most)
            await self._arrived(most, seconds)
        if self.gone:
            raise BadRequest("The client left before its request was complete.")
        if self.spoilt:
            raise BadRequest("Where this body ends cannot be read. Send it with its length or in chunks.")
        if self.size > most:
            raise _too_large(most)
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _declared(self) -> int:
        """The length that its head says; the parser has made sure that it is one."""
        declared = self.headers.get("content-length", "").strip().lstrip("0")
        return int(declared) if declared.isdecimal() else 0

    async def _arrived(self, most: int, seconds: float) -> None:
        self._most = most
        if not self.old and self.headers.get("expect", "").lower() == "100-continue":
            self.line.write(heads.CONTINUE)
        self.line.read_on()
        try:
            async with asyncio.timeout(seconds):
                while not (self.whole or self.spoilt or self.gone or self.size > most):
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
        except TimeoutError:
            raise BadRequest(f"The body did not arrive within {seconds:.0f} seconds.") from None

    def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status and headers; they travel with the first piece. Raises `ValueError` as `heads.head` does."""
        if self.begun:
            raise RuntimeError("an answer has one head")
        self._head = heads.head(status, headers, self.line.date())
        self._bare = self.method == "HEAD" or status in heads.BODILESS

    def write(self, data: bytes, *, last: bool) -> None:
        """A piece of the answer, in one write. An answer of one piece has a length, others come in chunks."""
        if self.gone or self.complete:
            return
        if self.begun:
            self._send(self._framed(data, last=last))
        else:
            self._open(data, last=last)
        if last:
            self.complete = True
            self._pieces = []
            self.line.answered(self)

    def _open(self, data: bytes, *, last: bool) -> None:
        self.begun = True
        self._chunked = not (last or self.old or self._bare)
        self.keep = self.keep and self.whole and (last or self._chunked or self._bare)
        frame = b""
        if self._chunked:
            frame = b"transfer-encoding: chunked\r\n"
        elif last and (data or not self._bare):
            frame = b"content-length: %d\r\n" % len(data)
        head = b"%b%b%b\r\n" % (self._head, frame, b"" if self.keep else b"connection: close\r\n")
        if len(data) < _LARGE:
            self._send(head + self._framed(data, last=last))
        else:
            self._send(head)
            self._send(self._framed(data, last=last))

    def _framed(self, data: bytes, *, last: bool) -> bytes:
        if self._bare:
            return b""
        if not self._chunked:
            return data
        if not data:
            return b"0\r\n\r\n" if last else b""
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if last else b"%x\r\n%b\r\n" % (len(data), data)

    def _send(self, data: bytes) -> None:
        if data:
            self.line.write(data)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The body is over {most // 2**20} MB, the most that Pointsman takes. Send less in one request.")


Answering = Callable[[Exchange], Awaitable[None]]
"""A door."""
