"""From the bytes of sampled tokens to the events of an answer: whole characters, reasoning, calls, stop strings."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence

from pointsman.engines import harmony
from pointsman.engines.families import Family, Marks
from pointsman.engines.protocol import Calls, Chat, Logprob, Text, Thought, ToolCall
from pointsman.engines.reasoning import Piece, Reader, Reasoning, Split
from pointsman.engines.toolcalls import ToolCallParser, overlap

Event = Text | Thought | Calls


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
        keep = len(text) - max((overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[keep:]
        return text[:keep]

    def end(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held


def reader_for(chat: Chat, family: Family, marks: Marks | None, prompt: str) -> Reader:
    """What reads the answer to this request, of which `prompt` is the rendered text."""
    if family.name == "harmony":
        return harmony.Harmony(opened=prompt.endswith(harmony.ANALYSIS))
    with_tools = bool(chat.tools) and chat.tool_choice != "none"
    parser = ToolCallParser(family, chat.tools) if with_tools else None
    opened = marks is not None and prompt.rstrip().endswith(marks.open)
    return Split(marks, parser, opened=opened)


class Answer:
    """One answer as it grows; `called` turns true at the first tool call.

    Stop strings count in what is said, not in reasoning and not in calls.
    """

    def __init__(self, request_id: str, stops: Sequence[str], reader: Reader) -> None:
        self.id = request_id
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = StopStrings(stops)
        self._reader = reader
        self._logprobs: list[Logprob] = []  # of tokens whose text is held back
        self.called = False

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met."""
        return self._stops.met

    @property
    def thinking(self) -> bool:
        """Whether what the model writes next is reasoning."""
        return self._reader.thinking

    def feed(self, piece: bytes, logprob: Logprob | None = None) -> list[Event]:
        """The events that one more token brings."""
        if logprob is not None:
            self._logprobs.append(logprob)
        return self._events(self._reader.feed(self._decoder.decode(piece)))

    def end(self) -> list[Event]:
        """What was held back; half a character at the very end is dropped."""
        return [*self._events(self._reader.end()), *self._text(self._stops.end())]

    def _events(self, pieces: Iterable[Piece]) -> list[Event]:
        events: list[Event] = []
        for piece in pieces:
            if self.stopped:
                break
            if isinstance(piece, ToolCall):
                events += [*self._text(self._stops.end()), Calls(self.id, [piece])]
                self.called, self._logprobs = True, []
            elif isinstance(piece, Reasoning):
                events.append(Thought(self.id, str(piece)))
                self._logprobs = []
            else:
                events += self._text(self._stops.feed(piece))
        return events

    def _text(self, text: str) -> list[Event]:
        if not text:
            return []
        logprobs, self._logprobs = self._logprobs, []
        return [Text(self.id, text, logprobs)]
