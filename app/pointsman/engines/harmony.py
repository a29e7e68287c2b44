"""The channels of gpt-oss: analysis is reasoning, final is the answer, what goes to `functions.` is a call.

The form is OpenAI's "harmony": `<|channel|>name to=functions.f<|message|>text`, ended by a mark of its own.
"""

from __future__ import annotations

import re

from pointsman.engines.call_bodies import call_of
from pointsman.engines.reasoning import Piece, Reasoning
from pointsman.engines.toolcalls import overlap

ANALYSIS = "<|channel|>analysis<|message|>"
END = "<|end|>"
_MESSAGE = "<|message|>"
_BEGINS = ("<|channel|>", "<|start|>", " to=")
_ENDS = (END, "<|call|>", "<|return|>", "<|start|>", "<|channel|>")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT = re.compile(r"\bto=(\S+?)(?=<|\s|\Z)")


class Harmony:
    """Reads channels from where the prompt ends; `opened`: it ends in the analysis channel."""

    def __init__(self, *, opened: bool = False) -> None:
        self.thinking = opened
        self._held = ""
        self._header: str | None = ANALYSIS if opened else None  # of the message that is being read
        self._call = ""  # the tool that the message goes to
        self._called = False

    def feed(self, text: str) -> list[Piece]:
        """What is certain by now, in order."""
        self._held += text
        out: list[Piece] = []
        while self._take_header() if self._header is None else self._take_message(out, self._header):
            pass
        return out

    def end(self) -> list[Piece]:
        """The rest: an open message is complete, a header alone is text."""
        held, self._held = self._held, ""
        out: list[Piece] = []
        if self._header is None:
            return [held] if held.strip() else []
        self._finish(out, self._header, held)
        return out

    def _take_header(self) -> bool:
        if not self._held.strip():
            return False
        if not any(self._held.startswith(one) or one.startswith(self._held) for one in _BEGINS):
            self._header = ""  # no header at all: the model just answers
            return True
        header, mark, rest = self._held.partition(_MESSAGE)
        if not mark:
            return False
        channel, recipient = _CHANNEL.search(header), _RECIPIENT.search(header)
        self._call = recipient[1].removeprefix("functions.") if recipient else ""
        self.thinking = not self._call and channel is not None and channel[1] == "analysis"
        self._header, self._held = header + mark, rest
        return True

    def _take_message(self, out: list[Piece], header: str) -> bool:
        found = [(at, one) for one in _ENDS if (at := self._held.find(one)) >= 0]
        if found:
            at, mark = min(found)
            body, rest = self._held[:at], self._held[at:]
            self._finish(out, header, body)
            self._header, self._call, self.thinking = None, "", False
            self._held = rest if mark in _BEGINS else rest[len(mark) :]
            return True
        if not self._call:
            keep = len(self._held) - max(overlap(self._held, one) for one in _ENDS)
            self._say(out, self._held[:keep])
            self._held = self._held[keep:]
        return False

    def _finish(self, out: list[Piece], header: str, body: str) -> None:
        if not self._call:
            self._say(out, body)
        elif call := call_of(self._call, body):
            out.append(call)
        else:
            out.append(header + body)

    def _say(self, out: list[Piece], text: str) -> None:
        if text:
            out.append(Reasoning(text) if self.thinking else text)
