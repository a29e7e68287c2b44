"""What stands before a body: the head of an answer, as HTTP/1.1 writes it (RFC 9112)."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

_PHRASES = {one.value: one.phrase for one in HTTPStatus}
STATUS = {code: f"HTTP/1.1 {code} {_PHRASES.get(code, '')}\r\n".encode() for code in range(100, 600)}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BODILESS = (204, 304)
_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection", b"date"))
_PRINTED = bytes(code for code in range(256) if code >= 32 and code != 127) + b"\t"


class Dates:
    """The line that says when an answer was made, written once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        """For an answer that begins now."""
        second = int(time.time())
        if second != self._second:
            self._second, self._line = second, f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._line


def head(status: int, headers: list[tuple[bytes, bytes]], date: bytes) -> bytes:
    """Status and headers, without what frames the body: that is the connection's to say, whatever `headers` hold.

    Raises `ValueError` where a header would be read as something else than one header.
    """
    lines, count = [STATUS[status], date], 2
    for name, value in headers:
        if name not in _FRAMING:
            lines += (name, b": ", value, b"\r\n")
            count += 1
    made = b"".join(lines)
    if made.translate(None, _PRINTED) != b"\r\n" * count:
        raise ValueError("a header of an answer holds control characters")
    return made
