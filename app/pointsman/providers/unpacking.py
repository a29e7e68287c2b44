"""An answer that comes compressed, though it was asked for as it is: some proxies do as they like."""

from __future__ import annotations

import zlib
from typing import Any

PACKED = ("gzip", "x-gzip", "deflate")
_MOST = 1_048_576  # bytes that come of one step, whatever the rest would become
_HEAD = 2  # bytes by which gzip and zlib are known
_GZIP_OR_ZLIB, _RAW = 47, -15  # zlib's words: look at its head; it has none, as some servers send "deflate"


class Unreadable(OSError):
    """What came is no answer that can be read."""


class Unpacker:
    """Gzip of any number of parts, zlib, or deflate without a head; zeros behind a part fill up, and say nothing."""

    def __init__(self) -> None:
        self._work: Any = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._fed = False
        self._full = False  # the last step gave all that one may: more may be inside, with nothing left to feed
        self._head = b""
        self._known = False

    @property
    def waits(self) -> bool:
        """Whether there is more to come of what was fed."""
        return bool(self._full or self._work.unconsumed_tail or self._work.unused_data.lstrip(b"\0"))

    def more(self, packed: bytes) -> bytes:
        """A bounded part of what these bytes come to, or those that wait. Raises `Unreadable`."""
        self._fed = True
        packed = self._work.unconsumed_tail or packed
        if self._work.eof:  # the next part begins where the last one ended
            packed = (self._work.unused_data + packed).lstrip(b"\0")
            if not packed:
                return b""
            self._work = zlib.decompressobj(_GZIP_OR_ZLIB)
        if self._known:
            return self._step(packed)
        self._head += packed
        return self._begun() if len(self._head) >= _HEAD else b""

    def end(self) -> None:
        """Nothing more comes. Raises `Unreadable` where something is missing."""
        if self._fed and not self._work.eof:
            raise _damaged()

    def _begun(self) -> bytes:
        """What the first bytes come to, whichever way they are packed."""
        packed, self._head, self._known = self._head, b"", True
        try:
            return self._step(packed)
        except Unreadable:
            self._work = zlib.decompressobj(_RAW)
            return self._step(packed)

    def _step(self, packed: bytes) -> bytes:
        try:
            data = bytes(self._work.decompress(packed, _MOST))
        except zlib.error:
            raise _damaged() from None
        self._full = len(data) == _MOST and not self._work.eof
        return data


def _damaged() -> Unreadable:
    return Unreadable("the answer is compressed in a way that cannot be undone")
