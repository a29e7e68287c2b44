"""Reasoning and answer told apart, by the marks that a model writes round its reasoning."""

from __future__ import annotations

from typing import Protocol

from pointsman.engines.families import Marks
from pointsman.engines.protocol import ToolCall
from pointsman.engines.toolcalls import ToolCallParser, overlap


class Reasoning(str):
    """Text that the model thought and did not say."""

    __slots__ = ()


Piece = str | ToolCall  # a `Reasoning` is a str


class Reader(Protocol):
    """What reads a model's raw text. `thinking` is true while what comes next is reasoning."""

    thinking: bool

    def feed(self, text: str) -> list[Piece]:
        """What is certain by now, in order; no empty pieces."""

    def end(self) -> list[Piece]:
        """What was held back."""


class Split:
    """Reasoning comes first or not at all; what follows goes through the parser of tool calls.

    `opened`: the prompt ends inside the reasoning already.
    """

    def __init__(self, marks: Marks | None, tools: ToolCallParser | None, *, opened: bool = False) -> None:
        self._marks, self._tools = marks, tools
        self.thinking = opened and marks is not None
        self._begun = opened or marks is None  # reasoning has begun, or will not
        self._trim = opened  # white space at the edges of reasoning and before the answer is dropped
        self._held = ""

    def feed(self, text: str) -> list[Piece]:
        """Pieces of reasoning, then of the answer."""
        self._held += text
        out: list[Piece] = []
        if not self._begun:
            self._look_for_begin()
        if self.thinking:
            self._think(out)
        if self._begun and not self.thinking:
            out += self._answer()
        return out

    def end(self) -> list[Piece]:
        """The rest; reasoning that was never closed stays reasoning."""
        held, self._held = self._held, ""
        if self.thinking:
            return [Reasoning(held.rstrip())] if held.strip() else []
        said = self._tools.feed(held) if self._tools else [held] if held else []
        return [*said, *(self._tools.end() if self._tools else [])]

    def _look_for_begin(self) -> None:
        assert self._marks is not None
        begin, open_ = self._held.lstrip(), self._marks.open
        if begin.startswith(open_):
            self._held, self.thinking, self._trim = begin[len(open_) :], True, True
        self._begun = self.thinking or not open_.startswith(begin)

    def _think(self, out: list[Piece]) -> None:
        assert self._marks is not None
        held = self._held.lstrip() if self._trim else self._held
        before, mark, after = held.partition(self._marks.close)
        if mark:
            self._held, self.thinking, self._trim = after, False, True
            out += [Reasoning(before.rstrip())] if before.strip() else []
            return
        keep = len(held[: len(held) - overlap(held, self._marks.close)].rstrip())
        self._held = held[keep:]
        if keep:
            out.append(Reasoning(held[:keep]))
            self._trim = False

    def _answer(self) -> list[Piece]:
        text = self._held.lstrip() if self._trim else self._held
        self._held = ""
        if not text:
            return []
        self._trim = False
        return self._tools.feed(text) if self._tools else [text]
