"""What may come next in an answer: what came after the same tokens before, in its prompt or in itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

MOST = 32  # tokens guessed at a time
# On a processor a step with two or three tokens may take as long as so many steps: only long guesses that come true
# pay. What has been the same for so many tokens mostly goes on so.
_SAME = 6
_SUREST = 96
_REACH = 32_768  # tokens back from where the first guess is made


class Growing(Protocol):
    """An answer: `tokens` is its prompt and what was said, the first `done` computed; it ends at `limit` of them."""

    tokens: list[int]
    done: int
    limit: int


class Lookup:
    """Of one answer. After a guess that did not come true it wants to be surer, until one does."""

    def __init__(self) -> None:
        self._next: dict[tuple[int, ...], int] = {}
        self._read = 0
        self._needed = _SAME

    def guess(self, tokens: list[int], most: int) -> list[int]:
        """At most so many, and not more than were the same before. `tokens` has only grown since the last time."""
        self._learn(tokens)
        at = self._next.get(tuple(tokens[-_SAME:]))
        if at is None:
            return []
        same = _same(tokens, at, max(most, self._needed))
        if same < self._needed:
            return []
        count = max(0, min(most, same))
        circle = tokens[at : at + count]  # shorter than that where the same comes round and round
        return (circle * count)[:count]

    def took(self, guessed: int, true: int) -> None:
        """So many of its guess came true."""
        if true == guessed:
            self._needed = _SAME
        elif true * 2 < guessed:
            self._needed = min(_SUREST, self._needed * 2)

    def _learn(self, tokens: list[int]) -> None:
        for end in range(max(self._read, _SAME, len(tokens) - _REACH), len(tokens)):
            self._next[tuple(tokens[end - _SAME : end])] = end
        self._read = len(tokens)


class Lookups:
    """Of all slots; `most` tokens are guessed in one step, so that one answer's guesses cost the others little."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[int, Lookup] = {}

    def guesses(self, jobs: Mapping[int, Growing]) -> dict[int, list[int]]:
        """What may come next, by slot, in the answers that are waiting for their next token."""
        if not self._most:
            return {}
        answering = {slot: job for slot, job in jobs.items() if len(job.tokens) - job.done == 1}
        found = {}
        for slot, job in answering.items():
            # One more token than is guessed comes of it.
            most = min(self._most // len(answering), job.limit - len(job.tokens) - 1)
            if guess := self._of.setdefault(slot, Lookup()).guess(job.tokens, most):
                found[slot] = guess
        return found

    def took(self, slot: int, guessed: int, true: int) -> None:
        """So many of a slot's guess came true."""
        self._of[slot].took(guessed, true)

    def forget(self, slot: int) -> None:
        """Its answer is over."""
        self._of.pop(slot, None)


def _same(tokens: Sequence[int], at: int, most: int) -> int:
    """How many tokens before this place are those at the end."""
    count = 0
    while count < min(most, at) and tokens[at - 1 - count] == tokens[-1 - count]:
        count += 1
    return count
