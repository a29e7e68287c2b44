"""From the bytes of sampled tokens to the events of an answer: whole characters, stop strings, tool calls."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence

from pointsman.engines.protocol import Calls, Text, ToolCall
from pointsman.engines.toolcalls import ToolCallParser


class StopStrings:
    """Passes text on up to the first stop string; text that may be the beginning of one is held back."""

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.met = False

    def feed(self, text: str) -> str:
        """What is certain by now; nothing after a stop string was met."""
        if self.met:
            return ""
        text = self._held + text
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.met, self._held = True, ""
            _, at = min(found)  # the first to be complete, so that how the text is cut changes nothing
            return text[:at]
        keep = len(text) - max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[keep:]
        return text[:keep]

    def end(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that begins `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)


class Answer:
    """One answer as it grows; `called` turns true at the first tool call."""

    def __init__(self, request_id: str, stops: Sequence[str], with_tools: bool) -> None:
        self._id = request_id
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = StopStrings(stops)
        self._tools = ToolCallParser() if with_tools else None
        self.called = False

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met."""
        return self._stops.met

    def feed(self, piece: bytes) -> list[Text | Calls]:
        """The events that one more token brings."""
        text = self._stops.feed(self._decoder.decode(piece))
        return self._events(self._tools.feed(text) if self._tools else [text])

    def end(self) -> list[Text | Calls]:
        """What was held back; half a character at the very end is dropped."""
        text = self._stops.end()
        return self._events([*self._tools.feed(text), *self._tools.end()] if self._tools else [text])

    def _events(self, pieces: Iterable[str | ToolCall]) -> list[Text | Calls]:
        events: list[Text | Calls] = []
        for piece in pieces:
            if isinstance(piece, ToolCall):
                self.called = True
                events.append(Calls(self._id, [piece]))
            elif piece:
                events.append(Text(self._id, piece))
        return events
