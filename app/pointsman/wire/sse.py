"""Server-Sent Events: bytes in any pieces to whole events, and back."""

from __future__ import annotations

import re

import msgspec

_BOUNDARY = re.compile(rb"\n\r?\n|\r\r")
MOST = 16 * 1024 * 1024  # bytes of one event: a picture in an answer fits, a stream without end does not


class Event(msgspec.Struct, frozen=True):
    """One event; `name` is empty where the stream names none. `raw` holds its bytes as they came."""

    name: str
    data: bytes
    raw: bytes = b""


class Parser:
    """Cuts a byte stream into events. `feed` any pieces; an unfinished event waits for its blank line."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece completes, comments kept in `raw` alone. Raises `ValueError` past `MOST`."""
        looked = max(0, len(self._rest) - 2)  # a boundary may have begun in what was looked at
        text, start, events = self._rest + piece, 0, []
        while (found := _BOUNDARY.search(text, max(start, looked))) is not None:
            events.append(parse(text[start : found.end()]))
            start = found.end()
        self._rest = text[start:]
        if len(self._rest) > MOST:
            raise ValueError("an event of a stream is larger than any that makes sense")
        return events

    @property
    def rest(self) -> bytes:
        """What has come of an event that is not complete yet."""
        return self._rest


def parse(raw: bytes) -> Event:
    """One whole event, as https://html.spec.whatwg.org/multipage/server-sent-events.html reads its fields."""
    name, data = "", []
    for line in raw.splitlines():
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return Event(name, b"\n".join(data), raw)


def encode(data: bytes, name: str = "") -> bytes:
    """One event, to be written in one piece. `data` must hold no line feed, which JSON never does."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"data: " + data + b"\n\n"


DONE = b"data: [DONE]\n\n"
