"""An answer that comes compressed, though it was asked for as it is: some proxies do as they like."""

from __future__ import annotations

import zlib
from typing import Any

PACKED = ("gzip", "x-gzip", "deflate")
_MOST = 1_048_576  # bytes that come of one step, whatever the rest would become
_GZIP_OR_ZLIB, _RAW = 47, -15  # zlib's words: look at its head; it has none, as some servers send "deflate"


class Unreadable(OSError):
    """What came is no answer that can be read."""


class Unpacker:
    """Gzip of any number of parts, zlib, or deflate without a head."""

    def __init__(self) -> None:
        self._work: Any = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._fed = False

    @property
    def waits(self) -> bool:
        """Whether there is more to come of what was fed."""
        return bool(self._work.unconsumed_tail or self._work.unused_data)

    def more(self, packed: bytes) -> bytes:
        """A bounded part of what these bytes come to, or those that wait. Raises `Unreadable`."""
        packed = self._work.unconsumed_tail or packed
        if self._work.eof:  # the next part begins where the last one ended
            packed, self._work = self._work.unused_data + packed, zlib.decompressobj(_GZIP_OR_ZLIB)
        first, self._fed = not self._fed, True
        try:
            return bytes(self._work.decompress(packed, _MOST))
        except zlib.error:
            if first:
                self._work = zlib.decompressobj(_RAW)
                return self._raw(packed)
            raise _damaged() from None

    def end(self) -> None:
        """Nothing more comes. Raises `Unreadable` where something is missing."""
        if self._fed and not self._work.eof:
            raise _damaged()

    def _raw(self, packed: bytes) -> bytes:
        try:
            return bytes(self._work.decompress(packed, _MOST))
        except zlib.error:
            raise _damaged() from None


def _damaged() -> Unreadable:
    return Unreadable("the answer is compressed in a way that cannot be undone")
