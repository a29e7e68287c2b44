"""Where a tool call ends in text that still grows. Each look goes on where the last one stopped."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

_TURNS = re.compile(r'["\'\\\[\]{}]')


class Ending(Protocol):
    """Looks for the end of one section; the text it is given only ever grows."""

    def find(self, held: str) -> tuple[int, int] | None:
        """Where the body ends and where the text goes on, or None while that is not known."""


class UntilMark:
    """The body ends at `close`, unless `inside` says that this mark stands in an argument."""

    def __init__(self, close: str, inside: Callable[[str], bool]) -> None:
        self._close, self._inside, self._looked = close, inside, 0

    def find(self, held: str) -> tuple[int, int] | None:
        """The first mark that is not inside."""
        while (at := held.find(self._close, self._looked)) >= 0:
            if not self._inside(held[:at]):
                return at, at + len(self._close)
            self._looked = at + 1
        self._looked = max(self._looked, len(held) - len(self._close) + 1)
        return None


class Rest:
    """The body goes on to the end of the answer."""

    def find(self, held: str) -> tuple[int, int] | None:
        """Never."""


class Balanced:
    """The body ends where the brackets of its value are closed; `begin` says where that value begins."""

    def __init__(self, quotes: str = '"', begin: Callable[[str], int | None] = lambda _: 0) -> None:
        self._quotes, self._begin = quotes, begin
        self._at: int | None = None
        self._depth = 0
        self._quote = ""

    def find(self, held: str) -> tuple[int, int] | None:
        """Right behind the bracket that closes the first."""
        if self._at is None and (begin := self._begin(held)) is not None:
            self._at = begin
        while self._at is not None and (found := _TURNS.search(held, self._at)) is not None:
            at, char = found.start(), found[0]
            if char == "\\":
                if at + 1 >= len(held):
                    self._at = at
                    return None
                self._at = at + 2
                continue
            self._at = at + 1
            if self._closes(char):
                return at + 1, at + 1
        self._at = len(held) if self._at is not None else None
        return None

    def _closes(self, char: str) -> bool:
        if self._quote:
            self._quote = "" if char == self._quote else self._quote
        elif char in self._quotes:
            self._quote = char
        elif char in "[{":
            self._depth += 1
        elif char in "]}":
            self._depth -= 1
            return self._depth <= 0
        return False


def in_string(body: str, quotes: str = '"') -> bool:
    """Whether the end of `body` stands inside a string."""
    quote = escaped = ""
    for char in body:
        if escaped:
            escaped = ""
        elif char == "\\":
            escaped = quote
        elif quote:
            quote = "" if char == quote else quote
        elif char in quotes:
            quote = char
    return bool(quote)
