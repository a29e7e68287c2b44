"""Tool calls in the text of a model, read while it grows, as its family writes them.

How the text is cut into pieces changes nothing; what is held back either becomes a call or is given back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pointsman.engines.endings import Ending
from pointsman.engines.families import Family, Section
from pointsman.engines.protocol import ToolCall

_SEPARATORS = "; \n\t\r"  # between calls that have no marks


def schemas(tools: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The tools of a request by name, each with the schema of its arguments."""
    functions = [one for tool in tools if isinstance(one := tool.get("function"), dict)]
    return {
        str(one.get("name")): given if isinstance(given := one.get("parameters"), dict) else {} for one in functions
    }


def overlap(text: str, mark: str) -> int:
    """The length of the longest end of `text` that begins `mark`."""
    return next((n for n in range(min(len(text), len(mark) - 1), 0, -1) if text.endswith(mark[:n])), 0)


class ToolCallParser:
    """Text goes in, text and calls come out; what may be the beginning of a call is held back."""

    def __init__(self, family: Family, tools: Sequence[Mapping[str, Any]] = ()) -> None:
        self._tools = schemas(tools)
        self._marked = [section for section in family.sections if not section.bare]
        self._bare = [section for section in family.sections if section.bare]
        self._held = ""
        self._lead = ""  # white space before the section, dropped when it becomes a call
        self._inside: Section | None = None
        self._ending: Ending | None = None
        self._fresh = True  # nothing was said since the beginning or the last call
        self._called = False

    def feed(self, text: str) -> list[str | ToolCall]:
        """What is certain by now, in order; no empty pieces."""
        self._held += text
        out: list[str | ToolCall] = []
        self._go_on(out)
        return out

    def end(self) -> list[str | ToolCall]:
        """The rest. A call that is complete but for its closing mark counts; anything else is text."""
        out: list[str | ToolCall] = []
        self._go_on(out)
        while self._inside is not None:
            if self._emit_calls(out, self._inside, self._held):
                self._inside, self._held = None, ""
            else:
                self._let_go(out, self._inside)
                self._go_on(out)
        if self._held and not (self._called and self._held.isspace()):
            out.append(self._held)
        self._held = ""
        return out

    def _go_on(self, out: list[str | ToolCall]) -> None:
        while self._take_call(out, self._inside) if self._inside else self._take_text(out):
            pass

    def _take_text(self, out: list[str | ToolCall]) -> bool:
        if self._fresh and self._take_bare():
            return True
        found = [(at, section) for section in self._marked if (at := self._held.find(section.open)) >= 0]
        if found:
            at, section = min(found, key=lambda one: one[0])
            before = self._held[:at].rstrip()
            self._say(out, before)
            self._enter(section, self._held[len(before) : at], self._held[at + len(section.open) :])
            return True
        keep = len(self._held) - max((overlap(self._held, section.open) for section in self._marked), default=0)
        # White space goes with what follows it: before a call it is dropped.
        keep = len(self._held[:keep].rstrip())
        if self._bare and self._fresh and self._called and not self._held[:keep].strip(_SEPARATORS):
            return False
        self._say(out, self._held[:keep])
        self._held = self._held[keep:]
        return False

    def _take_bare(self) -> bool:
        begin = self._held.lstrip(_SEPARATORS if self._called else None)
        for section in self._bare:
            if begin.startswith(section.open) and section.plausible(begin, self._tools):
                self._enter(section, self._held[: -len(begin)], begin)
                return True
        return False

    def _enter(self, section: Section, lead: str, body: str) -> None:
        self._inside, self._ending, self._lead, self._held = section, section.ending(), lead, body

    def _take_call(self, out: list[str | ToolCall], section: Section) -> bool:
        assert self._ending is not None
        if not section.plausible(self._held, self._tools):
            self._let_go(out, section)
            return True
        found = self._ending.find(self._held)
        if found is None:
            return False
        if self._emit_calls(out, section, self._held[: found[0]]):
            self._inside, self._held, self._fresh = None, self._held[found[1] :], True
        else:
            self._let_go(out, section)
        return True

    def _let_go(self, out: list[str | ToolCall], section: Section) -> None:
        """No call after all: the mark is text, and a call may still begin behind it."""
        mark = self._held[:1] if section.bare else section.open
        self._say(out, self._lead + mark)
        self._inside = None
        self._held = self._held[1:] if section.bare else self._held

    def _emit_calls(self, out: list[str | ToolCall], section: Section, body: str) -> bool:
        calls = section.read(body, self._tools)
        out += calls or []
        self._called = self._called or bool(calls)
        return bool(calls)

    def _say(self, out: list[str | ToolCall], text: str) -> None:
        if text:
            out.append(text)
            self._fresh = False
